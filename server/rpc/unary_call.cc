#include "server/rpc/unary_call.h"

namespace favor {

void UnaryCall::Handle() {
  if (method_->check_room) {
    if (absl::Status status = method_->check_room(priority()); !status.ok()) return Fail(status);
  }
  read_tag_ = [this](bool ok) { OnRead(ok); };
  AddTag();
  stream_.Read(&request_, &read_tag_);
}

void UnaryCall::OnRead(bool ok) {
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
  stream_.WriteAndFinish(response, grpc::WriteOptions(), grpc::Status::OK, finished_tag());
}

void UnaryCall::SendStatus(const grpc::Status& status, CompletionTag* finished) {
  request_.Clear();  // an error needs no request any more, however big it is
  stream_.Finish(status, finished);
}

}  // namespace favor
