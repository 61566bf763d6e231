#ifndef FAVOR_SERVER_OBSERVABILITY_OTLP_SPANS_H_
#define FAVOR_SERVER_OBSERVABILITY_OTLP_SPANS_H_

#include <string>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "server/observability/call_span.h"

// What favord tells a collector, in OpenTelemetry's messages and its conventions for RPCs.
namespace favor {

// A request without spans: what sends, with the name of the service.
opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest OtlpRequest(const std::string& service_name);

// Adds to an OtlpRequest() the call's span and, where it is known when the call computed, one for its wait and one for
// its computation below it.
void AddOtlpSpans(const CallSpan& call, opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest* request);

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_OTLP_SPANS_H_
