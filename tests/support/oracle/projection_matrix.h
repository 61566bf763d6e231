#ifndef FAVOR_TESTS_SUPPORT_ORACLE_PROJECTION_MATRIX_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_PROJECTION_MATRIX_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "favor/projection/projection.h"

namespace favor::testing {

// A projection matrix [num_rows, head_dim] in double; empty: none.
struct ProjectionMatrix {
  std::vector<double> rows;
  int64_t num_rows = 0;

  double Dot(int64_t row, absl::Span<const double> x) const;
};

// The matrix of one key head. That of a structured projection is multiplied out of its factors here, by the definition
// of the Hadamard matrix, so that neither the library's matrix nor a fast transform is taken at its word.
ProjectionMatrix MatrixOf(const Projection& projection, int64_t key_head = 0);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_PROJECTION_MATRIX_H_
