#include "favor/attention/auto_pilot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor::internal {
namespace {

using ::testing::HasSubstr;

struct Call {
  Call(const Shape& shape, double input_scale, uint32_t seed) : shape(shape) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (std::vector<float>* to : {&queries, &keys, &values}) {
      to->resize(shape.num_elements());
      const float scale = to == &values ? 1 : static_cast<float>(input_scale);
      for (float& value : *to) value = scale * normal(random);
    }
  }

  AttentionInputs Inputs() const {
    AttentionInputs inputs;
    inputs.queries = DenseView(queries.data(), shape);
    inputs.keys = DenseView(keys.data(), shape);
    inputs.values = DenseView(values.data(), shape);
    return inputs;
  }

  absl::StatusOr<std::vector<ErrorEstimate>> Foretell(std::vector<int64_t> levels, int64_t num_rows) const {
    AutoPilot pilot({1 / std::sqrt(static_cast<double>(shape.dim)), std::move(levels), num_rows, 1}, Inputs(), nullptr);
    if (absl::Status status = RunInline(pilot.PlanFit()); !status.ok()) return status;
    const absl::StatusOr<Job> rows = pilot.PlanRows();
    if (!rows.ok()) return rows.status();
    if (absl::Status status = RunInline(*rows); !status.ok()) return status;
    return pilot.errors();
  }

  // The error of first-order softmax about the mean query of every head, in double precision, all rows computed.
  double FirstOrderError() const {
    double error = 0, norm = 0;
    for (int64_t head = 0; head < shape.num_heads; ++head) AddErrors(head * shape.length * shape.dim, &error, &norm);
    return std::sqrt(error / norm);
  }

  // sum_j w_j v_j and, where `point` is not null, its derivative along point - query.
  std::vector<double> Softmax(int64_t first, const std::vector<double>& query, const std::vector<double>& step) const {
    const int64_t d = shape.dim;
    std::vector<double> sum_v(d), sum_tv(d), result(d);
    double sum = 0, sum_t = 0;
    for (int64_t j = 0; j < shape.length; ++j) {
      const float *k = keys.data() + first + j * d, *v = values.data() + first + j * d;
      double logit = 0, t = 0;
      for (int64_t l = 0; l < d; ++l) {
        logit += query[l] * k[l] / std::sqrt(static_cast<double>(d));
        t += step[l] * k[l] / std::sqrt(static_cast<double>(d));
      }
      const double w = std::exp(logit);
      sum += w;
      sum_t += w * t;
      for (int64_t l = 0; l < d; ++l) {
        sum_v[l] += w * v[l];
        sum_tv[l] += w * t * v[l];
      }
    }
    for (int64_t l = 0; l < d; ++l) result[l] = sum_v[l] / sum + sum_tv[l] / sum - sum_t / sum * sum_v[l] / sum;
    return result;
  }

  void AddErrors(int64_t first, double* error, double* norm) const {
    const int64_t d = shape.dim;
    std::vector<double> mean(d), row(d), step(d);
    for (int64_t i = 0; i < shape.length * d; ++i)
      mean[i % d] += queries[first + i] / static_cast<double>(shape.length);
    for (int64_t i = 0; i < shape.length; ++i) {
      for (int64_t l = 0; l < d; ++l) {
        row[l] = queries[first + i * d + l];
        step[l] = row[l] - mean[l];
      }
      const std::vector<double> exact = Softmax(first, row, std::vector<double>(d)),
                                answer = Softmax(first, mean, step);
      for (int64_t l = 0; l < d; ++l) {
        *error += (exact[l] - answer[l]) * (exact[l] - answer[l]);
        *norm += exact[l] * exact[l];
      }
    }
  }

  Shape shape;
  std::vector<float> queries, keys, values;
};

TEST(AutoPilot, ForetellsTheErrorOfFirstOrderSoftmax) {
  for (const double input_scale : {0.4, 0.8}) {
    const Call call({1, 2, 400, 16}, input_scale, 3);
    const auto errors = call.Foretell({1}, 192);
    ASSERT_TRUE(errors.ok()) << errors.status();
    const double truth = call.FirstOrderError();
    EXPECT_NEAR((*errors)[0].relative_error, truth, 0.15 * truth) << input_scale;
    EXPECT_GT((*errors)[0].upper, (*errors)[0].relative_error);
    EXPECT_GT((*errors)[0].mean_of_values_error, truth);
    EXPECT_EQ((*errors)[0].num_rows, 192);
  }
}

TEST(AutoPilot, KnowsThatMoreAnchorsAreBetterAndThatTheyAreExactAtThemselves) {
  Call call({1, 1, 600, 16}, 1, 5);
  std::mt19937 random(9);
  for (int64_t i = 8; i < 600; ++i) {  // queries of eight kinds
    std::copy_n(call.queries.begin() + static_cast<int64_t>(random() % 8) * 16, 16, call.queries.begin() + i * 16);
  }
  const auto errors = call.Foretell({1, 4, 64}, 64);
  ASSERT_TRUE(errors.ok()) << errors.status();
  EXPECT_LT((*errors)[1].relative_error, (*errors)[0].relative_error);
  EXPECT_LT((*errors)[2].relative_error, 1e-3);
  EXPECT_GT((*errors)[0].relative_error, 0.1);
}

TEST(AutoPilot, NamesWhatIsNotFinite) {
  Call call({1, 2, 300, 16}, 1, 7);
  for (float& key : call.keys) key = std::numeric_limits<float>::quiet_NaN();
  const absl::Status status = call.Foretell({1}, 32).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.message(), HasSubstr("keys[0, "));
}

TEST(AutoPilot, NeverReadsPastTheLengths) {
  Call call({2, 2, 300, 16}, 1, 7);
  const std::vector<int64_t> lengths = {300, 200};
  const auto foretell = [&] {
    AttentionInputs inputs = call.Inputs();
    inputs.query_lengths = inputs.key_lengths = lengths;
    AutoPilot pilot({0.25, {1, 4}, 48, 1}, inputs, nullptr);
    EXPECT_TRUE(RunInline(pilot.PlanFit()).ok());
    EXPECT_TRUE(RunInline(*pilot.PlanRows()).ok());
    return pilot.errors()[1].relative_error;
  };
  const double before = foretell();
  for (std::vector<float>* tensor : {&call.queries, &call.keys, &call.values}) {
    for (int64_t head = 2; head < 4; ++head) {
      for (int64_t i = 200 * 16; i < 300 * 16; ++i) {
        (*tensor)[head * 300 * 16 + i] = std::numeric_limits<float>::quiet_NaN();
      }
    }
  }
  EXPECT_EQ(foretell(), before);
}

}  // namespace
}  // namespace favor::internal
