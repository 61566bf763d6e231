#ifndef FAVOR_TESTS_SUPPORT_ORACLE_PERFORMER_REFERENCE_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_PERFORMER_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "tests/support/tensor.h"

namespace favor::testing {

// What performer_pytorch.FastAttention 1.1.4 computes, step by step in its own order: data_normalizer, features with
// their epsilon, key sums, then a division. No lengths, no grouped queries, and the leak of its causal stabiliser.
// Differs from parity.h, which derives the same numbers from sums without epsilon.
struct PerformerReference {
  // Constructor arguments.
  bool causal = false;
  bool generalized_attention = false;  // kernel_fn = ReLU
  bool no_projection = false;
  // Constants of that version.
  double softmax_epsilon = 1e-4;
  double generalized_epsilon = 1e-3;
  double causal_epsilon = 1e-6;

  std::vector<double> projection_matrix;  // [num_features, head_dim]
  int64_t num_features = 0;

  // queries, keys [batch, heads, length, head_dim], values [batch, heads, key_length, value_dim].
  DoubleTensor Forward(const DoubleTensor& queries, const DoubleTensor& keys, const DoubleTensor& values) const;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_PERFORMER_REFERENCE_H_
