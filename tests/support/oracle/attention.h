#ifndef FAVOR_TESTS_SUPPORT_ORACLE_ATTENTION_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_ATTENTION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "favor/attention/attention.h"
#include "tests/support/oracle/features.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// What rounding errors of one row are to be measured by.
struct Rounding {
  // Sum of the magnitudes of the denominator's terms over the magnitude of their sum: 1 for positive maps and for rows
  // that see nothing at all.
  double conditioning = 1;
  // Magnitude of an output none of whose terms cancel: the largest over dims of sum |weight||value| / |denominator|, or
  // conditioning times the largest output where that is more. An output can be much smaller by chance, its error not.
  double scale = 0;
};

struct OracleOutput {
  DoubleTensor output;  // [batch, heads, query_length, value_dim]
  int64_t degenerate_rows = 0;
  std::vector<Rounding> rounding;  // per row [batch, heads, query_length]
};

// Attention from the mathematics alone: dense, quadratic, in double, no state, no tiles. The inputs must be valid.
// With epsilon parity set, the state formula of parity.h.
OracleOutput OracleAttend(const AttentionSpec& spec, const AttentionInputs& inputs);

// What one query head sees of one sequence: scaled rows of its valid queries, keys and values.
struct OracleHead {
  std::vector<std::vector<double>> queries;  // each [head_dim], times sqrt(scale)
  std::vector<std::vector<double>> keys;     // each [head_dim], times sqrt(scale)
  std::vector<std::vector<double>> values;   // each [value_dim]
  ProjectionMatrix projection;
  int64_t value_dim = 0;
  bool causal = false;

  // The query sees keys 0 to num_visible - 1.
  size_t num_visible(size_t query) const { return causal ? std::min(query + 1, keys.size()) : keys.size(); }
};

struct OracleRow {
  std::vector<double> output;
  Rounding rounding = {};
  bool degenerate = false;  // then output is zero
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_ATTENTION_H_
