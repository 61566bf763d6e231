#ifndef FAVOR_CLIENT_CLI_EMBED_FLAGS_H_
#define FAVOR_CLIENT_CLI_EMBED_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/embed_inputs.h"
#include "client/cli/flags.h"
#include "client/cli/names.h"
#include "client/embed.h"
#include "client/embed_all.h"

namespace favor::cli {

enum class EmbedAttention { kExact, kFeatures };
template <>
absl::Span<const Named<EmbedAttention>> NamesOf<EmbedAttention>();

// The options of the Embed RPC as flags.
struct EmbedOptionFlags {
  client::EmbedOptions options;  // all but normalize and attention
  bool normalize = false, no_normalize = false;
  std::optional<EmbedAttention> attention;
  std::optional<int64_t> num_features;

  void AddTo(FlagSet* flags);
  // InvalidArgumentError for flags that contradict each other.
  absl::StatusOr<client::EmbedOptions> ToOptions(const FlagSet& flags) const;
};

// Every flag of `favor embed` but those of the connection.
struct EmbedFlags {
  InputSource source;
  EmbedOptionFlags embed;
  client::EmbedAllOptions requests;  // all but `embed`, which Complete fills in
  std::string output;
  int64_t excerpt_rows = 10;
  bool nearest = false;
  int64_t neighbours = 3;
  bool stream = false;

  void AddTo(FlagSet* flags);
  // InvalidArgumentError for flags that make no sense, alone or together.
  absl::Status Complete(const FlagSet& flags);
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_EMBED_FLAGS_H_
