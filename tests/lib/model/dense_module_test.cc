// sentence-transformers' module Dense behind the pooling.
#include "favor/model/dense_module.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/model/embedder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/model/golden_model_folder.h"
#include "tests/support/little_memory.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kHidden = 24;  // of the model

OwnedTensor RandomTensor(const std::string& name, const std::vector<int64_t>& shape, uint64_t seed) {
  Random random(seed);
  OwnedTensor tensor{name, "F32", shape, ""};
  int64_t size = 1;
  for (const int64_t each : shape) size *= each;
  for (int64_t i = 0; i < size; ++i) {
    const float value = static_cast<float>(random.Integer(-1000, 1000)) / 1000;
    tensor.data.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return tensor;
}

float ValueOf(const OwnedTensor& tensor, int64_t i) {
  float value;
  std::memcpy(&value, tensor.data.data() + i * 4, 4);
  return value;
}

// A folder of a BERT with mean pooling and modules Dense, each in a folder of its own: "2_Dense", "3_Dense", ...
class DenseFolder {
 public:
  DenseFolder() : folder("bert/relu") {
    modules = json::array({{{"type", "sentence_transformers.models.Transformer"}, {"path", ""}},
                           {{"type", "sentence_transformers.models.Pooling"}, {"path", "1_Pooling"}}});
    folder.Write("1_Pooling/config.json", R"({"pooling_mode": "mean"})");
    folder.Write("sentence_bert_config.json", R"({"max_seq_length": 8})");
  }

  std::string Add(int64_t in, int64_t out, const std::string& activation, bool bias = true) {
    const std::string path = absl::StrCat(modules.size(), "_Dense");
    modules.push_back({{"type", "sentence_transformers.models.Dense"}, {"path", path}});
    configs.push_back(
        {{"in_features", in}, {"out_features", out}, {"bias", bias}, {"activation_function", activation}});
    tensors.push_back({RandomTensor("linear.weight", {out, in}, 7 * in + out)});
    if (bias) tensors.back().push_back(RandomTensor("linear.bias", {out}, in + out));
    Write();
    return path;
  }

  void Write() const {
    folder.Write("modules.json", modules.dump());
    for (size_t i = 0; i < configs.size(); ++i) {
      const std::string path = absl::StrCat(i + 2, "_Dense/");
      folder.Write(path + "config.json", configs[i].dump());
      folder.WriteTensors(path + "model.safetensors", tensors[i]);
    }
  }

  GoldenModelFolder folder;
  json modules;
  std::vector<json> configs;
  std::vector<std::vector<OwnedTensor>> tensors;
};

std::vector<float> Embed(const std::shared_ptr<const Model>& model, int64_t num_tokens, const PoolOptions& options) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < num_tokens; ++t) ids.push_back(static_cast<int32_t>((7 * t + 1) % 50));
  const EmbedInput input = PrepareIds(*model, ids, {OverLength::kWindows, 2}).value();
  std::vector<float> output(EmbedRows(input, options.pooling) * EmbedDimensions(*model, options), NAN);
  const auto job = PlanEmbed(model, {{&input, options, output.data()}}, nullptr, nullptr);
  EXPECT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(RunInline(*job).ok());
  return output;
}

// f(W x + b)
std::vector<float> ByHand(const std::vector<float>& x, const std::vector<OwnedTensor>& tensors,
                          const std::function<double(double)>& f) {
  std::vector<float> y;
  for (int64_t r = 0; r < tensors[0].shape[0]; ++r) {
    double sum = tensors.size() > 1 ? ValueOf(tensors[1], r) : 0;
    for (size_t k = 0; k < x.size(); ++k)
      sum += ValueOf(tensors[0], r * static_cast<int64_t>(x.size()) + static_cast<int64_t>(k)) * x[k];
    y.push_back(static_cast<float>(f(sum)));
  }
  return y;
}

void ExpectNear(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5 * (1 + std::abs(want[i])));
}

TEST(DenseModule, IsALayerOfThePooledVector) {
  const std::pair<const char*, std::function<double(double)>> activations[] = {
      {"torch.nn.modules.linear.Identity", [](double x) { return x; }},
      {"torch.nn.modules.activation.Tanh", [](double x) { return std::tanh(x); }},
      {"torch.nn.modules.activation.ReLU", [](double x) { return std::max(x, 0.0); }},
      {"torch.nn.GELU", [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"torch.nn.modules.activation.SiLU", [](double x) { return x / (1 + std::exp(-x)); }},
      {"torch.nn.modules.activation.Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }}};
  const auto plain = DenseFolder().folder.Load().value();
  const std::vector<float> pooled = Embed(plain, 5, {Pooling::kMean});
  for (const auto& [name, f] : activations) {
    for (const bool bias : {true, false}) {
      DenseFolder dense;
      dense.Add(kHidden, 7, name, bias);
      ASSERT_EQ(dense.folder.Error(), "loaded");
      const auto model = dense.folder.Load().value();
      ExpectNear(Embed(model, 5, {model->pooling}), ByHand(pooled, dense.tensors[0], f));
      EXPECT_EQ(model->num_parameters(), plain->num_parameters() + 7 * kHidden + (bias ? 7 : 0));
      EXPECT_GE(model->memory_bytes(), plain->memory_bytes() + 7 * kHidden * 4);
      EXPECT_NE(model->id, plain->id);
    }
  }
}

TEST(DenseModule, OfSeveralEachTakesWhatTheOneBeforeMakes) {
  DenseFolder dense;
  dense.Add(kHidden, 7, "torch.nn.modules.activation.Tanh");
  dense.Add(7, 30, "torch.nn.modules.linear.Identity", false);
  const auto model = dense.folder.Load().value();
  const auto plain = DenseFolder().folder.Load().value();
  const auto layers = [&](const std::vector<float>& x) {
    return ByHand(ByHand(x, dense.tensors[0], [](double v) { return std::tanh(v); }), dense.tensors[1],
                  [](double v) { return v; });
  };
  std::vector<float> expected = layers(Embed(plain, 5, {Pooling::kMean}));
  ASSERT_EQ(expected.size(), 30u);
  ExpectNear(Embed(model, 5, {Pooling::kMean}), expected);
  // Other poolings of the same size go the same way; tokens' own vectors do not.
  ExpectNear(Embed(model, 5, {Pooling::kMax}), layers(Embed(plain, 5, {Pooling::kMax})));
  EXPECT_EQ(Embed(model, 5, {Pooling::kNone}), Embed(plain, 5, {Pooling::kNone}));
  // The first dimensions are those of what comes out, and normalising comes last.
  expected.resize(4);
  ExpectNear(Embed(model, 5, {Pooling::kMean, false, 4}), expected);
  Normalize(expected.data(), 4);
  ExpectNear(Embed(model, 5, {Pooling::kMean, true, 4}), expected);
}

TEST(DenseModule, ComesBeforeTheMeanOfWindows) {
  DenseFolder dense;
  dense.Add(kHidden, 7, "torch.nn.modules.activation.Tanh");
  const auto model = dense.folder.Load().value();
  const std::vector<float> whole = Embed(model, 14, {Pooling::kMean});  // of tokens 0 to 7, 6 to 13
  std::vector<int32_t> ids;
  for (int32_t t = 0; t < 14; ++t) ids.push_back((7 * t + 1) % 50);
  std::vector<float> mean(7, 0);
  for (const int begin : {0, 6}) {
    const EmbedInput input = PrepareIds(*model, absl::MakeConstSpan(ids).subspan(begin, 8), {}).value();
    std::vector<float> one(7);
    ASSERT_TRUE(RunInline(*PlanEmbed(model, {{&input, {Pooling::kMean}, one.data()}}, nullptr, nullptr)).ok());
    for (int d = 0; d < 7; ++d) mean[d] += one[d] / 2;
  }
  ExpectNear(whole, mean);
}

TEST(DenseModule, APoolingOfAnotherSizeIsRefused) {
  DenseFolder dense;
  dense.folder.Write("1_Pooling/config.json", R"({"pooling_mode": ["mean", "cls"]})");
  dense.Add(2 * kHidden, 7, "torch.nn.modules.activation.Tanh");
  const auto model = dense.folder.Load().value();
  EXPECT_EQ(Embed(model, 5, {model->pooling}).size(), 7u);
  EXPECT_TRUE(CheckPooling(*model, Pooling::kNone).ok());
  EXPECT_EQ(CheckPooling(*model, Pooling::kMean),
            absl::InvalidArgumentError("pooling makes vectors of 24 coordinates, the model's Dense takes 48, those of "
                                       "its own pooling"));
}

TEST(DenseModule, WhatIsMalformedOrNotSupportedIsNamed) {
  const std::pair<const char*, json> bad[] = {{"in_features", 0},
                                              {"in_features", "24"},
                                              {"in_features", nullptr},
                                              {"out_features", -1},
                                              {"out_features", 1 << 20},
                                              {"bias", 1},
                                              {"activation_function", "torch.nn.modules.activation.Softmax"},
                                              {"activation_function", "mine.Tanh"},
                                              {"activation_function", "Tanh"},
                                              {"activation_function", 7},
                                              {"use_residual", true},
                                              {"module_input_name", "token_embeddings"},
                                              {"module_output_name", "other"}};
  for (const auto& [key, value] : bad) {
    DenseFolder dense;
    dense.Add(kHidden, 7, "torch.nn.modules.activation.Tanh");
    dense.configs[0][key] = value;
    dense.Write();
    const LittleMemory limit;
    EXPECT_THAT(dense.folder.Error(), AllOf(HasSubstr("2_Dense/config.json: "), HasSubstr(key))) << value;
  }
  DenseFolder chain;
  chain.Add(kHidden, 7, "torch.nn.modules.activation.Tanh");
  chain.Add(8, 3, "torch.nn.modules.activation.Tanh");
  EXPECT_EQ(chain.folder.Error(), "3_Dense/config.json: in_features is 8, what stands before it makes 7 coordinates");
}

TEST(DenseModule, WeightsThatDoNotFitAreNamed) {
  DenseFolder dense;
  const std::string file = dense.Add(kHidden, 7, "torch.nn.modules.activation.Tanh") + "/model.safetensors";
  const auto good = dense.tensors[0];
  dense.tensors[0].pop_back();
  dense.Write();
  EXPECT_EQ(dense.folder.Error(), file + ": there is no tensor linear.bias, which the model needs");
  dense.tensors[0] = {RandomTensor("linear.weight", {7, kHidden + 1}, 1), good[1]};
  dense.Write();
  EXPECT_THAT(dense.folder.Error(), HasSubstr(file + ": linear.weight has shape [7, 25]"));
  std::filesystem::rename(dense.folder.path(file), dense.folder.path("2_Dense/pytorch_model.bin"));
  EXPECT_THAT(dense.folder.Error(), AllOf(HasSubstr("2_Dense/pytorch_model.bin is not read"), HasSubstr(".save(")));
}

TEST(DenseModule, StandsBetweenPoolingAndNormalize) {
  DenseFolder dense;
  dense.Add(kHidden, 7, "torch.nn.modules.activation.Tanh");
  std::swap(dense.modules[1], dense.modules[2]);
  dense.Write();
  EXPECT_THAT(dense.folder.Error(), AllOf(HasSubstr("modules[1].type"), HasSubstr("must be behind it")));
  std::swap(dense.modules[1], dense.modules[2]);
  dense.modules.push_back({{"type", "sentence_transformers.models.Normalize"}, {"path", ""}});
  dense.Write();
  ASSERT_EQ(dense.folder.Error(), "loaded");
  EXPECT_TRUE(dense.folder.Load().value()->normalizes);
  std::swap(dense.modules[2], dense.modules[3]);
  dense.Write();
  EXPECT_THAT(dense.folder.Error(), HasSubstr("behind Normalize"));
}

}  // namespace
}  // namespace favor::testing
