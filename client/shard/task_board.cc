#include "client/shard/task_board.h"

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "client/errors.h"
#include "client/resume/stream_break.h"

namespace favor::client {

absl::Status TaskBoard::Run(absl::Span<const Client> servers, std::deque<Task> tasks) {
  {
    absl::MutexLock lock(&mutex_);
    tasks_ = std::move(tasks);
    num_workers_ = static_cast<int64_t>(servers.size()) * options_.calls_per_server;
    failed_ = false;
    status_ = absl::OkStatus();
  }
  std::vector<std::thread> workers;
  for (const Client& server : servers) {
    for (int i = 0; i < options_.calls_per_server; ++i) workers.emplace_back([this, &server] { Work(server); });
  }
  for (std::thread& worker : workers) worker.join();
  absl::MutexLock lock(&mutex_);
  return status_;
}

void TaskBoard::Work(const Client& server) {
  absl::BitGen random;
  int failures = 0;  // in a row
  while (Task task = Take()) {
    const absl::Status status = task(server, deadline_ - absl::Now());
    if (status.ok()) {
      failures = 0;
      Done();
      continue;
    }
    if (!IsBreak(status) || absl::Now() >= deadline_) return Fail(status);
    if (++failures >= options_.max_attempts) return Leave(std::move(task), WithText(status, server.endpoint()));
    PutBack(std::move(task), WithText(status, server.endpoint()));
    const absl::Duration backoff =
        std::min(options_.initial_backoff * std::exp2(std::min(failures - 1, 60)), options_.max_backoff) *
        absl::Uniform(random, 0.5, 1.0);
    const absl::Duration wait = RetryDelayOf(status).value_or(absl::ZeroDuration()) + backoff;
    // There is nothing to wait for once the others have done all.
    const auto over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return failed_ || (tasks_.empty() && num_under_way_ == 0);
    };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithDeadline(absl::Condition(&over), std::min(absl::Now() + wait, deadline_));
  }
}

TaskBoard::Task TaskBoard::Take() {
  absl::MutexLock lock(&mutex_);
  const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return failed_ || !tasks_.empty() || num_under_way_ == 0;
  };
  mutex_.Await(absl::Condition(&something));
  if (failed_ || tasks_.empty()) return nullptr;
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  ++num_under_way_;
  return task;
}

void TaskBoard::PutBack(Task task, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  --num_under_way_;
  tasks_.push_front(std::move(task));
  if (options_.on_failure) options_.on_failure(why);
}

void TaskBoard::Done() {
  absl::MutexLock lock(&mutex_);
  --num_under_way_;
}

void TaskBoard::Fail(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  --num_under_way_;
  failed_ = true;
  status_.Update(status);
}

void TaskBoard::Leave(Task task, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  --num_under_way_;
  tasks_.push_front(std::move(task));
  if (--num_workers_ > 0) return;
  failed_ = true;
  status_.Update(why);
}

}  // namespace favor::client
