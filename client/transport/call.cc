#include "client/transport/call.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include "absl/strings/str_cat.h"
#include "client/transport/status.h"

namespace favor::client {
namespace {

// A queue for one call, emptied at the end as gRPC demands.
class CallQueue {
 public:
  ~CallQueue() {
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  grpc::CompletionQueue* get() { return &queue_; }

  // Waits for the one operation under way; whether it went well.
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

 private:
  grpc::CompletionQueue queue_;
};

const char* NameOf(Priority priority) {
  switch (priority) {
    case Priority::kLow:
      return "low";
    case Priority::kNormal:
      return "normal";
    case Priority::kHigh:
      return "high";
  }
  return "normal";
}

}  // namespace

void Apply(const CallSettings& settings, grpc::ClientContext* context) {
  if (settings.deadline != absl::InfiniteFuture()) context->set_deadline(absl::ToChronoTime(settings.deadline));
  if (settings.priority) context->AddMetadata("favor-priority", NameOf(*settings.priority));
  if (!settings.api_key.empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", settings.api_key));
}

absl::Status CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const CallSettings& settings, const grpc::ByteBuffer& request, grpc::ByteBuffer* response) {
  CallQueue queue;
  grpc::ClientContext context;
  Apply(settings, &context);
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareUnaryCall(&context, method, request, queue.get());
  grpc::Status status;
  call->StartCall();
  call->Finish(response, &status, nullptr);
  queue.Wait();
  return FromGrpc(status);
}

absl::Status CallServerStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                              const CallSettings& settings, const grpc::ByteBuffer& request,
                              const std::function<bool(grpc::ByteBuffer*)>& on_response) {
  CallQueue queue;
  grpc::ClientContext context;
  Apply(settings, &context);
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(&context, method, queue.get());
  bool stopped = false;
  call->StartCall(nullptr);
  if (queue.Wait()) {
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    queue.Wait();
    grpc::ByteBuffer response;
    while (!stopped) {
      call->Read(&response, nullptr);
      if (!queue.Wait()) break;
      stopped = !on_response(&response);
    }
  }
  if (stopped) context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Wait();
  return stopped ? absl::OkStatus() : FromGrpc(status);
}

}  // namespace favor::client
