#ifndef FAVOR_TESTS_SERVER_SERVICES_EMBED_STREAM_CLIENT_H_
#define FAVOR_TESTS_SERVER_SERVICES_EMBED_STREAM_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "favor/v1/embedding.grpc.pb.h"
#include "grpcpp/client_context.h"

namespace favor::testing {

// One EmbedStream call, as a client makes it. Every call ends within its deadline.
class EmbedStreamClient {
 public:
  // `deadline_of_server`, as grpc-timeout has it, is one that the client does not keep itself: `deadline` is infinite.
  explicit EmbedStreamClient(v1::EmbeddingService::Stub* stub, absl::Duration deadline = absl::Seconds(60),
                             const char* deadline_of_server = nullptr) {
    if (deadline_of_server != nullptr) context_.AddMetadata("grpc-timeout", deadline_of_server);
    context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    stream_ = stub->EmbedStream(&context_);
  }

  bool Start(const v1::EmbedRequest& start = {}) {
    v1::EmbedStreamRequest request;
    *request.mutable_start() = start;
    return stream_->Write(request);
  }
  bool SendText(uint64_t id, const std::string& text) {
    v1::EmbedStreamRequest request;
    request.mutable_input()->set_id(id);
    request.mutable_input()->mutable_input()->set_text(text);
    return stream_->Write(request);
  }
  bool Send(const v1::EmbedStreamRequest& request) { return stream_->Write(request); }
  void SendNoMore() { stream_->WritesDone(); }

  std::optional<v1::EmbedStreamResponse> Read() {
    v1::EmbedStreamResponse response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  void Cancel() { context_.TryCancel(); }
  // The status, all answers before it dropped.
  grpc::Status Finish() {
    while (Read()) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::EmbedStreamRequest, v1::EmbedStreamResponse>> stream_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SERVER_SERVICES_EMBED_STREAM_CLIENT_H_
