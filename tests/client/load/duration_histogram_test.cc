#include "client/load/duration_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace favor::load {
namespace {

// The definition itself: the least value that a part q of all do not exceed.
absl::Duration SortedQuantile(const std::vector<absl::Duration>& sorted, double q) {
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

constexpr double kQuantiles[] = {0, 0.01, 0.5, 0.9, 0.99, 0.999, 1};

TEST(DurationHistogram, QuantilesAreWithinHalfAPercentFromNanosecondsToDays) {
  std::mt19937_64 random(1);
  for (const double median_ns : {3.0, 250.0, 2e5, 7e7, 4e13}) {
    std::lognormal_distribution<double> distribution(std::log(median_ns), 1.5);
    DurationHistogram histogram;
    std::vector<absl::Duration> all;
    double sum_ns = 0;
    for (int i = 0; i < 20'000; ++i) {
      all.push_back(absl::Nanoseconds(static_cast<int64_t>(distribution(random))));
      sum_ns += absl::ToDoubleNanoseconds(all.back());
      histogram.Record(all.back());
    }
    std::sort(all.begin(), all.end());
    for (const double q : kQuantiles) {
      const double exact = absl::ToDoubleNanoseconds(SortedQuantile(all, q));
      EXPECT_NEAR(absl::ToDoubleNanoseconds(histogram.Quantile(q)), exact, 0.005 * exact)
          << "quantile " << q << " of median " << median_ns;
    }
    EXPECT_EQ(histogram.count(), 20'000);
    EXPECT_EQ(histogram.max(), all.back());
    // absl::Duration counts quarters of a nanosecond.
    EXPECT_NEAR(absl::ToDoubleNanoseconds(histogram.Mean()), sum_ns / 20'000, 0.25 + 1e-6 * sum_ns / 20'000);
  }
}

TEST(DurationHistogram, OneValueIsEveryQuantileExactly) {
  DurationHistogram histogram;
  histogram.Record(absl::Nanoseconds(123'456'789));
  for (const double q : kQuantiles) EXPECT_EQ(histogram.Quantile(q), absl::Nanoseconds(123'456'789));
}

TEST(DurationHistogram, TakesWhatCannotBe) {
  DurationHistogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), absl::ZeroDuration());
  EXPECT_EQ(histogram.Mean(), absl::ZeroDuration());
  histogram.Record(absl::Seconds(-1));
  EXPECT_EQ(histogram.Quantile(1), absl::ZeroDuration());
  histogram.Record(absl::InfiniteDuration());
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.Quantile(1), histogram.max());
}

TEST(DurationHistogram, MergedIsTheSameAsRecordedTogether) {
  std::mt19937_64 random(2);
  std::exponential_distribution<double> distribution(1e-6);
  DurationHistogram first, second, together;
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration duration = absl::Nanoseconds(static_cast<int64_t>(distribution(random)));
    (i % 3 == 0 ? first : second).Record(duration);
    together.Record(duration);
  }
  DurationHistogram merged;
  merged.Merge(DurationHistogram());
  merged.Merge(first);
  merged.Merge(second);
  EXPECT_EQ(merged.count(), together.count());
  EXPECT_EQ(merged.max(), together.max());
  for (const double q : kQuantiles) EXPECT_EQ(merged.Quantile(q), together.Quantile(q)) << q;
}

}  // namespace
}  // namespace favor::load
