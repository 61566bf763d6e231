#ifndef FAVOR_TESTS_SUPPORT_ATTENTION_CASE_H_
#define FAVOR_TESTS_SUPPORT_ATTENTION_CASE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "favor/attention/attention.h"
#include "tests/support/random.h"
#include "tests/support/tensor.h"

namespace favor::testing {

struct AttentionShape {
  int64_t batch_size = 1;
  int64_t num_heads = 1;
  int64_t num_key_heads = 1;
  int64_t query_length = 0;
  int64_t key_length = 0;
  int64_t head_dim = 0;
  int64_t value_dim = 0;

  Shape queries() const { return {batch_size, num_heads, query_length, head_dim}; }
  Shape keys() const { return {batch_size, num_key_heads, key_length, head_dim}; }
  Shape values() const { return {batch_size, num_key_heads, key_length, value_dim}; }
  Shape output() const { return {batch_size, num_heads, query_length, value_dim}; }
};

// One attention problem with its inputs as doubles, so that a test can change any of them.
struct AttentionCase {
  AttentionSpec spec;
  DoubleTensor queries;
  DoubleTensor keys;
  DoubleTensor values;
  std::vector<int64_t> query_lengths;
  std::vector<int64_t> key_lengths;
  std::shared_ptr<const Projection> projection;

  AttentionShape shape() const;
  // "softmax/positive causal batch 2 heads 4/2 lengths 48/48 dims 16/24 rows 64": for failure messages.
  std::string Describe() const;
};

// The inputs of a call as a case, whose tensors can be cut or tampered with.
AttentionCase CaseFromInputs(const AttentionSpec& spec, const AttentionInputs& inputs);

// Gaussian queries and keys of standard deviation input_scale, Gaussian values of 1. Features that use statistics get
// random ones.
AttentionCase GaussianCase(const AttentionSpec& spec, const AttentionShape& shape,
                           std::shared_ptr<const Projection> projection, uint64_t seed, double input_scale = 1);

// A shape the spec allows, with the sizes where tiles end (lengths 0, 1, 47, 48, 49, 95, 96, 97; odd dims) more often
// than others. Small enough for the oracle.
AttentionShape RandomShape(Random& random, const AttentionSpec& spec);

// Rows of a projection to go with it, from 1 to some 60.
int64_t RandomNumRows(Random& random);

// A projection of Gaussian rows from the tests' own generator, so that attention is tested apart from the library's
// draws. Rows of norm sqrt(head_dim) when `sqrt_norms`. Null when num_rows is 0.
std::shared_ptr<const Projection> TestProjection(int64_t num_rows, int64_t head_dim, uint64_t seed,
                                                 bool sqrt_norms = false, int64_t num_matrices = 1);

// Null for what takes no projection, else TestProjection with the norms the kernel asks for.
std::shared_ptr<const Projection> TestProjectionFor(const AttentionSpec& spec, int64_t num_rows, int64_t head_dim,
                                                    uint64_t seed);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ATTENTION_CASE_H_
