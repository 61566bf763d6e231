#ifndef FAVOR_FEATURE_MAP_FEATURE_MAP_H_
#define FAVOR_FEATURE_MAP_FEATURE_MAP_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/head_transforms.h"
#include "favor/projection/projection.h"

namespace favor {

// InvalidArgumentError naming field, value and bound when parameters do not fit each other.
absl::Status CheckParameters(const FeatureSpec& spec, double scale);
// The same, with the projection and the sizes of statistics: what FeatureMap::Create asks for.
absl::Status CheckFeatures(const FeatureSpec& spec, double scale, int64_t head_dim, const Projection* projection);

// A feature map ready to run on tiles [.., kTile]. Immutable, thread-safe.
//
// A map is either exponential, feature_r(x) = 2^(u_r(x) + g(x)), computed by its exponents so that no magnitude is out
// of reach; or valued, feature_r(x) = f_r(x) * 2^g(x). In both, g depends on the token alone: it weighs keys and
// cancels for queries.
//
//   kSoftmax, kSoftmaxRegularized  positive       exp(w_r.x - |x|^2/2)                exponential  g = -|x|^2/2
//     (Choromanski et al. 2021,    hyperbolic     the same for rows W and -W           exponential  g = -|x|^2/2
//      Lemma 1 and section 2.4)    trigonometric  exp(|x|^2/2) [cos w_r.x, sin w_r.x]  valued       g = +|x|^2/2
//   kSoftmax                       oprf, saderf,  exp(w_r'A w_r + w_r.B x - |x|^2/2),  exponential  g = -|x|^2/2
//     (Likhosherstov et al.        sderf          B'B = I - 4A up to a rotation
//      2022, 2023)                 antithetic     the same for rows W and -W           exponential  g = -|x|^2/2
//   kGaussian                      positive       exp(w_r.x - |x|^2)                   exponential  g = -|x|^2
//                                  hyperbolic     the same for rows W and -W           exponential  g = -|x|^2
//     (Rahimi & Recht 2007)        trigonometric  [cos w_r.x, sin w_r.x]               valued       g = 0
//   kGeneralized                   f = exp        exp(w_r.x)                           exponential  g = 0
//                                  other f        f(w_r.x), or f(x_r) unprojected      valued       g = 0
//   kNoProjection                                 exp(x_r)                             exponential  g = 0
//   kEluPlusOne                                   elu(x_r) + 1                         valued       g = 0
//   kTaylor2, kPolynomial2                        monomials up to degree 2             valued       g = 0
//
// The factor 1/sqrt(num_features) cancels between numerator and denominator and is left out, and so do other factors
// that all features have in common. With statistics, x is what HeadTransforms make of queries and keys.
class FeatureMap {
 public:
  // InvalidArgumentError naming field, value and bound when projection and spec do not fit head_dim or each other.
  // bfloat16: projects with entries and inputs rounded to bfloat16 (Projection::BFloat16Projector). A map with
  // statistics that is to see inputs needs their transforms, which may be set later.
  static absl::StatusOr<FeatureMap> Create(const FeatureSpec& spec, double scale, int64_t head_dim,
                                           std::shared_ptr<const Projection> projection, bool bfloat16 = false,
                                           std::shared_ptr<const HeadTransforms> transforms = nullptr);

  // The map of projection rows [begin, end) alone, begin a multiple of the projector's grain(): attention is the sum
  // over such parts of numerators and denominators. Only for maps with a projection.
  FeatureMap Slice(int64_t begin, int64_t end) const;
  // Rows of the projection; 0 without one.
  int64_t num_rows() const { return num_rows_; }
  // Where a slice starts in the rows of the projection.
  int64_t first_row() const { return first_row_; }

  int64_t num_features() const { return num_features_; }
  bool exponential() const { return exponential_; }

  // What inputs are multiplied with on their way into a tile: sqrt(scale), times log2(e) for exponential maps.
  float input_multiplier() const { return input_multiplier_; }

  // g(x) in base 2 is key_norm_factor() * |tile column|^2.
  float key_norm_factor() const { return key_norm_factor_; }

  // Whether features have an exponent at all: the maxima of an attention state move.
  bool has_exponent() const { return exponential_ || key_norm_factor_ != 0; }

  // |x|^2/2 in base 2 is half_norm_factor() * |tile column|^2, for exponential maps.
  float half_norm_factor() const { return half_norm_factor_; }

  // Whether inputs are transformed between their tensors and the tile; then key_norm_factor() has no meaning, and
  // HeadTransforms::Head tells g and what rows of the projection weigh.
  bool transforms() const { return transforms_ != nullptr; }
  const HeadTransforms::Head& transform(int64_t key_head) const { return transforms_->head(key_head); }

  // Rows of a tile of features: num_features(), and what the kernels write past it.
  int64_t feature_rows() const;

  // features [feature_rows()][kTile] of x [head_dim][kTile]: u_r or f_r.
  void Map(int64_t key_head, const float* x, float* features) const;

  // Whether u is the projected input and nothing else: the kernels then go from inputs to weights in one pass, over
  // projector().
  bool fused() const;
  kernels::Projector projector(int64_t key_head) const {
    const kernels::Projector whole =
        bfloat16_ ? projection_->BFloat16Projector(key_head) : projection_->Projector(key_head);
    return whole.Slice(first_row_, num_rows_);
  }

 private:
  FeatureMap() = default;
  void Project(int64_t key_head, const float* x, float* features) const;

  FeatureSpec spec_;
  int64_t head_dim_ = 0;
  int64_t first_row_ = 0;
  int64_t num_rows_ = 0;
  int64_t num_features_ = 0;
  bool exponential_ = false;
  bool bfloat16_ = false;
  float input_multiplier_ = 1;
  float key_norm_factor_ = 0;
  float half_norm_factor_ = 0;
  std::shared_ptr<const Projection> projection_;      // null: features of x itself
  std::shared_ptr<const HeadTransforms> transforms_;  // null: x is the input
};

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_FEATURE_MAP_H_
