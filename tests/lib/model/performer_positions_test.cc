#include "favor/model/performer_positions.h"

#include <cmath>
#include <vector>

#include "favor/attention/attention_state.h"
#include "favor/format/safetensors.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

// Sinusoids for two tokens, all 0.25 to tell them from what the formula gives.
PerformerPositions TwoRows(const PerformerConfig& config) {
  const std::vector<float> values(config.max_seq_len * config.dim, 0.25f);
  const auto stored = [&](const char* name, int64_t dim) {
    const auto num_bytes = static_cast<size_t>(config.max_seq_len * dim) * sizeof(float);
    return StoredTensor{
        name, "F32", {config.max_seq_len, dim}, {reinterpret_cast<const std::byte*>(values.data()), num_bytes}};
  };
  const std::string path = ::testing::TempDir() + "/performer_positions.safetensors";
  EXPECT_TRUE(
      WriteSafetensors(path, {stored("pos_emb.emb", config.dim), stored("layer_pos_emb.emb", config.head_dim)}).ok());
  Weights weights = Weights::Open(path).value();
  PerformerPositions positions = PerformerPositions::Read(config, &weights);
  EXPECT_TRUE(weights.status().ok()) << weights.status();
  return positions;
}

PerformerConfig Rotary(int64_t dim, int64_t head_dim) {
  PerformerConfig config;
  config.max_seq_len = 2;
  config.dim = dim;
  config.head_dim = head_dim;
  return config;
}

TEST(PerformerPositions, TheTableIsReadUpToItsEndAndTheFormulaBehindIt) {
  const PerformerPositions positions = TwoRows(Rotary(8, 4));
  float row[8] = {}, sines[2], cosines[2];
  positions.AddTo(1, row);
  positions.Angles(1, sines, cosines);
  EXPECT_EQ(row[0], 0.25f);
  EXPECT_EQ(sines[0], 0.25f);
  row[0] = 0;
  positions.AddTo(2, row);
  positions.Angles(2, sines, cosines);
  EXPECT_FLOAT_EQ(row[0], std::sin(2.0f));
  EXPECT_FLOAT_EQ(sines[0], std::sin(2.0f));
  EXPECT_FLOAT_EQ(cosines[0], std::cos(2.0f));
}

// 2^53 tokens are the most that a state from outside may count, and 2^53 times 1024 is no int64_t.
TEST(PerformerPositions, NoPositionIsTooLargeForAWideModel) {
  const int64_t dim = 1024;
  const PerformerPositions positions = TwoRows(Rotary(dim, 512));
  std::vector<float> row(dim), sines(256), cosines(256);
  positions.AddTo(kMaxStateKeys - 1, row.data());
  positions.Angles(kMaxStateKeys - 1, sines.data(), cosines.data());
  for (const float value : row) ASSERT_LE(std::abs(value), 1.0f);
  EXPECT_NEAR(sines[0] * sines[0] + cosines[0] * cosines[0], 1, 1e-6);
}

}  // namespace
}  // namespace favor
