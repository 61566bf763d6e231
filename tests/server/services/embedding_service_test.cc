// A whole server with fake models, called through gRPC.
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "favor/v1/embedding.grpc.pb.h"
#include "favor/v1/model.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/services/running_server.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using testing::FieldIn;
using ::testing::HasSubstr;
using testing::LoadFake;
using testing::RunningServer;

std::vector<float> Floats(const v1::Embedding& embedding) {
  std::vector<float> values(embedding.data().size() / 4);
  std::memcpy(values.data(), embedding.data().data(), embedding.data().size());
  return values;
}

TEST(EmbeddingService, EmbedsTextsAndIdsEachWithItsOwnErrors) {
  RunningServer server({"--model", "fake=/models/fake"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedRequest request;
  request.set_pooling(v1::POOLING_CLS);
  request.set_normalize(false);
  request.add_inputs()->set_text("one two three");
  request.add_inputs()->set_text("bad \xff text");
  for (const int32_t id : {7, 8}) {
    (request.inputs_size() < 3 ? request.add_inputs() : request.mutable_inputs(2))->mutable_ids()->add_ids(id);
  }
  request.add_inputs();
  v1::EmbedResponse response;
  const grpc::Status status = server.Embed(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.results_size(), 4);
  EXPECT_EQ(response.results(0).num_tokens(), 5);
  std::vector<float> first, third;
  for (int64_t d = 0; d < 8; ++d) {
    first.push_back(testing::FakeCoordinate(1, 0, d));
    third.push_back(testing::FakeCoordinate(7, 0, d));
  }
  EXPECT_EQ(Floats(response.results(0).embedding()), first);
  EXPECT_THAT(response.results(1).error().message(), HasSubstr("inputs[1]: the text is not UTF-8 at byte 4"));
  EXPECT_EQ(Floats(response.results(2).embedding()), third);
  EXPECT_THAT(response.results(3).error().message(), HasSubstr("neither text nor ids"));
  EXPECT_EQ(response.report().model(), "fake");
  EXPECT_EQ(response.report().num_tokens(), 7);
}

// Goes on with a text that begins with "L" until it is told to stop.
class SlowTokenizer : public testing::FakeTokenizer {
 public:
  struct Progress {
    std::atomic<int> steps{0};
    std::atomic<bool> stop{false};
  };
  explicit SlowTokenizer(Progress* progress) : progress_(progress) {}

  std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const override {
    struct Run : Tokenization {
      explicit Run(Progress* progress) : progress(progress) {}
      absl::StatusOr<bool> Step(std::vector<Token>*) override {
        absl::SleepFor(absl::Milliseconds(3));
        return ++progress->steps > 5000 || progress->stop;
      }
      Progress* progress;
    };
    if (!text.empty() && text[0] == 'L') return std::make_unique<Run>(progress_);
    return FakeTokenizer::Begin(text, step_bytes);
  }

 private:
  Progress* progress_;
};

ModelRegistry::Loader LoaderOf(SlowTokenizer::Progress* progress) {
  return [progress](const std::string& folder) -> absl::StatusOr<std::shared_ptr<const Model>> {
    auto model = testing::FakeModel();
    model->path = folder;
    model->tokenizer = std::make_shared<SlowTokenizer>(progress);
    return model;
  };
}

v1::EmbedRequest LongText() {
  v1::EmbedRequest request;
  request.add_inputs()->set_text("L" + std::string(2 << 20, ' '));
  return request;
}

TEST(EmbeddingService, OthersHaveTheirTurnWhileLongTextsAreTokenised) {
  SlowTokenizer::Progress progress;
  RunningServer server({"--model", "slow=/slow"}, LoaderOf(&progress));
  ASSERT_TRUE(server.Load().ok());
  std::vector<std::thread> callers;  // one for each thread of the pool
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&server] {
      v1::EmbedResponse response;
      EXPECT_TRUE(server.Embed(LongText(), &response).ok());
      EXPECT_EQ(response.results_size(), 1);
    });
  }
  while (progress.steps < 20) absl::SleepFor(absl::Milliseconds(1));
  v1::EmbedRequest request;
  request.add_inputs()->set_text("short");
  v1::EmbedResponse response;
  EXPECT_TRUE(server.Embed(request, &response).ok());
  EXPECT_LT(progress.steps.load(), 5000) << "answered in between";
  progress.stop = true;
  for (std::thread& caller : callers) caller.join();
}

TEST(EmbeddingService, StopsTokenisingWhenItsCallerIsGone) {
  SlowTokenizer::Progress progress;
  RunningServer server({"--model", "slow=/slow"}, LoaderOf(&progress));
  ASSERT_TRUE(server.Load().ok());
  grpc::ClientContext context;
  std::thread caller([&] {
    v1::EmbedResponse response;
    EXPECT_EQ(server.embedding->Embed(&context, LongText(), &response).error_code(), grpc::StatusCode::CANCELLED);
  });
  while (progress.steps < 5) absl::SleepFor(absl::Milliseconds(1));
  context.TryCancel();
  caller.join();
  int before = -1;
  for (int i = 0; i < 200 && before != progress.steps; ++i) {  // no step within 50 ms
    before = progress.steps;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(before, progress.steps.load());
  EXPECT_LT(progress.steps.load(), 1000);
}

TEST(EmbeddingService, AnswersRequestsAndResponsesOfManyParts) {
  RunningServer server({"--model", "/models/fake"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedRequest request;
  request.set_pooling(v1::POOLING_NONE);
  request.set_normalize(false);
  request.set_over_length(v1::OVER_LENGTH_WINDOWS);
  for (int i = 0; i < 2000; ++i) {
    request.add_inputs()->set_text(absl::StrCat(std::string(100, 'w'), " ", i, " a b c d e f g h i j k l m n o p"));
  }
  v1::EmbedResponse response;
  const grpc::Status status = server.Embed(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.results_size(), 2000);
  const testing::FakeTokenizer tokenizer;
  for (int i = 0; i < 2000; ++i) {
    const v1::EmbedResult& result = response.results(i);
    EXPECT_EQ(result.num_windows(), 2);
    ASSERT_THAT(result.embedding().shape(), ElementsAre(20, 8));
    const int32_t id = tokenizer.IdOf(absl::StrCat(i));
    ASSERT_EQ(Floats(result.embedding())[2 * 8], testing::FakeCoordinate(id, 2, 0)) << i;
  }
}

TEST(EmbeddingService, RefusesWhatIsWrongWithTheCall) {
  RunningServer server({"--model", "fake=/models/fake", "--max-message-size", "64KiB"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedResponse response;
  v1::EmbedRequest request;
  request.set_model("other");
  EXPECT_EQ(server.Embed(request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_model("fake");
  request.set_dimensions(9);
  EXPECT_EQ(FieldIn(server.Embed(request, &response)), "dimensions");
  request.set_dimensions(0);
  for (int i = 0; i < 2000; ++i) request.add_inputs()->set_text("a");
  const grpc::Status status = server.Embed(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldIn(status), "inputs");
  EXPECT_THAT(status.error_message(), HasSubstr("a message has at most 65536"));
}

TEST(EmbeddingService, BoundsTheBytesOfThePromptInAllInputs) {
  RunningServer server({"--model", "fake=/models/fake", "--max-message-size", "64KiB"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedResponse response;
  v1::EmbedRequest request;
  request.set_prompt(std::string(8192, 'p'));
  for (int i = 0; i < 8; ++i) request.add_inputs()->set_text("a");
  EXPECT_TRUE(server.Embed(request, &response).ok());
  request.add_inputs()->set_text("a");
  const grpc::Status status = server.Embed(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldIn(status), "prompt");
  EXPECT_THAT(status.error_message(), HasSubstr("before each of 9 inputs 73728, must be at most 65536"));
}

TEST(EmbeddingService, AnswersARequestWithoutInputs) {
  RunningServer server({"--model", "fake=/models/fake"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedResponse response;
  EXPECT_TRUE(server.Embed({}, &response).ok());
  EXPECT_EQ(response.results_size(), 0);
  EXPECT_EQ(response.report().model(), "fake");
}

TEST(EmbeddingService, RefusesMoreThanItsMemoryBudget) {
  RunningServer server({"--model", "fake=/models/fake", "--memory-budget", "100KiB"});
  ASSERT_TRUE(server.Load().ok());
  v1::EmbedRequest request;
  request.add_inputs()->set_text(std::string(50'000, 'x'));
  v1::EmbedResponse response;
  const grpc::Status status = server.Embed(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("the memory budget is 102400"));
  request.mutable_inputs(0)->set_text("short");
  EXPECT_TRUE(server.Embed(request, &response).ok());  // nothing of the refused call is left
}

TEST(EmbeddingService, TokenizesWithAndWithoutSpecialTokensAndPieces) {
  RunningServer server({"--model", "fake=/models/fake"});
  ASSERT_TRUE(server.Load().ok());
  const testing::FakeTokenizer tokenizer;
  v1::TokenizeRequest request;
  request.add_texts("one two");
  request.add_texts("");
  request.set_with_pieces(true);
  v1::TokenizeResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(server.embedding->Tokenize(&context, request, &response).ok());
  }
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_THAT(response.results(0).ids(), ElementsAre(1, tokenizer.IdOf("one"), tokenizer.IdOf("two"), 2));
  EXPECT_THAT(response.results(0).begins(), ElementsAre(0, 0, 4, 0));
  EXPECT_THAT(response.results(0).ends(), ElementsAre(0, 3, 7, 0));
  EXPECT_EQ(response.results(0).pieces(0), "<1>");
  EXPECT_THAT(response.results(1).ids(), ElementsAre(1, 2));
  request.set_without_special_tokens(true);
  request.set_with_pieces(false);
  {
    grpc::ClientContext context;
    ASSERT_TRUE(server.embedding->Tokenize(&context, request, &response).ok());
  }
  EXPECT_EQ(response.results(0).ids_size(), 2);
  EXPECT_EQ(response.results(0).pieces_size(), 0);
}

TEST(EmbeddingService, TokenizeNeedsATokenizer) {
  RunningServer server({"--model", "/ids"});
  ASSERT_TRUE(server.Load().ok());
  v1::TokenizeRequest request;
  request.add_texts("one");
  v1::TokenizeResponse response;
  grpc::ClientContext context;
  const grpc::Status status = server.embedding->Tokenize(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("'ids', which has no tokenizer"));
}

TEST(Readiness, ComesAfterTheModelsAndLivenessBefore) {
  absl::Notification go_on;
  RunningServer server({"--model", "fake=/models/fake"}, [&](const std::string& folder) {
    go_on.WaitForNotification();
    return LoadFake(folder);
  });
  absl::Status loaded;
  std::thread loading([&] { loaded = server.Load(); });
  EXPECT_TRUE(server.IsServing("liveness"));
  EXPECT_FALSE(server.IsServing(""));
  EXPECT_FALSE(server.IsServing("favor.v1.EmbeddingService"));
  v1::EmbedResponse response;
  EXPECT_EQ(server.Embed({}, &response).error_code(), grpc::StatusCode::UNAVAILABLE);
  go_on.Notify();
  loading.join();
  ASSERT_TRUE(loaded.ok()) << loaded;
  for (const char* name : {"", "liveness", "favor.v1.EmbeddingService", "favor.v1.ModelService"}) {
    EXPECT_TRUE(server.IsServing(name)) << name;
  }
}

TEST(Readiness, NeverComesWhenAModelCannotBeLoaded) {
  RunningServer server({"--model", "fake=/models/fake", "--model", "gone=/missing"});
  EXPECT_EQ(server.Load(), absl::NotFoundError("model gone: /missing/config.json does not exist"));
  EXPECT_FALSE(server.IsServing(""));
}

TEST(ModelService, ListsModels) {
  RunningServer server({"--model", "b=/models/b,a=/ids"});
  ASSERT_TRUE(server.Load().ok());
  v1::ListModelsResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server.models->ListModels(&context, {}, &response).ok());
  ASSERT_EQ(response.models_size(), 2);
  const v1::ModelInfo& model = response.models(1);
  EXPECT_EQ(model.name(), "b");
  EXPECT_EQ(model.path(), "/models/b");
  EXPECT_EQ(model.dimensions(), 8);
  EXPECT_EQ(model.max_tokens(), 16);
  EXPECT_EQ(model.vocabulary_size(), 1000);
  EXPECT_TRUE(model.has_tokenizer());
  EXPECT_FALSE(response.models(0).has_tokenizer());
  EXPECT_EQ(model.pooling(), v1::POOLING_MEAN);
}

TEST(ModelService, LoadsAndForgetsModelsOnlyWhenToldSo) {
  for (const bool admin : {false, true}) {
    RunningServer server({"--model-admin", admin ? "true" : "false"});
    ASSERT_TRUE(server.Load().ok());
    v1::LoadModelRequest load;
    load.set_name("new");
    load.set_path("/models/new");
    v1::LoadModelResponse loaded;
    grpc::ClientContext load_context;
    const grpc::Status load_status = server.models->LoadModel(&load_context, load, &loaded);
    v1::UnloadModelRequest unload;
    unload.set_name("new");
    v1::UnloadModelResponse unloaded;
    grpc::ClientContext unload_context;
    const grpc::Status unload_status = server.models->UnloadModel(&unload_context, unload, &unloaded);
    if (admin) {
      EXPECT_TRUE(load_status.ok()) << load_status.error_message();
      EXPECT_EQ(loaded.model().name(), "new");
      EXPECT_TRUE(unload_status.ok()) << unload_status.error_message();
    } else {
      for (const grpc::Status& status : {load_status, unload_status}) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
        EXPECT_THAT(status.error_message(), HasSubstr("model-admin = true"));
      }
    }
  }
}

TEST(ModelService, DoesNotForgetAModelWithoutAName) {
  RunningServer server({"--model-admin", "true", "--model", "/models/fake"});
  ASSERT_TRUE(server.Load().ok());
  v1::UnloadModelResponse unloaded;
  grpc::ClientContext context;
  const grpc::Status status = server.models->UnloadModel(&context, {}, &unloaded);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldIn(status), "name");
}

}  // namespace
}  // namespace favor
