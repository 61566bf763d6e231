#include "tests/support/errors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "absl/types/span.h"

namespace favor::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Euclidean.
double NormError(absl::Span<const double> actual, absl::Span<const double> expected) {
  double error = 0;
  double norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = actual[i] - expected[i];
    error += difference * difference;
    norm += expected[i] * expected[i];
  }
  if (error == 0) return 0;
  return std::isnan(error) || norm == 0 ? kInfinity : std::sqrt(error / norm);
}

}  // namespace

double RelativeError(const DoubleTensor& actual, const DoubleTensor& expected) {
  if (actual.shape != expected.shape) return kInfinity;
  double error = 0;
  double largest = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const double difference = std::abs(actual.values[i] - expected.values[i]);
    if (std::isnan(difference)) return kInfinity;
    error = std::max(error, difference);
    largest = std::max(largest, std::abs(expected.values[i]));
  }
  if (error == 0) return 0;
  return largest == 0 ? kInfinity : error / largest;
}

double FrobeniusError(const DoubleTensor& actual, const DoubleTensor& expected) {
  if (actual.shape != expected.shape) return kInfinity;
  return NormError(actual.values, expected.values);
}

double WorstRowError(const DoubleTensor& actual, const DoubleTensor& expected) {
  if (actual.shape != expected.shape) return kInfinity;
  const Shape& shape = expected.shape;
  double worst = 0;
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t i = 0; i < shape.length; ++i) {
        worst = std::max(worst, NormError(actual.Row(b, h, i), expected.Row(b, h, i)));
      }
    }
  }
  return worst;
}

bool SameBits(const DoubleTensor& a, const DoubleTensor& b) {
  return a.shape == b.shape &&
         std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), [](double x, double y) {
           return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y) || (std::isnan(x) && std::isnan(y));
         });
}

}  // namespace favor::testing
