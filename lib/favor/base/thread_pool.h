#ifndef FAVOR_BASE_THREAD_POOL_H_
#define FAVOR_BASE_THREAD_POOL_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/job.h"
#include "favor/base/thread_placement.h"

namespace favor {

// Threads that run jobs side by side and share their time among them evenly: the next step is always one of the job
// that has had the least. A job that arrives starts a little behind the one that is next, so a short one waits for some
// steps however many long ones there are, and long ones still get on however many short ones arrive (start-time fair
// queueing, Goyal et al. 1996). Where jobs of several priorities wait, those of high priority together get 16 times the
// time and those of normal priority 4 times the time of those of low priority: none starves, however many others there
// are. At most num_threads() chains of a job are under way at once, so a job's scratch memory
// is bounded by the pool. Thread-safe.
class ThreadPool {
 public:
  // num_threads >= 1. When the system refuses to start that many, the pool makes do with those it got; with none at all
  // Submit() runs the job on the calling thread.
  explicit ThreadPool(int num_threads);
  // Finishes every submitted job first.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Threads that really run.
  int num_threads() const { return static_cast<int>(threads_.size()); }

  // Runs the job and then calls done with its status, once, on one of the pool's threads. Never blocks. The job is
  // destroyed, with all that its closures own, before done is called.
  void Submit(Job job, std::function<void(absl::Status)> done);

  // Submits and waits. Must not be called from the pool's own threads.
  absl::Status Run(Job job);

  // Jobs submitted whose done has not been called yet.
  int64_t num_jobs() const;

 private:
  using Nanoseconds = std::chrono::nanoseconds;
  struct ActiveJob;
  struct Step;
  // One of our threads. While it waits it belongs to whoever holds the mutex.
  struct Worker {
    ThreadPlacement placement;
    absl::CondVar work_or_stop;
    bool is_waiting = false;
  };
  // Time that a job has had, counted from that which others had when it arrived; and its number, of equals the first.
  using Place = std::pair<Nanoseconds, int64_t>;
  // Jobs of one priority with a step to hand out. FinishStep() gives the ownership back.
  struct Line {
    std::map<Place, ActiveJob*> jobs;
    int64_t num_jobs = 0;     // those that are running all their steps too
    Nanoseconds time_had{0};  // by the job of the last step, before it
    Nanoseconds spent{0};     // time of its jobs, at its priority's price; the line that spent least is next
  };

  void Work(Worker* worker);
  Line& LineOf(const ActiveJob& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Line& NextLine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes one step of the job that has had the least time.
  Step TakeStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Records the end of a step that took so long. Returns the job when it has ended.
  std::unique_ptr<ActiveJob> FinishStep(const Step& step, absl::Status status, Nanoseconds took)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(ActiveJob* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Dequeue(ActiveJob* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks out for work without sleeping, for a short while.
  void SpinForWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitForWork(Worker* worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes so many of the waiting workers, or all.
  void Wake(int64_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::array<Line, kNumPriorities> lines_ ABSL_GUARDED_BY(mutex_);
  int64_t num_ready_ ABSL_GUARDED_BY(mutex_) = 0;      // jobs in all lines
  Nanoseconds last_spent_ ABSL_GUARDED_BY(mutex_){0};  // by the line of the last step, before it
  int64_t num_arrived_ ABSL_GUARDED_BY(mutex_) = 0;
  // Whether there are any, for threads that spin without the mutex.
  std::atomic<bool> has_ready_ = false;
  int64_t num_jobs_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // workers
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::unique_ptr<Worker>> workers_;  // as many as there may be; constant after construction
  std::vector<std::thread> threads_;              // constant after construction
};

}  // namespace favor

#endif  // FAVOR_BASE_THREAD_POOL_H_
