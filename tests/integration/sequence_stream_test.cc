// Sequences of the C++ client through causal Performers, on processes that serve the same models.
#include <signal.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/sequence_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/temp_dir.h"
#include "tests/lib/model/golden_model_folder.h"

namespace favor::testing {
namespace {

using client::Client;
using client::EmbedInput;
using client::SequenceAnswer;
using client::SequenceState;
using client::SequenceStream;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

class Sequences : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    relu_ = new GoldenModelFolder("performer/relu_causal");
    shift_ = new GoldenModelFolder("performer/shift_tokens_causal");
    favord_ = new Favord({.flags = Flags()});
  }
  static void TearDownTestSuite() {
    EXPECT_TRUE(favord_->process().running());
    delete favord_;
    delete shift_;
    delete relu_;
  }
  static std::vector<std::string> Flags() {
    return {"--threads", "1", "--model", absl::StrCat("relu=", relu_->path(), ",shift=", shift_->path())};
  }
  static Client ConnectTo(const Favord& favord) {
    Client client = *Client::Connect({.endpoint = favord.address(), .deadline = absl::Seconds(60)});
    // It says that it listens before it has loaded them.
    EXPECT_TRUE(Eventually([&client] {
      const auto models = client.ListModels();
      return models.ok() && models->size() == 2;
    }));
    return client;
  }

  static GoldenModelFolder* relu_;
  static GoldenModelFolder* shift_;
  static Favord* favord_;
  const Client client_ = ConnectTo(*favord_);
};
GoldenModelFolder* Sequences::relu_ = nullptr;
GoldenModelFolder* Sequences::shift_ = nullptr;
Favord* Sequences::favord_ = nullptr;

std::vector<int32_t> SomeIds(int32_t begin, int32_t count) {
  std::vector<int32_t> ids;
  for (int32_t i = begin; i < begin + count; ++i) ids.push_back((7 * i + i / 3) % 4);
  return ids;
}

SequenceAnswer ReadOne(SequenceStream* stream) {
  auto answer = stream->Read();
  EXPECT_TRUE(answer.ok() && answer->has_value()) << answer.status();
  return answer.ok() && answer->has_value() ? **std::move(answer) : SequenceAnswer();
}

TEST_F(Sequences, GiveEveryTokenTheVectorOfTheWhole) {
  const std::vector<int32_t> ids = SomeIds(0, 120);
  const auto whole = client_.Embed({EmbedInput(ids)}, {.model = "relu", .pooling = client::Pooling::kNone});
  ASSERT_TRUE(whole.ok()) << whole.status();
  SequenceStream stream = client_.EmbedSequence({.model = "relu"});
  std::thread sender([&stream] {
    for (const auto& [begin, count] : {std::pair(0, 1), std::pair(1, 60), std::pair(61, 0), std::pair(61, 59)}) {
      EXPECT_TRUE(stream.Send(SomeIds(begin, count)));
    }
    stream.SendNoMore();
  });
  std::vector<float> vectors;
  for (const int64_t first_token : {0, 1, 61, 61}) {
    const SequenceAnswer answer = ReadOne(&stream);
    EXPECT_FALSE(answer.state.has_value());
    EXPECT_EQ(answer.first_token, first_token);
    ASSERT_TRUE(answer.result.has_value() && answer.result->status.ok());
    vectors.insert(vectors.end(), answer.result->vectors.begin(), answer.result->vectors.end());
  }
  EXPECT_THAT(vectors, Pointwise(FloatNear(2e-5f), whole->results[0].vectors));
  for (int i = 0; i < 2; ++i) {
    const auto end = stream.Read();
    EXPECT_TRUE(end.ok() && !end->has_value()) << end.status();
  }
  sender.join();
}

TEST_F(Sequences, GoOnElsewhereAfterAKillWithTheSameBits) {
  for (const std::string model : {"relu", "shift"}) {
    auto victim = std::make_unique<Favord>(FavordOptions{.flags = Flags()});
    SequenceStream stream = ConnectTo(*victim).EmbedSequence({.model = model});
    ASSERT_TRUE(stream.Send(SomeIds(0, 50)));
    ASSERT_TRUE(stream.GetState());
    ReadOne(&stream);
    const SequenceAnswer taken = ReadOne(&stream);
    ASSERT_TRUE(taken.state.has_value());
    EXPECT_EQ(taken.state->num_tokens(), 50);
    EXPECT_EQ(taken.state->model_id().size(), 32);
    ASSERT_TRUE(stream.Send(SomeIds(50, 20)));
    const SequenceAnswer uninterrupted = ReadOne(&stream);
    victim->process().Signal(SIGKILL);
    EXPECT_TRUE(absl::IsUnavailable(stream.Read().status()));
    EXPECT_FALSE(stream.Send(SomeIds(70, 1)));

    const TempDir dir;
    ASSERT_TRUE(taken.state->Save(dir.File("state")).ok());
    const auto kept = SequenceState::Load(dir.File("state"));
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_TRUE(*kept == *taken.state);
    SequenceStream rest = client_.EmbedSequence({.model = model, .state = *kept});
    ASSERT_TRUE(rest.Send(SomeIds(50, 20)));
    const SequenceAnswer resumed = ReadOne(&rest);
    EXPECT_EQ(resumed.first_token, 50);
    EXPECT_TRUE(resumed.result->vectors == uninterrupted.result->vectors) << model;
  }
}

TEST_F(Sequences, TakeTheirSettings) {
  SequenceStream plain = client_.EmbedSequence({.model = "relu", .normalize = false});
  SequenceStream stream = client_.EmbedSequence(
      {.model = "relu", .normalize = false, .output_type = client::EmbeddingType::kFloat16, .dimensions = 3});
  ASSERT_TRUE(plain.Send(SomeIds(0, 2)) && stream.Send(SomeIds(0, 2)));
  const SequenceAnswer wide = ReadOne(&plain), narrow = ReadOne(&stream);
  ASSERT_EQ(narrow.result->dimensions, 3);
  ASSERT_EQ(narrow.result->num_vectors, 2);
  EXPECT_NE(narrow.result->vector(1)[2], wide.result->vector(1)[2]);  // rounded on the wire
  EXPECT_NEAR(narrow.result->vector(1)[2], wide.result->vector(1)[2], 1e-3 * std::abs(wide.result->vector(1)[2]));
}

TEST_F(Sequences, EndWithTheServersErrorOrWhenCancelled) {
  SequenceStream stream = client_.EmbedSequence({.model = "relu"});
  ASSERT_TRUE(stream.Send(std::vector<int32_t>{-1}));
  const absl::Status status = stream.Read().status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("tokens.ids[0] is -1"));
  EXPECT_TRUE(absl::IsNotFound(client_.EmbedSequence({.model = "none"}).Read().status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      client_.EmbedSequence({.model = "relu", .deadline = absl::Milliseconds(50)}).Read().status()));
  SequenceStream cancelled = client_.EmbedSequence({.model = "relu"});
  cancelled.Cancel();
  EXPECT_TRUE(absl::IsCancelled(cancelled.Read().status()));
}

TEST_F(Sequences, RefuseStatesThatAreNoneOrOfOthers) {
  SequenceStream stream = client_.EmbedSequence({.model = "shift"});
  ASSERT_TRUE(stream.GetState());
  const SequenceAnswer answer = ReadOne(&stream);
  ASSERT_TRUE(answer.state.has_value());
  EXPECT_FALSE(answer.result.has_value());
  absl::Status status = client_.EmbedSequence({.model = "relu", .state = answer.state}).Read().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("sequence.state.model_id"));
  std::string broken = answer.state->serialized();
  broken[broken.size() / 2] ^= 1;
  status = client_.EmbedSequence({.model = "shift", .state = *SequenceState::Parse(broken)}).Read().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;

  const TempDir dir;
  const auto load = [&dir](const std::string& bytes) {
    return std::string(SequenceState::Load(dir.Write("bad", bytes)).status().message());
  };
  EXPECT_THAT(load(""), HasSubstr("bad is no favor.v1.EncoderState: it has no version"));
  EXPECT_THAT(load(answer.state->serialized().substr(0, 100)), HasSubstr("end early"));
  EXPECT_TRUE(absl::IsNotFound(SequenceState::Load(dir.File("none")).status()));
  EXPECT_FALSE(answer.state->Save(dir.File("no/folder")).ok());
}

}  // namespace
}  // namespace favor::testing
