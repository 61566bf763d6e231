#ifndef FAVOR_MODEL_NORM_H_
#define FAVOR_MODEL_NORM_H_

#include <cstdint>
#include <string>

#include "favor/base/aligned_buffer.h"
#include "favor/model/token_blocks.h"
#include "favor/model/weights.h"

namespace favor {

// A normalisation of token vectors (kernels/normalise.h), or none. Immutable and thread-safe once read.
class Norm {
 public:
  Norm() = default;  // none: vectors stay as they are

  // name.weight and, if it has one, name.bias, or name.gamma and name.beta; errors go to the weights' status.
  static Norm ReadLayerNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights,
                            bool has_bias = true);
  // name.weight: a root mean square norm (Zhang and Sennrich 2019).
  static Norm ReadRmsNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights);
  // The one number `name`.
  static Norm ReadScaleNorm(const std::string& name, int64_t dim, double epsilon, Weights* weights);

  bool is_none() const { return kind_ == Kind::kNone; }

  // y = norm(x) for the first dim rows of every tile; y may be x.
  void Apply(const BlockTiles& x, const BlockTiles& y) const;
  // The same of one tile's rows [dim][kTile], where there is a norm.
  void Apply(const float* x, float* y) const;

 private:
  enum class Kind : uint8_t { kNone, kLayer, kRms, kScale };

  Kind kind_ = Kind::kNone;
  int64_t dim_ = 0;
  float epsilon_ = 0;
  AlignedBuffer<float> gain_, bias_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_NORM_H_
