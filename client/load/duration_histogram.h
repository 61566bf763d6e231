#ifndef FAVOR_CLIENT_LOAD_DURATION_HISTOGRAM_H_
#define FAVOR_CLIENT_LOAD_DURATION_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace favor::load {

// Durations from a nanosecond to centuries in 60 KiB, however many there are: buckets of equal width inside each power
// of two. Count, mean, least and greatest are exact; a quantile is off by at most 0.4% of its value. Thread-compatible.
class DurationHistogram {
 public:
  // A negative duration counts as zero.
  void Record(absl::Duration duration);
  void Merge(const DurationHistogram& other);

  int64_t count() const { return count_; }
  // Zero when nothing was recorded, as are the others.
  absl::Duration Mean() const;
  absl::Duration max() const { return absl::Nanoseconds(max_); }
  // The least duration that a part `q` (0 to 1) of the recorded ones does not exceed: Quantile(0.5) is the median.
  absl::Duration Quantile(double q) const;

 private:
  std::vector<int64_t> buckets_;  // empty until something is recorded
  int64_t count_ = 0;
  double sum_ = 0;  // nanoseconds
  int64_t min_ = 0;
  int64_t max_ = 0;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_DURATION_HISTOGRAM_H_
