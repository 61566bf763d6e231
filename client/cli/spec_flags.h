#ifndef FAVOR_CLIENT_CLI_SPEC_FLAGS_H_
#define FAVOR_CLIENT_CLI_SPEC_FLAGS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attention_spec.h"
#include "client/cli/flags.h"
#include "client/cli/names.h"

namespace favor::cli {

// Every option of an AttentionSpec as a flag. What calls that go piece by piece have no use for (modes, which need all
// keys at once) they leave out; whether attention is causal they say themselves.
struct SpecFlags {
  enum class Use { kWholeCalls, kPieces };

  Mode mode = Mode::kFeatures;
  client::AttentionSpec spec;  // all but the mode
  client::FeatureSpec features;
  client::AutoSpec automatic;
  bool epsilon_parity = false;
  client::EpsilonParity parity;
  std::string statistics_file;

  void AddTo(FlagSet* flags, Use use);

  // InvalidArgumentError for flags that contradict each other.
  absl::Status Validate(const FlagSet& flags) const;

  // The spec of a call. `matrix`, if any, is sent when the call can use it.
  absl::StatusOr<client::AttentionSpec> ToSpec(const FlagSet& flags,
                                               const std::optional<client::TensorView>& matrix) const;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_SPEC_FLAGS_H_
