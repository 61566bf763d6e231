#ifndef FAVOR_MODEL_DENSE_MODULE_H_
#define FAVOR_MODEL_DENSE_MODULE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"

namespace favor {

// The module Dense of sentence-transformers: y = f(W x + b) of one pooled vector. Movable, immutable and thread-safe.
class DenseModule {
 public:
  enum class Activation : uint8_t { kIdentity, kTanh, kRelu, kGelu, kSilu, kSigmoid };

  // Reads config.json and model.safetensors (float32, float16, bfloat16) of `path`, a folder inside of `folder`.
  // InvalidArgumentError, naming file and key or tensor, for what is malformed or not supported: residuals, other
  // inputs than the pooled vector, activations that are none of torch's above.
  static absl::StatusOr<DenseModule> Read(const std::string& folder, const std::string& path);

  int64_t in_features() const { return in_; }
  int64_t out_features() const { return out_; }
  int64_t num_parameters() const { return weights_.size() + (has_bias_ ? out_ : 0); }
  int64_t num_bytes() const { return (weights_.size() + bias_.size()) * static_cast<int64_t>(sizeof(float)); }
  const std::string& id() const { return id_; }  // of its weights, as Weights::Id()

  // x [in_features], y [out_features]; they must not overlap.
  void Apply(const float* x, float* y) const;

 private:
  int64_t in_ = 0, out_ = 0;
  bool has_bias_ = false;
  Activation activation_ = Activation::kTanh;
  AlignedBuffer<float> weights_;  // [in][out]
  AlignedBuffer<float> bias_;     // [out]; zeros when it has none
  std::string id_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_DENSE_MODULE_H_
