#include "tests/support/served_maps.h"

#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

std::string NameOf(Estimator estimator) {
  switch (estimator) {
    case Estimator::kPositive:
      return "Positive";
    case Estimator::kHyperbolic:
      return "Hyperbolic";
    case Estimator::kTrigonometric:
      return "Trigonometric";
    case Estimator::kOprf:
      return "Oprf";
    case Estimator::kSderf:
      return "Sderf";
    case Estimator::kSaderf:
      return "Saderf";
    case Estimator::kAnchors:
      return "Anchors";
  }
  return "";
}

std::string NameOf(Nonlinearity nonlinearity) {
  switch (nonlinearity) {
    case Nonlinearity::kRelu:
      return "Relu";
    case Nonlinearity::kSquaredRelu:
      return "SquaredRelu";
    case Nonlinearity::kExp:
      return "Exp";
    case Nonlinearity::kAbs:
      return "Abs";
    case Nonlinearity::kGelu:
      return "Gelu";
    case Nonlinearity::kSigmoid:
      return "Sigmoid";
    case Nonlinearity::kGeluTanh:
      return "GeluTanh";
    case Nonlinearity::kSilu:
      return "Silu";
    case Nonlinearity::kSoftplus:
      return "Softplus";
    case Nonlinearity::kLeakyRelu:
      return "LeakyRelu";
  }
  return "";
}

ServedMap Estimated(Kernel kernel, Estimator estimator) {
  ServedMap map;
  map.spec.features.kernel = kernel;
  map.spec.features.estimator = estimator;
  map.takes_projection = true;
  map.positive = estimator != Estimator::kTrigonometric;
  return map;
}

ServedMap Fitted(Estimator estimator, bool precondition, bool antithetic) {
  ServedMap map = Estimated(Kernel::kSoftmax, estimator);
  map.spec.features.precondition = precondition;
  map.spec.features.antithetic = antithetic;
  return map;
}

std::string NameOfFlags(const FeatureSpec& features) {
  return std::string(features.precondition ? "Preconditioned" : "") + (features.antithetic ? "Antithetic" : "");
}

ServedMap Generalized(Nonlinearity nonlinearity, bool takes_projection) {
  ServedMap map;
  map.spec.features.kernel = Kernel::kGeneralized;
  map.spec.features.nonlinearity = nonlinearity;
  map.takes_projection = takes_projection;
  map.positive = nonlinearity == Nonlinearity::kExp || nonlinearity == Nonlinearity::kAbs ||
                 nonlinearity == Nonlinearity::kSigmoid || nonlinearity == Nonlinearity::kSoftplus;
  return map;
}

ServedMap Unprojected(Kernel kernel) {
  ServedMap map;
  map.spec.features.kernel = kernel;
  // (x.y + c)^2 can be zero, and its features are signed.
  map.positive = kernel == Kernel::kEluPlusOne || kernel == Kernel::kNoProjection;
  map.weighs_keys_apart = kernel != Kernel::kNoProjection;
  return map;
}

}  // namespace

std::string NameOf(const AttentionSpec& spec) {
  if (spec.mode == AttentionMode::kExact) return "Exact";
  const FeatureSpec& features = spec.features;
  switch (features.kernel) {
    case Kernel::kSoftmax:
      return "Softmax" + NameOf(features.estimator) + NameOfFlags(features);
    case Kernel::kGaussian:
      return "Gaussian" + NameOf(features.estimator);
    case Kernel::kSoftmaxRegularized:
      return "SoftmaxRegularized" + NameOf(features.estimator);
    case Kernel::kGeneralized:
      return "Generalized" + NameOf(features.nonlinearity);
    case Kernel::kEluPlusOne:
      return "EluPlusOne";
    case Kernel::kNoProjection:
      return "NoProjection";
    case Kernel::kTaylor2:
      return "Taylor2";
    case Kernel::kPolynomial2:
      return "Polynomial2";
  }
  return "";
}

ServedMap Favor() {
  ServedMap map = Estimated(Kernel::kSoftmax, Estimator::kPositive);
  map.name = NameOf(map.spec);
  return map;
}

std::vector<ServedMap> ServedMaps() {
  std::vector<ServedMap> maps;
  for (const Kernel kernel : {Kernel::kSoftmax, Kernel::kGaussian, Kernel::kSoftmaxRegularized}) {
    for (const Estimator estimator : {Estimator::kPositive, Estimator::kHyperbolic, Estimator::kTrigonometric}) {
      maps.push_back(Estimated(kernel, estimator));
    }
  }
  for (const Estimator estimator : {Estimator::kOprf, Estimator::kSderf, Estimator::kSaderf}) {
    maps.push_back(Fitted(estimator, /*precondition=*/false, /*antithetic=*/false));
  }
  maps.push_back(Fitted(Estimator::kOprf, false, /*antithetic=*/true));
  maps.push_back(Fitted(Estimator::kPositive, /*precondition=*/true, false));
  maps.push_back(Fitted(Estimator::kPositive, /*precondition=*/true, /*antithetic=*/true));
  maps.push_back(Fitted(Estimator::kSderf, /*precondition=*/true, false));
  maps.push_back(Fitted(Estimator::kSderf, /*precondition=*/true, /*antithetic=*/true));
  for (const bool takes_projection : {true, false}) {
    for (const Nonlinearity nonlinearity :
         {Nonlinearity::kRelu, Nonlinearity::kSquaredRelu, Nonlinearity::kExp, Nonlinearity::kAbs, Nonlinearity::kGelu,
          Nonlinearity::kSigmoid, Nonlinearity::kGeluTanh, Nonlinearity::kSilu, Nonlinearity::kSoftplus,
          Nonlinearity::kLeakyRelu}) {
      maps.push_back(Generalized(nonlinearity, takes_projection));
    }
  }
  for (ServedMap map :
       {Estimated(Kernel::kSoftmax, Estimator::kPositive), Estimated(Kernel::kSoftmax, Estimator::kTrigonometric),
        Estimated(Kernel::kSoftmaxRegularized, Estimator::kHyperbolic),
        Fitted(Estimator::kSderf, /*precondition=*/true, /*antithetic=*/true),
        Generalized(Nonlinearity::kRelu, true)}) {
    map.structured = true;
    maps.push_back(map);
  }
  for (const Kernel kernel : {Kernel::kEluPlusOne, Kernel::kNoProjection, Kernel::kTaylor2, Kernel::kPolynomial2}) {
    maps.push_back(Unprojected(kernel));
  }
  ServedMap exact;
  exact.spec.mode = AttentionMode::kExact;
  exact.positive = true;
  maps.push_back(exact);
  for (ServedMap& map : maps) {
    map.name = NameOf(map.spec);
    if (map.spec.features.kernel == Kernel::kGeneralized && !map.takes_projection) map.name += "Unprojected";
    if (map.structured) map.name += "Structured";
  }
  return maps;
}

std::shared_ptr<const Projection> ProjectionFor(const ServedMap& map, int64_t num_rows, int64_t head_dim,
                                                uint64_t seed) {
  if (!map.takes_projection) return nullptr;
  if (!map.structured) return TestProjectionFor(map.spec, num_rows, head_dim, seed);
  const bool regularized = map.spec.features.kernel == Kernel::kSoftmaxRegularized;
  return DrawProjection(
             {ProjectionKind::kStructured, regularized ? RowNorms::kSqrtDim : RowNorms::kChi, seed, num_rows, head_dim})
      .value();
}

std::vector<ServedMap> PositiveMaps() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) { return !map.positive; });
  return maps;
}

}  // namespace favor::testing
