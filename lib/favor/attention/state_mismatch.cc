// CheckSameDescription(): the first field in which two states differ.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/attention/attention_state.h"

namespace favor {
namespace {

absl::string_view NameOf(Kernel kernel) {
  switch (kernel) {
    case Kernel::kSoftmax:
      return "softmax";
    case Kernel::kGaussian:
      return "gaussian";
    case Kernel::kSoftmaxRegularized:
      return "softmax_regularized";
    case Kernel::kGeneralized:
      return "generalized";
    case Kernel::kEluPlusOne:
      return "elu_plus_one";
    case Kernel::kNoProjection:
      return "no_projection";
    case Kernel::kTaylor2:
      return "taylor2";
    case Kernel::kPolynomial2:
      return "polynomial2";
  }
  return "";
}

absl::string_view NameOf(Estimator estimator) {
  switch (estimator) {
    case Estimator::kPositive:
      return "positive";
    case Estimator::kHyperbolic:
      return "hyperbolic";
    case Estimator::kTrigonometric:
      return "trigonometric";
    case Estimator::kOprf:
      return "oprf";
    case Estimator::kSderf:
      return "sderf";
    case Estimator::kSaderf:
      return "saderf";
    case Estimator::kAnchors:
      return "anchors";
  }
  return "";
}

absl::string_view NameOf(Nonlinearity nonlinearity) {
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return "relu";
    case Nonlinearity::kSquaredRelu:
      return "squared_relu";
    case Nonlinearity::kExp:
      return "exp";
    case Nonlinearity::kAbs:
      return "abs";
    case Nonlinearity::kGelu:
      return "gelu";
    case Nonlinearity::kSigmoid:
      return "sigmoid";
    case Nonlinearity::kGeluTanh:
      return "gelu_tanh";
    case Nonlinearity::kSilu:
      return "silu";
    case Nonlinearity::kSoftplus:
      return "softplus";
    case Nonlinearity::kLeakyRelu:
      return "leaky_relu";
  }
  return "";
}

absl::string_view NameOf(AttentionMode mode) { return mode == AttentionMode::kExact ? "exact" : "features"; }
absl::string_view NameOf(Precision precision) { return precision == Precision::kBFloat16 ? "bf16" : "f32"; }
absl::string_view NameOf(bool value) { return value ? "true" : "false"; }

std::string NameOf(const std::optional<double>& scale) { return scale.has_value() ? absl::StrCat(*scale) : "unset"; }

std::string NameOf(const std::optional<EpsilonParity>& parity) {
  if (!parity.has_value()) return "unset";
  return absl::StrCat("{feature_epsilon ", parity->feature_epsilon, ", causal_epsilon ", parity->causal_epsilon,
                      parity->prefix_stabiliser ? ", prefix_stabiliser}" : "}");
}

bool Same(const std::optional<EpsilonParity>& a, const std::optional<EpsilonParity>& b) {
  if (!a.has_value() || !b.has_value()) return a.has_value() == b.has_value();
  return a->feature_epsilon == b->feature_epsilon && a->causal_epsilon == b->causal_epsilon &&
         a->prefix_stabiliser == b->prefix_stabiliser;
}

// Collects the first difference.
class Comparison {
 public:
  explicit Comparison(absl::string_view name) : name_(name) {}

  template <typename T>
  void Check(absl::string_view field, const T& actual, const T& wanted) {
    if (!(actual == wanted)) Differ(field, actual, wanted);
  }
  template <typename T>
  void CheckNamed(absl::string_view field, const T& actual, const T& wanted) {
    if (!(actual == wanted)) Differ(field, NameOf(actual), NameOf(wanted));
  }
  template <typename T>
  void Differ(absl::string_view field, const T& actual, const T& wanted) {
    if (!status_.ok()) return;
    status_ = absl::FailedPreconditionError(absl::StrCat(name_, ".", field, " is ", actual, ", must be ", wanted));
  }

  const absl::Status& status() const { return status_; }

 private:
  absl::string_view name_;
  absl::Status status_;
};

}  // namespace

absl::Status CheckSameDescription(absl::string_view name, const StateDescription& actual,
                                  const StateDescription& wanted) {
  const AttentionSpec spec = CanonicalSpec(actual.spec, actual.sizes.head_dim);
  const AttentionSpec wanted_spec = CanonicalSpec(wanted.spec, wanted.sizes.head_dim);
  const FeatureSpec &features = spec.features, &wanted_features = wanted_spec.features;
  Comparison compare(name);
  compare.CheckNamed("spec.mode", spec.mode, wanted_spec.mode);
  compare.CheckNamed("spec.causal", spec.causal, wanted_spec.causal);
  compare.CheckNamed("spec.features.kernel", features.kernel, wanted_features.kernel);
  compare.CheckNamed("spec.features.estimator", features.estimator, wanted_features.estimator);
  compare.CheckNamed("spec.features.nonlinearity", features.nonlinearity, wanted_features.nonlinearity);
  compare.Check("spec.features.polynomial_offset", features.polynomial_offset, wanted_features.polynomial_offset);
  if (!Same(features.epsilon_parity, wanted_features.epsilon_parity)) {
    compare.Differ("spec.features.epsilon_parity", NameOf(features.epsilon_parity),
                   NameOf(wanted_features.epsilon_parity));
  }
  compare.CheckNamed("spec.features.antithetic", features.antithetic, wanted_features.antithetic);
  compare.CheckNamed("spec.features.precondition", features.precondition, wanted_features.precondition);
  compare.CheckNamed("spec.precision", spec.precision, wanted_spec.precision);
  compare.Check("batch_size", actual.sizes.batch_size, wanted.sizes.batch_size);
  compare.Check("num_heads", actual.sizes.num_key_heads, wanted.sizes.num_key_heads);
  compare.Check("head_dim", actual.sizes.head_dim, wanted.sizes.head_dim);
  compare.Check("value_dim", actual.sizes.value_dim, wanted.sizes.value_dim);
  compare.Check("num_features", actual.num_features, wanted.num_features);
  // After head_dim, which the default depends on.
  compare.CheckNamed("spec.scale", spec.scale, wanted_spec.scale);
  compare.Check("projection_id", actual.projection_id, wanted.projection_id);
  return compare.status();
}

}  // namespace favor
