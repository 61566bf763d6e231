// EmbedStream as one sequence through a causal Performer: a whole server with models of the goldens, called through
// gRPC.
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/server/services/embed_sequence_client.h"
#include "tests/server/services/running_server.h"
#include "tests/support/model_golden.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using testing::EmbedSequenceClient;
using testing::FieldIn;
using testing::FloatsOf;
using testing::GoldenModelFolder;
using ::testing::HasSubstr;
using testing::RunningServer;
using testing::SomeIds;

constexpr int32_t kVocabulary = 4;  // every golden has more

// Its models: "relu", causal with rotary positions; "shift", softmax with shifted tokens; "absolute", of few positions;
// "bidirectional".
class SequenceServer {
 public:
  explicit SequenceServer(std::vector<std::string> flags = {})
      : server_(WithModels(std::move(flags)), [](const std::string& folder) { return LoadModel(folder); }) {
    const absl::Status loaded = server_.Load();
    EXPECT_TRUE(loaded.ok()) << loaded;
  }
  v1::EmbeddingService::Stub* stub() { return server_.embedding.get(); }
  RunningServer& running() { return server_; }

 private:
  std::vector<std::string> WithModels(std::vector<std::string> flags) {
    for (const auto& [name, folder] :
         {std::pair("relu", &relu_), std::pair("shift", &shift_), std::pair("absolute", &absolute_),
          std::pair("bidirectional", &bidirectional_)}) {
      flags.insert(flags.end(), {"--model", absl::StrCat(name, "=", folder->path())});
    }
    return flags;
  }
  GoldenModelFolder relu_{"performer/relu_causal"}, shift_{"performer/shift_tokens_causal"},
      absolute_{"performer/causal_absolute"}, bidirectional_{"performer/relu"};
  RunningServer server_;
};

class EmbedSequenceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new SequenceServer(); }
  static void TearDownTestSuite() { delete server_; }

  static v1::EmbedRequest Model(const std::string& name) {
    v1::EmbedRequest settings;
    settings.set_model(name);
    return settings;
  }
  // What Embed answers for the whole sequence.
  static v1::Embedding Whole(v1::EmbedRequest request, const std::vector<int32_t>& ids) {
    request.set_pooling(v1::POOLING_NONE);
    request.add_inputs()->mutable_ids()->mutable_ids()->Add(ids.begin(), ids.end());
    v1::EmbedResponse response;
    const grpc::Status status = server_->running().Embed(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.results(0).embedding();
  }
  static EmbedSequenceClient Open(const v1::EmbedRequest& settings,
                                  const std::optional<v1::EncoderState>& state = std::nullopt) {
    return EmbedSequenceClient(server_->stub(), settings, state);
  }

  static SequenceServer* server_;
};
SequenceServer* EmbedSequenceTest::server_ = nullptr;

double Difference(const std::vector<float>& got, const std::vector<float>& want) {
  return testing::RelativeError(got, {want.begin(), want.end()});
}

TEST_F(EmbedSequenceTest, EveryTokenHasTheVectorThatEmbedGivesItInTheWhole) {
  const std::vector<int32_t> ids = SomeIds(150, kVocabulary);
  EmbedSequenceClient sequence = Open(Model("relu"));
  std::vector<float> vectors;
  size_t begin = 0;
  for (const size_t length : {1, 70, 3, 0, 76}) {
    const v1::EmbedStreamResponse response = sequence.Answer({ids.begin() + begin, ids.begin() + begin + length});
    EXPECT_EQ(response.id(), begin);
    EXPECT_EQ(response.result().num_tokens(), length);
    EXPECT_EQ(response.result().num_tokens_used(), length);
    const v1::Embedding& embedding = response.result().embedding();
    EXPECT_EQ(embedding.shape(0), length);
    const std::vector<float> floats = FloatsOf(embedding);
    ASSERT_EQ(floats.size(), length * embedding.shape(1));
    vectors.insert(vectors.end(), floats.begin(), floats.end());
    begin += length;
  }
  EXPECT_TRUE(sequence.End().ok());
  EXPECT_LT(Difference(vectors, FloatsOf(Whole(Model("relu"), ids))), 1e-5);
}

TEST_F(EmbedSequenceTest, SettingsAreThoseOfEmbed) {
  for (const v1::EmbeddingType type :
       {v1::EMBEDDING_TYPE_F32, v1::EMBEDDING_TYPE_F16, v1::EMBEDDING_TYPE_BF16, v1::EMBEDDING_TYPE_I8}) {
    v1::EmbedRequest settings = Model("relu");
    settings.set_normalize(true);
    settings.set_dimensions(5);
    settings.set_output_type(type);
    // One chunk of this model is the whole, bit for bit, and so is what is made of it.
    const v1::Embedding got = Open(settings).Answer(SomeIds(30, kVocabulary)).result().embedding();
    const v1::Embedding want = Whole(settings, SomeIds(30, kVocabulary));
    EXPECT_EQ(got.type(), want.type());
    EXPECT_THAT(got.shape(), ElementsAre(30, 5));
    ASSERT_EQ(got.data().size(), want.data().size());
    ASSERT_EQ(got.scale_size(), want.scale_size());
    if (type == v1::EMBEDDING_TYPE_F32) {
      EXPECT_LT(Difference(FloatsOf(got), FloatsOf(want)), 1e-6);
    } else {
      EXPECT_EQ(got.data(), want.data()) << type;
    }
  }
}

TEST_F(EmbedSequenceTest, AnswersComeInTheOrderOfMessagesHoweverManyAreSentAhead) {
  constexpr int kMessages = 500;
  EmbedSequenceClient sequence = Open(Model("shift"));
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) {
      ASSERT_TRUE(sequence.Send({i % kVocabulary}));
      if (i % 100 == 99) {
        ASSERT_TRUE(sequence.SendGetState());
      }
    }
    sequence.stream().SendNoMore();
  });
  for (int i = 0; i < kMessages; ++i) {
    const v1::EmbedStreamResponse response = sequence.Read();
    ASSERT_EQ(response.id(), i);
    ASSERT_TRUE(response.result().has_embedding());
    if (i % 100 == 99) {
      ASSERT_EQ(sequence.Read().state().num_tokens(), i + 1);
    }
  }
  sender.join();
  EXPECT_TRUE(sequence.stream().Finish().ok());
}

TEST_F(EmbedSequenceTest, AStateGoesOnWithTheSameBitsOnAnotherServer) {
  SequenceServer other({"--threads", "1"});
  for (const char* model : {"relu", "shift", "absolute"}) {
    EmbedSequenceClient first = Open(Model(model));
    ASSERT_TRUE(first.Answer(SomeIds(7, kVocabulary)).result().has_embedding());
    const v1::EncoderState state = first.State();
    EXPECT_EQ(state.num_tokens(), 7);
    EXPECT_EQ(state.model_id().size(), 32u);
    const v1::EmbedStreamResponse uninterrupted = first.Answer(SomeIds(5, kVocabulary));
    EmbedSequenceClient second(other.stub(), Model(model), state);
    const v1::EmbedStreamResponse resumed = second.Answer(SomeIds(5, kVocabulary));
    EXPECT_EQ(resumed.id(), 7u);
    EXPECT_EQ(resumed.SerializeAsString(), uninterrupted.SerializeAsString()) << model;
    EXPECT_EQ(second.State().SerializeAsString(), first.State().SerializeAsString()) << model;
    EXPECT_TRUE(first.End().ok());
    EXPECT_TRUE(second.End().ok());
  }
}

TEST_F(EmbedSequenceTest, AStateOfOtherWeightsOrBrokenIsRefusedByName) {
  const v1::EncoderState good = [] {
    EmbedSequenceClient sequence = Open(Model("relu"));
    sequence.Answer({1, 2});
    return sequence.State();
  }();
  const struct {
    std::string model;
    std::function<void(v1::EncoderState*)> change;
    grpc::StatusCode code;
    std::string message;
  } cases[] = {
      {"shift", [](auto*) {}, grpc::StatusCode::FAILED_PRECONDITION, "sequence.state.model_id is "},
      {"relu", [](auto* s) { s->set_version(9); }, grpc::StatusCode::FAILED_PRECONDITION,
       "sequence.state.version is 9"},
      {"relu", [](auto* s) { s->set_num_tokens(3); }, grpc::StatusCode::DATA_LOSS, "sequence.state.checksum is "},
      {"relu", [](auto* s) { (*s->mutable_payload())[20] ^= 1; }, grpc::StatusCode::DATA_LOSS,
       "sequence.state.checksum"},
      {"relu", [](auto* s) { s->mutable_payload()->pop_back(); }, grpc::StatusCode::INVALID_ARGUMENT,
       "sequence.state.payload has "},
      {"relu", [](auto* s) { s->Clear(); }, grpc::StatusCode::FAILED_PRECONDITION, "sequence.state.version is 0"},
  };
  for (const auto& [model, change, code, message] : cases) {
    v1::EncoderState state = good;
    change(&state);
    EmbedSequenceClient sequence = Open(Model(model), state);
    const grpc::Status status = sequence.End();
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  }
}

TEST_F(EmbedSequenceTest, WhatCannotStreamOrHasNoMeaningIsRefusedByName) {
  const struct {
    std::function<void(v1::EmbedRequest*)> change;
    std::string field, message;
  } cases[] = {
      {[](auto* r) { r->set_model("bidirectional"); }, "sequence.settings.model",
       "is 'bidirectional', which takes no sequence piece by piece: causal is false"},
      {[](auto* r) { r->set_pooling(v1::POOLING_MEAN); }, "sequence.settings.pooling", "pooling is set"},
      {[](auto* r) { r->set_over_length(v1::OVER_LENGTH_WINDOWS); }, "sequence.settings.over_length", "is set"},
      {[](auto* r) { r->set_prompt(""); }, "sequence.settings.prompt", "is set"},
      {[](auto* r) { r->mutable_attention()->mutable_exact(); }, "sequence.settings.attention", "is set"},
      {[](auto* r) { r->set_dimensions(1 << 20); }, "sequence.settings.dimensions", "dimensions is 1048576"},
      {[](auto* r) { r->add_inputs()->set_text("A"); }, "sequence.settings.inputs", "must have none"},
  };
  for (const auto& [change, field, message] : cases) {
    v1::EmbedRequest settings = Model("relu");
    change(&settings);
    const grpc::Status status = Open(settings).End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldIn(status), field) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  }
  EXPECT_EQ(Open(Model("other")).End().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(EmbedSequenceTest, AMessageThatDoesNotBelongEndsTheStreamNamingIt) {
  const auto with = [](std::function<void(v1::EmbedStreamRequest*)> set) {
    v1::EmbedStreamRequest request;
    set(&request);
    return request;
  };
  const std::pair<v1::EmbedStreamRequest, std::string> cases[] = {
      {with([](auto* r) { r->mutable_sequence(); }), "sequence"},
      {with([](auto* r) { r->mutable_start(); }), "tokens"},
      {with([](auto* r) { r->mutable_input(); }), "tokens"},
      {with([](auto*) {}), "tokens"},
      {with([](auto* r) { r->set_get_state(false); }), "get_state"},
      {with([](auto* r) { r->mutable_tokens()->add_ids(-1); }), "tokens.ids"},
      {with([](auto* r) { r->mutable_tokens()->add_ids(1 << 20); }), "tokens.ids"},
  };
  for (const auto& [message, field] : cases) {
    EmbedSequenceClient sequence = Open(Model("relu"));
    EXPECT_TRUE(sequence.Answer({1}).result().has_embedding());
    sequence.stream().Send(message);
    const grpc::Status status = sequence.stream().Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldIn(status), field) << status.error_message();
  }
  testing::EmbedStreamClient ordinary(server_->stub());
  ASSERT_TRUE(ordinary.Start(Model("relu")));
  ordinary.Send(with([](auto* r) { r->set_get_state(true); }));
  EXPECT_EQ(FieldIn(ordinary.Finish()), "input");
}

TEST_F(EmbedSequenceTest, PositionsRunOutNamingTheModelsLast) {
  EmbedSequenceClient sequence = Open(Model("absolute"));
  grpc::Status status;
  int64_t num_tokens = 0;
  while (sequence.Answer({1, 2, 3}).result().has_embedding()) num_tokens += 3;
  status = sequence.stream().Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              HasSubstr(absl::StrCat("tokens.ids: there are 3 tokens behind ", num_tokens, ", the model has ")));
  EXPECT_EQ(FieldIn(status), "tokens.ids");
}

TEST(EmbedSequence, KeepsTheModelItBeganWith) {
  SequenceServer server({"--model-admin", "true"});
  v1::EmbedRequest settings;
  settings.set_model("relu");
  EmbedSequenceClient sequence(server.stub(), settings);
  sequence.Answer({1});
  const v1::EncoderState before = sequence.State();
  v1::UnloadModelRequest unload;
  unload.set_name("relu");
  v1::UnloadModelResponse unloaded;
  grpc::ClientContext context;
  ASSERT_TRUE(server.running().models->UnloadModel(&context, unload, &unloaded).ok());
  EXPECT_TRUE(sequence.Answer({2}).result().has_embedding());
  EXPECT_EQ(sequence.State().model_id(), before.model_id());
  EXPECT_EQ(EmbedSequenceClient(server.stub(), settings).End().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(EmbedSequence, TokensWhoseVectorsNoMessageHoldsAreRefusedBeforeTheyAreComputed) {
  SequenceServer server({"--max-message-size", "64KiB"});
  v1::EmbedRequest settings;
  settings.set_model("relu");
  EmbedSequenceClient sequence(server.stub(), settings);
  EXPECT_TRUE(sequence.Answer(SomeIds(100, kVocabulary)).result().has_embedding());
  sequence.Send(SomeIds(20'000, kVocabulary));
  const grpc::Status status = sequence.stream().Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("tokens.ids has 20000 entries, whose vectors take "));
}

}  // namespace
}  // namespace favor
