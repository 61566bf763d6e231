#ifndef FAVOR_ATTENTION_STATE_CODEC_H_
#define FAVOR_ATTENTION_STATE_CODEC_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/attention/attention_state.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

// Attention states as bytes, to be kept or sent to another machine. docs/attention_state.md has every byte.

// Version of the payload and of the checksum: whoever changes either must raise it.
constexpr uint32_t kStateVersion = 1;

// How sums are stored. Values are those of favor.v1.AttentionState.Encoding.
enum class StateEncoding : uint8_t {
  kFloat32Compensated = 1,  // with their compensation terms: decoding gives the state back bit for bit
  kFloat32 = 2,             // sums right to float32
  kBFloat16 = 3,            // to bfloat16, a relative error of 2^-8 each; maxima stay exact
};

// What is stored beside the payload.
struct StateHeader {
  uint32_t version = kStateVersion;
  StateDescription description;  // of a header from outside, its spec need not be canonical
  // The axis order of the caller's tensors: 0 [batch, heads, length, dim], 1 [batch, length, heads, dim]. Nothing here
  // depends on it but the checksum.
  uint8_t layout = 0;
  std::vector<int64_t> num_keys;  // [batch]
  StateEncoding encoding = StateEncoding::kFloat32Compensated;
  uint64_t checksum = 0;  // XXH3-64 of all else and the payload
};

// Bytes of a payload. InvalidArgumentError where sizes are out of bounds.
absl::StatusOr<int64_t> StatePayloadBytes(const StateDescription& description, StateEncoding encoding);

// Writes a state as `header` and `payload`, which has StatePayloadBytes(). The state, all that is written to and
// `cancellation` (may be null) must outlive the job. The job ends with InvalidArgumentError, naming the sum, where
// values were so large that a sum of theirs is beyond float32: such a state cannot be stored.
absl::StatusOr<Job> PlanEncodeState(const AttentionState& state, StateEncoding encoding, uint8_t layout,
                                    const Cancellation* cancellation, StateHeader* header, absl::Span<char> payload);

// Checks all that can be known of a header from outside before anything is allocated for it: FailedPreconditionError
// for another version, InvalidArgumentError, naming field, value and bound, for sizes out of bounds, a payload of
// another size than the header asks for, and counts that cannot be.
absl::Status CheckStateHeader(const StateHeader& header, int64_t payload_bytes);

// Reads header and payload, which must outlive the job, into `state`, whatever that held. They may come from anybody:
// the job ends with DataLossError when the checksum is not that of the rest, and with InvalidArgumentError, naming the
// place, for numbers that no keys give (not finite, maxima that are not whole, sums of no keys). Then the state is not
// usable(). Before, besides CheckStateHeader(): FailedPreconditionError when the header does not describe `state`.
absl::StatusOr<Job> PlanDecodeState(const StateHeader& header, absl::string_view payload,
                                    const Cancellation* cancellation, AttentionState* state);

// The checksum that header and payload should have.
uint64_t StateChecksum(const StateHeader& header, absl::string_view payload);

}  // namespace favor

#endif  // FAVOR_ATTENTION_STATE_CODEC_H_
