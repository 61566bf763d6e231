#ifndef FAVOR_CLIENT_SHARD_TASK_BOARD_H_
#define FAVOR_CLIENT_SHARD_TASK_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "client/sharded_attention.h"

namespace favor::client {

// Work that any server can do, done by whichever comes: a task whose server fails goes back and is taken by the next.
class TaskBoard {
 public:
  // One attempt. May be called again, for another server, after an error that is worth it; picks up where it stopped.
  using Task = std::function<absl::Status(const Client& server, absl::Duration deadline)>;

  // `options` must outlive it. `deadline` is that of the whole.
  TaskBoard(const ShardOptions& options, absl::Time deadline) : options_(options), deadline_(deadline) {}

  // Does the tasks by all servers at once, calls_per_server of them each. A server that fails max_attempts times in a
  // row does no more.
  absl::Status Run(absl::Span<const Client> servers, std::deque<Task> tasks);

 private:
  void Work(const Client& server);
  // Waits for a task; null when there will be none.
  Task Take();
  void PutBack(Task task, const absl::Status& why);
  void Done();
  void Fail(const absl::Status& status);
  // Leaves the rest to others; `why` is the error when there are none.
  void Leave(Task task, const absl::Status& why);

  const ShardOptions& options_;
  const absl::Time deadline_;

  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  int64_t num_under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_workers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_SHARD_TASK_BOARD_H_
