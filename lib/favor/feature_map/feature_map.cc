#include "favor/feature_map/feature_map.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/feature_map/statistics.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/transform.h"
#include "favor/kernels/value_maps.h"

namespace favor {
namespace {

using kernels::kTile;

constexpr double kLog2E = 1.4426950408889634;

bool IsExponential(const FeatureSpec& spec) {
  switch (spec.kernel) {
    case Kernel::kSoftmax:
    case Kernel::kGaussian:
    case Kernel::kSoftmaxRegularized:
      return spec.estimator != Estimator::kTrigonometric;
    case Kernel::kGeneralized:
      return spec.nonlinearity == Nonlinearity::kExp;
    case Kernel::kNoProjection:
      return true;
    default:
      return false;
  }
}

// g(x) = NormCoefficient * |x|^2 in natural units.
double NormCoefficient(const FeatureSpec& spec) {
  const bool trigonometric = spec.estimator == Estimator::kTrigonometric;
  switch (spec.kernel) {
    case Kernel::kSoftmax:
    case Kernel::kSoftmaxRegularized:
      return trigonometric ? 0.5 : -0.5;
    case Kernel::kGaussian:
      return trigonometric ? 0 : -1;
    default:
      return 0;
  }
}

void ApplyNonlinearity(Nonlinearity nonlinearity, float* tile, int64_t rows) {
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return kernels::ReluMap(tile, rows);
    case Nonlinearity::kSquaredRelu:
      return kernels::SquaredReluMap(tile, rows);
    case Nonlinearity::kAbs:
      return kernels::AbsMap(tile, rows);
    case Nonlinearity::kGelu:
      return kernels::GeluMap(tile, rows);
    case Nonlinearity::kSigmoid:
      return kernels::SigmoidMap(tile, rows);
    case Nonlinearity::kGeluTanh:
      return kernels::GeluTanhMap(tile, rows);
    case Nonlinearity::kSilu:
      return kernels::SiluMap(tile, rows);
    case Nonlinearity::kSoftplus:
      return kernels::SoftplusMap(tile, rows);
    case Nonlinearity::kLeakyRelu:
      return kernels::LeakyReluMap(tile, rows);
    case Nonlinearity::kExp:
      return;  // exponential: u = w.x as it is
  }
}

absl::Status CheckProjection(const FeatureSpec& spec, int64_t head_dim, const Projection* projection) {
  const ProjectionUse use = ProjectionUseOf(spec);
  if (projection == nullptr) {
    if (use == ProjectionUse::kRequired) return absl::InvalidArgumentError("projection is missing for this kernel");
    return absl::OkStatus();
  }
  if (use == ProjectionUse::kNone) {
    return absl::InvalidArgumentError("projection is set, but this kernel or estimator takes none");
  }
  if (UsesStatistics(spec) && projection->sqrt_dim_norms()) {
    return absl::InvalidArgumentError(
        "projection.row_norms is sqrt_dim, must be chi for estimators that are fitted to queries and keys");
  }
  if (projection->head_dim() != head_dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("projection.head_dim is ", projection->head_dim(), ", queries.head_dim is ", head_dim));
  }
  return absl::OkStatus();
}

// NaN is out of every range.
absl::Status CheckRange(absl::string_view name, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be from ", low, " to ", high));
}

absl::Status CheckAnchors(const FeatureSpec& spec) {
  if (!UsesEstimator(spec.kernel)) return absl::OkStatus();  // not read
  if (spec.kernel != Kernel::kSoftmax)
    return absl::InvalidArgumentError("estimator is anchors, kernel must be softmax");
  if (spec.antithetic || spec.precondition) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.antithetic ? "antithetic" : "precondition", " is true, but anchors have no rows to change"));
  }
  if (spec.num_anchors < 1 || spec.num_anchors > kMaxAnchors) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_anchors is ", spec.num_anchors, ", must be from 1 to ", kMaxAnchors));
  }
  if (spec.num_directions < 0 || spec.num_directions > kMaxDirections) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_directions is ", spec.num_directions, ", must be from 0 to ", kMaxDirections));
  }
  if (spec.num_fit_rows < 0 || spec.num_fit_rows > kMaxFitRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_fit_rows is ", spec.num_fit_rows, ", must be from 0 to ", kMaxFitRows));
  }
  return absl::OkStatus();
}

absl::Status CheckEstimator(const FeatureSpec& spec) {
  const bool softmax = spec.kernel == Kernel::kSoftmax;
  if (UsesEstimator(spec.kernel) && UsesProposal(spec.estimator) && !softmax) {
    return absl::InvalidArgumentError("estimator is oprf, sderf or saderf, kernel must be softmax");
  }
  if (spec.estimator == Estimator::kAnchors) return CheckAnchors(spec);
  const bool trigonometric = spec.estimator == Estimator::kTrigonometric;
  if (spec.antithetic && (!UsesEstimator(spec.kernel) || trigonometric)) {
    return absl::InvalidArgumentError("antithetic is true, but this kernel or estimator has no rows to pair");
  }
  if (spec.precondition && (!softmax || trigonometric)) {
    return absl::InvalidArgumentError(
        "precondition is true, kernel must be softmax and estimator not trigonometric: no other attention stays as it "
        "is");
  }
  return absl::OkStatus();
}

}  // namespace

bool UsesEstimator(Kernel kernel) {
  return kernel == Kernel::kSoftmax || kernel == Kernel::kGaussian || kernel == Kernel::kSoftmaxRegularized;
}

ProjectionUse ProjectionUseOf(const FeatureSpec& spec) {
  if (spec.kernel == Kernel::kGeneralized) return ProjectionUse::kOptional;
  return UsesEstimator(spec.kernel) && !UsesAnchors(spec) ? ProjectionUse::kRequired : ProjectionUse::kNone;
}

int64_t DefaultNumAnchors(int64_t num_features, int64_t head_dim, int64_t num_directions) {
  // 8md a token against C(2Dd + 5d) a key and 2Cd + 2Dd a query, with D coordinates and pairs of directions. Less of
  // it, since finding the anchors and fitting their parts takes time too.
  constexpr double kShare = 0.75;
  const double d = static_cast<double>(head_dim), favor = 8 * static_cast<double>(num_features) * d;
  const double coordinates = static_cast<double>(head_dim + NumPairs(std::min(num_directions, head_dim)));
  const double anchors = (kShare * favor - 2 * coordinates * d) / (2 * coordinates * d + 7 * d);
  return std::clamp<int64_t>(static_cast<int64_t>(anchors), 1, kMaxAnchors);
}

bool MakesPairs(const FeatureSpec& spec) {
  return UsesEstimator(spec.kernel) &&
         (spec.antithetic || spec.estimator == Estimator::kHyperbolic || spec.estimator == Estimator::kTrigonometric);
}

bool UsesStatistics(const FeatureSpec& spec) {
  return spec.kernel == Kernel::kSoftmax &&
         (spec.precondition || UsesProposal(spec.estimator) || spec.estimator == Estimator::kAnchors);
}

FeatureSpec WithoutStatistics(const FeatureSpec& spec) {
  if (!UsesStatistics(spec) || UsesAnchors(spec)) return spec;
  FeatureSpec plain = spec;
  plain.estimator = MakesPairs(spec) ? Estimator::kHyperbolic : Estimator::kPositive;
  plain.antithetic = plain.precondition = false;
  plain.statistics = nullptr;
  return plain;
}

bool SupportsEpsilonParity(const FeatureSpec& spec) {
  if (spec.antithetic || spec.precondition) return false;
  switch (spec.kernel) {
    case Kernel::kSoftmax:
    case Kernel::kSoftmaxRegularized:
      return spec.estimator == Estimator::kPositive;
    case Kernel::kGeneralized:
    case Kernel::kNoProjection:
      return true;
    default:
      return false;
  }
}

int64_t NumFeatures(const FeatureSpec& spec, int64_t head_dim, int64_t num_projection_rows) {
  switch (spec.kernel) {
    case Kernel::kSoftmax:
    case Kernel::kGaussian:
    case Kernel::kSoftmaxRegularized:
      return MakesPairs(spec) ? 2 * num_projection_rows : num_projection_rows;
    case Kernel::kGeneralized:
      return num_projection_rows > 0 ? num_projection_rows : head_dim;
    case Kernel::kTaylor2:
    case Kernel::kPolynomial2:
      return 1 + head_dim + head_dim * (head_dim + 1) / 2;
    case Kernel::kEluPlusOne:
    case Kernel::kNoProjection:
      return head_dim;
  }
  return 0;
}

absl::Status CheckScale(double scale) { return CheckRange("scale", scale, 1e-30, 1e30); }

double DefaultScale(Kernel kernel, int64_t head_dim) {
  if (kernel == Kernel::kEluPlusOne || kernel == Kernel::kNoProjection) return 1;
  return 1 / std::sqrt(static_cast<double>(head_dim));
}

absl::Status CheckParameters(const FeatureSpec& spec, double scale) {
  if (absl::Status status = CheckScale(scale); !status.ok()) return status;
  if (absl::Status status = CheckRange("polynomial_offset", spec.polynomial_offset, 0, kMaxPolynomialOffset);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckEstimator(spec); !status.ok()) return status;
  if (!spec.epsilon_parity.has_value()) return absl::OkStatus();
  for (const auto& [name, value] : {std::pair("epsilon_parity.feature_epsilon", spec.epsilon_parity->feature_epsilon),
                                    std::pair("epsilon_parity.causal_epsilon", spec.epsilon_parity->causal_epsilon)}) {
    if (absl::Status status = CheckRange(name, value, 0, kMaxParityEpsilon); !status.ok()) return status;
  }
  if (!SupportsEpsilonParity(spec)) {
    return absl::InvalidArgumentError("epsilon_parity is set, but this kernel or estimator has no published epsilon");
  }
  return absl::OkStatus();
}

absl::Status CheckFeatures(const FeatureSpec& spec, double scale, int64_t head_dim, const Projection* projection) {
  if (absl::Status status = CheckParameters(spec, scale); !status.ok()) return status;
  if (absl::Status status = CheckProjection(spec, head_dim, projection); !status.ok()) return status;
  return CheckStatistics(spec, head_dim, /*num_key_heads=*/0);
}

absl::StatusOr<FeatureMap> FeatureMap::Create(const FeatureSpec& spec, double scale, int64_t head_dim,
                                              std::shared_ptr<const Projection> projection, bool bfloat16,
                                              std::shared_ptr<const HeadTransforms> transforms) {
  if (absl::Status status = CheckFeatures(spec, scale, head_dim, projection.get()); !status.ok()) return status;
  FeatureMap map;
  map.spec_ = spec;
  map.head_dim_ = head_dim;
  map.bfloat16_ = bfloat16;
  map.num_rows_ = projection == nullptr ? 0 : projection->num_features();
  map.num_features_ = NumFeatures(spec, head_dim, map.num_rows_);
  if (map.num_features_ > kMaxNumFeatures) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_features is ", map.num_features_, " for head_dim ", head_dim, ", at most ", kMaxNumFeatures));
  }
  map.exponential_ = IsExponential(spec);
  // Tiles of exponential maps hold x log2(e), so |x|^2 is |column|^2 / log2(e)^2.
  const double unit = map.exponential_ ? kLog2E : 1;
  map.input_multiplier_ = std::sqrt(scale) * unit;
  map.key_norm_factor_ = NormCoefficient(spec) * kLog2E / (unit * unit);
  map.half_norm_factor_ = 0.5 * kLog2E / (unit * unit);
  map.projection_ = std::move(projection);
  map.transforms_ = std::move(transforms);
  return map;
}

void FeatureMap::Project(int64_t key_head, const float* x, float* features) const {
  if (projection_ == nullptr) {
    std::memcpy(features, x, head_dim_ * kTile * sizeof(float));
    return;
  }
  projector(key_head).Project(x, kTile, kTile, nullptr, features);
}

int64_t FeatureMap::feature_rows() const {
  const int64_t projected = projection_ == nullptr ? 0 : projector(0).padded_rows();
  return std::max(projected, num_features_);
}

bool FeatureMap::fused() const { return exponential_ && projection_ != nullptr && num_features_ == num_rows_; }

FeatureMap FeatureMap::Slice(int64_t begin, int64_t end) const {
  FeatureMap part = *this;
  part.first_row_ = first_row_ + begin;
  part.num_rows_ = end - begin;
  part.num_features_ = NumFeatures(spec_, head_dim_, part.num_rows_);
  return part;
}

void FeatureMap::Map(int64_t key_head, const float* x, float* features) const {
  switch (spec_.kernel) {
    case Kernel::kTaylor2:
      return kernels::QuadraticMap(x, head_dim_, 1.0f, 1.0f, 0.5f, features);
    case Kernel::kPolynomial2: {
      const float offset = spec_.polynomial_offset;
      return kernels::QuadraticMap(x, head_dim_, offset * offset, 2 * offset, 1.0f, features);
    }
    default:
      Project(key_head, x, features);
  }
  if (spec_.kernel == Kernel::kGeneralized) ApplyNonlinearity(spec_.nonlinearity, features, num_features_);
  if (spec_.kernel == Kernel::kEluPlusOne) kernels::EluPlusOneMap(features, num_features_);
  if (!UsesEstimator(spec_.kernel)) return;
  const int64_t rows = num_rows_;
  if (spec_.estimator == Estimator::kTrigonometric) {
    kernels::CosineSineMap(features, rows);
  } else if (MakesPairs(spec_)) {
    kernels::NegateRows(features, rows, features + rows * kTile);
  }
}

}  // namespace favor
