#ifndef FAVOR_SERVER_EXECUTION_FORECAST_H_
#define FAVOR_SERVER_EXECUTION_FORECAST_H_

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor {

// How much there is to do: nominal operations of one kind. Kinds differ in how long an operation takes.
struct JobSize {
  // Kinds from kFirstModelKind on are models', counted in tokens; those below are Attend's, counted in flops. Both in
  // one kind, and the quicker operation would have every call of the other refused.
  static constexpr int kFirstModelKind = 1024, kNumKinds = 2048;

  int kind = 0;  // 0 to kNumKinds - 1
  double operations = 0;
  int64_t max_parallel = 1;  // threads that can be at it at once
  // Whose, where several share a kind for want of more: they tell nothing of each other.
  uint64_t owner = 0;
};

// Tells how soon a job could be done at best, from the speed that jobs of its kind had of late and from what is under
// way. Deliberately hopeful: whoever is refused for it could not have been served, while not everybody who could not
// is refused. Where no job of a kind was done for a while it grows more hopeful by itself, or calls that it refuses
// wrongly could never prove it. Thread-safe.
class Forecast {
 private:
  struct Progress {
    JobSize size;
    double busy_seconds = 0;
  };

 public:
  // A job under way, until destroyed.
  class Entry {
   public:
    ~Entry();
    // Time that a thread spent on it.
    void AddBusy(absl::Duration time);
    // The job is done: its speed is what others of its kind are measured by.
    void Learn(absl::Time now);

   private:
    friend class Forecast;
    Entry(Forecast* forecast, std::list<Progress>::iterator progress) : forecast_(forecast), progress_(progress) {}

    Forecast* const forecast_;
    const std::list<Progress>::iterator progress_;
  };

  explicit Forecast(int num_threads) : num_threads_(num_threads) {}

  // Time to the end of a job that begins now, at best: threads are shared evenly among all jobs, and it is as quick as
  // the quickest of its kind of late. `alone`: with the threads for itself. Nullopt before any job of the kind was
  // done.
  struct Estimate {
    absl::Duration alone;
    absl::Duration shared;
  };
  // `queued` are jobs that have not begun and get their turns beside it.
  std::optional<Estimate> TimeFor(const JobSize& size, absl::Time now, const std::vector<JobSize>& queued = {}) const;

  // OK unless the job, started `now`, cannot be done by the deadline: then DeadlineExceededError if it could not be on
  // an idle server, and ResourceExhaustedError with a delay (see retry_delay.h) if others are in its way.
  absl::Status Check(const JobSize& size, absl::Time now, absl::Time deadline, const std::vector<JobSize>& queued = {});

  std::unique_ptr<Entry> Begin(const JobSize& size);

  int64_t num_refused() const;

 private:
  // What is known of a kind.
  struct Record {
    double least = 0;  // seconds per operation, the least of late; 0: not known
    absl::Time learned = absl::InfinitePast();
    uint64_t owner = 0;
  };

  // Seconds that an operation of such a job is believed to take `now`; 0 where nothing is known.
  double SecondsOf(const JobSize& size, absl::Time now) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const int num_threads_;
  mutable absl::Mutex mutex_;
  std::array<Record, JobSize::kNumKinds> records_ ABSL_GUARDED_BY(mutex_) = {};
  std::list<Progress> jobs_ ABSL_GUARDED_BY(mutex_);
  int64_t num_refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_FORECAST_H_
