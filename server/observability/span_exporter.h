#ifndef FAVOR_SERVER_OBSERVABILITY_SPAN_EXPORTER_H_
#define FAVOR_SERVER_OBSERVABILITY_SPAN_EXPORTER_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "server/observability/call_span.h"
#include "server/observability/log.h"
#include "server/observability/traced_calls.h"

namespace favor {

struct SpanExporterOptions {
  std::string target;                             // host:port of the collector
  bool tls = false;                               // towards it
  std::string tls_ca;                             // PEM certificates to trust; empty: those of the machine
  std::string service_name;                       // "favord"
  size_t max_waiting = 4096;                      // calls; more are dropped
  size_t max_batch = 256;                         // calls sent at once
  absl::Duration period = absl::Seconds(1);       // the longest wait for a batch to fill
  absl::Duration timeout = absl::Seconds(10);     // of one attempt
  absl::Duration retry_delay = absl::Seconds(1);  // after the first failure; doubles
  absl::Duration longest_delay = absl::Seconds(30);
};

// Sends recorded calls to an OpenTelemetry collector (OTLP over gRPC), in batches from a thread of its own. A collector
// that is slow or gone costs spans and nothing else: what waits is bounded, and the latest is dropped. Thread-safe.
class SpanExporter {
 public:
  // The log must outlive the exporter. Nothing has to listen at the target yet.
  SpanExporter(const SpanExporterOptions& options, const Log* log);
  // Stop() without waiting.
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  // Never waits.
  void Add(CallSpan span);

  // Sends what waits, for so long at most, and ends the thread; what is left then has failed.
  void Stop(absl::Duration timeout);

  TracedCalls stats() const;

 private:
  using Service = opentelemetry::proto::collector::trace::v1::TraceService;
  using Batch = std::vector<CallSpan>;

  void Run();
  // Waits for a batch; empty when there is none and none will come.
  Batch TakeBatch();
  void Export(const Batch& batch);
  absl::Status Send(const opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest& request);
  // One line when exporting begins to fail, one when it goes on.
  void NoteOutcome(const absl::Status& status);
  // Whether it was told to stop before the time was up.
  bool StoppedWithin(absl::Duration time);

  const SpanExporterOptions options_;
  const Log* const log_;
  std::unique_ptr<Service::Stub> stub_;

  mutable absl::Mutex mutex_;
  Batch waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time stop_deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  grpc::ClientContext* attempt_ ABSL_GUARDED_BY(mutex_) = nullptr;  // under way
  TracedCalls stats_ ABSL_GUARDED_BY(mutex_);
  bool is_failing_ = false;  // of the thread

  std::thread thread_;  // last: starts when all else is there
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_SPAN_EXPORTER_H_
