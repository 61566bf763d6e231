// NaN and infinity: refused by place where they are read, unseen where they are not.
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/implementation.h"
#include "tests/support/served_maps.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Place {
  int64_t batch, head, position, dim;
};

class NotFinite : public ::testing::TestWithParam<ServedMap> {
 protected:
  AttentionCase MakeCase(bool causal) const {
    AttentionSpec spec = GetParam().spec;
    spec.causal = causal;
    return GaussianCase(spec, {2, 4, 2, 100, 100, 8, 5}, ProjectionFor(GetParam(), 16, 8, 3), 151);
  }

  static void ExpectRefused(AttentionCase attention_case, DoubleTensor AttentionCase::*tensor, const Place& place,
                            double value, const std::string& name) {
    (attention_case.*tensor).Row(place.batch, place.head, place.position)[place.dim] = value;
    const std::string element =
        absl::StrCat(name, "[", place.batch, ", ", place.head, ", ", place.position, ", ", place.dim, "] is ", value);
    for (const AttentionImplementation& implementation : {LibraryAttention(), LibraryAttentionOnPool(2)}) {
      const absl::Status status = Compute(implementation, attention_case).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << element;
      EXPECT_THAT(std::string(status.message()), HasSubstr(element));
      EXPECT_THAT(std::string(status.message()), HasSubstr("finite"));
    }
  }
};

TEST_P(NotFinite, IsRefusedByTensorAndPosition) {
  for (const bool causal : {false, true}) {
    const AttentionCase attention_case = MakeCase(causal);
    for (const double value : {std::nan(""), kInfinity, -kInfinity}) {
      ExpectRefused(attention_case, &AttentionCase::queries, {1, 3, 99, 7}, value, "queries");
      ExpectRefused(attention_case, &AttentionCase::keys, {0, 1, 48, 0}, value, "keys");
      ExpectRefused(attention_case, &AttentionCase::values, {1, 0, 0, 4}, value, "values");
    }
  }
}

TEST_P(NotFinite, InTheLastValidRowIsRefusedAndBehindItIsNotRead) {
  for (const bool causal : {false, true}) {
    AttentionCase attention_case = MakeCase(causal);
    attention_case.query_lengths = attention_case.key_lengths = {49, 100};
    ExpectRefused(attention_case, &AttentionCase::queries, {0, 2, 48, 3}, std::nan(""), "queries");
    ExpectRefused(attention_case, &AttentionCase::keys, {0, 1, 48, 3}, std::nan(""), "keys");
    ExpectRefused(attention_case, &AttentionCase::values, {0, 1, 48, 3}, std::nan(""), "values");
    attention_case.queries.Row(0, 2, 49)[3] = std::nan("");
    attention_case.keys.Row(0, 1, 49)[3] = kInfinity;
    attention_case.values.Row(0, 1, 49)[3] = std::nan("");
    EXPECT_TRUE(Compute(LibraryAttention(), attention_case).ok());
  }
}

// Finite inputs whose squares, exponentials or products are not: an answer or zeros, never a crash or a NaN.
TEST_P(NotFinite, NeverComesOutOfFiniteInputs) {
  for (const bool causal : {false, true}) {
    for (const double factor : {1e-30, 1e3, 1e10, 1e19, 1e30, 1e38}) {
      AttentionCase attention_case = MakeCase(causal);
      for (DoubleTensor* tensor : {&attention_case.queries, &attention_case.keys}) {
        for (double& value : tensor->values) value = static_cast<float>(std::remainder(value, 3.0) * factor);
      }
      const absl::StatusOr<AttentionResult> result = Compute(LibraryAttention(), attention_case);
      ASSERT_TRUE(result.ok()) << result.status();
      int64_t not_finite = 0;
      for (const double value : result->output.values) not_finite += std::isfinite(value) ? 0 : 1;
      EXPECT_EQ(not_finite, 0) << (causal ? "causal, " : "") << "inputs times " << factor;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, NotFinite, ::testing::ValuesIn(ServedMaps()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace favor::testing
