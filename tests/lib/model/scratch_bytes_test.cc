// The server admits a batch by the memory its parts ask for, one by one.
#include <memory>
#include <random>
#include <vector>

#include "favor/feature_map/head_transforms.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "favor/model/bert_config.h"
#include "favor/model/bert_encoder.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_encoder.h"
#include "favor/model/rotary_config.h"
#include "favor/model/rotary_encoder.h"
#include "favor/model/weights.h"
#include "gtest/gtest.h"
#include "tests/support/model_golden.h"

namespace favor {
namespace {

std::vector<std::shared_ptr<const Encoder>> Encoders() {
  std::vector<std::shared_ptr<const Encoder>> encoders;
  const std::string folder = FAVOR_TEST_DATA_DIR "/models/";
  for (const char* name : {"gelu", "electra"}) {
    const auto golden = testing::ReadModelGolden(folder + "bert/" + name + ".safetensors", "config");
    Weights weights = Weights::Open(golden.path).value();
    encoders.push_back(LoadBertEncoder(ParseBertConfig(golden.config).value(), &weights).value());
  }
  for (const char* name : {"modernbert", "gte", "eurobert", "qwen3"}) {
    const auto golden = testing::ReadModelGolden(folder + "rotary/" + name + ".safetensors", "config");
    Weights weights = Weights::Open(golden.path).value();
    encoders.push_back(LoadRotaryEncoder(ParseRotaryConfig(golden.config).value(), &weights).value());
  }
  for (const char* name : {"rotary", "reversible", "causal", "no_projection", "local"}) {
    const auto golden = testing::ReadModelGolden(folder + "performer/" + name + ".safetensors", "kwargs");
    Weights opened = Weights::Open(golden.path).value();
    const auto config = ParsePerformerArguments(golden.config, "PerformerLM").value();
    encoders.push_back(LoadPerformerEncoder(config, &opened).value());
  }
  return encoders;
}

TEST(ScratchBytes, OfABatchAreNoMoreThanThoseOfItsParts) {
  std::mt19937 random(7);
  for (const auto& encoder : Encoders()) {
    for (int i = 0; i < 200; ++i) {
      std::vector<int64_t> whole, parts[2];
      for (std::vector<int64_t>& part : parts) {
        const int count = std::uniform_int_distribution<int>(1, 6)(random);
        for (int s = 0; s < count; ++s) part.push_back(std::uniform_int_distribution<int64_t>(1, 500)(random));
        whole.insert(whole.end(), part.begin(), part.end());
      }
      const int num_threads = 1 << i % 7;
      EXPECT_LE(encoder->ScratchBytes(whole, nullptr, num_threads),
                encoder->ScratchBytes(parts[0], nullptr, num_threads) +
                    encoder->ScratchBytes(parts[1], nullptr, num_threads));
    }
  }
}

// Beside tokens, a Performer needs the state and the tiles of its features.
TEST(ScratchBytes, HoldWorkspacesOfEveryThread) {
  for (const auto& encoder : Encoders()) {
    const std::vector<int64_t> lengths(64, 10);
    EXPECT_GT(encoder->ScratchBytes(lengths, nullptr, 8) - encoder->ScratchBytes(lengths, nullptr, 1), 7 * 20'000);
  }
}

// All layers are planned at once, and each keeps what it was fitted with.
TEST(ScratchBytes, CountWhatFeaturesAreFittedWithInEveryLayer) {
  const testing::ModelGolden golden =
      testing::ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/bert/gelu.safetensors", "config");
  Weights weights = Weights::Open(golden.path).value();
  const BertConfig config = ParseBertConfig(golden.config).value();
  ASSERT_GT(config.sizes.num_layers, 1);
  const auto encoder = LoadBertEncoder(config, &weights).value();
  constexpr int64_t kNumFeatures = 65'536, kNumTexts = 50;
  EncoderAttention attention;
  attention.spec.features.estimator = Estimator::kOprf;
  attention.projection = *DrawProjection({.num_features = kNumFeatures, .head_dim = encoder->head_dim()});
  const int64_t of_a_layer =
      HeadTransforms::Bytes(attention.spec.features, encoder->head_dim(), config.sizes.num_heads, kNumFeatures);
  EXPECT_GT(encoder->ScratchBytes(std::vector<int64_t>(kNumTexts, 10), &attention, 1),
            kNumTexts * config.sizes.num_layers * of_a_layer);
}

// Of one text that is longer than what a chain of attention takes, another token adds its rows alone.
TEST(ScratchBytes, CountKeysAndValuesOnceForTheHeadsThatShareThem) {
  const auto golden = testing::ReadModelGolden(FAVOR_TEST_DATA_DIR "/models/rotary/eurobert.safetensors", "config");
  Weights weights = Weights::Open(golden.path).value();
  const RotaryConfig config = ParseRotaryConfig(golden.config).value();
  const TransformerSizes& sizes = config.sizes;
  ASSERT_LT(sizes.num_key_heads, sizes.num_heads);
  const auto encoder = LoadRotaryEncoder(config, &weights).value();
  const int64_t heads = sizes.num_heads + 2 * sizes.num_key_heads + sizes.num_heads;  // context, too
  const int64_t rows = kernels::PanelRowCount(sizes.hidden_size) + kernels::PanelRowCount(sizes.head_dim);
  constexpr int64_t kPosition = 2;
  const int64_t bytes = 4 * (rows + heads * kernels::Padded(sizes.head_dim) + kPosition);
  EXPECT_EQ(encoder->ScratchBytes({20'000}, nullptr, 4) - encoder->ScratchBytes({10'000}, nullptr, 4), 10'000 * bytes);
}

TEST(ScratchBytes, OfManyShortInputsGrowWithTheirTokensAlone) {
  for (const auto& encoder : Encoders()) {
    const std::vector<int64_t> few(10, 20), many(1000, 20);
    EXPECT_LT(encoder->ScratchBytes(many, nullptr, 8), 40 * encoder->ScratchBytes(few, nullptr, 8));
  }
}

}  // namespace
}  // namespace favor
