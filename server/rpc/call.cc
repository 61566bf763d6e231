#include "server/rpc/call.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "server/rpc/status_mapping.h"

namespace favor {
namespace {

// A client's timers may be some milliseconds ahead of ours.
constexpr absl::Duration kAhead = absl::Milliseconds(20);

absl::Time DeadlineOf(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

}  // namespace

void Call::Listen(grpc::ServerCompletionQueue* queue) {
  queue_ = queue;
  myself_ = shared_from_this();
  environment_->calls_alive->Enter();
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
  cancellation_.emplace(DeadlineOf(context_));
  peer_ = context_.peer();
  trace_ = ReadTraceContext([this](absl::string_view name) { return FindHeader(name); });
  environment_->calls_in_flight->Enter();
  environment_->metrics.started->Increment();
  if (absl::Status status = EnterKey(); !status.ok()) return Fail(status);
  Handle();
}

absl::Status Call::EnterKey() {
  if (environment_->keys == nullptr) return absl::OkStatus();
  // The doorkeeper has let the call in, so there is one.
  absl::StatusOr<KeyRing::Pass> pass = environment_->keys->Enter(FindHeader("authorization"), arrival_);
  if (pass.ok()) pass_ = *std::move(pass);
  return pass.status();
}

absl::string_view Call::FindHeader(absl::string_view name) const {
  const auto header = context_.client_metadata().find(grpc::string_ref(name.data(), name.size()));
  if (header == context_.client_metadata().end()) return {};
  return {header->second.data(), header->second.size()};
}

absl::Status Call::WhyGone() const {
  if (absl::Now() + kAhead < cancellation_->deadline()) return absl::CancelledError("the client went away");
  return absl::DeadlineExceededError("the deadline passed");
}

void Call::OnDone() {
  // gRPC also cancels a call whose deadline has passed, and so does the client; the Cancellation knows the deadline and
  // tells the two apart.
  if (context_.IsCancelled() && absl::Now() + kAhead < cancellation_->deadline()) cancellation_->Cancel();
  DropTag();
}

void Call::Fail(const absl::Status& status) { EndWith(status); }

void Call::EndWith(const absl::Status& status) {
  End(status);
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
  if (!ok && status_.ok()) status_ = WhyGone();
  Record(ok);
  pass_ = {};
  environment_->calls_in_flight->Leave();
  DropTag();
}

void Call::DropTag() {
  if (--tags_left_ == 0) LetGo();
}

void Call::LetGo() {
  environment_->calls_alive->Leave();
  myself_.reset();  // often the last reference: nothing of this call may be touched from here on
}

void Call::Record(bool sent) const {
  const absl::Duration took = absl::Now() - arrival_;
  const MethodMetrics& metrics = environment_->metrics;
  metrics.handled[static_cast<size_t>(status_.code())]->Increment();
  metrics.handling_seconds->Observe(absl::ToDoubleSeconds(took));

  metrics.request_bytes->Increment(static_cast<double>(received_.bytes));
  metrics.response_bytes->Increment(static_cast<double>(sent_.bytes));
  environment_->log->Write({environment_->service, environment_->method, status_, peer_, pass_.name(), trace_,
                            received_, sent_, timing_, took, sent});
}

}  // namespace favor
