#include "server/convert/embed_request_conversion.h"

#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/convert/embed_input_reading.h"
#include "server/convert/field_error.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

NamedModel FakeNamedModel() {
  testing::FakeEncoderOptions options;
  options.max_tokens = 16;
  auto model = testing::FakeModel(options);
  model->pooling = Pooling::kCls;
  model->normalizes = true;
  model->prompts = {{"query", "query: "}, {"passage", "passage: "}};
  return {"fake", "/models/fake", model};
}

absl::StatusOr<EmbedSettings> Read(const std::function<void(v1::EmbedRequest&)>& change) {
  v1::EmbedRequest request;
  change(request);
  return ReadEmbedSettings(request, FakeNamedModel());
}

void ExpectRefused(const std::function<void(v1::EmbedRequest&)>& change, const std::string& field,
                   const std::string& message) {
  const absl::Status status = Read(change).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(FieldOf(status), field);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(EmbedSettings, AreTheModelsOwnUnlessToldOtherwise) {
  const auto settings = Read([](v1::EmbedRequest&) {});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->options.pooling, Pooling::kCls);
  EXPECT_TRUE(settings->options.normalize);
  EXPECT_EQ(settings->options.dimensions, 0);
  EXPECT_EQ(settings->windows.over_length, OverLength::kRefuse);
  EXPECT_FALSE(settings->windows.overlap.has_value());
  EXPECT_EQ(settings->prompt, "");
  EXPECT_EQ(settings->type, v1::EMBEDDING_TYPE_F32);
  EXPECT_FALSE(settings->attention.has_value());
}

TEST(EmbedSettings, AreReadFromTheRequest) {
  const auto settings = Read([](v1::EmbedRequest& request) {
    request.set_pooling(v1::POOLING_NONE);
    request.set_normalize(false);
    request.set_over_length(v1::OVER_LENGTH_WINDOWS);
    request.set_window_overlap(0);
    request.set_output_type(v1::EMBEDDING_TYPE_I8);
    request.set_dimensions(3);
    request.set_prompt_name("query");
    request.mutable_attention()->mutable_features();
  });
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->options.pooling, Pooling::kNone);
  EXPECT_FALSE(settings->options.normalize);
  EXPECT_EQ(settings->options.dimensions, 3);
  EXPECT_EQ(settings->windows.over_length, OverLength::kWindows);
  EXPECT_EQ(settings->windows.overlap, 0);
  EXPECT_EQ(settings->prompt, "query: ");
  EXPECT_EQ(settings->type, v1::EMBEDDING_TYPE_I8);
  EXPECT_EQ(settings->attention->mode, AttentionMode::kFeatures);
}

TEST(EmbedSettings, TakeTheModelsDefaultPromptUnlessOneIsGiven) {
  NamedModel model = FakeNamedModel();
  auto with_default = std::make_shared<Model>(*model.model);
  with_default->default_prompt = "passage";
  model.model = with_default;
  v1::EmbedRequest request;
  EXPECT_EQ(ReadEmbedSettings(request, model)->prompt, "passage: ");
  request.set_prompt("mine: ");
  EXPECT_EQ(ReadEmbedSettings(request, model)->prompt, "mine: ");
  request.set_prompt("");
  EXPECT_EQ(ReadEmbedSettings(request, model)->prompt, "");
  request.clear_prompt();
  request.set_prompt_name("query");
  EXPECT_EQ(ReadEmbedSettings(request, model)->prompt, "query: ");
}

TEST(EmbedSettings, RefuseValuesThatDoNotExistNamingFieldAndValue) {
  ExpectRefused([](auto& request) { request.set_pooling(static_cast<v1::Pooling>(99)); }, "pooling", "pooling is 99");
  ExpectRefused([](auto& request) { request.set_over_length(static_cast<v1::OverLength>(99)); }, "over_length",
                "over_length is 99");
  ExpectRefused([](auto& request) { request.set_output_type(static_cast<v1::EmbeddingType>(99)); }, "output_type",
                "output_type is 99");
}

TEST(EmbedSettings, RefuseWhatIsOutOfBoundsNamingTheBound) {
  ExpectRefused([](auto& request) { request.set_dimensions(9); }, "dimensions", "dimensions is 9, must be 0 to 8");
  ExpectRefused([](auto& request) { request.set_dimensions(-1); }, "dimensions", "dimensions is -1");
}

TEST(EmbedSettings, HaveTheDimensionsOfAllPoolingsThatAModelJoins) {
  NamedModel model = FakeNamedModel();
  auto joined = std::make_shared<Model>(*model.model);
  joined->pooling.Append(Pooling::kWeightedMean);
  model.model = joined;
  v1::EmbedRequest request;
  request.set_dimensions(16);
  const auto settings = ReadEmbedSettings(request, model);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->options.pooling, ElementsAre(Pooling::kCls, Pooling::kWeightedMean));
  EXPECT_EQ(settings->options.dimensions, 16);
  request.set_dimensions(17);
  EXPECT_THAT(ReadEmbedSettings(request, model).status().message(), HasSubstr("dimensions is 17, must be 0 to 16"));
  request.set_dimensions(9);
  for (const v1::Pooling one : {v1::POOLING_MEAN_SQRT_LEN, v1::POOLING_WEIGHTED_MEAN, v1::POOLING_NONE}) {
    request.set_pooling(one);
    EXPECT_THAT(ReadEmbedSettings(request, model).status().message(), HasSubstr("dimensions is 9, must be 0 to 8"));
  }
}

// Of 24 dimensions, cls and mean joined, 16 behind its Dense.
TEST(EmbedSettings, RefuseAPoolingThatTheModelsDenseDoesNotTake) {
  const NamedModel model{"dense", "", LoadModel(FAVOR_TEST_DATA_DIR "/models/sentence/dense").value()};
  const auto error = [&model](v1::Pooling pooling, int64_t dimensions) {
    v1::EmbedRequest request;
    request.set_pooling(pooling);
    request.set_dimensions(dimensions);
    return ReadEmbedSettings(request, model).status();
  };
  EXPECT_TRUE(error(v1::POOLING_UNSPECIFIED, 16).ok());
  EXPECT_THAT(error(v1::POOLING_UNSPECIFIED, 17).message(), HasSubstr("dimensions is 17, must be 0 to 16"));
  EXPECT_TRUE(error(v1::POOLING_NONE, 24).ok());
  EXPECT_THAT(error(v1::POOLING_NONE, 25).message(), HasSubstr("dimensions is 25, must be 0 to 24"));
  const absl::Status status = error(v1::POOLING_MEAN, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(FieldOf(status), "pooling");
  EXPECT_THAT(status.message(), HasSubstr("pooling makes vectors of 24 coordinates, the model's Dense takes 48"));
}

TEST(EmbedSettings, RefuseAnOverlapOutOfBoundsWhenThereAreToBeWindows) {
  const auto windows_of_overlap = [](int64_t overlap) {
    return [overlap](auto& request) {
      request.set_over_length(v1::OVER_LENGTH_WINDOWS);
      request.set_window_overlap(overlap);
    };
  };
  EXPECT_TRUE(Read(windows_of_overlap(8)).ok());
  ExpectRefused(windows_of_overlap(9), "window_overlap", "window_overlap is 9, must be at most 8");
  ExpectRefused(windows_of_overlap(-1), "window_overlap", "window_overlap is -1");
  EXPECT_TRUE(Read([](auto& request) { request.set_window_overlap(9); }).ok());
}

TEST(EmbedSettings, RefuseTwoPromptsAndNamesThatTheModelDoesNotHave) {
  ExpectRefused(
      [](auto& request) {
        request.set_prompt("p");
        request.set_prompt_name("query");
      },
      "prompt_name", "both set");
  ExpectRefused(
      [](auto& request) {
        request.set_prompt("");
        request.set_prompt_name("query");
      },
      "prompt_name", "both set");
  ExpectRefused([](auto& request) { request.set_prompt_name("document"); }, "prompt_name",
                "prompt_name is 'document', the model has passage, query");
}

TEST(EmbedSettings, TakeNothingOfAttentionButItsMode) {
  ExpectRefused([](auto& request) { request.mutable_attention()->set_causal(true); }, "attention.causal", "is set");
  ExpectRefused([](auto& request) { request.mutable_attention()->set_scale(1); }, "attention.scale", "is set");
  ExpectRefused([](auto& request) { request.mutable_attention()->set_precision(v1::PRECISION_BF16); },
                "attention.precision", "is set");
  ExpectRefused(
      [](auto& request) { request.mutable_attention()->mutable_features()->set_kernel(v1::KERNEL_ELU_PLUS_ONE); },
      "attention", "not softmax");
  ExpectRefused(
      [](auto& request) { request.mutable_attention()->mutable_features()->set_kernel(static_cast<v1::Kernel>(99)); },
      "attention.features.kernel", "attention.features.kernel is 99");
  EXPECT_TRUE(
      absl::IsUnimplemented(Read([](auto& request) { request.mutable_attention()->mutable_auto_(); }).status()));
  EXPECT_TRUE(
      absl::IsUnimplemented(Read([](auto& request) {
                              request.mutable_attention()->mutable_features()->mutable_projection()->mutable_matrix();
                            }).status()));
}

TEST(EmbedSettings, HaveTheProjectionThatFeaturesNeed) {
  const auto drawn = Read([](auto& request) {
    auto* features = request.mutable_attention()->mutable_features();
    features->set_num_features(64);
    features->mutable_projection()->set_seed(7);
  });
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(drawn->projection, (ProjectionSpec{.seed = 7, .num_features = 64, .head_dim = 1}));
  EXPECT_FALSE(Read([](auto& request) { request.mutable_attention()->mutable_exact(); })->projection.has_value());
  ExpectRefused([](auto& request) { request.mutable_attention()->mutable_features()->set_num_features(65'537); },
                "attention.features.num_features", "attention.features.num_features is 65537, at most 65536");
}

EmbedSettings Settings(OverLength over_length = OverLength::kRefuse) {
  EmbedSettings settings;
  settings.model = FakeNamedModel();
  settings.windows.over_length = over_length;
  return settings;
}

absl::StatusOr<EmbedInput> ReadEmbedInput(const std::string& wire, const std::string& field,
                                          const EmbedSettings& settings) {
  for (EmbedInputReading reading(wire, field, settings);;) {
    const absl::StatusOr<bool> done = reading.Step();
    if (!done.ok()) return done.status();
    if (*done) return std::move(reading.input());
  }
}

TEST(ReadEmbedInput, TakesTextAndIds) {
  const testing::FakeTokenizer tokenizer;
  v1::EmbedInput text;
  text.set_text("one two");
  EXPECT_THAT(ReadEmbedInput(text.SerializeAsString(), "inputs[0]", Settings())->windows,
              ElementsAre(ElementsAre(1, tokenizer.IdOf("one"), tokenizer.IdOf("two"), 2)));
  EmbedSettings with_prompt = Settings();
  with_prompt.prompt = "zero ";
  EXPECT_THAT(ReadEmbedInput(text.SerializeAsString(), "inputs[0]", with_prompt)->windows,
              ElementsAre(ElementsAre(1, tokenizer.IdOf("zero"), tokenizer.IdOf("one"), tokenizer.IdOf("two"), 2)));
  v1::EmbedInput ids;
  for (const int32_t id : {5, 999, 0}) ids.mutable_ids()->add_ids(id);
  EXPECT_THAT(ReadEmbedInput(ids.SerializeAsString(), "inputs[0]", with_prompt)->windows,
              ElementsAre(ElementsAre(5, 999, 0)));
}

TEST(ReadEmbedInput, OfTextAndIdsTakesTheLastAsProtobufDoes) {
  v1::EmbedInput text, ids;
  text.set_text("one");
  ids.mutable_ids()->add_ids(7);
  const std::string wire = text.SerializeAsString() + ids.SerializeAsString();
  EXPECT_THAT(ReadEmbedInput(wire, "inputs[0]", Settings())->windows, ElementsAre(ElementsAre(7)));
  EXPECT_EQ(
      ReadEmbedInput(ids.SerializeAsString() + text.SerializeAsString(), "inputs[0]", Settings())->windows[0].size(),
      3u);
}

TEST(ReadEmbedInput, IdsInTwoMessagesAreOneListAsProtobufHasIt) {
  v1::EmbedInput first, second, text;
  first.mutable_ids()->add_ids(5);
  second.mutable_ids()->add_ids(6);
  text.set_text("one");
  const std::string both = first.SerializeAsString() + second.SerializeAsString();
  EXPECT_THAT(ReadEmbedInput(both, "inputs[0]", Settings())->windows, ElementsAre(ElementsAre(5, 6)));
  const std::string parted = first.SerializeAsString() + text.SerializeAsString() + second.SerializeAsString();
  EXPECT_THAT(ReadEmbedInput(parted, "inputs[0]", Settings())->windows, ElementsAre(ElementsAre(6)));
}

TEST(ReadEmbedInput, TakesAnEmptyTextAndSkipsFieldsOfLaterReleases) {
  v1::EmbedInput text;
  text.set_text("");
  EXPECT_THAT(ReadEmbedInput(text.SerializeAsString() + "\x78\x05", "inputs[0]", Settings())->windows,
              ElementsAre(ElementsAre(1, 2)));
}

void ExpectInputRefused(const std::string& wire, const std::string& field, const std::string& message) {
  const absl::Status status = ReadEmbedInput(wire, "inputs[3]", Settings()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(FieldOf(status), field);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(ReadEmbedInput, NamesTheInputAndWhatIsWrongWithIt) {
  ExpectInputRefused("", "inputs[3]", "inputs[3] has neither text nor ids");
  ExpectInputRefused("\x0a\x7f", "inputs[3]", "inputs[3] is malformed");
  ExpectInputRefused(
      "\x0a\x02"
      "a\xff",
      "inputs[3].text", "not UTF-8 at byte 1");
  v1::EmbedInput ids;
  for (int32_t i = 0; i < 17; ++i) ids.mutable_ids()->add_ids(i);
  ExpectInputRefused(ids.SerializeAsString(), "inputs[3].ids", "has 17 tokens, the model's window is 16");
  ids.mutable_ids()->set_ids(2, 1000);
  ExpectInputRefused(ids.SerializeAsString(), "inputs[3].ids", "ids[2] is 1000, must be 0 to 999");
  v1::EmbedInput empty;
  empty.mutable_ids();
  ExpectInputRefused(empty.SerializeAsString(), "inputs[3].ids", "no tokens");
}

}  // namespace
}  // namespace favor
