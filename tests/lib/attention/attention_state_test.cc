// What states there are, what belongs together, and what is refused.
#include "favor/attention/attention_state.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "favor/attention/attention_stream.h"
#include "favor/base/cancellation.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/small_state.h"
#include "tests/support/encoded_state.h"

namespace favor::testing {
namespace {

using Small = SmallState;

bool Contains(const absl::Status& status, absl::string_view text) {
  return status.message().find(text) != absl::string_view::npos;
}

TEST(AttentionState, IsRefusedWhereAttentionHasNone) {
  const StateSizes sizes{1, 1, Small::kHeadDim, 2};
  AttentionSpec exact;
  exact.mode = AttentionMode::kExact;
  absl::Status status = DescribeState(exact, sizes, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Contains(status, "exact")) << status;

  for (const Kernel kernel : {Kernel::kSoftmax, Kernel::kSoftmaxRegularized}) {
    AttentionSpec parity = Small::Spec(kernel, /*causal=*/true);
    parity.features.epsilon_parity = EpsilonParity{};
    status = DescribeState(parity, sizes, Small::Draw()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(Contains(status, "later ones")) << status;
    parity.features.epsilon_parity->prefix_stabiliser = true;
    EXPECT_TRUE(DescribeState(parity, sizes, Small::Draw()).ok()) << "the maximum over earlier keys is known";
    parity.features.epsilon_parity->prefix_stabiliser = false;
    parity.causal = false;
    EXPECT_TRUE(DescribeState(parity, sizes, Small::Draw()).ok()) << "the maximum over all keys merges";
  }
  AttentionSpec generalized = Small::Spec(Kernel::kGeneralized, /*causal=*/true);
  generalized.features.epsilon_parity = EpsilonParity{};
  EXPECT_TRUE(DescribeState(generalized, sizes, Small::Draw()).ok()) << "no maximum in it";
}

TEST(AttentionState, IsRefusedWithSizesOutOfBounds) {
  const std::pair<StateSizes, const char*> cases[] = {{{0, 1, 3, 2}, "batch_size is 0"},
                                                      {{1, 0, 3, 2}, "num_key_heads is 0"},
                                                      {{1, 1, 600, 2}, "head_dim is 600"},
                                                      {{1, 1, 3, 0}, "value_dim is 0"},
                                                      {{int64_t{1} << 40, 1 << 20, 3, 2}, "bytes"},
                                                      {{-1, 1, 3, 2}, "batch_size is -1"}};
  for (const auto& [sizes, message] : cases) {
    const absl::Status status = DescribeState(Small::Spec(Kernel::kEluPlusOne), sizes, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(Contains(status, message)) << status;
  }
  EXPECT_FALSE(DescribeState(Small::Spec(), {1, 1, 3, 2}, nullptr).ok()) << "no projection";
}

TEST(AttentionState, SaysInWhatTwoDiffer) {
  const StateDescription wanted = Small::Describe(Small::Spec());
  const std::pair<std::function<void(StateDescription*)>, std::string> cases[] = {
      {[](auto* d) { d->spec.causal = true; }, "s.spec.causal is true, must be false"},
      {[](auto* d) { d->spec.features.kernel = Kernel::kGaussian; },
       "s.spec.features.kernel is gaussian, must be softmax"},
      {[](auto* d) { d->spec.features.estimator = Estimator::kHyperbolic; },
       "s.spec.features.estimator is hyperbolic, must be positive"},
      {[](auto* d) { d->spec.features.epsilon_parity = EpsilonParity{}; },
       "s.spec.features.epsilon_parity is {feature_epsilon 0.0001, causal_epsilon 1e-06}, must be unset"},
      {[](auto* d) { d->spec.scale = 0.5; }, "s.spec.scale is 0.5, must be 0.577"},
      {[](auto* d) { d->spec.precision = Precision::kBFloat16; }, "s.spec.precision is bf16, must be f32"},
      {[](auto* d) { d->spec.mode = AttentionMode::kExact; }, "s.spec.mode is exact, must be features"},
      {[](auto* d) { d->projection_id = "0123"; }, "s.projection_id is 0123, must be "},
      {[](auto* d) { d->sizes.batch_size = 5; }, "s.batch_size is 5, must be 2"},
      {[](auto* d) { d->sizes.num_key_heads = 5; }, "s.num_heads is 5, must be 2"},
      {[](auto* d) { d->sizes.head_dim = 5; }, "s.head_dim is 5, must be 3"},
      {[](auto* d) { d->sizes.value_dim = 5; }, "s.value_dim is 5, must be 2"},
      {[](auto* d) { d->num_features = 5; }, "s.num_features is 5, must be 4"},
  };
  EXPECT_TRUE(CheckSameDescription("s", wanted, wanted).ok());
  for (const auto& [change, message] : cases) {
    StateDescription actual = wanted;
    change(&actual);
    const absl::Status status = CheckSameDescription("s", actual, wanted);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << message;
    EXPECT_TRUE(Contains(status, message)) << status;
  }
}

TEST(AttentionState, IgnoresWhatTheKernelDoesNotRead) {
  const StateDescription wanted = Small::Describe(Small::Spec());
  StateDescription actual = wanted;
  actual.spec.scale.reset();  // the default
  actual.spec.features.nonlinearity = Nonlinearity::kGelu;
  actual.spec.features.polynomial_offset = 7;
  EXPECT_TRUE(CheckSameDescription("s", actual, wanted).ok());
  StateDescription polynomial = Small::Describe(Small::Spec(Kernel::kPolynomial2));
  actual = polynomial;
  actual.spec.features.polynomial_offset = 7;
  EXPECT_FALSE(CheckSameDescription("s", actual, polynomial).ok());
}

TEST(AttentionState, DoesNotMergeWithAnother) {
  const AttentionState softmax = Small::Folded(Small::Spec());
  AttentionState gaussian = Small::Folded(Small::Spec(Kernel::kGaussian));
  const absl::Status status = PlanMerge(softmax, nullptr, &gaussian).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Contains(status, "state.spec.features.kernel is softmax, must be gaussian")) << status;
  EXPECT_TRUE(gaussian.usable());

  AttentionState other = *AttentionState::Create(
      *DescribeState(Small::Spec(), Small::Describe(Small::Spec()).sizes, Small::Draw(2)), Small::Draw(2));
  EXPECT_TRUE(Contains(PlanMerge(softmax, nullptr, &other).status(), "projection_id"));
  EXPECT_EQ(PlanMerge(other, nullptr, &other).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(AttentionState, RefusesInputsThatDoNotFit) {
  AttentionState state = Small::Empty(Small::Spec(Kernel::kSoftmax, /*causal=*/true));
  Small::Tokens tokens(4);
  const std::pair<std::function<void(AttentionInputs*)>, const char*> cases[] = {
      {[](auto* in) { in->keys.shape.batch_size = 1; }, "keys.batch_size is 1, the state's is 2"},
      {[](auto* in) { in->keys.shape.num_heads = 1; }, "keys.num_heads is 1, the state's is 2"},
      {[](auto* in) { in->keys.shape.dim = 2; }, "keys.head_dim is 2, the state's is 3"},
      {[](auto* in) { in->values.shape.dim = 1; }, "values.value_dim is 1, the state's is 2"},
      {[](auto* in) { in->values.shape.length = 1; }, "values.length is 1"},
      {[](auto* in) { in->projection = Small::Draw(); }, "projection is set"},
  };
  for (const auto& [change, message] : cases) {
    AttentionInputs inputs = tokens.Inputs();
    change(&inputs);
    for (const absl::Status& status : {PlanFold(inputs, nullptr, &state).status(),
                                       PlanCausalChunk(inputs, tokens.Output(), nullptr, nullptr, &state).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
      EXPECT_TRUE(Contains(status, message)) << status;
    }
    EXPECT_TRUE(state.usable());
  }
  AttentionInputs inputs = tokens.Inputs();
  inputs.queries.shape.batch_size = 1;
  EXPECT_TRUE(Contains(PlanRead(inputs, state, tokens.Output(), nullptr, nullptr).status(), "queries.batch_size is 1"));
  AttentionState bidirectional = Small::Empty(Small::Spec());
  EXPECT_TRUE(Contains(PlanCausalChunk(tokens.Inputs(), tokens.Output(), nullptr, nullptr, &bidirectional).status(),
                       "not causal"));
}

TEST(AttentionState, IsUnusableUntilAJobThatChangesItHasEndedOk) {
  AttentionState state = Small::Folded(Small::Spec(Kernel::kSoftmax, /*causal=*/true));
  Small::Tokens tokens(4);
  const Cancellation none;
  Cancellation cancelled;
  cancelled.Cancel();
  const auto plans = {
      std::function<absl::StatusOr<Job>(const Cancellation*)>(
          [&](const Cancellation* c) { return PlanFold(tokens.Inputs(), c, &state); }),
      std::function<absl::StatusOr<Job>(const Cancellation*)>(
          [&](const Cancellation* c) { return PlanCausalChunk(tokens.Inputs(), tokens.Output(), c, nullptr, &state); }),
  };
  for (const auto& plan : plans) {
    const absl::StatusOr<Job> job = plan(&none);
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_FALSE(state.usable());
    EXPECT_EQ(plan(&none).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(RunInline(*job).ok());
    EXPECT_TRUE(state.usable());

    EXPECT_EQ(RunInline(*plan(&cancelled)).code(), absl::StatusCode::kCancelled);
    EXPECT_FALSE(state.usable());
    EXPECT_EQ(PlanRead(tokens.Inputs(), state, tokens.Output(), nullptr, nullptr).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Encode(state).status().code(), absl::StatusCode::kFailedPrecondition);
    state.Clear();
    EXPECT_TRUE(state.usable());
    EXPECT_EQ(state.num_keys(0), 0);
  }
}

TEST(AttentionState, ARowThatIsNotFiniteFailsTheJobByName) {
  AttentionState state = Small::Empty(Small::Spec());
  Small::Tokens tokens(4);
  tokens.keys[Small::kHeadDim * 2 + 1] = NAN;
  const absl::Status status = RunInline(*PlanFold(tokens.Inputs(), nullptr, &state));
  EXPECT_TRUE(Contains(status, "keys[0, 0, 2, 1] is nan")) << status;
  EXPECT_FALSE(state.usable());
}

TEST(AttentionState, CountsKeysBySequence) {
  AttentionState state = Small::Empty(Small::Spec());
  Small::Tokens tokens(8);
  const std::vector<int64_t> lengths = {8, 3};
  AttentionInputs inputs = tokens.Inputs();
  inputs.key_lengths = lengths;
  ASSERT_TRUE(RunInline(*PlanFold(inputs, nullptr, &state)).ok());
  ASSERT_TRUE(RunInline(*PlanFold(inputs, nullptr, &state)).ok());
  EXPECT_EQ(state.num_keys(0), 16);
  EXPECT_EQ(state.num_keys(1), 6);
}

TEST(AttentionState, BytesCoverItsSumsAndGrowWithHeadsAlone) {
  StateDescription one = *DescribeState(Small::Spec(Kernel::kEluPlusOne), {1, 1, 64, 64}, nullptr);
  EXPECT_GE(AttentionState::Bytes(one), 64 * 64 * 2 * 4);
  EXPECT_LE(AttentionState::Bytes(one), 64 * 64 * 2 * 4 + 64 * 4 * 10);
  StateDescription many = one;
  many.sizes.batch_size = 3;
  many.sizes.num_key_heads = 5;
  EXPECT_EQ(AttentionState::Bytes(many), 15 * AttentionState::Bytes(one));
}

TEST(AttentionStream, ScratchGrowsByOneWorkspaceAThreadUpToTheChains) {
  const AttentionState state = Small::Empty(Small::Spec(Kernel::kSoftmax, /*causal=*/true));
  const Small::Tokens tokens(100);
  for (const auto& bytes : {FoldScratchBytes, ReadScratchBytes, CausalChunkScratchBytes}) {
    const int64_t one = bytes(tokens.Inputs(), state, 1);
    EXPECT_GT(one, 0);
    EXPECT_EQ(bytes(tokens.Inputs(), state, 3), 3 * one);
    EXPECT_EQ(bytes(tokens.Inputs(), state, 100), 4 * one) << "two sequences of two heads";
  }
}

// A million keys, a few a piece.
class LongSums : public ::testing::Test {
 protected:
  static constexpr int64_t kPiece = 8, kNumPieces = 1 << 17, kDim = 3;

  LongSums() {
    for (int64_t i = 0; i < kPiece; ++i) values_.insert(values_.end(), row_.begin(), row_.end());
    inputs_.queries = inputs_.keys = DenseView(std::as_const(keys_).data(), {1, 1, kPiece, 1});
    inputs_.values = DenseView(std::as_const(values_).data(), {1, 1, kPiece, kDim});
  }
  AttentionState Empty() const {
    const AttentionSpec spec = Small::Spec(Kernel::kEluPlusOne, /*causal=*/true);
    return *AttentionState::Create(*DescribeState(spec, {1, 1, 1, kDim}, nullptr), nullptr);
  }
  MutableTensorView Output() { return DenseView(output_.data(), {1, 1, kPiece, kDim}); }
  // How far outputs are from the values, which are all the same; relative.
  double Error() const {
    double error = 0;
    for (int64_t n = 0; n < kDim; ++n) error = std::max(error, std::abs(double{output_[n]} / row_[n] - 1));
    return error;
  }

  const std::vector<float> row_ = {0.7f, 0.1f, 3e-3f};
  std::vector<float> keys_ = std::vector<float>(kPiece, 0.3f), values_, output_ = std::vector<float>(kPiece * kDim);
  AttentionInputs inputs_;
};

TEST_F(LongSums, OfFoldsDoNotDrift) {
  AttentionState state = Empty();
  for (int64_t i = 0; i < kNumPieces; ++i) ASSERT_TRUE(RunInline(*PlanFold(inputs_, nullptr, &state)).ok());
  ASSERT_EQ(state.num_keys(0), kNumPieces * kPiece);
  EXPECT_NEAR(state.head(0).key_sums[0] / (1.3f * static_cast<double>(kNumPieces * kPiece)), 1, 2e-7);
  ASSERT_TRUE(RunInline(*PlanRead(inputs_, state, Output(), nullptr, nullptr)).ok());
  EXPECT_LT(Error(), 1e-6);
}

TEST_F(LongSums, OfCausalPiecesDoNotDrift) {
  AttentionState state = Empty();
  for (int64_t i = 0; i < kNumPieces; ++i) {
    ASSERT_TRUE(RunInline(*PlanCausalChunk(inputs_, Output(), nullptr, nullptr, &state)).ok());
  }
  EXPECT_LT(Error(), 1e-6);
}

TEST_F(LongSums, OfMergedStatesDoNotDrift) {
  AttentionState state = Empty(), one = Empty();
  ASSERT_TRUE(RunInline(*PlanFold(inputs_, nullptr, &one)).ok());
  for (int64_t i = 0; i < kNumPieces; ++i) ASSERT_TRUE(RunInline(*PlanMerge(one, nullptr, &state)).ok());
  ASSERT_TRUE(RunInline(*PlanRead(inputs_, state, Output(), nullptr, nullptr)).ok());
  EXPECT_LT(Error(), 1e-6);
}

// What the tests above would not see otherwise: the same rounding over and over, in the same direction.
TEST_F(LongSums, WithoutCompensationDoDrift) {
  AttentionState state = Empty();
  HeadState& head = state.head(0);
  for (int64_t i = 0; i < kNumPieces; ++i) {
    ASSERT_TRUE(RunInline(*PlanFold(inputs_, nullptr, &state)).ok());
    head.key_compensation[0] = 0;
    std::fill_n(head.value_compensation, head.value_stride(), 0.0f);
  }
  ASSERT_TRUE(RunInline(*PlanRead(inputs_, state, Output(), nullptr, nullptr)).ok());
  EXPECT_GT(Error(), 1e-4);
}

}  // namespace
}  // namespace favor::testing
