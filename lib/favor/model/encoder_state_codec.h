#ifndef FAVOR_MODEL_ENCODER_STATE_CODEC_H_
#define FAVOR_MODEL_ENCODER_STATE_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/encoder_state.h"

namespace favor {

// Encoder states as bytes, to be kept or sent to another machine, without losing a bit. docs/encoder_state.md has every
// byte.

// Version of the payload and of the checksum: whoever changes either must raise it.
constexpr uint32_t kEncoderStateVersion = 1;

// What is stored beside the payload.
struct EncoderStateHeader {
  uint32_t version = kEncoderStateVersion;
  std::string model_id;    // of the weights
  int64_t num_tokens = 0;  // that the sequence has had
  uint64_t checksum = 0;   // XXH3-64 of all else and the payload
};

// Bytes of a payload.
int64_t EncoderStatePayloadBytes(const EncoderStateDescription& description);

// Writes a state as `header` and `payload`, which has EncoderStatePayloadBytes(). The description, of which the state
// is, and all that is written to must outlive the job, as must `cancellation` (may be null). The job ends with
// InvalidArgumentError, naming the sum, where a sum of values is beyond float32.
absl::StatusOr<Job> PlanEncode(const EncoderState& state, const EncoderStateDescription& description,
                               absl::string_view model_id, const Cancellation* cancellation, EncoderStateHeader* header,
                               absl::Span<char> payload);

// Checks all that can be known of a state from outside before memory is taken for it. FailedPreconditionError for
// another version or model; InvalidArgumentError for a payload of another size than the model's states have, and for
// more tokens than `max_tokens` (0: any number). Messages begin with "state".
absl::Status CheckEncoderState(const EncoderStateHeader& header, absl::string_view payload,
                               const EncoderStateDescription& description, absl::string_view model_id,
                               int64_t max_tokens);

// Reads header and payload, which CheckEncoderState() has passed, into `state`, whatever that held. The job ends with
// DataLossError when the checksum is not that of the rest, FailedPreconditionError when another configuration of the
// same weights made the state, and InvalidArgumentError, naming the place, for numbers that no tokens give. Then the
// state is not usable(). All arguments must outlive the job.
absl::StatusOr<Job> PlanDecode(const EncoderStateHeader& header, absl::string_view payload,
                               const EncoderStateDescription& description, const Cancellation* cancellation,
                               EncoderState* state);

// The checksum that header and payload should have.
uint64_t EncoderStateChecksum(const EncoderStateHeader& header, absl::string_view payload);

}  // namespace favor

#endif  // FAVOR_MODEL_ENCODER_STATE_CODEC_H_
