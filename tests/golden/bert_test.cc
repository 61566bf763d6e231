// Token vectors of BERT models as Hugging Face's transformers computes them in float64.
#include <string>

#include "absl/strings/match.h"
#include "favor/model/bert_config.h"
#include "favor/model/bert_encoder.h"
#include "favor/model/weights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/model_golden.h"

namespace favor::testing {
namespace {

// float32 against float64: the transformers library itself, run in float32, is off by 1e-6 on these.
constexpr double kTolerance = 1e-5;

class BertGolden : public ::testing::TestWithParam<std::string> {
 protected:
  static std::shared_ptr<const Encoder> Load(const ModelGolden& golden) {
    Weights weights = Weights::Open(golden.path).value();
    return LoadBertEncoder(ParseBertConfig(golden.config).value(), &weights).value();
  }
};

TEST_P(BertGolden, TokenVectorsAreThoseOfTransformers) {
  const ModelGolden golden = ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/bert/" + GetParam(), "config");
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  const auto vectors = Encode(*encoder, golden.ids).value();
  for (size_t s = 0; s < vectors.size(); ++s) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[s]), kTolerance) << "sequence " << s;
  }
}

TEST_P(BertGolden, AnInputsVectorsDoNotDependOnItsBatch) {
  const ModelGolden golden = ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/bert/" + GetParam(), "config");
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

// Features, too, those that are fitted to every text by itself among them.
TEST_P(BertGolden, AnInputsVectorsOfFeaturesDoNotDependOnItsBatch) {
  const ModelGolden golden = ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/bert/" + GetParam(), "config");
  const std::shared_ptr<const Encoder> encoder = Load(golden);
  EncoderAttention attention;
  attention.projection = *DrawProjection({.num_features = 64, .head_dim = encoder->head_dim()});
  if (absl::StartsWith(GetParam(), "mpnet")) {
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

INSTANTIATE_TEST_SUITE_P(Activations, BertGolden,
                         ::testing::Values("distilbert.safetensors", "distilbert_masked_lm.safetensors",
                                           "electra.safetensors", "electra_discriminator.safetensors",
                                           "mpnet.safetensors", "mpnet_masked_lm.safetensors", "gelu.safetensors",
                                           "gelu_new.safetensors", "gelu_pytorch_tanh.safetensors",
                                           "masked_lm.safetensors", "relu.safetensors", "roberta.safetensors"),
                         [](const auto& info) { return info.param.substr(0, info.param.find('.')); });

}  // namespace
}  // namespace favor::testing
