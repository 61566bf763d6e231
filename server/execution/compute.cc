#include "server/execution/compute.h"

#include <iterator>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "server/execution/queue_wait.h"

namespace favor {
namespace {

// Has the time that threads spend on the steps of a job counted.
void CountBusyTime(Job* job, std::shared_ptr<Forecast::Entry> entry) {
  for (Phase& phase : job->phases) {
    phase.run_step = [entry, run_step = std::move(phase.run_step)](int64_t chain, int64_t step) {
      const absl::Time begin = absl::Now();
      absl::Status status = run_step(chain, step);
      entry->AddBusy(absl::Now() - begin);
      return status;
    };
  }
}

}  // namespace

// A job's place among those that wait. Leave() is called by the job's first step, or when it is dropped without one.
class Compute::Waiting {
 public:
  Waiting(Compute* compute, absl::Time since) : compute_(compute) {
    const absl::MutexLock lock(&compute_->mutex_);
    place_ = compute_->waiting_.insert(compute_->waiting_.end(), since);
  }
  ~Waiting() { Leave(); }

  void Leave() {
    const absl::MutexLock lock(&compute_->mutex_);
    if (std::exchange(is_waiting_, false)) compute_->waiting_.erase(place_);
  }

 private:
  Compute* const compute_;
  std::list<absl::Time>::iterator place_;
  bool is_waiting_ = true;
};

void Compute::Submit(Job job, const Cancellation* cancellation, std::function<void(absl::Status, Timing)> done,
                     std::optional<JobSize> size) {
  std::shared_ptr<Forecast::Entry> entry;
  if (size) {
    entry = forecast_.Begin(*size);
    CountBusyTime(&job, entry);
  }
  const absl::Time submitted = absl::Now();
  // Written by the first phase, read after the last: the pool orders the two.
  auto started = std::make_shared<absl::Time>(submitted);
  auto waiting = std::make_shared<Waiting>(this, submitted);
  Phase gate{1, 1, [started, waiting, cancellation](int64_t, int64_t) {
               waiting->Leave();
               *started = absl::Now();
               return cancellation->Check();
             }};
  job.phases.insert(job.phases.begin(), std::move(gate));
  job.priority = cancellation->priority();
  pool_.Submit(std::move(job), [submitted, started, entry, done = std::move(done)](absl::Status status) mutable {
    if (entry != nullptr && status.ok()) entry->Learn(absl::Now());
    entry = nullptr;
    const absl::Duration wait = *started - submitted;
    done(WithQueueWait(std::move(status), wait), Timing{wait, absl::Now() - *started, *started});
  });
}

absl::Status Compute::CheckDeadline(const JobSize& size, const Cancellation& cancellation,
                                    const std::vector<JobSize>& queued) {
  return forecast_.Check(size, absl::Now(), cancellation.deadline(), queued);
}

absl::Duration Compute::queue_age() const {
  const absl::MutexLock lock(&mutex_);
  return waiting_.empty() ? absl::ZeroDuration() : absl::Now() - waiting_.front();
}

}  // namespace favor
