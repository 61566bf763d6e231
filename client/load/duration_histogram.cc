#include "client/load/duration_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace favor::load {
namespace {

// Values below 2^kBits have a bucket each; above, every power of two has 2^kBits of them.
constexpr int kBits = 7;
constexpr int64_t kPerOctave = int64_t{1} << kBits;
constexpr int64_t kNumBuckets = (63 - kBits + 1) * kPerOctave;

int64_t BucketOf(int64_t value) {
  if (value < kPerOctave) return value;
  const int shift = std::bit_width(static_cast<uint64_t>(value)) - 1 - kBits;
  return shift * kPerOctave + (value >> shift);
}

int64_t MiddleOf(int64_t bucket) {
  if (bucket < 2 * kPerOctave) return bucket;
  const int64_t shift = bucket / kPerOctave - 1;
  const int64_t low = (bucket - shift * kPerOctave) << shift;
  return low + ((int64_t{1} << shift) - 1) / 2;
}

}  // namespace

void DurationHistogram::Record(absl::Duration duration) {
  if (buckets_.empty()) buckets_.resize(kNumBuckets);
  const int64_t value = std::max<int64_t>(absl::ToInt64Nanoseconds(duration), 0);
  ++buckets_[BucketOf(value)];
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
  ++count_;
}

void DurationHistogram::Merge(const DurationHistogram& other) {
  if (other.count_ == 0) return;
  if (buckets_.empty()) buckets_.resize(kNumBuckets);
  for (int64_t i = 0; i < kNumBuckets; ++i) buckets_[i] += other.buckets_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

absl::Duration DurationHistogram::Mean() const {
  return count_ == 0 ? absl::ZeroDuration() : absl::Nanoseconds(sum_ / static_cast<double>(count_));
}

absl::Duration DurationHistogram::Quantile(double q) const {
  if (count_ == 0) return absl::ZeroDuration();
  const int64_t rank = std::clamp<int64_t>(std::ceil(q * static_cast<double>(count_)), 1, count_);
  if (rank == count_) return max();
  int64_t seen = 0;
  for (int64_t bucket = 0; bucket < kNumBuckets; ++bucket) {
    seen += buckets_[bucket];
    if (seen >= rank) return absl::Nanoseconds(std::clamp(MiddleOf(bucket), min_, max_));
  }
  return max();
}

}  // namespace favor::load
