#include "server/convert/model_conversion.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;

v1::ModelInfo InfoOf(std::initializer_list<Pooling> poolings) {
  auto model = testing::FakeModel(testing::FakeEncoderOptions());
  model->pooling = Poolings();
  for (const Pooling pooling : poolings) model->pooling.Append(pooling);
  return ToModelInfo({"fake", "/models/fake", model});
}

TEST(ModelConversion, TellsThePoolingOfAModelBothWays) {
  const std::pair<Pooling, v1::Pooling> all[] = {{Pooling::kMean, v1::POOLING_MEAN},
                                                 {Pooling::kCls, v1::POOLING_CLS},
                                                 {Pooling::kLast, v1::POOLING_LAST},
                                                 {Pooling::kMax, v1::POOLING_MAX},
                                                 {Pooling::kNone, v1::POOLING_NONE},
                                                 {Pooling::kWeightedMean, v1::POOLING_WEIGHTED_MEAN},
                                                 {Pooling::kMeanSqrtLen, v1::POOLING_MEAN_SQRT_LEN}};
  ASSERT_EQ(std::size(all), static_cast<size_t>(v1::Pooling_descriptor()->value_count() - 1));
  for (const auto& [pooling, wire] : all) {
    const v1::ModelInfo info = InfoOf({pooling});
    EXPECT_EQ(info.pooling(), wire);
    EXPECT_THAT(info.poolings(), ElementsAre(wire));
    EXPECT_EQ(info.dimensions(), 8);
  }
}

// A client that knows one pooling alone takes none of them for it.
TEST(ModelConversion, TellsSeveralPoolingsAsAListAlone) {
  const v1::ModelInfo info = InfoOf({Pooling::kCls, Pooling::kMax, Pooling::kMeanSqrtLen});
  EXPECT_EQ(info.pooling(), v1::POOLING_UNSPECIFIED);
  EXPECT_THAT(info.poolings(), ElementsAre(v1::POOLING_CLS, v1::POOLING_MAX, v1::POOLING_MEAN_SQRT_LEN));
  EXPECT_EQ(info.dimensions(), 24);
}

}  // namespace
}  // namespace favor
