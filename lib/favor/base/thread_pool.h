#ifndef FAVOR_BASE_THREAD_POOL_H_
#define FAVOR_BASE_THREAD_POOL_H_

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
  // num_threads >= 1.
  explicit ThreadPool(int num_threads);
  // Finishes every submitted job first.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  // Runs the job and then calls done with its status, once, on one of the pool's threads. Never blocks.
  void Submit(Job job, std::function<void(absl::Status)> done);

  // Submits and waits. Must not be called from the pool's own threads.
  absl::Status Run(Job job);

  // Jobs submitted and not yet done.
  int64_t num_jobs() const;

 private:
  // ... owned by the implementation ...
};

}  // namespace favor

#endif  // FAVOR_BASE_THREAD_POOL_H_
