#ifndef FAVOR_BASE_THREAD_POOL_H_
#define FAVOR_BASE_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/job.h"

namespace favor {

// Threads that run jobs side by side, one step at a time from each job in turn: a short job waits for its share, never
// for the end of a long one. At most num_threads() chains of a job are under way at once, so a job's scratch memory is
// bounded by the pool. Thread-safe.
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
  struct ActiveJob;
  struct Step;

  void Work();
  // Takes one step of the job at the head of the queue, and puts the job at the tail if it has more to hand out.
  Step TakeStep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Records the end of a step. Returns the job when it has ended.
  std::unique_ptr<ActiveJob> FinishStep(const Step& step, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enqueue(ActiveJob* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks out for work without sleeping, for a short while.
  void SpinForWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitForWork() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeOneIfUseful() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::CondVar work_or_stop_;
  // Jobs with a step to hand out, each once, in the order of their turns. FinishStep() gives the ownership back.
  std::deque<ActiveJob*> ready_ ABSL_GUARDED_BY(mutex_);
  // Whether ready_ holds anything, for threads that spin without the mutex.
  std::atomic<bool> has_ready_ = false;
  int64_t num_jobs_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_waiting_ ABSL_GUARDED_BY(mutex_) = 0;    // threads in WaitForWork()
  int num_signalled_ ABSL_GUARDED_BY(mutex_) = 0;  // of these, woken but not running yet
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace favor

#endif  // FAVOR_BASE_THREAD_POOL_H_
