#include "favor/tensor/tensor_view.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace favor {
namespace {

constexpr Shape kShape{2, 3, 4, 5};

TEST(TensorView, FindsRowsInBothLayouts) {
  std::vector<float> data(kShape.num_elements());
  std::iota(data.begin(), data.end(), 0.0f);
  TensorView view = DenseView(data.data(), kShape);
  const auto first_of_row = [&](int64_t b, int64_t h, int64_t l) {
    return *reinterpret_cast<const float*>(view.Row(b, h, l));
  };
  EXPECT_EQ(first_of_row(1, 2, 3), ((1 * 3 + 2) * 4 + 3) * 5);
  view.strides = BatchLengthHeadsDim(kShape);
  EXPECT_EQ(first_of_row(1, 2, 3), ((1 * 4 + 3) * 3 + 2) * 5);
}

TEST(TensorView, CountsHalfFloatsInTwoBytes) {
  std::vector<std::byte> data(kShape.num_elements() * 2);
  const TensorView view{data.data(), DataType::kBFloat16, kShape, BatchHeadsLengthDim(kShape)};
  EXPECT_EQ(view.Row(1, 2, 3) - data.data(), 2 * (((1 * 3 + 2) * 4 + 3) * 5));
}

TEST(DataType, HasTheNamesAndSizesOfSafetensors) {
  EXPECT_EQ(NameOf(DataType::kFloat32), "F32");
  EXPECT_EQ(NameOf(DataType::kFloat16), "F16");
  EXPECT_EQ(NameOf(DataType::kBFloat16), "BF16");
  EXPECT_EQ(SizeOf(DataType::kFloat32), 4);
  EXPECT_EQ(SizeOf(DataType::kFloat16), 2);
  EXPECT_EQ(SizeOf(DataType::kBFloat16), 2);
}

}  // namespace
}  // namespace favor
