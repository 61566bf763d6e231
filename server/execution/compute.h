#ifndef FAVOR_SERVER_EXECUTION_COMPUTE_H_
#define FAVOR_SERVER_EXECUTION_COMPUTE_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/base/thread_pool.h"

namespace favor {

// How one job went.
struct Timing {
  absl::Duration queue_time;    // from submission to its first step
  absl::Duration compute_time;  // from its first step to its end
};

// The one compute pool of the server. Thread-safe.
class Compute {
 public:
  // num_threads >= 1.
  explicit Compute(int num_threads) : pool_(num_threads) {}

  // Runs the job, unless its caller has gone by the time its turn comes: then none of its steps runs and the status is
  // that of the cancellation. `done` runs once, on a pool thread, and must not block. `cancellation` must live until
  // then; to stop between steps as well is up to the job.
  void Submit(Job job, const Cancellation* cancellation, std::function<void(absl::Status, Timing)> done);

  int num_threads() const { return pool_.num_threads(); }
  int64_t num_jobs() const { return pool_.num_jobs(); }

 private:
  ThreadPool pool_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_COMPUTE_H_
