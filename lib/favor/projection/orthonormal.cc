#include "favor/projection/orthonormal.h"

#include <cmath>

namespace favor::internal {
namespace {

// Rows taken at once: `v` is then read once for all of them. It does not change the order of any sum.
constexpr int64_t kGroup = 4;

// coefficients[r] = rows[r].v for r < kGroup, each summed as DotProduct() does.
void DotProducts(const double* rows, const double* v, int64_t stride, double* coefficients) {
  double sums[kGroup][4] = {};
  for (int64_t i = 0; i < stride; i += 4) {
    for (int64_t r = 0; r < kGroup; ++r) {
      for (int64_t k = 0; k < 4; ++k) sums[r][k] += rows[r * stride + i + k] * v[i + k];
    }
  }
  for (int64_t r = 0; r < kGroup; ++r) {
    coefficients[r] = (sums[r][0] + sums[r][1]) + (sums[r][2] + sums[r][3]);
  }
}

// v -= sum over r < kGroup of coefficients[r] rows[r], subtracted one after the other.
void Subtract(const double* rows, const double* coefficients, int64_t stride, double* v) {
  for (int64_t i = 0; i < stride; ++i) {
    double value = v[i];
    for (int64_t r = 0; r < kGroup; ++r) value -= coefficients[r] * rows[r * stride + i];
    v[i] = value;
  }
}

}  // namespace

double DotProduct(const double* x, const double* y, int64_t stride) {
  double sums[4] = {};
  for (int64_t i = 0; i < stride; i += 4) {
    for (int64_t k = 0; k < 4; ++k) sums[k] += x[i + k] * y[i + k];
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void OrthonormalizeRow(double* rows, int64_t index, int64_t stride) {
  double* v = rows + index * stride;
  for (int pass = 0; pass < 2; ++pass) {
    // Groups of rows by modified Gram-Schmidt, classical within a group.
    int64_t row = 0;
    for (; row + kGroup <= index; row += kGroup) {
      double coefficients[kGroup];
      DotProducts(rows + row * stride, v, stride, coefficients);
      Subtract(rows + row * stride, coefficients, stride, v);
    }
    for (; row < index; ++row) {
      const double* q = rows + row * stride;
      const double coefficient = DotProduct(q, v, stride);
      for (int64_t i = 0; i < stride; ++i) v[i] -= coefficient * q[i];
    }
  }
  const double norm = std::sqrt(DotProduct(v, v, stride));
  for (int64_t i = 0; i < stride; ++i) v[i] /= norm;
}

}  // namespace favor::internal
