#include "favor/model/dense_module.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"
#include "favor/format/json_fields.h"
#include "favor/model/config_file.h"
#include "favor/model/weights.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostFeatures = 1 << 19;  // of several poolings joined

// fullname() of the activation, as "torch.nn.modules.activation.Tanh". Of other packages' classes sentence-transformers
// makes a Tanh unless it is told to trust them.
DenseModule::Activation ParseActivation(const JsonFields& fields) {
  using Activation = DenseModule::Activation;
  const std::pair<const char*, Activation> known[] = {
      {"Identity", Activation::kIdentity}, {"Tanh", Activation::kTanh}, {"ReLU", Activation::kRelu},
      {"GELU", Activation::kGelu},         {"SiLU", Activation::kSilu}, {"Sigmoid", Activation::kSigmoid}};
  const std::string name = fields.String("activation_function", "torch.nn.modules.activation.Tanh");
  for (const auto& [last, activation] : known) {
    if (absl::StartsWith(name, "torch.") && name.substr(name.rfind('.') + 1) == last) return activation;
  }
  fields.FailValue("activation_function", "must be torch's Identity, Tanh, ReLU, GELU, SiLU or Sigmoid");
  return Activation::kTanh;
}

// The pooled vector is what it takes and what it makes.
void CheckPlace(const JsonFields& fields) {
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (fields.String(key, "sentence_embedding") != "sentence_embedding") {
      fields.FailValue(key, "must be sentence_embedding");
    }
  }
  if (fields.Bool("use_residual", false)) fields.FailValue("use_residual", "must be false: it is not supported");
}

absl::StatusOr<Weights> OpenDenseWeights(const std::string& folder, const std::string& path) {
  const fs::path file = fs::path(path) / "model.safetensors", other = fs::path(path) / "pytorch_model.bin";
  if (!EntryExists((folder / file).string()) && EntryExists((folder / other).string())) {
    return absl::NotFoundError(absl::StrCat(file.string(), " is not there, and ", other.string(),
                                            " is not read. With sentence-transformers,",
                                            " SentenceTransformer(FOLDER).save(OTHER) writes one."));
  }
  return Weights::Open((folder / file).string(), file.string());
}

float Activated(DenseModule::Activation activation, float x) {
  using Activation = DenseModule::Activation;
  switch (activation) {
    case Activation::kIdentity:
      return x;
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kRelu:
      return std::max(x, 0.0f);
    case Activation::kGelu:
      return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

}  // namespace

absl::StatusOr<DenseModule> DenseModule::Read(const std::string& folder, const std::string& path) {
  const std::string name = (fs::path(path) / "config.json").string();
  const absl::StatusOr<JsonValue> json = ReadConfigFile(folder, name);
  if (!json.ok()) return json.status();
  absl::Status status;
  const JsonFields fields(*json, name, &status);
  DenseModule module;
  module.in_ = fields.RequiredInteger("in_features", 1, kMostFeatures);
  module.out_ = fields.RequiredInteger("out_features", 1, kMostFeatures);
  module.has_bias_ = fields.Bool("bias", true);
  module.activation_ = ParseActivation(fields);
  CheckPlace(fields);
  if (!status.ok()) return status;

  absl::StatusOr<Weights> weights = OpenDenseWeights(folder, path);
  if (!weights.ok()) return weights.status();
  const AlignedBuffer<float> rows = weights->Read("linear.weight", {module.out_, module.in_});
  if (module.has_bias_) module.bias_ = weights->Read("linear.bias", {module.out_});
  if (!weights->status().ok()) return weights->status();
  absl::StatusOr<AlignedBuffer<float>> columns = AlignedBuffer<float>::Allocate(rows.size());
  if (!columns.ok()) return columns.status();
  for (int64_t r = 0; r < module.out_; ++r) {
    for (int64_t k = 0; k < module.in_; ++k) (*columns)[k * module.out_ + r] = rows[r * module.in_ + k];
  }
  module.weights_ = *std::move(columns);
  module.id_ = weights->Id();
  return module;
}

void DenseModule::Apply(const float* x, float* y) const {
  if (has_bias_) {
    std::copy_n(bias_.data(), out_, y);
  } else {
    std::fill_n(y, out_, 0.0f);
  }
  for (int64_t k = 0; k < in_; ++k) {
    const float* column = weights_.data() + k * out_;
    for (int64_t r = 0; r < out_; ++r) y[r] += column[r] * x[k];
  }
  for (int64_t r = 0; r < out_; ++r) y[r] = Activated(activation_, y[r]);
}

}  // namespace favor
