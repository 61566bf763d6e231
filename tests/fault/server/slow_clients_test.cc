// Unary calls whose client is in no hurry: to send its message, or to take its answer.
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kAttend[] = "/favor.v1.AttentionService/Attend";

bool IsIdle(Favord& favord) {
  const Exposition metrics = favord.Metrics();
  return metrics.Sum("favor_calls_in_flight") == 0 && metrics.Sum("favor_admitted_bytes") == 0;
}

// FAVOR+ whose answer of 16 MB is more than any window.
v1::AttendRequest RequestOfALargeAnswer() {
  constexpr int64_t kLength = 16'384;
  return ToRequest(GaussianCase({},
                                {.batch_size = 1,
                                 .num_heads = 4,
                                 .num_key_heads = 1,
                                 .query_length = kLength,
                                 .key_length = kLength,
                                 .head_dim = 8,
                                 .value_dim = 64},
                                nullptr, 1));
}

// A client that sends its request and never asks for the answer: HTTP/2's window lets through what it does.
class Reluctant {
 public:
  Reluctant(const Favord& favord, const v1::AttendRequest& request) : stub_(ConnectTo(favord.address())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
    stream_ = stub_.PrepareCall(&context_, kAttend, &queue_);
    stream_->StartCall(nullptr);
    Await();
    const grpc::Slice bytes(request.SerializeAsString());
    stream_->WriteLast(grpc::ByteBuffer(&bytes, 1), grpc::WriteOptions(), nullptr);
    Await();
  }
  ~Reluctant() {
    context_.TryCancel();
    queue_.Shutdown();
    while (Await()) {
    }
  }

  // What it learns once it asks after all.
  grpc::Status Finish() {
    grpc::ByteBuffer answer;
    stream_->Read(&answer, nullptr);
    Await();
    grpc::Status status;
    stream_->Finish(&status, nullptr);
    Await();
    return status;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok);
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST(SlowClient, ThatDoesNotTakeItsAnswerLosesItAtTheIdleTimeout) {
  Favord favord({.flags = {"--stream-idle-timeout", "1500ms", "--max-calls", "1"}});
  Reluctant client(favord, RequestOfALargeAnswer());
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") > 0; }));
  EXPECT_EQ(Attend(favord.channel(), GoodRequest()).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(status);
  EXPECT_THAT(status.error_message(), HasSubstr("took no message for 1.5s, which is the stream-idle-timeout"));
  EXPECT_EQ(favord.Metrics().Sum("grpc_server_handled_total", {{"grpc_code", "DeadlineExceeded"}}), 1);
}

TEST(SlowClient, ThatSendsNoMessageEndsAtTheIdleTimeout) {
  Favord favord({.flags = {"--stream-idle-timeout", "500ms"}});
  const grpc::Status status = CallWithHeadersAlone(favord.channel(), kAttend);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(status);
  EXPECT_THAT(status.error_message(), HasSubstr("sent no message for 500ms, which is the stream-idle-timeout"));
  EXPECT_TRUE(Eventually([&] { return IsIdle(favord); }));
  EXPECT_EQ(favord.Metrics().Sum("grpc_server_handled_total", {{"grpc_code", "DeadlineExceeded"}}), 1);
}

TEST(SlowClient, IsNotOneThatWaitsForTheServer) {
  Favord favord({.flags = {"--stream-idle-timeout", "10ms"}});
  const v1::AttendRequest request = LongRequest(6'000);
  const absl::Time begin = absl::Now();
  const AttendAnswer answer = Attend(favord.channel(), request);
  EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_GT(absl::Now() - begin, absl::Milliseconds(50));  // else it shows nothing
}

}  // namespace
}  // namespace favor::testing
