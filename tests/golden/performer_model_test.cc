// Token vectors of performer-pytorch 1.1.4 models, computed in float64, one for each constructor option.
#include <string>

#include "favor/model/performer_config.h"
#include "gtest/gtest.h"
#include "tests/support/performer_golden.h"

namespace favor::testing {
namespace {

// float32 against float64. The package itself, run in float32, is off by up to 3e-6 on these.
constexpr double kTolerance = 2e-5;

PerformerGolden Load(const std::string& name) {
  return LoadPerformerGolden(name, ::testing::TempDir() + "/performer_model.");
}

class PerformerModelGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(PerformerModelGolden, TokenVectorsAreThoseOfThePackage) {
  const auto [golden, config, encoder] = Load(GetParam());
  const auto vectors = Encode(*encoder, golden.ids).value();
  for (size_t s = 0; s < vectors.size(); ++s) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[s]), kTolerance) << "sequence " << s;
  }
}

TEST_P(PerformerModelGolden, AnInputsVectorsDoNotDependOnItsBatch) {
  const auto [golden, config, encoder] = Load(GetParam());
  std::vector<std::vector<int32_t>> batch;
  for (const int64_t length : {1, 2, 7, 20, 3}) {
    batch.emplace_back(length, 1);
    batch.push_back(golden.ids[0]);
  }
  const auto vectors = Encode(*encoder, batch, nullptr, /*num_threads=*/3).value();
  for (size_t s = 1; s < vectors.size(); s += 2) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[0]), kTolerance) << "sequence " << s;
  }
  EXPECT_EQ(vectors, Encode(*encoder, batch).value()) << "the same bits on any number of threads";
}

INSTANTIATE_TEST_SUITE_P(Options, PerformerModelGolden, ::testing::ValuesIn(PerformerGoldens()),
                         [](const auto& info) { return info.param.substr(0, info.param.find('.')); });

TEST(PerformerModel, AnActivationThatIsNotServedIsRefusedByName) {
  const JsonValue kwargs = ParseJson(R"({"num_tokens": 20, "max_seq_len": 40, "dim": 16, "depth": 1, "heads": 2,
                                         "dim_head": 8, "generalized_attention": true, "kernel_fn": "tanh"})",
                                     "kwargs")
                               .value();
  EXPECT_EQ(ParsePerformerArguments(kwargs, "PerformerLM").status().message(),
            "config.json: kwargs.kernel_fn is \"tanh\", must be one of relu, squared_relu, exp, abs, gelu, gelu_tanh, "
            "sigmoid, silu, softplus, leaky_relu");
}

}  // namespace
}  // namespace favor::testing
