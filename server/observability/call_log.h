#ifndef FAVOR_SERVER_OBSERVABILITY_CALL_LOG_H_
#define FAVOR_SERVER_OBSERVABILITY_CALL_LOG_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "favor/base/priority.h"
#include "server/execution/compute.h"
#include "server/observability/log.h"
#include "server/observability/trace_context.h"

namespace favor {

struct CallLogOptions {
  int64_t log_every = 1;                            // of calls without an incident one in so many; 0: none
  absl::Duration slow_call = absl::ZeroDuration();  // from here on a call is slow; 0: never
};

// What went one way.
struct CallTraffic {
  int64_t messages = 0;
  int64_t bytes = 0;
};

// One call that has ended.
struct CallRecord {
  const std::string& service;
  const std::string& method;
  const absl::Status& status;
  const std::string& peer;
  const std::string& key;  // name of the caller's API key
  const TraceContext& trace;
  CallTraffic received, sent;
  Timing timing;
  absl::Duration total;
  bool is_sent = false;  // gRPC took the answer
  absl::Time arrival = {};
  Priority priority = Priority::kNormal;
};

// Writes a line for each call that has ended: an incident (INTERNAL, UNKNOWN, DATA_LOSS) as an error, a slow one as a
// warning, everything else as information. Of calls that went well or were turned away for lack of room, which may be
// very many, only a sample. Thread-safe.
class CallLog {
 public:
  // Does not own the log.
  CallLog(const Log* log, const CallLogOptions& options) : log_(log), options_(options) {}

  void Write(const CallRecord& record) const;

 private:
  bool IsInSample() const;

  const Log* const log_;
  const CallLogOptions options_;
  mutable std::atomic<int64_t> num_ordinary_ = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_CALL_LOG_H_
