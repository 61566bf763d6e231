#include "server/rpc/byte_service.h"

#include "absl/strings/str_cat.h"

namespace favor {

ByteService::RequestFunction ByteService::Add(absl::string_view method) {
  const int index = static_cast<int>(paths_.size());
  paths_.push_back(absl::StrCat("/", name_, "/", method));
  AddMethod(new grpc::internal::RpcServiceMethod(paths_.back().c_str(), grpc::internal::RpcMethod::BIDI_STREAMING,
                                                 /*handler=*/nullptr));
  MarkMethodRaw(index);
  return [this, index](grpc::ServerContext* context, Stream* stream, grpc::ServerCompletionQueue* queue, void* tag) {
    RequestAsyncBidiStreaming(index, context, stream, queue, queue, tag);
  };
}

}  // namespace favor
