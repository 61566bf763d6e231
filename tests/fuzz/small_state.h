#ifndef FAVOR_TESTS_FUZZ_SMALL_STATE_H_
#define FAVOR_TESTS_FUZZ_SMALL_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/attention_state.h"
#include "favor/v1/attention.pb.h"
#include "server/execution/attend_work.h"

namespace favor::testing {

// What a fuzzer of requests with states needs to make states of what it finds in them. The server asks its admission
// whether there is room; here what is large is ResourceExhaustedError, since a run must be quick.

absl::StatusOr<std::shared_ptr<const Projection>> SmallProjection(const SpecWork& work);

// An empty state.
absl::StatusOr<AttentionState> SmallState(const StateDescription& description,
                                          const std::shared_ptr<const Projection>& projection);
absl::StatusOr<AttentionState> SmallState(const SpecWork& work, const StateSizes& sizes);

// Tokens that fit a state.
struct Tokens {
  explicit Tokens(const StateSizes& sizes);
  AttentionInputs Inputs() const;
  MutableTensorView Output() { return DenseView(output.data(), values_shape); }

  Shape keys_shape, values_shape;
  std::vector<float> keys, values, output;
};

// Makes sizes small, fills in what follows from them and from the spec, and takes the payload for patches of a good one
// (patched_bytes.h). What is good already stays, but a payload.
void PutRight(v1::AttentionState* wire);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_FUZZ_SMALL_STATE_H_
