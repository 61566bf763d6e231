// Attention with products of bfloat16. Where the CPU has none the slow portable products stand in, so that what lies
// around them is tested everywhere.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "favor/kernels/bfloat16.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

struct Call {
  Call(bool causal, int64_t heads, int64_t length, ProjectionKind kind = ProjectionKind::kOrthogonal)
      : shape{1, heads, length, 40}, values_shape{1, heads, length, 17} {
    std::mt19937_64 random(9);
    std::normal_distribution<float> normal;
    for (auto [tensor, size] : {std::pair(&queries, shape.num_elements()), std::pair(&keys, shape.num_elements()),
                                std::pair(&values, values_shape.num_elements())}) {
      tensor->resize(size);
      for (float& value : *tensor) value = normal(random);
    }
    output.resize(values.size());
    spec.causal = causal;
    ProjectionSpec projection;
    projection.kind = kind;
    projection.num_features = 101;
    projection.head_dim = 40;
    inputs = {
        DenseView(queries.data(), shape), DenseView(keys.data(), shape), DenseView(values.data(), values_shape), {}, {},
        *DrawProjection(projection)};
  }
  std::vector<float> Run(Precision precision, int threads = 0) {
    spec.precision = precision;
    output.assign(output.size(), -1);
    absl::StatusOr<Job> job = PlanAttention(spec, inputs, DenseView(output.data(), values_shape), nullptr, &report);
    EXPECT_TRUE(job.ok());
    if (threads == 0) {
      EXPECT_TRUE(RunInline(*job).ok());
    } else {
      ThreadPool pool(threads);
      EXPECT_TRUE(pool.Run(*std::move(job)).ok());
    }
    return output;
  }
  Shape shape, values_shape;
  std::vector<float> queries, keys, values, output;
  AttentionSpec spec;
  AttentionInputs inputs;
  AttentionReport report;
};

double RelativeError(const std::vector<float>& got, const std::vector<float>& exact) {
  double error = 0, size = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(got[i] - exact[i], 2);
    size += std::pow(exact[i], 2);
  }
  return std::sqrt(error / size);
}

class BFloat16 : public testing::Test {
 protected:
  void SetUp() override { kernels::PretendBFloat16ProductsForTest(true); }
  void TearDown() override { kernels::PretendBFloat16ProductsForTest(false); }
};

TEST_F(BFloat16, AddsTheErrorStatedAndNoMore) {
  for (const bool causal : {false, true}) {
    for (const int64_t heads : {1, 9}) {  // in segments or parts, and whole
      for (const ProjectionKind kind : {ProjectionKind::kOrthogonal, ProjectionKind::kStructured}) {
        Call call(causal, heads, 1'001, kind);
        const std::vector<float> exact = call.Run(Precision::kFloat32);
        EXPECT_EQ(call.report.precision, Precision::kFloat32);
        const double error = RelativeError(call.Run(Precision::kBFloat16), exact);
        EXPECT_EQ(call.report.precision, Precision::kBFloat16);
        EXPECT_GT(error, 1e-4) << "did not run in bfloat16";
        EXPECT_LT(error, 1e-2) << (causal ? "causal" : "bidirectional") << ", " << heads << " heads, kind "
                               << static_cast<int>(kind);
      }
    }
  }
}

TEST_F(BFloat16, BitsDoNotDependOnTheNumberOfThreads) {
  for (const bool causal : {false, true}) {
    Call call(causal, 2, 2'000);
    const std::vector<float> expected = call.Run(Precision::kBFloat16);
    for (const int threads : {1, 3}) EXPECT_EQ(call.Run(Precision::kBFloat16, threads), expected);
  }
}

TEST_F(BFloat16, ALaterTokenNeverChangesAnEarlierOutput) {
  Call call(true, 1, 700);
  const std::vector<float> expected = call.Run(Precision::kBFloat16);
  for (const int64_t position : {3, 500, 699}) {
    Call changed(true, 1, 700);
    for (int64_t l = 0; l < 40; ++l) changed.keys[position * 40 + l] *= 20;  // loud
    for (int64_t n = 0; n < 17; ++n) changed.values[position * 17 + n] = 1e9f;
    const std::vector<float> got = changed.Run(Precision::kBFloat16);
    for (int64_t i = 0; i < position * 17; ++i) ASSERT_EQ(got[i], expected[i]) << "from " << position;
  }
}

TEST_F(BFloat16, ExactAttentionStaysInFloat32) {
  Call call(false, 1, 300);
  call.spec.mode = AttentionMode::kExact;
  call.inputs.projection = nullptr;
  const std::vector<float> exact = call.Run(Precision::kFloat32);
  EXPECT_EQ(call.Run(Precision::kBFloat16), exact);
  EXPECT_EQ(call.report.precision, Precision::kFloat32);
}

TEST(BFloat16WithoutInstructions, RunsInFloat32AndSaysSo) {
  if (kernels::HasBFloat16Products()) GTEST_SKIP() << "this CPU has them";
  Call call(false, 1, 300);
  const std::vector<float> exact = call.Run(Precision::kFloat32);
  EXPECT_EQ(call.Run(Precision::kBFloat16), exact);
  EXPECT_EQ(call.report.precision, Precision::kFloat32);
}

}  // namespace
}  // namespace favor
