#include "server/rpc/call.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "server/execution/priority_shares.h"
#include "server/execution/queue_wait.h"
#include "server/execution/retry_delay.h"
#include "server/rpc/status_mapping.h"

namespace favor {
namespace {

// A client's timers may be some milliseconds ahead of ours.
constexpr absl::Duration kAhead = absl::Milliseconds(20);

constexpr char kPriorityHeader[] = "favor-priority";
constexpr char kPushbackTrailer[] = "grpc-retry-pushback-ms";
constexpr size_t kMaxQuoted = 32;  // of what a client sent, in an error
constexpr char kStopping[] = "the server is stopping, and the time for calls under way is up";

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace

void Call::Listen(grpc::ServerCompletionQueue* queue) {
  queue_ = queue;
  myself_ = shared_from_this();
  environment_->calls_alive->Enter(this);
  arrived_ = [this](bool ok) { OnArrived(ok); };
  done_ = [this](bool) { OnDone(); };
  finished_ = [this](bool ok) { OnFinished(ok); };
  context_.AsyncNotifyWhenDone(&done_);
  Request(queue, &arrived_);
}

void Call::OnArrived(bool ok) {
  if (!ok) {  // the server shuts down; gRPC does not return done_ for a call that never arrived
    LetGo();
    return;
  }
  ListenForNext(queue_);
  tags_left_ = 2;
  arrival_ = absl::Now();
  absl::Status status = EnterKey();
  const absl::StatusOr<Priority> priority = ReadPriority();
  status.Update(priority.status());
  cancellation_.emplace(DeadlineOf(context_), priority.value_or(Priority::kNormal));
  peer_ = context_.peer();
  trace_ = ReadTraceContext([this](absl::string_view name) { return FindHeader(name); });
  if (environment_->tracer != nullptr) environment_->tracer->Begin(&trace_);
  environment_->calls_in_flight->Enter(this);
  environment_->metrics.started->Increment();
  if (!status.ok()) return Fail(status);
  Handle();
}

absl::Status Call::EnterKey() {
  if (environment_->keys == nullptr) return absl::OkStatus();
  // The doorkeeper has let the call in, so there is one.
  absl::StatusOr<KeyRing::Pass> pass = environment_->keys->Enter(FindHeader("authorization"), arrival_);
  if (pass.ok()) pass_ = *std::move(pass);
  return pass.status();
}

absl::StatusOr<Priority> Call::ReadPriority() const {
  const bool is_free = environment_->keys == nullptr;  // to have any
  const absl::string_view text = FindHeader(kPriorityHeader);
  if (text.empty()) return pass_.priority();
  const std::optional<Priority> asked = ParsePriority(text);
  if (asked) return is_free ? *asked : std::min(*asked, pass_.priority());
  return absl::InvalidArgumentError(absl::StrCat("metadata ", kPriorityHeader, " is '", text.substr(0, kMaxQuoted),
                                                 "', must be low, normal or high"));
}

// A plain cancellation would reach the client as one of its own, which nobody retries.
void Call::EndEarly() { CutShort(absl::UnavailableError(kStopping)); }

void Call::CutShort(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (cut_short_) return;
    cut_short_ = status;
  }
  grpc_call_cancel_with_status(context_.c_call(), static_cast<grpc_status_code>(status.code()),
                               std::string(status.message()).c_str(), nullptr);
}

absl::Status Call::IdleError(absl::Duration timeout, bool to_take) {
  return absl::DeadlineExceededError(
      absl::StrCat(to_take ? "the client took no message for " : "the client sent no message for ",
                   absl::FormatDuration(timeout), ", which is the stream-idle-timeout"));
}

absl::string_view Call::FindHeader(absl::string_view name) const {
  const auto header = context_.client_metadata().find(grpc::string_ref(name.data(), name.size()));
  if (header == context_.client_metadata().end()) return {};
  return {header->second.data(), header->second.size()};
}

absl::Status Call::WhyGone() const {
  if (absl::Now() + kAhead < cancellation_->deadline()) {
    return absl::CancelledError("the client went away, or sent a message beyond max-message-size or a compressed one");
  }
  return absl::DeadlineExceededError("the deadline passed");
}

void Call::OnDone() {
  // gRPC also cancels a call whose deadline has passed, and so does the client; the Cancellation knows the deadline and
  // tells the two apart.
  if (context_.IsCancelled() && absl::Now() + kAhead < cancellation_->deadline()) cancellation_->Cancel();
  DropTag();
}

void Call::Fail(const absl::Status& status) { EndWith(status); }

void Call::FailWithoutRequest() {
  has_no_request_ = true;
  Fail(absl::UnimplementedError("the call has no request message, the method takes one"));
}

void Call::EndWith(const absl::Status& status) {
  End(status);
  if (timing_.queue_time == absl::ZeroDuration()) timing_.queue_time = QueueWaitOf(status).value_or(timing_.queue_time);
  // For clients with a retry policy of gRPC's own, which does not look into the status.
  if (const std::optional<absl::Duration> delay = RetryDelayOf(status)) {
    context_.AddTrailingMetadata(kPushbackTrailer, absl::StrCat(absl::ToInt64Milliseconds(*delay)));
  }
  SendStatus(ToGrpcStatus(status), &finished_);
}

void Call::End(const absl::Status& status, std::optional<int64_t> response_bytes) {
  status_ = status;
  response_bytes_ = response_bytes;
}

void Call::CountReceived(int64_t bytes) {
  ++received_.messages;
  received_.bytes += bytes;
  environment_->metrics.messages_received->Increment();
}

void Call::CountSent(int64_t bytes) {
  ++sent_.messages;
  sent_.bytes += bytes;
  environment_->metrics.messages_sent->Increment();
}

void Call::OnFinished(bool ok) {
  if (ok && response_bytes_) CountSent(*response_bytes_);
  // The client was gone before it could learn of the end.
  if (!ok && (status_.ok() || has_no_request_)) status_ = WhyGone();
  {
    absl::MutexLock lock(&mutex_);
    if (cut_short_ && !status_.ok()) status_ = *cut_short_;  // whatever the work made of it
  }
  Record(ok);
  pass_ = {};
  environment_->calls_in_flight->Leave(this);
  DropTag();
}

void Call::DropTag() {
  if (--tags_left_ == 0) LetGo();
}

void Call::LetGo() {
  environment_->calls_alive->Leave(this);
  myself_.reset();  // often the last reference: nothing of this call may be touched from here on
}

void Call::Record(bool sent) const {
  const absl::Duration took = absl::Now() - arrival_;
  const MethodMetrics& metrics = environment_->metrics;
  metrics.handled[static_cast<size_t>(status_.code())]->Increment();
  metrics.handling_seconds->Observe(absl::ToDoubleSeconds(took));

  metrics.request_bytes->Increment(static_cast<double>(received_.bytes));
  metrics.response_bytes->Increment(static_cast<double>(sent_.bytes));
  const CallRecord record{environment_->service,
                          environment_->method,
                          status_,
                          peer_,
                          pass_.name(),
                          trace_,
                          received_,
                          sent_,
                          timing_,
                          took,
                          sent,
                          arrival_,
                          priority()};
  environment_->log->Write(record);
  if (environment_->tracer != nullptr) environment_->tracer->Record(record);
}

}  // namespace favor
