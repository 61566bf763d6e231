#include "server/rpc/unary_call.h"

#include "absl/time/clock.h"

namespace favor {

void UnaryCall::Handle() {
  if (method_->check_room) {
    if (absl::Status status = method_->check_room(priority()); !status.ok()) return Fail(status);
  }
  read_tag_ = [this](bool ok) { OnRead(ok); };
  AddTag();
  SetWaitingSince(absl::Now(), /*to_take=*/false);
  stream_.Read(&request_, &read_tag_);
}

void UnaryCall::OnRead(bool ok) {
  SetWaitingSince(absl::InfiniteFuture(), /*to_take=*/false);
  if (ok) {
    CountReceived(request_bytes());
    method_->handle(std::static_pointer_cast<UnaryCall>(shared_from_this()));
  } else {
    FailWithoutRequest();
  }
  DropTag();
}

void UnaryCall::Reply(const grpc::ByteBuffer& response) {
  End(absl::OkStatus(), static_cast<int64_t>(response.Length()));
  SetWaitingSince(absl::Now(), /*to_take=*/true);
  stream_.WriteAndFinish(response, grpc::WriteOptions(), grpc::Status::OK, finished_tag());
}

void UnaryCall::SendStatus(const grpc::Status& status, CompletionTag* finished) {
  request_.Clear();  // an error needs no request any more, however big it is
  stream_.Finish(status, finished);
}

void UnaryCall::SetWaitingSince(absl::Time time, bool to_take) {
  absl::MutexLock lock(&mutex_);
  waiting_since_ = time;
  to_take_ = to_take;
}

void UnaryCall::EndIfIdle(absl::Time now, absl::Duration timeout) {
  bool to_take = false;
  {
    absl::MutexLock lock(&mutex_);
    if (waiting_since_ + timeout > now) return;
    to_take = to_take_;
  }
  CutShort(IdleError(timeout, to_take));
}

}  // namespace favor
