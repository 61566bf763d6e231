#ifndef FAVOR_SERVER_EXECUTION_COMPUTE_H_
#define FAVOR_SERVER_EXECUTION_COMPUTE_H_

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/base/thread_pool.h"
#include "server/execution/forecast.h"

namespace favor {

// How one job went.
struct Timing {
  absl::Duration queue_time;                  // from submission to its first step
  absl::Duration compute_time;                // from its first step to its end
  absl::Time started = absl::InfinitePast();  // its first step; unknown of several jobs together
};

// The one compute pool of the server. Thread-safe.
class Compute {
 public:
  // num_threads >= 1.
  explicit Compute(int num_threads) : forecast_(num_threads), pool_(num_threads) {}

  // Runs the job, unless its caller has gone by the time its turn comes: then none of its steps runs and the status is
  // that of the cancellation. `done` runs once, on a pool thread, and must not block. `cancellation` must live until
  // then; to stop between steps as well is up to the job. Its caller's priority is the job's. With a `size` the job
  // counts in forecasts while it is under way, and its speed in those for others of its kind.
  void Submit(Job job, const Cancellation* cancellation, std::function<void(absl::Status, Timing)> done,
              std::optional<JobSize> size = std::nullopt);

  // OK unless a job of that size cannot be done before its caller's deadline; see Forecast::Check.
  absl::Status CheckDeadline(const JobSize& size, const Cancellation& cancellation,
                             const std::vector<JobSize>& queued = {});
  const Forecast& forecast() const { return forecast_; }

  int num_threads() const { return pool_.num_threads(); }
  int64_t num_jobs() const { return pool_.num_jobs(); }
  // How long the job has waited that has waited longest for its first step; 0 when none waits.
  absl::Duration queue_age() const;

 private:
  class Waiting;

  Forecast forecast_;
  mutable absl::Mutex mutex_;
  std::list<absl::Time> waiting_ ABSL_GUARDED_BY(mutex_);  // since when each job waits, oldest first
  ThreadPool pool_;                                        // last: ends first
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_COMPUTE_H_
