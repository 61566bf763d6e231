#include "server/observability/span_exporter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "server/observability/otlp_spans.h"

namespace favor {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;

std::shared_ptr<grpc::Channel> ConnectTo(const SpanExporterOptions& options) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options.tls_ca;
    credentials = grpc::SslCredentials(tls);
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // Export() has its own
  return grpc::CreateCustomChannel(options.target, credentials, arguments);
}

// As OTLP says. RESOURCE_EXHAUSTED only with a delay there; to try again later does no harm without.
bool IsTransient(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

SpanExporter::SpanExporter(const SpanExporterOptions& options, const Log* log)
    : options_(options), log_(log), stub_(Service::NewStub(ConnectTo(options))), thread_([this] { Run(); }) {}

SpanExporter::~SpanExporter() { Stop(absl::ZeroDuration()); }

void SpanExporter::Add(CallSpan span) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || waiting_.size() >= options_.max_waiting) {
    ++stats_.dropped;
  } else {
    waiting_.push_back(std::move(span));
  }
}

TracedCalls SpanExporter::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

void SpanExporter::Stop(absl::Duration timeout) {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stop_deadline_ = absl::Now() + timeout;
    if (!mutex_.AwaitWithDeadline(absl::Condition(&ended_), stop_deadline_) && attempt_ != nullptr) {
      attempt_->TryCancel();
    }
  }
  thread_.join();
}

void SpanExporter::Run() {
  while (true) {
    const Batch batch = TakeBatch();
    if (batch.empty()) break;
    Export(batch);
  }
  absl::MutexLock lock(&mutex_);
  ended_ = true;
}

SpanExporter::Batch SpanExporter::TakeBatch() {
  absl::MutexLock lock(&mutex_);
  const auto has_any = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !waiting_.empty(); };
  const auto is_full = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || waiting_.size() >= options_.max_batch;
  };
  mutex_.Await(absl::Condition(&has_any));
  mutex_.AwaitWithTimeout(absl::Condition(&is_full), options_.period);
  const auto end = waiting_.begin() + static_cast<int64_t>(std::min(waiting_.size(), options_.max_batch));
  Batch batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

void SpanExporter::Export(const Batch& batch) {
  ExportTraceServiceRequest request = OtlpRequest(options_.service_name);
  for (const CallSpan& span : batch) AddOtlpSpans(span, &request);
  absl::Duration delay = options_.retry_delay;
  absl::Status status;
  while (true) {
    status = Send(request);
    NoteOutcome(status);
    if (status.ok() || !IsTransient(status.code()) || StoppedWithin(delay)) break;
    delay = std::min(2 * delay, options_.longest_delay);
  }
  absl::MutexLock lock(&mutex_);
  (status.ok() ? stats_.exported : stats_.failed) += static_cast<int64_t>(batch.size());
}

absl::Status SpanExporter::Send(const ExportTraceServiceRequest& request) {
  grpc::ClientContext context;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Time deadline = std::min(absl::Now() + options_.timeout, stop_deadline_);
    context.set_deadline(absl::ToChronoTime(deadline));
    attempt_ = &context;
  }
  ExportTraceServiceResponse response;
  const grpc::Status status = stub_->Export(&context, request, &response);
  {
    absl::MutexLock lock(&mutex_);
    attempt_ = nullptr;
  }
  if (!status.ok()) return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
  const auto& partial = response.partial_success();
  if (partial.rejected_spans() == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("the collector refused some spans: " + partial.error_message());
}

void SpanExporter::NoteOutcome(const absl::Status& status) {
  if (status.ok() != is_failing_) return;
  is_failing_ = !status.ok();
  if (status.ok()) return log_->Write(LogLevel::kInfo, "trace_export_resumed", {{"collector", options_.target}});
  log_->Write(LogLevel::kWarning, "trace_export_failed",
              {{"collector", options_.target},
               {"code", absl::StatusCodeToString(status.code())},
               {"message", std::string(status.message())}});
}

bool SpanExporter::StoppedWithin(absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

}  // namespace favor
