#include "client/cli/stream_flags.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/flag_values.h"
#include "favor/format/file_io.h"

namespace favor::cli {

void StreamFlags::AddTo(FlagSet* flags) {
  servers.AddTo(flags,
                "Replicas: when the one in use dies or drains, the next goes on from the last checkpoint. "
                "Default: that of --endpoint.");
  input.AddTo(flags, /*takes_pipes=*/true);
  flags->BeginSection("Stream");
  flags->Add("bidirectional", "Queries see all keys: keys go first, then queries. Default: causal.", &bidirectional);
  flags->Add("state-in", "FILE", "Start from this state, a serialised favor.v1.AttentionState.", &state_in);
  flags->Add("state-out", "FILE", "Write the state at the end to FILE.", &state_out);
  flags->Add("checkpoint-every", "N",
             absl::StrCat("Chunks after which the state is fetched, to go on from. Default ", checkpoint_every, "."),
             &checkpoint_every);
  flags->Add("answer-timeout", "TIME",
             "A server that owes an answer for so long is left for the next; more than a chunk takes. Default 1m.",
             &answer_timeout);
  flags->Add(
      "checkpoint", "FILE",
      "Write it to FILE each time, for --resume. A kill -9 meanwhile may leave a FILE.PID.tmp, which nothing reads.",
      &checkpoint_file);
  flags->Add("resume",
             "Go on from --checkpoint, if it is there, with the rest of the same input. To --output - go the rows from "
             "there on.",
             &resume);
  spec.AddTo(flags, SpecFlags::Use::kPieces);
}

absl::Status StreamFlags::Validate(const FlagSet& flags) const {
  if (absl::Status status = servers.Validate(); !status.ok()) return status;
  if (absl::Status status = input.Validate(flags); !status.ok()) return status;
  if (bidirectional && input.from_pipe()) {
    return absl::InvalidArgumentError(
        "--bidirectional needs all keys before the first query, standard input brings them together");
  }
  if (resume && checkpoint_file.empty()) return absl::InvalidArgumentError("--resume needs --checkpoint");
  if (absl::Status status = CheckWithin("checkpoint-every", checkpoint_every, 1); !status.ok()) return status;
  if (answer_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--answer-timeout is ", absl::FormatDuration(answer_timeout), ", it must be above 0"));
  }
  return spec.Validate(flags);
}

absl::StatusOr<StreamFlags::Beginning> StreamFlags::LoadBeginning(const RowSizes& sizes) const {
  Beginning beginning;
  int64_t keys_before = 0;  // this input
  if (!state_in.empty()) {
    absl::StatusOr<client::AttentionState> state = client::AttentionState::Load(state_in);
    if (!state.ok()) return state.status();
    keys_before = state->num_keys()[0];
    beginning.state = *std::move(state);
  }
  if (!resume || !EntryExists(checkpoint_file)) return beginning;
  absl::StatusOr<client::AttentionState> state = client::AttentionState::Load(checkpoint_file);
  if (!state.ok()) return state.status();
  beginning.first_token = state->num_keys()[0] - keys_before;
  if (beginning.first_token < 0) {
    return absl::FailedPreconditionError(absl::StrCat(checkpoint_file, " did not start from --state-in ", state_in,
                                                      ": it has ", state->num_keys()[0], " keys, that has ",
                                                      keys_before));
  }
  if (sizes.key_length >= 0 && beginning.first_token > sizes.key_length) {
    return absl::FailedPreconditionError(absl::StrCat(checkpoint_file, " is of another input: it has ",
                                                      beginning.first_token, " of its keys, the input has ",
                                                      sizes.key_length));
  }
  beginning.state = *std::move(state);
  return beginning;
}

absl::StatusOr<client::ResumingStreamOptions> StreamFlags::ToOptions(const FlagSet& flags,
                                                                     const ConnectionFlags& connection,
                                                                     const LongInput& long_input,
                                                                     const Beginning& beginning) const {
  absl::StatusOr<client::AttentionSpec> chosen =
      spec.ToSpec(flags, long_input.loaded ? long_input.loaded->projection_matrix : std::nullopt);
  if (!chosen.ok()) return chosen.status();
  chosen->causal = !bidirectional;
  chosen->layout = long_input.rows->layout();
  client::ResumingStreamOptions options;
  options.answer_timeout = answer_timeout;
  options.stream.spec = *std::move(chosen);
  options.stream.state = beginning.state;
  options.stream.output_type = input.output_type;
  options.stream.deadline = connection.deadline;
  options.checkpoint_every = checkpoint_every;
  options.give_checkpoints = !checkpoint_file.empty();
  options.max_attempts = static_cast<int>(std::min<uint32_t>(connection.retries, INT32_MAX - 1)) + 1;
  return options;
}

}  // namespace favor::cli
