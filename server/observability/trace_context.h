#ifndef FAVOR_SERVER_OBSERVABILITY_TRACE_CONTEXT_H_
#define FAVOR_SERVER_OBSERVABILITY_TRACE_CONTEXT_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace favor {

// The trace that a call belongs to, as its caller says. Empty where it says none.
struct TraceContext {
  std::string trace_id = {};         // 32 lower-case hexadecimal digits
  std::string parent_span_id = {};   // 16 of them
  std::optional<bool> sampled = {};  // nullopt: the caller leaves it to us
  // W3C's tracestate as it came, to be handed on. Empty when it is longer than kMaxTraceState.
  std::string trace_state = {};
  // Of the call itself, given by the Tracer; empty: no span is recorded.
  std::string span_id = {};

  static constexpr size_t kMaxTraceState = 512;
};

// Reads W3C Trace Context's `traceparent` and `tracestate`, and where there is none B3's `b3`, or `x-b3-traceid`,
// `x-b3-spanid` and `x-b3-sampled`. What does not follow its format counts as absent. `find_header` gives a header's
// value, empty for none.
TraceContext ReadTraceContext(const std::function<absl::string_view(absl::string_view name)>& find_header);

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_TRACE_CONTEXT_H_
