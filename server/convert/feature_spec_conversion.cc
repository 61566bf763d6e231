#include "server/convert/feature_spec_conversion.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/convert/anchor_conversion.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

constexpr char kKernel[] = "spec.features.kernel";
constexpr char kEstimator[] = "spec.features.estimator";
constexpr char kNonlinearity[] = "spec.features.nonlinearity";

absl::StatusOr<Kernel> ReadKernel(v1::Kernel kernel) {
  switch (kernel) {
    case v1::KERNEL_UNSPECIFIED:
    case v1::KERNEL_SOFTMAX:
      return Kernel::kSoftmax;
    case v1::KERNEL_GAUSSIAN:
      return Kernel::kGaussian;
    case v1::KERNEL_SOFTMAX_REGULARIZED:
      return Kernel::kSoftmaxRegularized;
    case v1::KERNEL_GENERALIZED:
      return Kernel::kGeneralized;
    case v1::KERNEL_ELU_PLUS_ONE:
      return Kernel::kEluPlusOne;
    case v1::KERNEL_NO_PROJECTION:
      return Kernel::kNoProjection;
    case v1::KERNEL_TAYLOR2:
      return Kernel::kTaylor2;
    case v1::KERNEL_POLYNOMIAL2:
      return Kernel::kPolynomial2;
    default:
      return FieldError(kKernel, absl::StrCat(kKernel, " is ", static_cast<int>(kernel), ", which is no Kernel"));
  }
}

v1::Kernel ToWire(Kernel kernel) {
  switch (kernel) {
    case Kernel::kSoftmax:
      return v1::KERNEL_SOFTMAX;
    case Kernel::kGaussian:
      return v1::KERNEL_GAUSSIAN;
    case Kernel::kSoftmaxRegularized:
      return v1::KERNEL_SOFTMAX_REGULARIZED;
    case Kernel::kGeneralized:
      return v1::KERNEL_GENERALIZED;
    case Kernel::kEluPlusOne:
      return v1::KERNEL_ELU_PLUS_ONE;
    case Kernel::kNoProjection:
      return v1::KERNEL_NO_PROJECTION;
    case Kernel::kTaylor2:
      return v1::KERNEL_TAYLOR2;
    case Kernel::kPolynomial2:
      return v1::KERNEL_POLYNOMIAL2;
  }
  return v1::KERNEL_UNSPECIFIED;
}

bool TakesEstimator(Kernel kernel) { return UsesEstimator(kernel); }

// `asked` is the estimator of the request, for errors.
absl::StatusOr<Estimator> ReadEstimator(v1::Estimator estimator, v1::Estimator asked, Kernel kernel) {
  if (!v1::Estimator_IsValid(estimator)) {
    return FieldError(kEstimator,
                      absl::StrCat(kEstimator, " is ", static_cast<int>(estimator), ", which is no Estimator"));
  }
  if (estimator == v1::ESTIMATOR_UNSPECIFIED) return Estimator::kPositive;

  const bool fitted = estimator >= v1::ESTIMATOR_OPRF && kernel != Kernel::kSoftmax;
  const bool gaussian_hyperbolic = kernel == Kernel::kGaussian && estimator == v1::ESTIMATOR_HYPERBOLIC;
  if (!TakesEstimator(kernel) || fitted || gaussian_hyperbolic) {
    const absl::string_view taken = !TakesEstimator(kernel)       ? "none"
                                    : kernel == Kernel::kGaussian ? "positive or trigonometric"
                                                                  : "positive, hyperbolic or trigonometric";
    return FieldError(kEstimator, absl::StrCat(kEstimator, " is ", v1::Estimator_Name(asked), ", ",
                                               v1::Kernel_Name(ToWire(kernel)), " takes ", taken));
  }
  switch (estimator) {
    case v1::ESTIMATOR_HYPERBOLIC:
      return Estimator::kHyperbolic;
    case v1::ESTIMATOR_TRIGONOMETRIC:
      return Estimator::kTrigonometric;
    case v1::ESTIMATOR_OPRF:
      return Estimator::kOprf;
    case v1::ESTIMATOR_SDERF:
      return Estimator::kSderf;
    case v1::ESTIMATOR_SADERF:
      return Estimator::kSaderf;
    case v1::ESTIMATOR_ANCHORS:
      return Estimator::kAnchors;
    default:
      return Estimator::kPositive;
  }
}

v1::Estimator ToWire(Estimator estimator) {
  switch (estimator) {
    case Estimator::kPositive:
      return v1::ESTIMATOR_POSITIVE;
    case Estimator::kHyperbolic:
      return v1::ESTIMATOR_HYPERBOLIC;
    case Estimator::kTrigonometric:
      return v1::ESTIMATOR_TRIGONOMETRIC;
    case Estimator::kOprf:
      return v1::ESTIMATOR_OPRF;
    case Estimator::kSderf:
      return v1::ESTIMATOR_SDERF;
    case Estimator::kSaderf:
      return v1::ESTIMATOR_SADERF;
    case Estimator::kAnchors:
      return v1::ESTIMATOR_ANCHORS;
  }
  return v1::ESTIMATOR_UNSPECIFIED;
}

// What stands in front of the estimator.
absl::Status ReadFlags(const v1::FeatureSpec& wire, FeatureSpec* spec) {
  const bool pairs = spec->kernel == Kernel::kSoftmax || spec->kernel == Kernel::kSoftmaxRegularized;
  const bool trigonometric = spec->estimator == Estimator::kTrigonometric;
  if (UsesAnchors(*spec) && (wire.antithetic() || wire.precondition())) {
    const std::string field = absl::StrCat("spec.features.", wire.antithetic() ? "antithetic" : "precondition");
    return FieldError(
        field, absl::StrCat(field, " is true, ", v1::Estimator_Name(wire.estimator()), " has no rows to change"));
  }
  const std::string kernel = v1::Kernel_Name(ToWire(spec->kernel));
  const std::string with = trigonometric ? " with ESTIMATOR_TRIGONOMETRIC" : "";
  if (wire.antithetic() && (!pairs || trigonometric)) {
    return FieldError("spec.features.antithetic",
                      absl::StrCat("spec.features.antithetic is true, ", kernel, with, " has no rows to pair"));
  }
  if (wire.precondition() && (spec->kernel != Kernel::kSoftmax || trigonometric)) {
    return FieldError("spec.features.precondition", absl::StrCat("spec.features.precondition is true, ", kernel, with,
                                                                 " would not stay the same attention"));
  }
  spec->antithetic = wire.antithetic();
  spec->precondition = wire.precondition();
  return absl::OkStatus();
}

absl::StatusOr<Nonlinearity> ReadNonlinearity(v1::Nonlinearity nonlinearity, Kernel kernel) {
  if (!v1::Nonlinearity_IsValid(nonlinearity)) {
    return FieldError(kNonlinearity, absl::StrCat(kNonlinearity, " is ", static_cast<int>(nonlinearity),
                                                  ", which is no Nonlinearity"));
  }
  if (nonlinearity != v1::NONLINEARITY_UNSPECIFIED && kernel != Kernel::kGeneralized) {
    return FieldError(kNonlinearity, absl::StrCat(kNonlinearity, " is ", v1::Nonlinearity_Name(nonlinearity), ", ",
                                                  v1::Kernel_Name(ToWire(kernel)), " takes none"));
  }
  switch (nonlinearity) {
    case v1::NONLINEARITY_SQUARED_RELU:
      return Nonlinearity::kSquaredRelu;
    case v1::NONLINEARITY_EXP:
      return Nonlinearity::kExp;
    case v1::NONLINEARITY_ABS:
      return Nonlinearity::kAbs;
    case v1::NONLINEARITY_GELU:
      return Nonlinearity::kGelu;
    case v1::NONLINEARITY_SIGMOID:
      return Nonlinearity::kSigmoid;
    case v1::NONLINEARITY_GELU_TANH:
      return Nonlinearity::kGeluTanh;
    case v1::NONLINEARITY_SILU:
      return Nonlinearity::kSilu;
    case v1::NONLINEARITY_SOFTPLUS:
      return Nonlinearity::kSoftplus;
    case v1::NONLINEARITY_LEAKY_RELU:
      return Nonlinearity::kLeakyRelu;
    default:
      return Nonlinearity::kRelu;
  }
}

v1::Nonlinearity ToWire(Nonlinearity nonlinearity) {
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return v1::NONLINEARITY_RELU;
    case Nonlinearity::kSquaredRelu:
      return v1::NONLINEARITY_SQUARED_RELU;
    case Nonlinearity::kExp:
      return v1::NONLINEARITY_EXP;
    case Nonlinearity::kAbs:
      return v1::NONLINEARITY_ABS;
    case Nonlinearity::kGelu:
      return v1::NONLINEARITY_GELU;
    case Nonlinearity::kSigmoid:
      return v1::NONLINEARITY_SIGMOID;
    case Nonlinearity::kGeluTanh:
      return v1::NONLINEARITY_GELU_TANH;
    case Nonlinearity::kSilu:
      return v1::NONLINEARITY_SILU;
    case Nonlinearity::kSoftplus:
      return v1::NONLINEARITY_SOFTPLUS;
    case Nonlinearity::kLeakyRelu:
      return v1::NONLINEARITY_LEAKY_RELU;
  }
  return v1::NONLINEARITY_UNSPECIFIED;
}

absl::Status CheckFromZeroTo(double most, double value, absl::string_view field) {
  if (value >= 0 && value <= most) return absl::OkStatus();
  return FieldError(field, absl::StrCat(field, " is ", value, ", must be from 0 to ", most));
}

absl::StatusOr<EpsilonParity> ReadEpsilonParity(const v1::EpsilonParity& wire, const FeatureSpec& spec) {
  constexpr char kParity[] = "spec.features.epsilon_parity";
  const bool served = spec.kernel == Kernel::kGeneralized || spec.kernel == Kernel::kNoProjection ||
                      ((spec.kernel == Kernel::kSoftmax || spec.kernel == Kernel::kSoftmaxRegularized) &&
                       spec.estimator == Estimator::kPositive && !spec.antithetic && !spec.precondition);
  if (!served) {
    const std::string estimator = TakesEstimator(spec.kernel) && spec.kernel != Kernel::kGaussian
                                      ? " with anything but ESTIMATOR_POSITIVE alone"
                                      : "";
    return FieldError(kParity, absl::StrCat(kParity, " is set, ", v1::Kernel_Name(ToWire(spec.kernel)), estimator,
                                            " has no published epsilons"));
  }
  EpsilonParity parity;
  parity.feature_epsilon = spec.kernel == Kernel::kGeneralized ? 1e-3 : spec.kernel == Kernel::kNoProjection ? 0 : 1e-4;
  if (wire.has_feature_epsilon()) parity.feature_epsilon = wire.feature_epsilon();
  if (wire.has_causal_epsilon()) parity.causal_epsilon = wire.causal_epsilon();
  absl::Status status =
      CheckFromZeroTo(kMaxParityEpsilon, parity.feature_epsilon, absl::StrCat(kParity, ".feature_epsilon"));
  status.Update(CheckFromZeroTo(kMaxParityEpsilon, parity.causal_epsilon, absl::StrCat(kParity, ".causal_epsilon")));
  if (!status.ok()) return status;
  return parity;
}

absl::StatusOr<double> ReadPolynomialOffset(const v1::FeatureSpec& wire, Kernel kernel) {
  constexpr char kOffset[] = "spec.features.polynomial_offset";
  if (!wire.has_polynomial_offset()) return 1.0;
  if (kernel != Kernel::kPolynomial2) {
    return FieldError(kOffset, absl::StrCat(kOffset, " is ", wire.polynomial_offset(), ", ",
                                            v1::Kernel_Name(ToWire(kernel)), " takes none"));
  }
  absl::Status status = CheckFromZeroTo(kMaxPolynomialOffset, wire.polynomial_offset(), kOffset);
  if (!status.ok()) return status;
  return wire.polynomial_offset();
}

absl::Status CheckServed(const v1::FeatureSpec& wire) {
  if (wire.num_exact_keys() != 0) {
    return UnservedFieldError("spec.features.num_exact_keys", absl::StrCat(wire.num_exact_keys()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FeatureSpec> ReadFeatureSpec(const v1::FeatureSpec& wire, const SpecSizes& sizes) {
  if (absl::Status status = CheckServed(wire); !status.ok()) return status;
  FeatureSpec spec;

  const absl::StatusOr<Kernel> kernel = ReadKernel(wire.kernel());
  if (!kernel.ok()) return kernel.status();
  spec.kernel = *kernel;

  const ChosenEstimator chosen = ChooseEstimator(wire, sizes);
  const absl::StatusOr<Estimator> estimator = ReadEstimator(chosen.estimator, wire.estimator(), spec.kernel);
  if (!estimator.ok()) return estimator.status();
  spec.estimator = *estimator;

  if (absl::Status status = ReadFlags(wire, &spec); !status.ok()) return status;
  if (absl::Status status = ReadAnchors(wire, chosen, sizes, &spec); !status.ok()) return status;

  const absl::StatusOr<Nonlinearity> nonlinearity = ReadNonlinearity(wire.nonlinearity(), spec.kernel);
  if (!nonlinearity.ok()) return nonlinearity.status();
  spec.nonlinearity = *nonlinearity;

  const absl::StatusOr<double> offset = ReadPolynomialOffset(wire, spec.kernel);
  if (!offset.ok()) return offset.status();
  spec.polynomial_offset = *offset;

  if (wire.has_epsilon_parity()) {
    const absl::StatusOr<EpsilonParity> parity = ReadEpsilonParity(wire.epsilon_parity(), spec);
    if (!parity.ok()) return parity.status();
    spec.epsilon_parity = *parity;
  }
  return spec;
}

void WriteFeatureSpec(const FeatureSpec& spec, v1::FeatureSpec* wire) {
  wire->set_kernel(ToWire(spec.kernel));
  if (TakesEstimator(spec.kernel)) {
    wire->set_estimator(ToWire(spec.estimator));
    if (UsesAnchors(spec)) {
      wire->set_num_anchors(spec.num_anchors);
      wire->set_num_directions(spec.num_directions);
      wire->set_num_fit_rows(spec.num_fit_rows);
    }
    wire->set_antithetic(spec.antithetic);
    wire->set_precondition(spec.precondition);
  }
  if (spec.kernel == Kernel::kGeneralized) wire->set_nonlinearity(ToWire(spec.nonlinearity));
  if (spec.kernel == Kernel::kPolynomial2) wire->set_polynomial_offset(spec.polynomial_offset);
  if (spec.epsilon_parity) {
    wire->mutable_epsilon_parity()->set_feature_epsilon(spec.epsilon_parity->feature_epsilon);
    wire->mutable_epsilon_parity()->set_causal_epsilon(spec.epsilon_parity->causal_epsilon);
  }
}

}  // namespace favor
