// A causal call of fewer than 8 heads goes through the sequence in parts of the features; with 8 heads it does not. So
// a head must come out the same alone and among copies of itself.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

constexpr int64_t kLength = 1'300, kValueDim = 20;

struct Map {
  std::string name;
  FeatureSpec features;
  ProjectionKind kind = ProjectionKind::kOrthogonal;
};

Map Named(std::string name, Kernel kernel, Estimator estimator, Nonlinearity nonlinearity = Nonlinearity::kRelu) {
  Map map;
  map.name = std::move(name);
  map.features.kernel = kernel;
  map.features.estimator = estimator;
  map.features.nonlinearity = nonlinearity;
  return map;
}

std::vector<Map> MapsWithParts() {
  std::vector<Map> maps = {
      Named("Positive", Kernel::kSoftmax, Estimator::kPositive),
      Named("Structured", Kernel::kSoftmax, Estimator::kPositive),
      Named("Hyperbolic", Kernel::kSoftmax, Estimator::kHyperbolic),
      Named("Trigonometric", Kernel::kGaussian, Estimator::kTrigonometric),
      Named("Gaussian", Kernel::kGaussian, Estimator::kPositive),
      Named("Relu", Kernel::kGeneralized, Estimator::kPositive),
      Named("Exp", Kernel::kGeneralized, Estimator::kPositive, Nonlinearity::kExp),
  };
  maps[1].kind = ProjectionKind::kStructured;
  return maps;
}

class CausalParts : public testing::TestWithParam<Map> {
 protected:
  // Queries of `group` heads for each of `key_heads` key heads, every key head the same.
  struct Call {
    Call(const Map& map, int64_t key_heads, int64_t group, float scale)
        : queries_shape{1, key_heads * group, kLength, 24},
          keys_shape{1, key_heads, kLength, 24},
          values_shape{1, key_heads, kLength, kValueDim},
          output_shape{1, key_heads * group, kLength, kValueDim},
          queries(Copies(1, group * kLength * 24, key_heads, scale)),
          keys(Copies(2, kLength * 24, key_heads, scale)),
          values(Copies(3, kLength * kValueDim, key_heads, 1)),
          output(output_shape.num_elements()) {
      spec.causal = true;
      spec.features = map.features;
      ProjectionSpec projection;
      projection.kind = map.kind;
      projection.num_features = 150;
      projection.head_dim = 24;
      inputs.projection = *DrawProjection(projection);
    }
    static std::vector<float> Copies(int seed, int64_t size, int64_t count, float scale) {
      std::mt19937_64 random(seed);
      std::normal_distribution<float> normal(0, scale);
      std::vector<float> one(size), all;
      for (float& value : one) value = normal(random);
      for (int64_t i = 0; i < count; ++i) all.insert(all.end(), one.begin(), one.end());
      return all;
    }
    Job Plan() {
      inputs.queries = DenseView(queries.data(), queries_shape);
      inputs.keys = DenseView(keys.data(), keys_shape);
      inputs.values = DenseView(values.data(), values_shape);
      return *PlanAttention(spec, inputs, DenseView(output.data(), output_shape), nullptr, &report);
    }
    void Run() { ASSERT_TRUE(RunInline(Plan()).ok()); }

    Shape queries_shape, keys_shape, values_shape, output_shape;
    std::vector<float> queries, keys, values, output;
    AttentionSpec spec;
    AttentionInputs inputs;
    AttentionReport report;
  };
  static bool Signed() { return GetParam().features.estimator == Estimator::kTrigonometric; }
};

INSTANTIATE_TEST_SUITE_P(Maps, CausalParts, testing::ValuesIn(MapsWithParts()),
                         [](const auto& info) { return info.param.name; });

TEST_P(CausalParts, GiveWhatOneChainGives) {
  for (const float scale : {0.3f, 1.0f, 4.0f}) {
    for (const int64_t group : {1, 3}) {
      // The denominators of signed features come close to 0 as inputs grow, and rounding then decides.
      if (Signed() && scale > 0.5f) continue;
      Call alone(GetParam(), 1, group, scale), many(GetParam(), 8, group, scale);
      ASSERT_GT(alone.Plan().phases.size(), 1u) << "no parts";
      ASSERT_EQ(many.Plan().phases.size(), 1u) << "parts";
      alone.Run();
      many.Run();
      double error = 0, size = 0;
      for (size_t i = 0; i < alone.output.size(); ++i) {
        error += std::pow(alone.output[i] - many.output[i], 2);
        size += std::pow(many.output[i], 2);
      }
      EXPECT_GT(size, 0);
      EXPECT_LT(std::sqrt(error / size), (Signed() ? 1e-4 : 2e-6) * std::max(1.0f, scale * scale)) << "scale " << scale;
      EXPECT_EQ(alone.report.degenerate_rows * 8, many.report.degenerate_rows);
    }
  }
}

TEST_P(CausalParts, BitsDoNotDependOnTheNumberOfThreads) {
  Call call(GetParam(), 3, 2, 1);
  call.Run();
  const std::vector<float> expected = call.output;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    call.output.assign(call.output.size(), -1);
    ASSERT_TRUE(pool.Run(call.Plan()).ok());
    EXPECT_EQ(call.output, expected) << threads << " threads";
  }
}

TEST_P(CausalParts, ALaterTokenNeverChangesAnEarlierOutput) {
  Call call(GetParam(), 1, 1, 2);
  call.Run();
  const std::vector<float> expected = call.output;
  for (const int64_t position : {1L, 500L, 1'007L, kLength - 1}) {
    Call changed(GetParam(), 1, 1, 2);
    for (int64_t l = 0; l < 24; ++l) {
      changed.keys[position * 24 + l] *= 15;  // loud
      changed.queries[position * 24 + l] *= -9;
    }
    for (int64_t n = 0; n < kValueDim; ++n) changed.values[position * kValueDim + n] = 1e9f;
    changed.Run();
    for (int64_t i = 0; i < position * kValueDim; ++i) ASSERT_EQ(changed.output[i], expected[i]) << "from " << position;
    if (Signed()) continue;
    EXPECT_NE(changed.output[position * kValueDim], expected[position * kValueDim]);
  }
}

TEST_P(CausalParts, RowsPastTheLengthsAreZeroAndNeverRead) {
  Call call(GetParam(), 2, 2, 1);
  const std::vector<int64_t> query_lengths = {1'111}, key_lengths = {990};
  call.inputs.query_lengths = query_lengths;
  call.inputs.key_lengths = key_lengths;
  call.Run();
  const std::vector<float> expected = call.output;
  for (int64_t head = 0; head < 2; ++head) {
    for (int64_t t = 990; t < kLength; ++t) call.keys[(head * kLength + t) * 24] = NAN;
  }
  for (int64_t head = 0; head < 4; ++head) {
    for (int64_t t = 1'111; t < kLength; ++t) call.queries[(head * kLength + t) * 24] = NAN;
  }
  call.output.assign(call.output.size(), -1);
  call.Run();
  EXPECT_EQ(call.output, expected);
  for (int64_t head = 0; head < 4; ++head) {
    for (int64_t t = 1'111; t < kLength; ++t) {
      for (int64_t n = 0; n < kValueDim; ++n) ASSERT_EQ(call.output[(head * kLength + t) * kValueDim + n], 0);
    }
  }
}

TEST_P(CausalParts, ScratchBoundCoversThem) {
  Call call(GetParam(), 2, 1, 1);
  call.Plan();
  // Two states of each head, with sums and compensation of 75 features or more: at the least.
  EXPECT_GT(AttentionScratchBytes(call.spec, call.inputs, 1), 2 * 2 * 75 * 32 * 2 * 4);
}

}  // namespace
}  // namespace favor
