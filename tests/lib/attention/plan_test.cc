#include <atomic>
#include <cmath>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/attention/linear_phases.h"
#include "favor/base/cancellation.h"
#include "favor/base/thread_pool.h"
#include "gtest/gtest.h"
#include "tests/support/little_memory.h"

namespace favor {
namespace {

// One call over its own random tensors.
struct Call {
  Call(int64_t heads, int64_t length, int64_t num_features, bool causal, AttentionMode mode = AttentionMode::kFeatures)
      : shape{1, heads, length, 16},
        queries(shape.num_elements()),
        keys(queries.size()),
        values(queries.size()),
        output(queries.size()) {
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    for (std::vector<float>* tensor : {&queries, &keys, &values}) {
      for (float& value : *tensor) value = normal(random);
    }
    spec.causal = causal;
    spec.mode = mode;
    inputs = {DenseView(queries.data(), shape),
              DenseView(keys.data(), shape),
              DenseView(values.data(), shape),
              {},
              {},
              nullptr};
    if (mode == AttentionMode::kExact) return;
    ProjectionSpec projection;
    projection.num_features = num_features;
    projection.head_dim = 16;
    inputs.projection = *DrawProjection(projection);
  }
  Job Plan(const Cancellation* cancellation = nullptr) {
    return *PlanAttention(spec, inputs, DenseView(output.data(), shape), cancellation, &report);
  }
  Shape shape;
  std::vector<float> queries, keys, values, output;
  AttentionSpec spec;
  AttentionInputs inputs;
  AttentionReport report;
};

// Keys split over segments, whose states are merged, against the same keys as one of many heads, folded in one chain.
TEST(AttentionPlan, SegmentedKeysGiveWhatOneChainGives) {
  constexpr int64_t kLength = 10'000, kHeads = 33;
  Call one(1, kLength, 32, false), many(kHeads, kLength, 32, false);
  std::copy(one.queries.begin(), one.queries.end(), many.queries.begin());
  std::copy(one.keys.begin(), one.keys.end(), many.keys.begin());
  std::copy(one.values.begin(), one.values.end(), many.values.begin());
  EXPECT_EQ(one.Plan().phases.size(), 3u) << "fold, merge, read";
  EXPECT_EQ(many.Plan().phases.size(), 1u);
  ASSERT_TRUE(RunInline(one.Plan()).ok());
  ASSERT_TRUE(RunInline(many.Plan()).ok());
  for (size_t i = 0; i < one.output.size(); ++i) ASSERT_NEAR(one.output[i], many.output[i], 1e-6) << i;
}

TEST(AttentionPlan, BitsDoNotDependOnTheNumberOfThreads) {
  for (const bool causal : {false, true}) {
    for (const AttentionMode mode : {AttentionMode::kFeatures, AttentionMode::kExact}) {
      Call call(3, 2'000, 40, causal, mode);
      ASSERT_TRUE(RunInline(call.Plan()).ok());
      const std::vector<float> expected = call.output;
      for (const int threads : {1, 2, 3, 5}) {
        ThreadPool pool(threads);
        call.output.assign(call.output.size(), -1);
        ASSERT_TRUE(pool.Run(call.Plan()).ok());
        EXPECT_EQ(call.output, expected) << threads << " threads";
      }
    }
  }
}

TEST(AttentionPlan, ScratchDoesNotGrowWithLengthOrHeads) {
  for (const AttentionMode mode : {AttentionMode::kFeatures, AttentionMode::kExact}) {
    Call small(4, 4'000, 64, true, mode), large(64, 8'000, 64, true, mode);
    EXPECT_EQ(AttentionScratchBytes(small.spec, small.inputs, 4), AttentionScratchBytes(large.spec, large.inputs, 4));
  }
  // Segments of a few large heads keep their states, up to a bound.
  Call segmented(1, 40'000, 4096, false);
  EXPECT_LE(AttentionScratchBytes(segmented.spec, segmented.inputs, 2), int64_t{80} << 20);
}

// Some 2 s of work on one thread; a cancelled call ends after the tiles under way.
TEST(AttentionPlan, CancellationStopsBetweenTiles) {
  Call call(4, 30'000, 2'048, true);
  Cancellation cancellation;
  ThreadPool pool(2);
  std::thread canceller([&] { cancellation.Cancel(); });
  const absl::Status status = pool.Run(call.Plan(&cancellation));
  canceller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST(AttentionPlan, AnExpiredDeadlineStopsTheCall) {
  Call call(1, 100, 16, false);
  Cancellation cancellation(absl::Now() - absl::Seconds(1));
  EXPECT_EQ(RunInline(call.Plan(&cancellation)).code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(AttentionPlan, ZeroLengthsAreLegal) {
  Call call(2, 0, 16, false);
  EXPECT_TRUE(RunInline(call.Plan()).ok());
  Call queries_only(2, 7, 16, false);
  queries_only.inputs.keys.shape.length = queries_only.inputs.values.shape.length = 0;
  ASSERT_TRUE(RunInline(queries_only.Plan()).ok());
  EXPECT_EQ(queries_only.report.degenerate_rows, 14);
  for (const float value : queries_only.output) EXPECT_EQ(value, 0);
}

// Past the first tile of keys exact attention runs on the fused kernel wherever no key is masked.
TEST(AttentionPlan, ALaterTokenNeverChangesAnEarlierExactOutput) {
  Call call(2, 700, 0, true, AttentionMode::kExact);
  ASSERT_TRUE(RunInline(call.Plan()).ok());
  for (const int64_t position : {200, 431, 699}) {
    Call changed(2, 700, 0, true, AttentionMode::kExact);
    for (int64_t head = 0; head < 2; ++head) {
      const int64_t at = (head * 700 + position) * 16;
      for (int64_t l = 0; l < 16; ++l) {
        changed.keys[at + l] *= 40;
        changed.queries[at + l] *= -30;
        changed.values[at + l] = 1e9f;
      }
    }
    ASSERT_TRUE(RunInline(changed.Plan()).ok());
    for (int64_t head = 0; head < 2; ++head) {
      for (int64_t i = 0; i < position * 16; ++i) {
        ASSERT_EQ(changed.output[head * 700 * 16 + i], call.output[head * 700 * 16 + i]) << position;
      }
    }
  }
}

// A guess of the queries' maxima that is too low must not cost the range of values.
TEST(AttentionPlan, AConstantComesBackUpToTheEndsOfFloat32) {
  for (const bool causal : {false, true}) {
    for (const float constant : {1e-30f, 1.0f, 1e28f, 1e35f}) {
      Call call(1, 64, 64, causal);
      std::fill(call.keys.begin(), call.keys.end(), 0.0f);
      std::fill(call.values.begin(), call.values.end(), constant);
      const absl::Span<const float> rows = call.inputs.projection->Matrix(0);  // queries along the rows: loud features
      for (int64_t i = 0; i < 64 * 16; ++i) call.queries[i] = 1.8f * rows[i];
      ASSERT_TRUE(RunInline(call.Plan()).ok());
      EXPECT_EQ(call.report.degenerate_rows, 0) << constant;
      for (const float value : call.output) ASSERT_NEAR(value / constant, 1, 1e-5);
    }
  }
}

// What heads are fitted with is there when the job runs: a plan is made before anybody knows whether it may have so
// much.
TEST(AttentionPlan, TakesNoMemoryOfHeads) {
  constexpr int64_t kHeads = 20'000, kGigabyte = 1'000'000'000;
  const Shape shape{1, kHeads, 1, 1};
  const std::vector<float> ones(kHeads, 1.0f);
  std::vector<float> output(kHeads);
  AttentionInputs inputs;
  for (TensorView* view : {&inputs.queries, &inputs.keys, &inputs.values}) *view = DenseView(ones.data(), shape);
  inputs.projection = *DrawProjection({.num_features = 8192, .head_dim = 1});
  AttentionSpec spec;
  spec.features.estimator = Estimator::kOprf;
  {
    const testing::LittleMemory little;
    EXPECT_EQ(PlanAttention(spec, inputs, DenseView(output.data(), shape), nullptr, nullptr).status(),
              absl::OkStatus());
    EXPECT_GT(AttentionScratchBytes(spec, inputs, 1), kGigabyte);
  }
  const Shape sequences{kHeads, 1, 1, 1};
  for (TensorView* view : {&inputs.queries, &inputs.keys, &inputs.values}) *view = DenseView(ones.data(), sequences);
  inputs.projection = nullptr;
  spec.features.estimator = Estimator::kAnchors;
  spec.features.num_anchors = 4;
  spec.features.num_fit_rows = 1024;
  const testing::LittleMemory little;
  EXPECT_EQ(PlanAttention(spec, inputs, DenseView(output.data(), sequences), nullptr, nullptr).status(),
            absl::OkStatus());
}

// Else an output would have other bits when its error is measured.
TEST(AttentionPlan, DividesKeysTheSameWhetherMomentsAreWanted) {
  Call call(1, 40'000, 16, false);
  kernels::RowMoments moments;
  AttentionReport wanted;
  wanted.row_moments = &moments;
  for (int64_t num_features = 1'000; num_features < 8'000; num_features += 100) {
    call.inputs.projection = *DrawProjection({.num_features = num_features, .head_dim = 16});
    const auto segments = [&](AttentionReport* report) {
      return internal::LinearPartition(*internal::LinearAttention::Create(call.spec, call.inputs, {}, report)).segments;
    };
    EXPECT_EQ(segments(&wanted), segments(nullptr)) << num_features << " features";
  }
}

TEST(AttentionPlan, FewKeysGiveTheSameBitsWhetherMomentsAreWanted) {
  for (const int64_t length : {1, 17, 30, 48}) {
    Call call(4, length, 500, false);
    ASSERT_TRUE(RunInline(call.Plan()).ok());
    const std::vector<float> expected = call.output;
    std::vector<kernels::RowMoments> moments(4 * length);
    call.report.row_moments = moments.data();
    call.output.assign(call.output.size(), -1);
    ASSERT_TRUE(RunInline(call.Plan()).ok());
    EXPECT_EQ(call.output, expected) << length;
  }
}

TEST(AttentionPlan, ScratchGrowsByOneWorkspaceAThread) {
  for (const bool causal : {false, true}) {
    Call few(1, 5'000, 2'048, causal), many(33, 600, 256, causal);
    const auto bytes = [](const Call& call, int threads) {
      return AttentionScratchBytes(call.spec, call.inputs, threads);
    };
    const int64_t workspace = bytes(many, 2) - bytes(many, 1);
    EXPECT_EQ(bytes(many, 1), workspace);
    EXPECT_EQ(bytes(many, 9), 9 * workspace);
    if (causal) {
      EXPECT_EQ(bytes(few, 9), bytes(few, 1)) << "the parts' workspaces are kept throughout";
    } else {
      EXPECT_EQ(bytes(few, 6) - bytes(few, 1), 5 * (bytes(few, 2) - bytes(few, 1))) << "readers, beside all segments";
    }
  }
}

}  // namespace
}  // namespace favor
