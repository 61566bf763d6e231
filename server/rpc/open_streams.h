#ifndef FAVOR_SERVER_RPC_OPEN_STREAMS_H_
#define FAVOR_SERVER_RPC_OPEN_STREAMS_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/execution/retry_delay.h"

namespace favor {

// Counts the streams that are open, of all methods together, and bounds them: a stream holds memory between its
// messages too. Thread-safe.
class OpenStreams {
 public:
  explicit OpenStreams(int64_t max_streams) : max_streams_(max_streams) {}

  // OverloadedError when as many are open as may be; otherwise Leave() is to be called once.
  absl::Status Enter() {
    // Streams last; whoever is refused does better to try another replica first.
    constexpr absl::Duration kRetryDelay = absl::Seconds(1);
    absl::MutexLock lock(&mutex_);
    if (count_ < max_streams_) {
      ++count_;
      return absl::OkStatus();
    }
    ++num_refused_;
    return OverloadedError(absl::StrCat(count_, " streams are open, max-streams is ", max_streams_), kRetryDelay);
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }

  int64_t count() const {
    absl::MutexLock lock(&mutex_);
    return count_;
  }
  int64_t num_refused() const {
    absl::MutexLock lock(&mutex_);
    return num_refused_;
  }

 private:
  const int64_t max_streams_;
  mutable absl::Mutex mutex_;
  int64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_OPEN_STREAMS_H_
