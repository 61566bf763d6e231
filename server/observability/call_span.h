#ifndef FAVOR_SERVER_OBSERVABILITY_CALL_SPAN_H_
#define FAVOR_SERVER_OBSERVABILITY_CALL_SPAN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/observability/call_log.h"

namespace favor {

// What a trace tells of one call that has ended: a CallRecord that may outlive its call.
struct CallSpan {
  explicit CallSpan(const CallRecord& record)
      : service(record.service),
        method(record.method),
        status(record.status),
        peer(record.peer),
        key(record.key),
        trace(record.trace),
        received(record.received),
        sent(record.sent),
        timing(record.timing),
        arrival(record.arrival),
        end(record.arrival + record.total),
        priority(record.priority) {}

  std::string service;
  std::string method;
  absl::Status status;
  std::string peer;  // as gRPC writes it: "ipv4:127.0.0.1:1234"
  std::string key;
  TraceContext trace;
  CallTraffic received, sent;
  Timing timing;
  absl::Time arrival, end;
  Priority priority;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_CALL_SPAN_H_
