#ifndef FAVOR_TESTS_SUPPORT_ENCODED_STATE_H_
#define FAVOR_TESTS_SUPPORT_ENCODED_STATE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention_state.h"
#include "favor/attention/state_codec.h"

namespace favor::testing {

struct EncodedState {
  StateHeader header;
  std::string payload;
};

// Both on the calling thread.
absl::StatusOr<EncodedState> Encode(const AttentionState& state,
                                    StateEncoding encoding = StateEncoding::kFloat32Compensated, uint8_t layout = 0);
absl::Status DecodeInto(const EncodedState& encoded, AttentionState* state);

// Replaces a state by what comes back of it.
absl::Status RoundTrip(AttentionState* state, StateEncoding encoding = StateEncoding::kFloat32Compensated);

// The same keys counted, and the same bits everywhere, padding included.
bool SameState(const AttentionState& a, const AttentionState& b);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ENCODED_STATE_H_
