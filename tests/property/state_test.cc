// States that travel: bytes and back for every map, merges in every order, and streams that are resumed elsewhere.
#include <utility>
#include <vector>

#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "tests/property/every_map.h"
#include "tests/support/encoded_state.h"
#include "tests/support/errors.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/streamed_attention.h"

namespace favor::testing {
namespace {

// Every map with a state, and those with epsilons once more with them.
std::vector<ServedMap> MapsWithState() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) { return map.spec.mode == AttentionMode::kExact; });
  for (ServedMap map : std::vector<ServedMap>(maps)) {
    if (!SupportsEpsilonParity(map.spec.features) || map.structured) continue;
    map.spec.features.epsilon_parity = EpsilonParity{};
    if (map.spec.features.kernel == Kernel::kNoProjection) map.spec.features.epsilon_parity->feature_epsilon = 0;
    map.name += "WithEpsilon";
    maps.push_back(map);
  }
  return maps;
}

class State : public EveryMap {
 protected:
  static constexpr int64_t kSequences = 3, kHeads = 2, kHeadDim = 6, kValueDim = 5;

  AttentionState Empty() const {
    const std::shared_ptr<const Projection> projection = ProjectionFor(20, kHeadDim, 3);
    const absl::StatusOr<StateDescription> description =
        DescribeState(Spec(false), {kSequences, kHeads, kHeadDim, kValueDim}, projection);
    return *AttentionState::Create(*description, projection);
  }

  // Of some 100 random keys, none of which belong to the last sequence.
  AttentionState Folded(uint64_t seed, double scale = 1) const {
    AttentionState state = Empty();
    Random random(seed);
    const Shape keys_shape{kSequences, kHeads, 100, kHeadDim}, values_shape{kSequences, kHeads, 100, kValueDim};
    const DoubleTensor keys = random.GaussianTensor(keys_shape, scale), values = random.GaussianTensor(values_shape);
    const std::vector<float> key_floats(keys.values.begin(), keys.values.end());
    const std::vector<float> value_floats(values.values.begin(), values.values.end());
    const std::vector<int64_t> lengths = {100, 1 + static_cast<int64_t>(seed) % 90, 0};
    AttentionInputs inputs;
    inputs.keys = DenseView(key_floats.data(), keys_shape);
    inputs.values = DenseView(value_floats.data(), values_shape);
    inputs.key_lengths = lengths;
    EXPECT_TRUE(RunInline(*PlanFold(inputs, nullptr, &state)).ok());
    return state;
  }

  static AttentionState Merged(const AttentionState& a, AttentionState b) {
    const absl::StatusOr<Job> job = PlanMerge(a, nullptr, &b);
    EXPECT_TRUE(job.ok()) << job.status();
    EXPECT_TRUE(job.ok() && RunInline(*job).ok());
    return b;
  }
};

TEST_P(State, ComesBackFromLosslessBytesBitForBit) {
  for (const double scale : {0.1, 1.0, 20.0}) {
    AttentionState state = Merged(Folded(1, scale), Folded(2, scale));
    const AttentionState before = Merged(Folded(1, scale), Folded(2, scale));
    ASSERT_TRUE(SameState(state, before));
    const absl::Status status = RoundTrip(&state);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(SameState(state, before)) << scale;
  }
  AttentionState empty = Empty();
  ASSERT_TRUE(RoundTrip(&empty).ok());
  EXPECT_TRUE(SameState(empty, Empty()));
}

TEST_P(State, ReplacesWhateverTheOneThatIsDecodedIntoHeld) {
  for (const StateEncoding encoding : {StateEncoding::kFloat32Compensated, StateEncoding::kFloat32}) {
    const absl::StatusOr<EncodedState> encoded = Encode(Folded(1), encoding);
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    AttentionState fresh = Empty(), used = Folded(2);
    ASSERT_TRUE(DecodeInto(*encoded, &fresh).ok());
    ASSERT_TRUE(DecodeInto(*encoded, &used).ok());
    EXPECT_TRUE(SameState(fresh, used));
  }
}

TEST_P(State, MergesToTheSameBitsInEitherOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_TRUE(
        SameState(Merged(Folded(seed, 2), Folded(seed + 50, 3)), Merged(Folded(seed + 50, 3), Folded(seed, 2))));
  }
}

TEST_P(State, OfNoKeysIsNeutralBitForBit) {
  const AttentionState merged = Merged(Folded(1), Folded(2));
  EXPECT_TRUE(SameState(Merged(Empty(), Merged(Folded(1), Folded(2))), merged));
  EXPECT_TRUE(SameState(Merged(merged, Empty()), merged));
}

TEST_P(State, ResumesAStreamWithTheSameBits) {
  for (const bool causal : {false, true}) {
    const AttentionSpec spec = Spec(causal);
    const Kernel kernel = spec.features.kernel;
    const bool softmax = kernel == Kernel::kSoftmax || kernel == Kernel::kSoftmaxRegularized;
    if (causal && softmax && spec.features.epsilon_parity.has_value()) continue;  // refused
    // The second goes through parts of the features, or segments of the keys, in some of its pieces.
    for (const AttentionCase& attention_case :
         {CaseOf({2, 4, 2, 200, 200, 6, 5}, 3, causal),
          GaussianCase(spec, {1, 1, 1, 6'000, 6'000, 4, 3}, ProjectionFor(140, 4, 5), 5)}) {
      Cuts cuts{.seed = 9, .max_length = attention_case.keys.shape.length / 2};
      const absl::StatusOr<AttentionResult> uninterrupted = Compute(StreamedAttention(cuts), attention_case);
      ASSERT_TRUE(uninterrupted.ok()) << uninterrupted.status();
      int64_t num_resumed = 0;
      cuts.between = [&](AttentionState* state) {
        ++num_resumed;
        return RoundTrip(state);
      };
      const absl::StatusOr<AttentionResult> resumed = Compute(StreamedAttention(cuts), attention_case);
      ASSERT_TRUE(resumed.ok()) << resumed.status();
      EXPECT_GT(num_resumed, 2);
      EXPECT_TRUE(SameBits(resumed->output, uninterrupted->output)) << attention_case.Describe();
    }
  }
}

TEST_P(State, OfFewerBytesReadsAsWellAsItsSumsAreStored) {
  if (!GetParam().positive) GTEST_SKIP() << "signed sums may cancel";
  const AttentionCase attention_case = CaseOf({2, 2, 2, 100, 100, 6, 5}, 11, /*causal=*/false);
  for (const auto& [encoding, tolerance] :
       {std::pair(StateEncoding::kFloat32, kFloat32Tolerance), std::pair(StateEncoding::kBFloat16, 3 * 0x1p-8)}) {
    Cuts cuts{.seed = 1, .max_length = 100};
    int64_t num_left = 2;  // once, whatever the pieces
    cuts.between = [&, encoding = encoding](AttentionState* state) {
      return --num_left == 0 ? RoundTrip(state, encoding) : absl::OkStatus();
    };
    const Verdict verdict = AgreesWithOracle(StreamedAttention(cuts), attention_case, tolerance);
    EXPECT_TRUE(verdict.holds) << static_cast<int>(encoding) << ": " << verdict;
  }
}

INSTANTIATE_TEST_SUITE_P(, State, ::testing::ValuesIn(MapsWithState()), MapName);

}  // namespace
}  // namespace favor::testing
