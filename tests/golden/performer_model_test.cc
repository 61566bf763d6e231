// Token vectors of performer-pytorch 1.1.4 models, computed in float64, one for each constructor option.
#include <cstring>
#include <filesystem>
#include <string>

#include "favor/format/safetensors.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_encoder.h"
#include "favor/model/weights.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/model_golden.h"

namespace favor::testing {
namespace {

// float32 against float64. The package itself, run in float32, is off by up to 3e-6 on these.
constexpr double kTolerance = 2e-5;

const std::string kFolder = FAVOR_TEST_DATA_DIR "/models/performer/";

// A Performer reads vectors, not ids: they become the vocabulary, and the ids count through it.
std::string WithInputsAsWords(ModelGolden* golden) {
  const SafetensorsFile file = SafetensorsFile::Open(golden->path).value();
  std::vector<StoredTensor> tensors = file.contents().tensors;
  StoredTensor words = *file.Find("golden.inputs");
  const int64_t batch = words.shape[0], length = words.shape[1];
  words.name = "token_emb.weight";
  words.shape = {batch * length, words.shape[2]};
  tensors.push_back(words);
  for (int64_t b = 0; b < batch; ++b) {
    golden->ids.emplace_back();
    for (int64_t t = 0; t < length; ++t) golden->ids.back().push_back(static_cast<int32_t>(b * length + t));
  }
  const std::string path =
      ::testing::TempDir() + "/" + std::filesystem::path(golden->path).filename().string() + ".words";
  EXPECT_TRUE(WriteSafetensors(path, tensors).ok());
  return path;
}

struct Loaded {
  ModelGolden golden;
  std::shared_ptr<const Encoder> encoder;
};

Loaded Load(const std::string& name) {
  Loaded loaded{ReadModelGolden(kFolder + name, "kwargs"), nullptr};
  const bool is_performer = loaded.golden.model_class == "Performer";
  const std::string path = is_performer ? WithInputsAsWords(&loaded.golden) : loaded.golden.path;
  Weights weights = Weights::Open(path).value();
  const auto config = ParsePerformerArguments(loaded.golden.config, is_performer ? "Performer" : "PerformerLM").value();
  loaded.encoder = LoadPerformerEncoder(config, &weights).value();
  return loaded;
}

class PerformerModelGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(PerformerModelGolden, TokenVectorsAreThoseOfThePackage) {
  const auto [golden, encoder] = Load(GetParam());
  const auto vectors = Encode(*encoder, golden.ids).value();
  for (size_t s = 0; s < vectors.size(); ++s) {
    EXPECT_LT(RelativeError(vectors[s], golden.token_vectors[s]), kTolerance) << "sequence " << s;
  }
}

TEST_P(PerformerModelGolden, AnInputsVectorsDoNotDependOnItsBatch) {
  const auto [golden, encoder] = Load(GetParam());
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

// All files of the folder.
std::vector<std::string> Goldens() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename().string();
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Options, PerformerModelGolden, ::testing::ValuesIn(Goldens()),
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
