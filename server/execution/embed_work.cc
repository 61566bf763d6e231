#include "server/execution/embed_work.h"

namespace favor {
namespace {

bool SameFeatures(const FeatureSpec& a, const FeatureSpec& b) {
  if (a.kernel != b.kernel || a.estimator != b.estimator || a.nonlinearity != b.nonlinearity) return false;
  if (a.polynomial_offset != b.polynomial_offset) return false;
  if (!a.epsilon_parity || !b.epsilon_parity) return a.epsilon_parity.has_value() == b.epsilon_parity.has_value();
  return a.epsilon_parity->feature_epsilon == b.epsilon_parity->feature_epsilon &&
         a.epsilon_parity->causal_epsilon == b.epsilon_parity->causal_epsilon;
}

bool SameSpec(const AttentionSpec& a, const AttentionSpec& b) {
  return a.mode == b.mode && a.causal == b.causal && a.scale == b.scale && a.precision == b.precision &&
         SameFeatures(a.features, b.features);
}

bool SameProjection(const std::shared_ptr<const Projection>& a, const std::shared_ptr<const Projection>& b) {
  return a == b || (a != nullptr && b != nullptr && a->id() == b->id());
}

}  // namespace

bool SameAttention(const std::optional<EncoderAttention>& a, const std::optional<EncoderAttention>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return SameSpec(a->spec, b->spec) && SameProjection(a->projection, b->projection);
}

}  // namespace favor
