#include "server/observability/otlp_spans.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "favor/base/version.h"
#include "favor/kernels/cpu_target.h"
#include "server/execution/priority_shares.h"
#include "server/observability/random_id.h"

namespace favor {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::common::v1::AnyValue;
using opentelemetry::proto::common::v1::KeyValue;
using opentelemetry::proto::trace::v1::ScopeSpans;
using opentelemetry::proto::trace::v1::Span;

constexpr char kSchemaUrl[] = "https://opentelemetry.io/schemas/1.21.0";
// Flags: W3C's one, and whether the parent is another process, which OTLP adds.
constexpr size_t kMaxMessage = 1024;  // clients name things as they like, at any length
constexpr uint32_t kSampled = 1;
constexpr uint32_t kParentIsKnown = 0x100;
constexpr uint32_t kParentIsRemote = 0x200;

class Attributes {
 public:
  explicit Attributes(google::protobuf::RepeatedPtrField<KeyValue>* list) : list_(list) {}

  void Text(const char* name, absl::string_view value) { Add(name)->set_string_value(std::string(value)); }
  void Number(const char* name, int64_t value) { Add(name)->set_int_value(value); }
  void Seconds(const char* name, absl::Duration value) { Add(name)->set_double_value(absl::ToDoubleSeconds(value)); }

 private:
  AnyValue* Add(const char* name) {
    KeyValue* attribute = list_->Add();
    attribute->set_key(name);
    return attribute->mutable_value();
  }

  google::protobuf::RepeatedPtrField<KeyValue>* const list_;
};

// "ipv4:127.0.0.1:1234", "ipv6:%5B::1%5D:1234", "unix:/path".
void AddPeer(absl::string_view peer, Attributes* attributes) {
  const bool is_ip = absl::ConsumePrefix(&peer, "ipv4:") || absl::ConsumePrefix(&peer, "ipv6:");
  const size_t colon = peer.rfind(':');
  int64_t port = 0;
  if (!is_ip || colon == peer.npos || !absl::SimpleAtoi(peer.substr(colon + 1), &port)) {
    if (!peer.empty()) attributes->Text("network.peer.address", peer);
    return;
  }
  absl::string_view address = peer.substr(0, colon);
  absl::ConsumePrefix(&address, "%5B");
  absl::ConsumeSuffix(&address, "%5D");
  absl::ConsumePrefix(&address, "[");
  absl::ConsumeSuffix(&address, "]");
  attributes->Text("network.peer.address", address);
  attributes->Number("network.peer.port", port);
}

// Of a server, what is the caller's fault is no error.
bool IsServerError(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

Span* AddSpan(const CallSpan& call, std::string name, absl::Time start, absl::Time end, ScopeSpans* spans) {
  Span* span = spans->add_spans();
  span->set_trace_id(absl::HexStringToBytes(call.trace.trace_id));
  span->set_trace_state(call.trace.trace_state);
  span->set_name(std::move(name));
  span->set_start_time_unix_nano(absl::ToUnixNanos(start));
  span->set_end_time_unix_nano(absl::ToUnixNanos(std::max(start, end)));
  return span;
}

void AddPart(const CallSpan& call, const char* name, absl::Time start, absl::Time end, ScopeSpans* spans) {
  const absl::Time begin = std::clamp(start, call.arrival, call.end);
  Span* span = AddSpan(call, name, begin, std::clamp(end, begin, call.end), spans);
  span->set_span_id(absl::HexStringToBytes(HexOf(RandomId())));
  span->set_parent_span_id(absl::HexStringToBytes(call.trace.span_id));
  span->set_flags(kParentIsKnown | kSampled);
  span->set_kind(Span::SPAN_KIND_INTERNAL);
}

}  // namespace

ExportTraceServiceRequest OtlpRequest(const std::string& service_name) {
  ExportTraceServiceRequest request;
  auto* resource_spans = request.add_resource_spans();
  resource_spans->set_schema_url(kSchemaUrl);
  Attributes attributes(resource_spans->mutable_resource()->mutable_attributes());
  attributes.Text("service.name", service_name);
  attributes.Text("service.version", kVersion);
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) == 0) {
    attributes.Text("host.name", host);
    attributes.Text("service.instance.id", absl::StrCat(host, ":", getpid()));
  }
  attributes.Number("process.pid", getpid());
  attributes.Text("favor.cpu_target", CpuTargetName());
  auto* scope = resource_spans->add_scope_spans()->mutable_scope();
  scope->set_name("favord");
  scope->set_version(kVersion);
  return request;
}

void AddOtlpSpans(const CallSpan& call, ExportTraceServiceRequest* request) {
  ScopeSpans* spans = request->mutable_resource_spans(0)->mutable_scope_spans(0);
  Span* span = AddSpan(call, absl::StrCat(call.service, "/", call.method), call.arrival, call.end, spans);
  span->set_span_id(absl::HexStringToBytes(call.trace.span_id));
  const bool has_parent = !call.trace.parent_span_id.empty();
  if (has_parent) span->set_parent_span_id(absl::HexStringToBytes(call.trace.parent_span_id));
  span->set_flags(kParentIsKnown | (has_parent ? kParentIsRemote : 0) | kSampled);
  span->set_kind(Span::SPAN_KIND_SERVER);

  Attributes attributes(span->mutable_attributes());
  attributes.Text("rpc.system", "grpc");
  attributes.Text("rpc.service", call.service);
  attributes.Text("rpc.method", call.method);
  attributes.Number("rpc.grpc.status_code", static_cast<int>(call.status.code()));
  AddPeer(call.peer, &attributes);
  if (!call.key.empty()) attributes.Text("favor.key", call.key);
  attributes.Text("favor.priority", NameOf(call.priority));
  attributes.Number("favor.request_bytes", call.received.bytes);
  attributes.Number("favor.response_bytes", call.sent.bytes);
  attributes.Number("favor.messages_received", call.received.messages);
  attributes.Number("favor.messages_sent", call.sent.messages);
  attributes.Seconds("favor.queue_seconds", call.timing.queue_time);
  attributes.Seconds("favor.compute_seconds", call.timing.compute_time);
  if (IsServerError(call.status.code())) {
    span->mutable_status()->set_code(opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
    span->mutable_status()->set_message(std::string(call.status.message().substr(0, kMaxMessage)));
  }

  const absl::Time started = call.timing.started;
  if (started == absl::InfinitePast()) return;
  AddPart(call, "queue", started - call.timing.queue_time, started, spans);
  AddPart(call, "compute", started, started + call.timing.compute_time, spans);
}

}  // namespace favor
