#ifndef FAVOR_SERVER_OBSERVABILITY_TRACER_H_
#define FAVOR_SERVER_OBSERVABILITY_TRACER_H_

#include <cstdint>

#include "server/observability/call_log.h"
#include "server/observability/trace_context.h"

namespace favor {

class SpanExporter;

// Decides which calls are recorded for traces, and hands those to the exporter when they have ended. Thread-safe, and
// never waits.
class Tracer {
 public:
  // Does not own the exporter. `ratio`, 0 to 1, is the share of calls to record of those whose callers leave it to us;
  // where they have decided, their word holds, or a trace would have holes.
  Tracer(SpanExporter* exporter, double ratio) : exporter_(exporter), ratio_(ratio) {}

  // To be called when a call arrives: gives it a span, and a trace where its caller named none, if it is recorded.
  void Begin(TraceContext* trace) const;
  // To be called when it has ended; `record.trace` is what Begin() made of it.
  void Record(const CallRecord& record) const;

 private:
  bool IsSampled(const TraceContext& trace, uint64_t trace_bits) const;

  SpanExporter* const exporter_;
  const double ratio_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_TRACER_H_
