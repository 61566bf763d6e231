#include "client/cli/names.h"

namespace favor::cli {

using client::EmbeddingType;
using client::Estimator;
using client::Kernel;
using client::Layout;
using client::Nonlinearity;
using client::OverLength;
using client::Pooling;
using client::Precision;
using client::Priority;
using client::ProjectionKind;
using client::RowNorms;
using client::ServingStatus;
using client::WhenMissed;

template <>
absl::Span<const Named<Mode>> NamesOf<Mode>() {
  static constexpr Named<Mode> kNames[] = {
      {Mode::kFeatures, "features"}, {Mode::kExact, "exact"}, {Mode::kAuto, "auto"}};
  return kNames;
}

template <>
absl::Span<const Named<Kernel>> NamesOf<Kernel>() {
  static constexpr Named<Kernel> kNames[] = {{Kernel::kSoftmax, "softmax"},
                                             {Kernel::kGaussian, "gaussian"},
                                             {Kernel::kSoftmaxRegularized, "softmax_regularized"},
                                             {Kernel::kGeneralized, "generalized"},
                                             {Kernel::kEluPlusOne, "elu_plus_one"},
                                             {Kernel::kNoProjection, "no_projection"},
                                             {Kernel::kTaylor2, "taylor2"},
                                             {Kernel::kPolynomial2, "polynomial2"}};
  return kNames;
}

template <>
absl::Span<const Named<Estimator>> NamesOf<Estimator>() {
  static constexpr Named<Estimator> kNames[] = {{Estimator::kPositive, "positive"},
                                                {Estimator::kHyperbolic, "hyperbolic"},
                                                {Estimator::kTrigonometric, "trigonometric"},
                                                {Estimator::kOprf, "oprf"},
                                                {Estimator::kSderf, "sderf"},
                                                {Estimator::kSaderf, "saderf"},
                                                {Estimator::kFirstOrder, "first_order"},
                                                {Estimator::kSecondCumulant, "second_cumulant"},
                                                {Estimator::kAnchors, "anchors"},
                                                {Estimator::kBest, "best"}};
  return kNames;
}

template <>
absl::Span<const Named<Nonlinearity>> NamesOf<Nonlinearity>() {
  static constexpr Named<Nonlinearity> kNames[] = {{Nonlinearity::kRelu, "relu"},
                                                   {Nonlinearity::kSquaredRelu, "squared_relu"},
                                                   {Nonlinearity::kExp, "exp"},
                                                   {Nonlinearity::kAbs, "abs"},
                                                   {Nonlinearity::kGelu, "gelu"},
                                                   {Nonlinearity::kSigmoid, "sigmoid"},
                                                   {Nonlinearity::kGeluTanh, "gelu_tanh"},
                                                   {Nonlinearity::kSilu, "silu"},
                                                   {Nonlinearity::kSoftplus, "softplus"},
                                                   {Nonlinearity::kLeakyRelu, "leaky_relu"}};
  return kNames;
}

template <>
absl::Span<const Named<ProjectionKind>> NamesOf<ProjectionKind>() {
  static constexpr Named<ProjectionKind> kNames[] = {
      {ProjectionKind::kOrthogonal, "orthogonal"}, {ProjectionKind::kIid, "iid"},
      {ProjectionKind::kSupplied, "supplied"},     {ProjectionKind::kIdentity, "identity"},
      {ProjectionKind::kStructured, "structured"}, {ProjectionKind::kSimplex, "simplex"}};
  return kNames;
}

template <>
absl::Span<const Named<RowNorms>> NamesOf<RowNorms>() {
  static constexpr Named<RowNorms> kNames[] = {{RowNorms::kChi, "chi"}, {RowNorms::kSqrtDim, "sqrt_dim"}};
  return kNames;
}

template <>
absl::Span<const Named<Precision>> NamesOf<Precision>() {
  static constexpr Named<Precision> kNames[] = {{Precision::kFloat32, "f32"}, {Precision::kBFloat16, "bf16"}};
  return kNames;
}

template <>
absl::Span<const Named<Layout>> NamesOf<Layout>() {
  static constexpr Named<Layout> kNames[] = {{Layout::kBatchHeadsLengthDim, "batch_heads_length_dim"},
                                             {Layout::kBatchLengthHeadsDim, "batch_length_heads_dim"}};
  return kNames;
}

template <>
absl::Span<const Named<WhenMissed>> NamesOf<WhenMissed>() {
  static constexpr Named<WhenMissed> kNames[] = {{WhenMissed::kFail, "fail"}, {WhenMissed::kWarn, "warn"}};
  return kNames;
}

template <>
absl::Span<const Named<DataType>> NamesOf<DataType>() {
  static constexpr Named<DataType> kNames[] = {
      {DataType::kFloat32, "f32"}, {DataType::kFloat16, "f16"}, {DataType::kBFloat16, "bf16"}};
  return kNames;
}

// As the health protocol spells them.
template <>
absl::Span<const Named<Priority>> NamesOf<Priority>() {
  static constexpr Named<Priority> kNames[] = {
      {Priority::kLow, "low"}, {Priority::kNormal, "normal"}, {Priority::kHigh, "high"}};
  return kNames;
}

template <>
absl::Span<const Named<ServingStatus>> NamesOf<ServingStatus>() {
  static constexpr Named<ServingStatus> kNames[] = {{ServingStatus::kUnknown, "UNKNOWN"},
                                                    {ServingStatus::kServing, "SERVING"},
                                                    {ServingStatus::kNotServing, "NOT_SERVING"},
                                                    {ServingStatus::kServiceUnknown, "SERVICE_UNKNOWN"}};
  return kNames;
}

template <>
absl::Span<const Named<Pooling>> NamesOf<Pooling>() {
  static constexpr Named<Pooling> kNames[] = {{Pooling::kMean, "mean"},
                                              {Pooling::kCls, "cls"},
                                              {Pooling::kLast, "last"},
                                              {Pooling::kMax, "max"},
                                              {Pooling::kNone, "none"},
                                              {Pooling::kWeightedMean, "weighted_mean"},
                                              {Pooling::kMeanSqrtLen, "mean_sqrt_len"}};
  return kNames;
}

template <>
absl::Span<const Named<OverLength>> NamesOf<OverLength>() {
  static constexpr Named<OverLength> kNames[] = {{OverLength::kRefuse, "refuse"},
                                                 {OverLength::kTruncateRight, "truncate_right"},
                                                 {OverLength::kTruncateLeft, "truncate_left"},
                                                 {OverLength::kWindows, "windows"}};
  return kNames;
}

template <>
absl::Span<const Named<EmbeddingType>> NamesOf<EmbeddingType>() {
  static constexpr Named<EmbeddingType> kNames[] = {{EmbeddingType::kFloat32, "f32"},
                                                    {EmbeddingType::kFloat16, "f16"},
                                                    {EmbeddingType::kBFloat16, "bf16"},
                                                    {EmbeddingType::kInt8, "i8"}};
  return kNames;
}

}  // namespace favor::cli
