#ifndef FAVOR_CLIENT_CLI_STREAM_FLAGS_H_
#define FAVOR_CLIENT_CLI_STREAM_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cli/connection_flags.h"
#include "client/cli/console.h"
#include "client/cli/flags.h"
#include "client/cli/long_input_flags.h"
#include "client/cli/spec_flags.h"
#include "client/resuming_stream.h"

namespace favor::cli {

// The flags of `favor stream`.
struct StreamFlags {
  LongInputFlags input;
  SpecFlags spec;
  ServerListFlags servers;
  bool bidirectional = false;
  std::string state_in, state_out;
  std::string checkpoint_file;
  int64_t checkpoint_every = client::ResumingStreamOptions().checkpoint_every;
  absl::Duration answer_timeout = client::ResumingStreamOptions().answer_timeout;
  bool resume = false;

  void AddTo(FlagSet* flags);
  // InvalidArgumentError for flags that contradict each other.
  absl::Status Validate(const FlagSet& flags) const;

  // Standard output may be taken by the outputs.
  std::ostream& ReportStream(const Console& console) const { return input.to_pipe() ? console.error : console.out; }

  // Where a stream starts.
  struct Beginning {
    std::optional<client::AttentionState> state;
    int64_t first_token = 0;  // of the keys; those before are in the state
  };
  // Reads the files of states. Errors name them.
  absl::StatusOr<Beginning> LoadBeginning(const RowSizes& sizes) const;

  absl::StatusOr<client::ResumingStreamOptions> ToOptions(const FlagSet& flags, const ConnectionFlags& connection,
                                                          const LongInput& input, const Beginning& beginning) const;
};

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_STREAM_FLAGS_H_
