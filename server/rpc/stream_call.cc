#include "server/rpc/stream_call.h"

#include <utility>

#include "absl/time/clock.h"

namespace favor {
void StreamCall::Handle() {
  read_tag_ = [this](bool ok) { OnRead(ok); };
  written_tag_ = [this](bool ok) { OnWritten(ok); };
  if (method_->open_streams != nullptr) {
    if (absl::Status status = method_->open_streams->Enter(); !status.ok()) return Finish(status);
    is_counted_ = true;
  }
  {
    absl::MutexLock lock(&mutex_);
    last_event_ = absl::Now();
  }
  method_->handle(std::static_pointer_cast<StreamCall>(shared_from_this()));
}

void StreamCall::Read(OnMessage on_message) {
  absl::MutexLock lock(&mutex_);
  if (end_) return;
  on_message_ = std::move(on_message);
  AddTag();
  stream_.Read(&incoming_, &read_tag_);
}

void StreamCall::Write(const grpc::ByteBuffer& message, OnSent on_sent) {
  absl::MutexLock lock(&mutex_);
  if (end_) return;
  on_sent_ = std::move(on_sent);
  writing_ = true;
  last_event_ = absl::Now();
  outgoing_bytes_ = static_cast<int64_t>(message.Length());
  AddTag();
  stream_.Write(message, &written_tag_);
}

void StreamCall::Finish(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    if (end_) return;
    end_ = status;
    if (!status.ok()) Cancel();
    if (writing_) return;  // gRPC takes one thing to send at a time: OnWritten() goes on
  }
  SendFinal(status);
}

void StreamCall::SendFinal(const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    set_timing(taken_);
  }
  // Before the client learns of the end, so that its next stream finds the place free.
  if (std::exchange(is_counted_, false)) method_->open_streams->Leave();
  EndWith(status);
}

void StreamCall::OnRead(bool ok) {
  OnMessage on_message;
  bool ended = false;
  {
    absl::MutexLock lock(&mutex_);
    on_message = std::move(on_message_);
    last_event_ = absl::Now();
    ended = end_.has_value();
  }
  // Not under the lock: what it holds may be the last of this call's Work.
  if (ended) on_message = nullptr;
  grpc::ByteBuffer message = std::exchange(incoming_, grpc::ByteBuffer());
  if (ok) CountReceived(static_cast<int64_t>(message.Length()));
  if (on_message && ok) {
    on_message(std::move(message));
  } else if (on_message) {
    on_message(std::nullopt);
  }
  DropTag();
}

void StreamCall::OnWritten(bool ok) {
  OnSent on_sent;
  std::optional<absl::Status> end;
  if (ok) CountSent(outgoing_bytes_);
  {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    on_sent = std::move(on_sent_);
    last_event_ = absl::Now();
    end = end_;
  }
  if (end) {
    on_sent = nullptr;
    SendFinal(*end);
  } else if (on_sent) {
    on_sent(ok);
  }
  DropTag();
}

absl::Time StreamCall::WaitingSince() const { return writing_ || work_ == 0 ? last_event_ : absl::InfiniteFuture(); }

void StreamCall::EndIfIdle(absl::Time now, absl::Duration timeout) {
  absl::Status error;
  bool writing = false;
  {
    absl::MutexLock lock(&mutex_);
    writing = writing_;
    if (end_ && !writing) return;  // the final status is on its way
    if (WaitingSince() + timeout > now) return;
    error = end_ && !end_->ok() ? *end_ : IdleError(timeout, writing);
  }
  if (writing) CutShort(error);  // a write that the client does not take ends only with the call
  Finish(error);
}

void StreamCall::AddTiming(const Timing& timing) {
  absl::MutexLock lock(&mutex_);
  taken_.queue_time += timing.queue_time;
  taken_.compute_time += timing.compute_time;
}

void StreamCall::AddWork(int amount) {
  absl::MutexLock lock(&mutex_);
  work_ += amount;
  if (!writing_) last_event_ = absl::Now();
}

}  // namespace favor
