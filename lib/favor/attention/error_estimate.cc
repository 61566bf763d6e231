#include "favor/attention/error_estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace favor::internal {
namespace {

struct Sums {
  double error = 0, norm = 0, mean_error = 0;
};

// Standard error of log(error / norm), leaving out one row at a time. What one row carries alone counts as a
// trillionth without it.
double LogStandardError(absl::Span<const MeasuredRow> rows, const Sums& sums) {
  const double count = static_cast<double>(rows.size());
  double total = 0, squares = 0;
  for (const MeasuredRow& row : rows) {
    const double error = std::max(sums.error - row.squared_error / row.probability, 1e-12 * sums.error);
    const double norm = std::max(sums.norm - row.squared_norm / row.probability, 1e-12 * sums.norm);
    const double change = std::log(error / sums.error) - std::log(norm / sums.norm);
    total += change;
    squares += change * change;
  }
  return std::sqrt(std::max((count - 1) / count * (squares - total * total / count), 0.0));
}

}  // namespace

double RelativeError(double squared_error, double squared_norm) {
  if (squared_norm > 0) return std::sqrt(squared_error / squared_norm);
  return squared_error > 0 ? std::numeric_limits<double>::infinity() : 0;
}

ErrorEstimate UnknownError(int64_t num_rows) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {.relative_error = kInfinity,
          .lower = 0,
          .upper = kInfinity,
          .mean_of_values_error = kInfinity,
          .num_rows = num_rows};
}

double StudentT95(int64_t degrees_of_freedom) {
  constexpr double z = 1.959963984540054;
  const double n = static_cast<double>(degrees_of_freedom);
  const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

ErrorEstimate EstimateError(absl::Span<const MeasuredRow> rows, bool whole) {
  Sums sums;
  for (const MeasuredRow& row : rows) {
    sums.error += row.squared_error / row.probability;
    sums.norm += row.squared_norm / row.probability;
    sums.mean_error += row.mean_of_values_error / row.probability;
  }
  ErrorEstimate estimate;
  estimate.num_rows = static_cast<int64_t>(rows.size());
  estimate.relative_error = RelativeError(sums.error, sums.norm);
  estimate.mean_of_values_error = RelativeError(sums.mean_error, sums.norm);
  estimate.lower = estimate.upper = estimate.relative_error;
  if (whole || !(sums.error > 0) || !(sums.norm > 0)) return estimate;
  // The logarithm is skewed where few rows carry the error: without the factor 93% of intervals hold the truth.
  constexpr double kSkew = 1.15;
  const double half = kSkew * StudentT95(estimate.num_rows - 1) * LogStandardError(rows, sums) / 2;
  estimate.lower *= std::exp(-half);
  estimate.upper *= std::exp(half);
  return estimate;
}

}  // namespace favor::internal
