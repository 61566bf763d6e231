#include "favor/model/norm.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "favor/kernels/normalise.h"

namespace favor {

Norm Norm::ReadLayerNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights, bool has_bias) {
  // Checkpoints converted from TensorFlow call them gamma and beta.
  const bool old = weights->Has(name + ".gamma");
  Norm norm;
  norm.kind_ = Kind::kLayer;
  norm.dim_ = dim;
  norm.epsilon_ = static_cast<float>(epsilon);
  norm.gain_ = weights->Read(name + (old ? ".gamma" : ".weight"), {dim});
  if (has_bias) {
    norm.bias_ = weights->Read(name + (old ? ".beta" : ".bias"), {dim});
  } else if (weights->status().ok()) {  // else `dim` is no more than a claim
    absl::StatusOr<AlignedBuffer<float>> zeros = AlignedBuffer<float>::AllocateZeroed(dim);
    if (!zeros.ok()) weights->Fail(zeros.status().message());
    if (zeros.ok()) norm.bias_ = *std::move(zeros);
  }
  return norm;
}

Norm Norm::ReadRmsNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights) {
  Norm norm;
  norm.kind_ = Kind::kRms;
  norm.dim_ = dim;
  norm.epsilon_ = static_cast<float>(epsilon);
  norm.gain_ = weights->Read(name + ".weight", {dim});
  return norm;
}

Norm Norm::ReadScaleNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights) {
  Norm norm;
  norm.kind_ = Kind::kScale;
  norm.dim_ = dim;
  norm.epsilon_ = static_cast<float>(epsilon);
  norm.gain_ = weights->Read(name, {1});
  return norm;
}

void Norm::Apply(const BlockTiles& x, const BlockTiles& y) const {
  for (int64_t i = 0; i < x.num_tiles(); ++i) {
    if (!is_none()) {
      Apply(x.Tile(i), y.Tile(i));
    } else if (x.data != y.data) {
      std::copy_n(x.Tile(i), std::min(x.stride(), y.stride()), y.Tile(i));
    }
  }
}

void Norm::Apply(const float* x, float* y) const {
  switch (kind_) {
    case Kind::kNone:
      break;
    case Kind::kLayer:
      kernels::LayerNorm(x, dim_, gain_.data(), bias_.data(), epsilon_, y);
      break;
    case Kind::kRms:
      kernels::RmsNorm(x, dim_, gain_.data(), epsilon_, y);
      break;
    case Kind::kScale:
      kernels::ScaleNorm(x, dim_, gain_[0], epsilon_, y);
      break;
  }
}

}  // namespace favor
