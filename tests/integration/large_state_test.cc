// Streams that go on from a state too large for HTTP/2's window, and chunks of that size, on servers that refuse them
// or do not read them: what these have not taken gRPC keeps for as long as the call's object lives.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "client/resuming_stream.h"
#include "favor/v1/attention.pb.h"
#include "favor/v1/embedding.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/integration/harness/favord.h"

namespace favor::testing {
namespace {

using client::AttentionState;
using client::AttentionStream;
using client::Client;
using client::ResumingStream;
using client::ResumingStreamOptions;
using client::SequenceState;

// More than a server takes unasked.
constexpr size_t kLargeBytes = size_t{32} << 20;
// What takes less has waited for no deadline of a minute.
constexpr absl::Duration kAtOnce = absl::Seconds(15);

// As good as any to a server that never reads it.
AttentionState SomeState() {
  v1::AttentionState wire;
  wire.set_version(1);
  wire.set_batch_size(1);
  wire.set_num_heads(1);
  wire.set_head_dim(1);
  wire.set_value_dim(1);
  wire.add_num_keys(1);
  wire.set_payload(std::string(kLargeBytes, 'x'));
  return *AttentionState::Parse(wire.SerializeAsString());
}

std::vector<Client> Connect(const std::vector<std::string>& addresses) {
  return *client::ConnectAll({.deadline = absl::Seconds(60)}, addresses);
}

// Takes connections and calls, and reads no message: what it was sent fills HTTP/2's window and stays there.
class DeafServer {
 public:
  DeafServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterAsyncGenericService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~DeafServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    queue_->Shutdown();
    void* tag;
    bool ok;
    while (queue_->Next(&tag, &ok)) {
    }
  }

  const std::string& address() const { return address_; }

 private:
  grpc::AsyncGenericService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

class LargeStates : public ::testing::Test {
 protected:
  LargeStates() : case_(GaussianCase({}, {1, 32, 32, 50, 50, 64, 64}, nullptr, 3)) {}

  client::OwnedChunk Chunk() const { return OwnedRows(&case_.queries, &case_.keys, &case_.values, 0, 50); }

  void ExpectAnAnswerFromTheSecond(ResumingStream* stream) const {
    EXPECT_TRUE(stream->Send(Chunk()));
    stream->SendNoMore();
    const auto answer = stream->Read();
    EXPECT_TRUE(answer.ok() && answer->has_value()) << answer.status();
    EXPECT_EQ(stream->num_resumes(), 1);
    EXPECT_LT(absl::Now() - start_, kAtOnce);
  }

  // One that a server takes, of 17 MB.
  AttentionState FoldedState(const Client& server) const {
    client::AttentionSpec spec = FavorSpec(true);
    std::get<client::FeatureSpec>(spec.mode).num_features = 1024;
    const client::OwnedChunk rows = Chunk();
    AttentionStream stream = server.AttendStream({.spec = spec});
    EXPECT_TRUE(stream.Send({rows.queries->view(), rows.keys->view(), rows.values->view()}));
    EXPECT_TRUE(stream.Read().ok());
    EXPECT_TRUE(stream.GetState());
    return *stream.Read().value().value().state;
  }

  ResumingStreamOptions GoingOnFrom(AttentionState state) const {
    ResumingStreamOptions options;
    options.stream = {.state = std::move(state), .deadline = absl::Seconds(60)};
    options.answer_timeout = absl::Seconds(5);
    return options;
  }

  // Takes the only place for a stream, until the object returned goes.
  AttentionStream TakePlace(const Client& server) const {
    AttentionStream stream = server.AttendStream({.spec = FavorSpec(true)});
    const client::OwnedChunk rows = Chunk();
    EXPECT_TRUE(stream.Send({rows.queries->view(), rows.keys->view(), rows.values->view()}));
    EXPECT_TRUE(stream.Read().ok());
    return stream;
  }

  const AttentionCase case_;
  const absl::Time start_ = absl::Now();
};

TEST_F(LargeStates, ThatAreRefusedTellWhyAtTheFirstRead) {
  const Favord favord({.flags = {"--threads", "1", "--max-streams", "1"}});
  const Client client = std::move(Connect({favord.address()})[0]);
  const AttentionStream other = TakePlace(client);
  const AttentionState state = SomeState();
  for (int i = 0; i < 10; ++i) {
    AttentionStream stream = client.AttendStream({.state = state});
    EXPECT_TRUE(absl::IsResourceExhausted(stream.Read().status()));
    EXPECT_FALSE(stream.GetState());
  }
  v1::EncoderState wire;
  wire.set_version(1);
  wire.set_model_id("some");
  wire.set_payload(std::string(kLargeBytes, 'x'));
  const SequenceState sequence = *SequenceState::Parse(wire.SerializeAsString());
  EXPECT_TRUE(absl::IsResourceExhausted(client.EmbedSequence({.state = sequence}).Read().status()));
  EXPECT_LT(absl::Now() - start_, kAtOnce);
}

TEST_F(LargeStates, AreNotWaitedForWhenNobodyReads) {
  const Favord favord({.flags = {"--threads", "1", "--max-streams", "1"}});
  const Client client = std::move(Connect({favord.address()})[0]);
  const AttentionStream other = TakePlace(client);
  // A projection that the caller owns, and a chunk: lent, and so waited for.
  const std::vector<float> floats(kLargeBytes / sizeof(float), 1.0f);
  client::AttentionSpec spec = FavorSpec(true);
  std::get<client::FeatureSpec>(spec.mode).projection.matrix =
      client::Float32View(floats, {kLargeBytes / sizeof(float) / 64, 64});
  EXPECT_TRUE(absl::IsResourceExhausted(client.AttendStream({.spec = spec}).Read().status()));
  const client::TensorView large = client::Float32View(floats, {1, 1, kLargeBytes / sizeof(float) / 64, 64});
  AttentionStream stream = client.AttendStream({.spec = FavorSpec(true)});
  stream.Send({large, large, large});
  EXPECT_TRUE(absl::IsResourceExhausted(stream.Read().status()));
  EXPECT_LT(absl::Now() - start_, kAtOnce);
}

TEST_F(LargeStates, EndAtTheDeadlineOnAServerThatDoesNotReadThem) {
  const DeafServer deaf;
  const Client client = std::move(Connect({deaf.address()})[0]);
  AttentionStream stream = client.AttendStream({.state = SomeState(), .deadline = absl::Seconds(1)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream.Read().status()));
  EXPECT_LT(absl::Now() - start_, kAtOnce);
}

TEST_F(LargeStates, GoOnElsewhereWhenAServerHasNoPlace) {
  const Favord full({.flags = {"--threads", "1", "--max-streams", "1"}}), free({.flags = {"--threads", "1"}});
  std::vector<Client> servers = Connect({full.address(), free.address()});
  const AttentionStream other = TakePlace(servers[0]);
  ResumingStream stream(std::move(servers), GoingOnFrom(FoldedState(Connect({free.address()})[0])));
  ExpectAnAnswerFromTheSecond(&stream);
}

TEST_F(LargeStates, GoOnElsewhereWhenAServerDoesNotReadThem) {
  const DeafServer deaf;
  const Favord favord({.flags = {"--threads", "1"}});
  std::vector<Client> servers = Connect({deaf.address(), favord.address()});
  const AttentionState state = FoldedState(servers[1]);
  ResumingStream stream(std::move(servers), GoingOnFrom(state));
  ExpectAnAnswerFromTheSecond(&stream);
}

TEST_F(LargeStates, CanBeCancelledWhileTheyAreSent) {
  const DeafServer deaf;
  {
    ResumingStreamOptions options = GoingOnFrom(SomeState());
    options.answer_timeout = absl::Minutes(1);
    ResumingStream stream(Connect({deaf.address()}), options);
    EXPECT_TRUE(stream.Send(Chunk()));
    absl::SleepFor(absl::Milliseconds(300));  // no condition tells that gRPC waits for room
    stream.Cancel();
    EXPECT_TRUE(absl::IsCancelled(stream.Read().status()));
  }
  EXPECT_LT(absl::Now() - start_, kAtOnce);
}

}  // namespace
}  // namespace favor::testing
