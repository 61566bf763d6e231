#ifndef FAVOR_CLIENT_LOAD_LOAD_PLAN_H_
#define FAVOR_CLIENT_LOAD_LOAD_PLAN_H_

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace favor::load {

// Open: calls are sent when a clock says so, as strangers would, whether the calls before have been answered or not.
// Closed: each of `concurrency` callers sends its next call when it has the answer to its last one.
enum class Loop { kOpen, kClosed };

// When an open loop's calls arrive: with exponential gaps, as from many independent callers, or evenly spaced.
enum class Arrivals { kPoisson, kConstant };

// Longer than a restart, and the 5 s that a connection may wait for its next attempt.
constexpr absl::Duration kGoneAfter = absl::Seconds(10);

struct LoadPlan {
  Loop loop = Loop::kOpen;
  Arrivals arrivals = Arrivals::kPoisson;
  double rate = 10;      // open: calls per second, > 0
  int concurrency = 16;  // closed: callers; open: calls in flight at most
  absl::Duration warm_up = absl::Seconds(1);
  absl::Duration duration = absl::Seconds(10);  // after the warm-up, whose arrivals are not counted
  uint64_t seed = 0;                            // of the gaps
  // When every answer has been UNAVAILABLE for so long the server has gone, and the rest of the plan is left.
  absl::Duration gone_after = kGoneAfter;
};

// The arrivals of an open loop, one after the other, as time since its start. The same seed gives the same ones.
class ArrivalSchedule {
 public:
  ArrivalSchedule(Arrivals arrivals, double rate, uint64_t seed) : arrivals_(arrivals), rate_(rate), random_(seed) {}

  // The first arrival is one gap after the start.
  absl::Duration Next() {
    // Seconds as a sum of gaps would drift; evenly spaced arrivals are counted instead.
    if (arrivals_ == Arrivals::kConstant) return absl::Seconds(static_cast<double>(++count_) / rate_);
    seconds_ += std::exponential_distribution<double>(rate_)(random_);
    return absl::Seconds(seconds_);
  }

 private:
  const Arrivals arrivals_;
  const double rate_;
  std::mt19937_64 random_;
  double seconds_ = 0;
  int64_t count_ = 0;
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_LOAD_PLAN_H_
