#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_CLIENT_TENSORS_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_CLIENT_TENSORS_H_

#include <cstdint>

#include "client/attention_spec.h"
#include "client/resuming_stream.h"
#include "client/tensor.h"
#include "tests/support/attention_case.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// Rows [begin, begin + count) in float32 and the default layout.
client::Tensor RowsTensor(const DoubleTensor& tensor, int64_t begin, int64_t count);
inline client::Tensor WholeTensor(const DoubleTensor& tensor) { return RowsTensor(tensor, 0, tensor.shape.length); }

// The same rows of three tensors; a null pointer leaves one out.
client::OwnedChunk OwnedRows(const DoubleTensor* queries, const DoubleTensor* keys, const DoubleTensor* values,
                             int64_t begin, int64_t count);

// A tensor of rank 4 in the default layout.
DoubleTensor ToDouble(const client::Tensor& tensor);

// Copies `from` behind the first `begin` rows of `to`.
void PutRows(const DoubleTensor& from, int64_t begin, DoubleTensor* to);

// FAVOR+ of 40 features.
client::AttentionSpec FavorSpec(bool causal, uint64_t seed = 7);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_CLIENT_TENSORS_H_
