#ifndef FAVOR_SERVER_EXECUTION_LIVE_MEASUREMENT_H_
#define FAVOR_SERVER_EXECUTION_LIVE_MEASUREMENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "favor/attention/error_measurement.h"
#include "favor/base/cancellation.h"
#include "server/execution/admission.h"
#include "server/execution/attend_work.h"
#include "server/execution/compute.h"

namespace favor {

// Measures a share of the approximate Attend calls that did not ask for it, so that an operator sees how good
// approximations are on what callers really send. A call that is measured notes what it knows of its rows (some percent
// of its time); the rest is done when it has been answered, at low priority, one call at a time. Thread-safe.
class LiveMeasurement {
 public:
  struct Options {
    double share = 0;  // of calls, 0 to 1; those that come while one is measured pass by
    std::function<void(const ErrorEstimate&)> record;  // on a compute thread
  };

  // What a call that is measured holds: Take(), then the call's job with the draw, then Begin().
  struct Sample {
    ~Sample() { *is_taken = false; }

    std::shared_ptr<std::atomic<bool>> is_taken;
    Admission::Reservation memory;
    AttendWork work;
    std::shared_ptr<Cancellation> cancellation;
    std::unique_ptr<ErrorMeasurement> measurement;  // refers to the work
  };

  // Owns nothing; `compute` must outlive it.
  LiveMeasurement(Options options, Compute* compute);
  LiveMeasurement(const LiveMeasurement&) = delete;
  ~LiveMeasurement();  // cancels the one under way, if any

  // Null where the call is not measured: its turn has not come, it cannot be, or memory is short. What is behind inputs
  // and output must stay until Begin(). The memory is that of the call's inputs, which it holds a while longer, and
  // that of the measurement.
  std::unique_ptr<Sample> Take(const AttendWork& work, const AttentionInputs& inputs, const TensorView& output,
                               const Admission::Reservation& reservation);

  // Takes over the work, whose inputs the measurement reads. The output is not needed afterwards.
  void Begin(std::unique_ptr<Sample> sample, AttendWork work);

 private:
  bool IsDue();

  const Options options_;
  Compute* const compute_;
  std::atomic<int64_t> num_calls_{0};
  const std::shared_ptr<std::atomic<bool>> is_taken_ = std::make_shared<std::atomic<bool>>(false);
  absl::Mutex mutex_;
  std::shared_ptr<Cancellation> cancellation_ ABSL_GUARDED_BY(mutex_);  // of the last one
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_LIVE_MEASUREMENT_H_
