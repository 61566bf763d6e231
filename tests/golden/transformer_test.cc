// Token vectors of BERT, ModernBERT, Nomic BERT, GTE, EuroBERT, Qwen, Mistral and Llama models
// as Hugging Face's transformers computes them
// in float64.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "favor/model/bert_config.h"
#include "favor/model/bert_encoder.h"
#include "favor/model/rotary_config.h"
#include "favor/model/rotary_encoder.h"
#include "favor/model/weights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/model_golden.h"

namespace favor::testing {
namespace {

// float32 against float64: the transformers library itself, run in float32, is off by 1e-6 on these.
constexpr double kTolerance = 1e-5;

class TransformerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  static ModelGolden Read() {
    return ReadModelGolden(absl::StrCat(FAVOR_TEST_DATA_DIR "/models/", GetParam(), ".safetensors"), "config");
  }
  static std::shared_ptr<const Encoder> Load(const ModelGolden& golden) {
    Weights weights = Weights::Open(golden.path).value();
    if (absl::StartsWith(GetParam(), "rotary/")) {
      return LoadRotaryEncoder(ParseRotaryConfig(golden.config).value(), &weights).value();
    }
    return LoadBertEncoder(ParseBertConfig(golden.config).value(), &weights).value();
  }
};

TEST_P(TransformerGolden, TokenVectorsAreThoseOfTransformers) {
  const ModelGolden golden = Read();
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  const auto vectors = Encode(*encoder, golden.ids).value();
  for (size_t s = 0; s < vectors.size(); ++s) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[s]), kTolerance) << "sequence " << s;
  }
}

TEST_P(TransformerGolden, AnInputsVectorsDoNotDependOnItsBatch) {
  const ModelGolden golden = Read();
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  std::vector<std::vector<int32_t>> batch;
  for (int64_t length = 1; length <= 60; length += 7) {
    batch.emplace_back(length, static_cast<int32_t>(length % encoder->vocabulary_size()));
    batch.push_back(golden.ids[0]);
  }
  const auto vectors = Encode(*encoder, batch, nullptr, /*num_threads=*/3).value();
  for (size_t s = 1; s < vectors.size(); s += 2) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[0]), kTolerance) << "sequence " << s;
  }
  EXPECT_EQ(vectors, Encode(*encoder, batch).value()) << "the same bits on any number of threads";
}

// Threads share rows of few tokens, and blocks of many.
TEST_P(TransformerGolden, AnInputsVectorsHaveTheSameBitsHoweverManyTokensThereAre) {
  const ModelGolden golden = Read();
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  const auto alone = Encode(*encoder, {golden.ids[0]}).value();
  for (const int64_t num_others : {1, 3, 8, 20}) {
    std::vector<std::vector<int32_t>> batch(num_others, std::vector<int32_t>(40, 1));
    batch.push_back(golden.ids[0]);
    for (const int threads : {0, 3}) {
      const auto vectors = Encode(*encoder, batch, nullptr, threads).value();
      EXPECT_EQ(vectors.back(), alone[0]) << num_others << " others, " << threads << " threads";
    }
  }
}

// Features, too, those that are fitted to every text by itself among them.
TEST_P(TransformerGolden, AnInputsVectorsOfFeaturesDoNotDependOnItsBatch) {
  const ModelGolden golden = Read();
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  EncoderAttention attention{encoder->attention(),
                             *DrawProjection({.num_features = 64, .head_dim = encoder->head_dim()})};
  attention.spec.mode = AttentionMode::kFeatures;
  if (absl::StartsWith(GetParam(), "bert/mpnet")) {
    const absl::Status status = encoder->CheckAttention(attention.spec);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_TRUE(absl::StartsWith(status.message(), "attention.features is set")) << status;
    return;
  }
  for (const Estimator estimator : {Estimator::kPositive, Estimator::kOprf}) {
    attention.spec.features.estimator = estimator;
    const auto alone = Encode(*encoder, {golden.ids[0]}, &attention).value();
    for (const int64_t length : {1, 20, 50, 60}) {
      std::vector<int32_t> other;
      for (int64_t t = 0; t < length; ++t) other.push_back(static_cast<int32_t>((7 * t) % encoder->vocabulary_size()));
      for (const int threads : {0, 3}) {
        const auto vectors = Encode(*encoder, {other, golden.ids[0], other}, &attention, threads).value();
        EXPECT_LT(RelativeError(vectors[1], std::vector<double>(alone[0].begin(), alone[0].end())), 1e-6)
            << "beside " << length << " tokens";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bert, TransformerGolden,
                         ::testing::Values("bert/gelu", "bert/gelu_new", "bert/gelu_pytorch_tanh", "bert/relu",
                                           "bert/masked_lm", "bert/roberta", "bert/distilbert",
                                           "bert/distilbert_masked_lm", "bert/electra", "bert/electra_discriminator",
                                           "bert/mpnet", "bert/mpnet_masked_lm", "bert/albert",
                                           "bert/albert_masked_lm"),
                         [](const auto& info) {
                           return absl::StrReplaceAll(info.param, {{"/", "_"}});
                         });

INSTANTIATE_TEST_SUITE_P(Rotary, TransformerGolden,
                         ::testing::Values("rotary/modernbert", "rotary/modernbert_biased", "rotary/nomic_bert",
                                           "rotary/nomic_bert_masked_lm", "rotary/nomic_bert_own",
                                           "rotary/nomic_bert_dynamic", "rotary/nomic_bert_dynamic_own", "rotary/gte",
                                           "rotary/gte_own", "rotary/eurobert", "rotary/eurobert_masked_lm",
                                           "rotary/qwen3", "rotary/qwen3_causal_lm", "rotary/qwen3_bidirectional",
                                           "rotary/qwen2", "rotary/mistral", "rotary/llama"),
                         [](const auto& info) {
                           return absl::StrReplaceAll(info.param, {{"/", "_"}});
                         });

// Windows cost little as they are: features take the place of attention to all tokens alone.
TEST(Modernbert, LayersWithinWindowsStayExact) {
  const ModelGolden golden = ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/rotary/modernbert.safetensors", "config");
  RotaryConfig config = ParseRotaryConfig(golden.config).value();
  EncoderAttention features;
  features.projection = *DrawProjection({.num_features = 64, .head_dim = config.sizes.head_dim});
  const auto vectors = [&](const EncoderAttention* attention) {
    Weights weights = Weights::Open(golden.path).value();
    return Encode(*LoadRotaryEncoder(config, &weights).value(), golden.ids, attention).value();
  };
  EXPECT_NE(vectors(&features), vectors(nullptr));
  config.sizes.is_local.assign(config.sizes.num_layers, true);
  EXPECT_EQ(vectors(&features), vectors(nullptr));
}

// A token hears of others through num_layers windows.
TEST(Modernbert, LayersWithinWindowsSeeNoFarther) {
  const ModelGolden golden = ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/rotary/modernbert.safetensors", "config");
  RotaryConfig config = ParseRotaryConfig(golden.config).value();
  config.sizes.is_local.assign(config.sizes.num_layers, true);
  Weights weights = Weights::Open(golden.path).value();
  const auto encoder = LoadRotaryEncoder(config, &weights).value();
  std::vector<int32_t> ids = golden.ids[0];
  const auto before = Encode(*encoder, {ids}).value()[0];
  ids[0] = ids[0] == 1 ? 2 : 1;
  const auto after = Encode(*encoder, {ids}).value()[0];
  const int64_t reach = config.sizes.num_layers * config.sizes.window, dim = config.sizes.hidden_size;
  ASSERT_LT(reach + 1, static_cast<int64_t>(ids.size()));
  EXPECT_TRUE(std::equal(before.begin() + (reach + 1) * dim, before.end(), after.begin() + (reach + 1) * dim));
  EXPECT_FALSE(
      std::equal(before.begin() + reach * dim, before.begin() + (reach + 1) * dim, after.begin() + reach * dim));
}

class Causal : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string path = absl::StrCat(FAVOR_TEST_DATA_DIR "/models/rotary/", GetParam(), ".safetensors");
    const ModelGolden golden = ReadModelGolden(path, "config");
    ids = golden.ids[0];
    Weights weights = Weights::Open(golden.path).value();
    encoder = LoadRotaryEncoder(ParseRotaryConfig(golden.config).value(), &weights).value();
  }
  std::vector<float> Vectors(const EncoderAttention& attention, int64_t num_tokens) const {
    return Encode(*encoder, {{ids.begin(), ids.begin() + num_tokens}}, &attention).value()[0];
  }
  EncoderAttention Features(Estimator estimator) const {
    EncoderAttention features{encoder->attention(),
                              *DrawProjection({.num_features = 64, .head_dim = encoder->head_dim()})};
    features.spec.mode = AttentionMode::kFeatures;
    features.spec.features.estimator = estimator;
    return features;
  }

  std::vector<int32_t> ids;
  std::shared_ptr<const Encoder> encoder;
};

TEST_P(Causal, NoTokenHearsOfALaterOne) {
  const int64_t length = static_cast<int64_t>(ids.size()), changed = 57;
  for (const EncoderAttention& attention :
       {EncoderAttention{encoder->attention(), nullptr}, Features(Estimator::kPositive), Features(Estimator::kOprf)}) {
    ASSERT_TRUE(encoder->CheckAttention(attention.spec).ok());
    const auto before = Vectors(attention, length);
    ids[changed] = ids[changed] == 1 ? 2 : 1;
    const auto after = Vectors(attention, length);
    const int64_t first = changed * encoder->dimensions();
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + first, after.begin()));
    for (int64_t at = first; at < length * encoder->dimensions(); at += encoder->dimensions()) {
      EXPECT_NE(before[at], after[at]) << "all that follow do";
    }
  }
}

// The last vector is all that pooling by the last token takes.
TEST_P(Causal, AVectorIsTheLastOfWhatEndsWithItsToken) {
  const auto whole = Vectors({encoder->attention(), nullptr}, static_cast<int64_t>(ids.size()));
  const int64_t dim = encoder->dimensions();
  for (const int64_t count : {1, 2, 47, 48, 49, 77}) {
    const auto part = Vectors({encoder->attention(), nullptr}, count);
    const std::vector<float> last(part.end() - dim, part.end());
    EXPECT_LT(RelativeError(last, {whole.begin() + (count - 1) * dim, whole.begin() + count * dim}), 1e-6) << count;
  }
}

TEST_P(Causal, AttentionThatReadsAllKeysIsRefused) {
  AttentionSpec spec = encoder->attention();
  EXPECT_TRUE(spec.causal);
  spec.causal = false;
  EXPECT_EQ(encoder->CheckAttention(spec).message(), "attention.causal is false, the model was trained with");
  const absl::Status status = encoder->CheckAttention(Features(Estimator::kAnchors).spec);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_TRUE(absl::StartsWith(status.message(), "attention.features.estimator is anchors")) << status;
}

TEST_P(Causal, NoStateIsKeptAndWhyIsTold) {
  EXPECT_TRUE(absl::StartsWith(encoder->DescribeState().status().message(), "its attention is exact"));
}

INSTANTIATE_TEST_SUITE_P(Llama, Causal, ::testing::Values("qwen3", "qwen3_causal_lm", "llama"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace favor::testing
