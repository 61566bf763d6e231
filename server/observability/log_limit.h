#ifndef FAVOR_SERVER_OBSERVABILITY_LOG_LIMIT_H_
#define FAVOR_SERVER_OBSERVABILITY_LOG_LIMIT_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace favor {

// Of lines that anybody may cause from outside, and so as many as they like, lets one through a second. Thread-safe.
class LogLimit {
 public:
  // How many were left out since the last line that was let through; nullopt: this one is left out too.
  std::optional<int64_t> Next(absl::Time now) {
    const absl::MutexLock lock(&mutex_);
    if (now - last_ < absl::Seconds(1)) {
      ++left_out_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(left_out_, 0);
  }

 private:
  absl::Mutex mutex_;
  absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_LOG_LIMIT_H_
