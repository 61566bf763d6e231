#include "favor/attention/attention_state.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/attention/scratch.h"
#include "favor/feature_map/feature_map.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

bool IsSoftmax(Kernel kernel) { return kernel == Kernel::kSoftmax || kernel == Kernel::kSoftmaxRegularized; }

absl::Status CheckHasState(const AttentionSpec& spec) {
  if (spec.mode != AttentionMode::kFeatures) {
    return absl::InvalidArgumentError("mode is exact, which needs all keys at once and has no state");
  }
  if (UsesAnchors(spec.features)) {
    return absl::InvalidArgumentError("estimator is anchors, whose states this release keeps inside one call");
  }
  const std::optional<EpsilonParity>& parity = spec.features.epsilon_parity;
  if (spec.causal && parity.has_value() && !parity->prefix_stabiliser && IsSoftmax(spec.features.kernel)) {
    return absl::InvalidArgumentError(
        "epsilon_parity is set and causal: the published stabiliser of a softmax kernel is the maximum over all keys, "
        "later ones too, so no state of earlier keys will do");
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const StateSizes& sizes) {
  constexpr int64_t kMaxAxis = int64_t{1} << 40;
  const struct {
    absl::string_view name;
    int64_t value, bound;
  } axes[] = {{"batch_size", sizes.batch_size, kMaxAxis},
              {"num_key_heads", sizes.num_key_heads, kMaxAxis},
              {"head_dim", sizes.head_dim, kMaxHeadDim},
              {"value_dim", sizes.value_dim, kMaxValueDim}};
  for (const auto& axis : axes) {
    if (axis.value >= 1 && axis.value <= axis.bound) continue;
    return absl::InvalidArgumentError(absl::StrCat(axis.name, " is ", axis.value, ", must be from 1 to ", axis.bound));
  }
  return absl::OkStatus();
}

// Of a HeadState, in floats.
int64_t HeadFloats(int64_t num_features, int64_t value_dim) {
  internal::ScratchLayout layout;
  HeadState(num_features, value_dim, &layout);
  return layout.size();
}

// Bytes are multiplied freely once they have passed this.
absl::Status CheckBytes(const StateDescription& description) {
  constexpr double kMaxBytes = 1e15;
  const double bytes = 4.0 * HeadFloats(description.num_features, description.sizes.value_dim) *
                       static_cast<double>(description.sizes.batch_size) *
                       static_cast<double>(description.sizes.num_key_heads);
  if (bytes <= kMaxBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the state has ", bytes, " bytes, at most ", kMaxBytes));
}

absl::Status CheckMatrices(const Projection* projection, int64_t num_key_heads) {
  if (projection == nullptr || projection->num_matrices() == 1) return absl::OkStatus();
  if (projection->num_matrices() == num_key_heads) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("projection.num_matrices is ", projection->num_matrices(),
                                                 ", must be 1 or num_key_heads, which is ", num_key_heads));
}

absl::StatusOr<FeatureMap> MapOf(const StateDescription& description, std::shared_ptr<const Projection> projection) {
  return FeatureMap::Create(description.spec.features, *description.spec.scale, description.sizes.head_dim,
                            std::move(projection));
}

absl::StatusOr<std::shared_ptr<const HeadTransforms>> TransformsOf(const StateDescription& description,
                                                                   std::shared_ptr<const Projection> projection) {
  const FeatureSpec& features = description.spec.features;
  const int64_t num_key_heads = description.sizes.num_key_heads;
  auto transforms = std::make_shared<HeadTransforms>(features, *description.spec.scale, description.sizes.head_dim,
                                                     num_key_heads, std::move(projection));
  for (int64_t h = 0; h < num_key_heads; ++h) {
    if (absl::Status status = transforms->Set(h, features.statistics->heads[h]); !status.ok()) return status;
  }
  return transforms;
}

}  // namespace

AttentionSpec CanonicalSpec(const AttentionSpec& spec, int64_t head_dim) {
  AttentionSpec canonical = spec;
  FeatureSpec& features = canonical.features;
  canonical.scale = spec.scale.value_or(DefaultScale(features.kernel, head_dim));
  const FeatureSpec defaults;
  if (!UsesEstimator(features.kernel)) features.estimator = defaults.estimator;
  if (!UsesEstimator(features.kernel)) features.antithetic = features.precondition = false;
  if (UsesStatistics(features) && features.statistics == nullptr) features = WithoutStatistics(features);
  if (features.antithetic && features.estimator == Estimator::kPositive) features.estimator = Estimator::kHyperbolic;
  if (features.estimator == Estimator::kHyperbolic) features.antithetic = false;
  if (features.kernel != Kernel::kGeneralized) features.nonlinearity = defaults.nonlinearity;
  if (features.kernel != Kernel::kPolynomial2) features.polynomial_offset = defaults.polynomial_offset;
  if (features.epsilon_parity.has_value() && !(spec.causal && IsSoftmax(features.kernel))) {
    features.epsilon_parity->prefix_stabiliser = false;
  }
  return canonical;
}

absl::StatusOr<StateDescription> DescribeState(const AttentionSpec& spec, const StateSizes& sizes,
                                               const std::shared_ptr<const Projection>& projection) {
  if (absl::Status status = CheckHasState(spec); !status.ok()) return status;
  if (absl::Status status = CheckSizes(sizes); !status.ok()) return status;
  if (absl::Status status = CheckMatrices(projection.get(), sizes.num_key_heads); !status.ok()) return status;
  const AttentionSpec canonical = CanonicalSpec(spec, sizes.head_dim);
  if (absl::Status status = CheckFeatures(spec.features, *canonical.scale, sizes.head_dim, projection.get());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckStatistics(canonical.features, sizes.head_dim, sizes.num_key_heads); !status.ok()) {
    return status;
  }
  const std::string id = projection == nullptr ? "" : FeaturesId(projection->id(), canonical.features.statistics.get());
  StateDescription description{canonical, id, sizes};
  const absl::StatusOr<FeatureMap> map = MapOf(description, projection);
  if (!map.ok()) return map.status();
  description.num_features = map->num_features();
  if (absl::Status status = CheckBytes(description); !status.ok()) return status;
  return description;
}

int64_t AttentionState::Bytes(const StateDescription& description) {
  const int64_t floats = HeadFloats(description.num_features, description.sizes.value_dim);
  const int64_t heads = description.sizes.batch_size * description.sizes.num_key_heads *
                        static_cast<int64_t>(floats * sizeof(float) + sizeof(HeadState));
  const FeatureSpec& features = description.spec.features;
  if (!UsesStatistics(features)) return heads;
  const int64_t num_rows = description.num_features / (MakesPairs(features) ? 2 : 1);
  return heads + HeadTransforms::Bytes(features, description.sizes.head_dim, description.sizes.num_key_heads, num_rows);
}

absl::StatusOr<AttentionState> AttentionState::Create(const StateDescription& description,
                                                      std::shared_ptr<const Projection> projection) {
  const absl::StatusOr<FeatureMap> map = MapOf(description, projection);
  if (!map.ok()) return map.status();
  const int64_t num_heads = description.sizes.batch_size * description.sizes.num_key_heads;
  const int64_t head_floats = HeadFloats(description.num_features, description.sizes.value_dim);
  absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(num_heads * head_floats);
  if (!memory.ok()) return memory.status();

  AttentionState state;
  if (UsesStatistics(description.spec.features)) {
    absl::StatusOr<std::shared_ptr<const HeadTransforms>> transforms = TransformsOf(description, projection);
    if (!transforms.ok()) return transforms.status();
    state.transforms_ = *std::move(transforms);
  }
  state.description_ = description;
  state.projection_ = std::move(projection);
  state.memory_ = *std::move(memory);
  state.exponents_ = map->exponential()    ? FeatureExponents::kOfFeatures
                     : map->has_exponent() ? FeatureExponents::kOfToken
                                           : FeatureExponents::kNone;
  internal::ScratchLayout layout(state.memory_.data());
  state.heads_.reserve(num_heads);
  for (int64_t i = 0; i < num_heads; ++i) {
    state.heads_.emplace_back(description.num_features, description.sizes.value_dim, &layout);
  }
  state.Clear();
  return state;
}

void AttentionState::Clear() {
  for (HeadState& head : heads_) head.Clear(exponents_ != FeatureExponents::kNone);
  usable_ = true;
}

Job internal::UsableAfter(Job job, AttentionState* state) {
  state->set_usable(false);
  Phase end;
  end.num_chains = 1;
  end.run_step = [state](int64_t, int64_t) {
    state->set_usable(true);
    return absl::OkStatus();
  };
  job.phases.push_back(std::move(end));
  return job;
}

}  // namespace favor
