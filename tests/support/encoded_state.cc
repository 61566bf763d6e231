#include "tests/support/encoded_state.h"

#include <cstring>
#include <utility>

namespace favor::testing {

absl::StatusOr<EncodedState> Encode(const AttentionState& state, StateEncoding encoding, uint8_t layout) {
  const absl::StatusOr<int64_t> size = StatePayloadBytes(state.description(), encoding);
  if (!size.ok()) return size.status();
  EncodedState encoded;
  encoded.payload.assign(*size, '\xa5');
  const absl::StatusOr<Job> job = PlanEncodeState(state, encoding, layout, nullptr, &encoded.header,
                                                  absl::MakeSpan(encoded.payload.data(), encoded.payload.size()));
  if (!job.ok()) return job.status();
  if (absl::Status status = RunInline(*job); !status.ok()) return status;
  return encoded;
}

absl::Status DecodeInto(const EncodedState& encoded, AttentionState* state) {
  const absl::StatusOr<Job> job = PlanDecodeState(encoded.header, encoded.payload, nullptr, state);
  return job.ok() ? RunInline(*job) : job.status();
}

absl::Status RoundTrip(AttentionState* state, StateEncoding encoding) {
  const absl::StatusOr<EncodedState> encoded = Encode(*state, encoding);
  if (!encoded.ok()) return encoded.status();
  absl::StatusOr<AttentionState> back = AttentionState::Create(state->description(), state->projection());
  if (!back.ok()) return back.status();
  if (absl::Status status = DecodeInto(*encoded, &*back); !status.ok()) return status;
  *state = *std::move(back);
  return absl::OkStatus();
}

bool SameState(const AttentionState& a, const AttentionState& b) {
  if (a.num_heads() != b.num_heads()) return false;
  const auto same = [](const float* x, const float* y, int64_t count) {
    return std::memcmp(x, y, count * sizeof(float)) == 0;
  };
  for (int64_t i = 0; i < a.num_heads(); ++i) {
    const HeadState &x = a.head(i), &y = b.head(i);
    const int64_t rows = x.num_features(), stride = x.value_stride();
    if (rows != y.num_features() || stride != y.value_stride() || x.count != y.count) return false;
    if (!same(&x.stabiliser, &y.stabiliser, 1) || !same(x.maxima, y.maxima, rows) ||
        !same(x.key_sums, y.key_sums, rows) || !same(x.key_compensation, y.key_compensation, rows) ||
        !same(x.value_sums, y.value_sums, rows * stride) ||
        !same(x.value_compensation, y.value_compensation, rows * stride) || !same(x.total, y.total, stride) ||
        !same(x.total_compensation, y.total_compensation, stride)) {
      return false;
    }
  }
  return true;
}

}  // namespace favor::testing
