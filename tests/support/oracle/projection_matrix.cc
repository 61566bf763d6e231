#include "tests/support/oracle/projection_matrix.h"

#include <cmath>

namespace favor::testing {
namespace {

// Entry of the orthonormal Hadamard matrix: the parity of the bits that i and j share gives the sign.
double Hadamard(int64_t i, int64_t j, int64_t size) {
  bool odd = false;
  for (int64_t common = i & j; common != 0; common /= 2) odd ^= common % 2 == 1;
  return (odd ? -1 : 1) / std::sqrt(static_cast<double>(size));
}

// v' D H, entry by entry.
std::vector<double> TimesSignsAndHadamard(const std::vector<double>& v, const float* signs) {
  const int64_t size = v.size();
  std::vector<double> result(size);
  for (int64_t j = 0; j < size; ++j) {
    for (int64_t i = 0; i < size; ++i) result[j] += v[i] * signs[i] * Hadamard(i, j, size);
  }
  return result;
}

// Rows norm * (H D1 H D2 H D3)_r, H orthonormal, cut to head_dim columns; norm = row_scale p^(3/2).
std::vector<double> StructuredRows(const StructuredFactors& factors, int64_t num_rows, int64_t head_dim) {
  const int64_t size = factors.size;
  std::vector<double> rows;
  for (int64_t r = 0; r < num_rows; ++r) {
    const float* signs = factors.signs + r / size * 3 * size;
    std::vector<double> row(size);
    for (int64_t c = 0; c < size; ++c) row[c] = Hadamard(r % size, c, size);
    row = TimesSignsAndHadamard(row, signs);
    row = TimesSignsAndHadamard(row, signs + size);
    const double norm = factors.row_scales[r] * std::pow(static_cast<double>(size), 1.5);
    for (int64_t c = 0; c < head_dim; ++c) rows.push_back(norm * row[c] * signs[2 * size + c]);
  }
  return rows;
}

}  // namespace

double ProjectionMatrix::Dot(int64_t row, absl::Span<const double> x) const {
  double sum = 0;
  for (size_t c = 0; c < x.size(); ++c) sum += rows[row * x.size() + c] * x[c];
  return sum;
}

ProjectionMatrix MatrixOf(const Projection& projection, int64_t key_head) {
  const int64_t num_rows = projection.num_features();
  if (const auto factors = projection.Structured()) {
    return {StructuredRows(*factors, num_rows, projection.head_dim()), num_rows};
  }
  const absl::Span<const float> rows = projection.Matrix(key_head);
  return {{rows.begin(), rows.end()}, num_rows};
}

}  // namespace favor::testing
