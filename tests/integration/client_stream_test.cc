// States and streams of the C++ client, against real servers.
#include <sys/mman.h>

#include <cstddef>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/support/errors.h"
#include "tests/support/implementation.h"

namespace favor::testing {
namespace {

using client::AttentionState;
using client::AttentionStream;
using client::Client;
using client::StreamAnswer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientStates : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { favord_ = new Favord({.flags = {"--threads", "2"}}); }
  static void TearDownTestSuite() {
    EXPECT_TRUE(favord_->process().running());
    delete favord_;
  }

  ClientStates()
      : case_(GaussianCase({}, {2, 4, 2, 210, 210, 16, 24}, nullptr, 3)),
        client_(*Client::Connect({.endpoint = favord_->address(), .deadline = absl::Seconds(60)})) {}

  absl::StatusOr<AttentionState> Fold(int64_t begin, int64_t count, const client::FoldOptions& options) const {
    const client::Tensor keys = RowsTensor(case_.keys, begin, count), values = RowsTensor(case_.values, begin, count);
    return client_.Fold({.keys = keys.view(), .values = values.view()}, options);
  }
  DoubleTensor Whole(bool causal) const {
    const client::Tensor q = WholeTensor(case_.queries), k = WholeTensor(case_.keys), v = WholeTensor(case_.values);
    const auto result = client_.Attend({q.view(), k.view(), v.view()}, {.spec = FavorSpec(causal)});
    EXPECT_TRUE(result.ok()) << result.status();
    return ToDouble(result->output);
  }

  static Favord* favord_;
  const AttentionCase case_;
  const Client client_;
};
Favord* ClientStates::favord_ = nullptr;

TEST_F(ClientStates, FoldedInPartsMergedAndReadAreTheWhole) {
  const auto first = Fold(0, 100, {.spec = FavorSpec(false)});
  const auto second = Fold(100, 60, {.spec = FavorSpec(false)});
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  const auto more = Fold(160, 50, {.spec = FavorSpec(false), .state = *second});
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_THAT(more->num_keys(), ElementsAre(110, 110));
  const auto merged = client_.Merge({*first, *more});
  ASSERT_TRUE(merged.ok()) << merged.status();
  const client::Tensor queries = WholeTensor(case_.queries);
  const auto read = client_.Read(queries.view(), *merged);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_LT(RelativeError(ToDouble(read->output), Whole(false)), 1e-5);
  EXPECT_EQ(read->report.projection_id, merged->projection_id());
  EXPECT_EQ(read->num_attempts, 1);
  EXPECT_GT(read->request_bytes, static_cast<int64_t>(merged->serialized().size()));
}

TEST_F(ClientStates, SayWhatTheyAreAndGoThroughFiles) {
  client::FoldOptions options{.spec = FavorSpec(false), .key_lengths = {10, 0}};
  options.encoding = client::StateEncoding::kFloat32;
  const auto state = Fold(0, 100, options);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->version(), 1);
  EXPECT_EQ(state->batch_size(), 2);
  EXPECT_EQ(state->num_heads(), 2);
  EXPECT_EQ(state->head_dim(), 16);
  EXPECT_EQ(state->value_dim(), 24);
  EXPECT_EQ(state->num_features(), 40);
  EXPECT_THAT(state->num_keys(), ElementsAre(10, 0));
  EXPECT_EQ(state->encoding(), client::StateEncoding::kFloat32);
  EXPECT_EQ(state->spec().scale, 0.25);
  EXPECT_EQ(state->projection_id().size(), 32);

  const TempDir dir;
  ASSERT_TRUE(state->Save(dir.File("state")).ok());
  v1::AttentionState wire;
  EXPECT_TRUE(wire.ParseFromString(ReadWholeFile(dir.File("state"))));
  EXPECT_EQ(wire.num_features(), 40);
  const auto loaded = AttentionState::Load(dir.File("state"));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(*loaded == *state);
  EXPECT_TRUE(absl::IsNotFound(AttentionState::Load(dir.File("none")).status()));
  EXPECT_FALSE(state->Save(dir.File("no/folder")).ok());
}

TEST_F(ClientStates, OfBytesThatAreNoneAreRefusedByName) {
  const TempDir dir;
  const auto load = [&dir](const std::string& bytes) {
    const absl::Status status = AttentionState::Load(dir.Write("bad", bytes)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(load(""), HasSubstr("bad is no favor.v1.AttentionState: its version is 0"));
  EXPECT_THAT(load("\x93NUMPY and so on"), HasSubstr("AttentionState"));
  const auto state = Fold(0, 100, {.spec = FavorSpec(false)});
  ASSERT_TRUE(state.ok());
  EXPECT_THAT(load(state->serialized().substr(0, 1000)), HasSubstr("end early"));
}

TEST_F(ClientStates, ThatDoNotFitTellWhatDiffers) {
  const auto first = Fold(0, 100, {.spec = FavorSpec(false)});
  const auto other = Fold(0, 100, {.spec = FavorSpec(false, /*seed=*/8)});
  ASSERT_TRUE(first.ok() && other.ok());
  const absl::Status status = client_.Merge({*first, *other}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("states[1].projection_id"));
}

// All answers of a stream that was sent by `send`, from a thread of its own.
template <typename Send>
absl::StatusOr<std::vector<StreamAnswer>> Answers(AttentionStream stream, const Send& send) {
  std::thread sender([&stream, &send] {
    send(&stream);
    stream.SendNoMore();
  });
  std::vector<StreamAnswer> answers;
  absl::Status status;
  while (true) {
    auto answer = stream.Read();
    if (!answer.ok()) status = answer.status();
    if (!answer.ok() || !answer->has_value()) break;
    answers.push_back(**std::move(answer));
  }
  sender.join();
  if (!status.ok()) return status;
  return answers;
}

TEST_F(ClientStates, StreamsInChunksOfAnyLengthAreTheWhole) {
  for (const bool causal : {true, false}) {
    for (uint32_t seed = 1; seed <= 4; ++seed) {
      std::mt19937 random(seed);
      const auto key_pieces = RandomPieces(random, 210, seed % 2 == 0 ? 9 : 100);
      const auto query_pieces = causal ? key_pieces : RandomPieces(random, 210, 70);
      const auto send = [&](AttentionStream* stream) {
        int64_t begin = 0;
        for (const int64_t count : causal ? std::vector<int64_t>() : key_pieces) {
          const client::OwnedChunk rows = OwnedRows(nullptr, &case_.keys, &case_.values, begin, count);
          EXPECT_TRUE(stream->Send({.keys = rows.keys->view(), .values = rows.values->view()}));
          begin += count;
        }
        if (!causal) stream->EndOfKeys();
        begin = 0;
        for (const int64_t count : query_pieces) {
          const client::OwnedChunk rows = OwnedRows(&case_.queries, &case_.keys, &case_.values, begin, count);
          client::AttentionChunk chunk{.queries = rows.queries->view()};
          if (causal) chunk.keys = rows.keys->view();
          if (causal) chunk.values = rows.values->view();
          EXPECT_TRUE(stream->Send(chunk));
          begin += count;
        }
      };
      const auto answers = Answers(client_.AttendStream({.spec = FavorSpec(causal)}), send);
      ASSERT_TRUE(answers.ok()) << answers.status();
      ASSERT_EQ(answers->size(), query_pieces.size() + 1);
      DoubleTensor output({2, 4, 210, 24});
      int64_t begin = 0;
      for (size_t i = 0; i < query_pieces.size(); ++i) {
        PutRows(ToDouble(*(*answers)[i].output), begin, &output);
        begin += query_pieces[i];
      }
      EXPECT_LT(RelativeError(output, Whole(causal)), 1e-5) << "seed " << seed << (causal ? ", causal" : "");
      EXPECT_EQ(answers->back().report->num_features, 40);
    }
  }
}

TEST_F(ClientStates, OfStreamsAreThoseOfFolds) {
  const auto answers = Answers(client_.AttendStream({.spec = FavorSpec(false)}), [&](AttentionStream* stream) {
    const client::OwnedChunk rows = OwnedRows(nullptr, &case_.keys, &case_.values, 0, 100);
    stream->Send({.keys = rows.keys->view(), .values = rows.values->view()});
    stream->GetState();
  });
  ASSERT_TRUE(answers.ok()) << answers.status();
  const auto folded = Fold(0, 100, {.spec = FavorSpec(false)});
  ASSERT_TRUE(folded.ok());
  ASSERT_TRUE((*answers)[0].state.has_value());
  EXPECT_TRUE(*(*answers)[0].state == *folded);
}

TEST_F(ClientStates, StreamsEndWithTheServersErrorOrWhenCancelled) {
  AttentionStream wrong = client_.AttendStream({.spec = FavorSpec(true)});
  const client::Tensor keys = RowsTensor(case_.keys, 0, 5);
  EXPECT_TRUE(wrong.Send({.keys = keys.view(), .values = keys.view()}));
  const absl::Status status = wrong.Read().status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(client::FieldViolationsOf(status).at(0).field, "chunk.queries");
  EXPECT_FALSE(wrong.GetState());

  AttentionStream stream = client_.AttendStream({.spec = FavorSpec(true)});
  std::thread canceller([&stream] { stream.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(stream.Read().status()));
  canceller.join();
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_.AttendStream({.deadline = absl::Milliseconds(50)}).Read().status()));
}

// The server ends the stream while it does not read, and a message waits in flow control: gRPC keeps its memory for as
// long as the call's object lives, which must not be what the sender waits for.
TEST_F(ClientStates, StreamsThatEndUnderAMessageLetTheSenderGo) {
  const std::vector<float> floats(size_t{16} << 20, 1.0f);
  const client::TensorView large = client::Float32View(floats, {1, 4, int64_t{1} << 18, 16});
  const client::Tensor rows = RowsTensor(case_.keys, 0, 5);
  for (int i = 0; i < 5; ++i) {
    AttentionStream stream = client_.AttendStream({.spec = FavorSpec(true)});
    EXPECT_TRUE(stream.Send({.keys = rows.view(), .values = rows.view()}));
    std::thread sender([&] {
      while (stream.Send({.queries = large, .keys = large, .values = large})) {
      }
    });
    const absl::Status status = stream.Read().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    sender.join();
  }
}

TEST_F(ClientStates, StreamsEndAtAMessageThatNothingCanCarryAndSayWhy) {
  // Never touched, so it takes no memory.
  constexpr size_t kBytes = size_t{5} << 30;
  void* pages = mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const client::TensorView huge{.type = DataType::kFloat32,
                                .shape = {1, 4, kBytes / 256, 16},
                                .bytes = {static_cast<const std::byte*>(pages), kBytes}};
  const client::Tensor rows = RowsTensor(case_.keys, 0, 5);
  AttentionStream stream = client_.AttendStream({.spec = FavorSpec(true)});
  EXPECT_FALSE(stream.Send({.queries = huge, .keys = rows.view(), .values = rows.view()}));
  const absl::Status status = stream.Read().status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("bytes, a message has at most 4294967295"));
  EXPECT_EQ(stream.Read().status(), status);
  munmap(pages, kBytes);
}

}  // namespace
}  // namespace favor::testing
