#include "server/observability/call_log.h"

#include "server/execution/priority_shares.h"

namespace favor {
namespace {

bool IsIncident(absl::StatusCode code) {
  return code == absl::StatusCode::kInternal || code == absl::StatusCode::kUnknown ||
         code == absl::StatusCode::kDataLoss;
}

bool IsOrdinary(absl::StatusCode code) {
  return code == absl::StatusCode::kOk || code == absl::StatusCode::kResourceExhausted;
}

}  // namespace

bool CallLog::IsInSample() const {
  if (options_.log_every == 0) return false;
  return num_ordinary_.fetch_add(1, std::memory_order_relaxed) % options_.log_every == 0;
}

void CallLog::Write(const CallRecord& record) const {
  const absl::StatusCode code = record.status.code();
  const bool is_slow = options_.slow_call > absl::ZeroDuration() && record.total >= options_.slow_call;
  const LogLevel level = IsIncident(code) ? LogLevel::kError : is_slow ? LogLevel::kWarning : LogLevel::kInfo;
  if (!log_->Enabled(level)) return;
  if (level == LogLevel::kInfo && IsOrdinary(code) && !IsInSample()) return;
  Log::Fields fields = {
      {"service", record.service},
      {"method", record.method},
      {"code", absl::StatusCodeToString(code)},
      {"request_bytes", record.received.bytes},
      {"response_bytes", record.sent.bytes},
      {"messages_received", record.received.messages},
      {"messages_sent", record.sent.messages},
      {"queue_ms", absl::ToDoubleMilliseconds(record.timing.queue_time)},
      {"compute_ms", absl::ToDoubleMilliseconds(record.timing.compute_time)},
      {"total_ms", absl::ToDoubleMilliseconds(record.total)},
      {"peer", record.peer},
      {"sent", record.is_sent},
  };
  if (is_slow) fields["slow"] = true;
  if (record.priority != Priority::kNormal) fields["priority"] = NameOf(record.priority);
  if (!record.key.empty()) fields["key"] = record.key;
  if (!record.trace.trace_id.empty()) {
    fields["trace_id"] = record.trace.trace_id;
    if (!record.trace.parent_span_id.empty()) fields["parent_span_id"] = record.trace.parent_span_id;
  }
  if (!record.trace.span_id.empty()) fields["span_id"] = record.trace.span_id;
  if (!record.status.ok()) fields["message"] = std::string(record.status.message());
  log_->Write(level, "call", fields);
}

}  // namespace favor
