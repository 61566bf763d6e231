#include "tests/support/errors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "absl/types/span.h"

namespace favor::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double MaxError(absl::Span<const double> actual, absl::Span<const double> expected) {
  double error = 0;
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    if (std::isnan(difference)) return kInfinity;
    error = std::max(error, difference);
    largest = std::max(largest, std::abs(expected[i]));
  }
  if (error == 0) return 0;
  return largest == 0 ? kInfinity : error / largest;
}

}  // namespace

double RelativeError(const DoubleTensor& actual, const DoubleTensor& expected) {
  if (actual.shape != expected.shape) return kInfinity;
  return MaxError(actual.values, expected.values);
}

double WorstRowError(const DoubleTensor& actual, const DoubleTensor& expected, const std::vector<bool>& skip) {
  if (actual.shape != expected.shape) return kInfinity;
  const int64_t dim = expected.shape.dim;
  const int64_t num_rows = dim == 0 ? 0 : expected.shape.num_elements() / dim;
  double worst = 0;
  for (int64_t row = 0; row < num_rows; ++row) {
    if (!skip.empty() && skip[row]) continue;
    worst = std::max(worst, MaxError(absl::MakeConstSpan(actual.values).subspan(row * dim, dim),
                                     absl::MakeConstSpan(expected.values).subspan(row * dim, dim)));
  }
  return worst;
}

double FrobeniusError(const DoubleTensor& actual, const DoubleTensor& expected) {
  if (actual.shape != expected.shape) return kInfinity;
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double difference = actual.values[i] - expected.values[i];
    error += difference * difference;
    norm += expected.values[i] * expected.values[i];
  }
  return std::sqrt(error / norm);
}

bool SameBits(const DoubleTensor& a, const DoubleTensor& b) {
  return a.shape == b.shape &&
         std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), [](double x, double y) {
           return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y) || (std::isnan(x) && std::isnan(y));
         });
}

}  // namespace favor::testing
