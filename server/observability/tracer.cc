#include "server/observability/tracer.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/observability/random_id.h"
#include "server/observability/span_exporter.h"

namespace favor {

void Tracer::Begin(TraceContext* trace) const {
  const bool is_root = trace->trace_id.empty();
  uint64_t bits = 0;
  if (is_root) {
    bits = RandomId();
  } else if (!absl::SimpleHexAtoi(absl::string_view(trace->trace_id).substr(16), &bits)) {
    return;
  }
  if (!IsSampled(*trace, bits)) return;
  if (is_root) trace->trace_id = HexOf(RandomId()) + HexOf(bits);
  trace->span_id = HexOf(RandomId());
}

// As OpenTelemetry's TraceIdRatioBased: all who see a trace and take it so decide the same.
bool Tracer::IsSampled(const TraceContext& trace, uint64_t trace_bits) const {
  if (trace.sampled) return *trace.sampled;
  constexpr int kBits = 56;
  const uint64_t low = trace_bits & ((uint64_t{1} << kBits) - 1);
  return low < static_cast<uint64_t>(std::ldexp(ratio_, kBits));  // as integers: a double would round the last ones up
}

void Tracer::Record(const CallRecord& record) const {
  if (!record.trace.span_id.empty()) exporter_->Add(CallSpan(record));
}

}  // namespace favor
