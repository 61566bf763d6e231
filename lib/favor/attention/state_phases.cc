#include "favor/attention/state_phases.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "favor/attention/plan_sizes.h"
#include "favor/attention/state_payload.h"
#include "favor/feature_map/feature_spec.h"

namespace favor::internal {
namespace {

bool HasStabiliser(const FeatureSpec& spec) {
  return spec.epsilon_parity.has_value() &&
         (spec.kernel == Kernel::kSoftmax || spec.kernel == Kernel::kSoftmaxRegularized);
}

// Runs step by step through the features of every head, then through its totals.
template <typename Features, typename Totals>
Phase HeadsPhase(const AttentionState& state, NameOfHead name, const Cancellation* cancellation, Features features,
                 Totals totals) {
  constexpr int64_t kFloatsPerStep = int64_t{1} << 17;
  const int64_t num_features = state.description().num_features;
  const int64_t rows_per_step = std::max<int64_t>(1, kFloatsPerStep / state.description().sizes.value_dim);
  Phase phase;
  phase.num_chains = state.num_heads();
  phase.steps_per_chain = CeilDiv(num_features, rows_per_step) + 1;
  phase.run_step = [=, name = std::move(name)](int64_t index, int64_t step) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    const int64_t begin = step * rows_per_step;
    if (begin >= num_features) return totals(index, name(index));
    return features(index, begin, std::min(begin + rows_per_step, num_features), name(index));
  };
  return phase;
}

HeadLayout LayoutOf(const AttentionState& state, StateEncoding encoding) {
  return HeadLayout(state.description().num_features, state.description().sizes.value_dim, encoding);
}

}  // namespace

Phase PutHeadsPhase(const AttentionState* state, StateEncoding encoding, NameOfHead name,
                    const Cancellation* cancellation, char* payload) {
  const HeadLayout head = LayoutOf(*state, encoding);
  return HeadsPhase(
      *state, std::move(name), cancellation,
      [=](int64_t index, int64_t begin, int64_t end, const std::string& where) {
        return PutFeatures(state->head(index), head, begin, end, where, payload + index * head.size());
      },
      [=](int64_t index, const std::string& where) {
        return PutTotals(state->head(index), head, where, payload + index * head.size());
      });
}

Phase TakeHeadsPhase(const char* payload, StateEncoding encoding, std::function<int64_t(int64_t sequence)> num_keys,
                     NameOfHead name, const Cancellation* cancellation, AttentionState* state) {
  const HeadLayout head = LayoutOf(*state, encoding);
  const StateDescription& description = state->description();
  const auto checks = [=, exponents = state->exponents(), stabiliser = HasStabiliser(description.spec.features),
                       heads = description.sizes.num_key_heads, num_keys = std::move(num_keys)](int64_t index) {
    return HeadChecks{exponents, stabiliser, num_keys(index / heads)};
  };
  return HeadsPhase(
      *state, std::move(name), cancellation,
      [=](int64_t index, int64_t begin, int64_t end, const std::string& where) {
        return TakeFeatures(payload + index * head.size(), head, begin, end, checks(index), where, &state->head(index));
      },
      [=](int64_t index, const std::string& where) {
        return TakeTotals(payload + index * head.size(), head, checks(index), where, &state->head(index));
      });
}

Phase HashPhase(std::function<FieldHasher()> start, absl::string_view bytes, const Cancellation* cancellation,
                std::function<absl::Status(uint64_t checksum)> done) {
  constexpr int64_t kBytesPerStep = int64_t{4} << 20;
  auto hasher = std::make_shared<FieldHasher>();
  Phase phase;
  phase.num_chains = 1;
  phase.steps_per_chain = CeilDiv(bytes.size(), kBytesPerStep) + 1;
  phase.run_step = [=, start = std::move(start), done = std::move(done)](int64_t, int64_t step) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    if (step == 0) *hasher = start();
    const size_t begin = step * kBytesPerStep;
    if (begin >= bytes.size()) return done(hasher->Digest64());
    hasher->AddBytes(bytes.substr(begin, kBytesPerStep));
    return absl::OkStatus();
  };
  return phase;
}

}  // namespace favor::internal
