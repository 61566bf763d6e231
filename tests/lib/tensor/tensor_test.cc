#include "favor/tensor/tensor.h"

#include <gtest/gtest.h>

#include <limits>
#include <utility>

namespace favor {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

TEST(Tensor, StartsAtZeroAndAligned) {
  for (DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    const absl::StatusOr<Tensor> tensor = Tensor::Create(type, {2, 3, 5, 7});
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->type(), type);
    EXPECT_EQ(tensor->shape(), (Shape{2, 3, 5, 7}));
    EXPECT_EQ(tensor->num_bytes(), 210 * SizeOf(type));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->view().data) % 64, 0u);
    for (int64_t i = 0; i < tensor->num_bytes(); ++i) ASSERT_EQ(tensor->view().data[i], std::byte{0});
  }
}

TEST(Tensor, ItsViewsSeeItsElements) {
  absl::StatusOr<Tensor> tensor = Tensor::Create(DataType::kFloat32, {2, 3, 5, 7});
  ASSERT_TRUE(tensor.ok());
  tensor->mutable_floats()[((1 * 3 + 2) * 5 + 4) * 7 + 6] = 8;
  EXPECT_EQ(reinterpret_cast<const float*>(tensor->view().Row(1, 2, 4))[6], 8);
  EXPECT_EQ(tensor->mutable_view().data, tensor->view().data);
  EXPECT_EQ(tensor->floats().size(), 210u);
}

TEST(Tensor, GivesFloatsOnlyWhenItHoldsThem) {
  absl::StatusOr<Tensor> tensor = Tensor::Create(DataType::kBFloat16, {1, 1, 1, 8});
  ASSERT_TRUE(tensor.ok());
  EXPECT_TRUE(tensor->floats().empty());
  EXPECT_TRUE(tensor->mutable_floats().empty());
}

TEST(Tensor, MovingKeepsTheElementsWhereTheyAre) {
  absl::StatusOr<Tensor> made = Tensor::Create(DataType::kFloat32, {1, 1, 4, 4});
  ASSERT_TRUE(made.ok());
  const std::byte* data = made->view().data;
  const Tensor moved = *std::move(made);
  EXPECT_EQ(moved.view().data, data);
}

TEST(Tensor, OfAnyZeroSizeIsEmpty) {
  for (const Shape& shape : {Shape{0, 8, kLargest, kLargest}, Shape{1, 1, 0, 64}, Shape{}}) {
    const absl::StatusOr<Tensor> tensor = Tensor::Create(DataType::kFloat32, shape);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->num_bytes(), 0);
    EXPECT_TRUE(tensor->floats().empty());
  }
}

TEST(Tensor, RefusesSizesThatDoNotFit) {
  EXPECT_EQ(Tensor::Create(DataType::kFloat32, {1, -2, 3, 4}).status(),
            absl::InvalidArgumentError("shape.num_heads is -2, at least 0"));
  EXPECT_EQ(Tensor::Create(DataType::kFloat32, {0, 1, 1, -1}).status(),
            absl::InvalidArgumentError("shape.dim is -1, at least 0"));
  EXPECT_EQ(Tensor::Create(DataType::kFloat16, {1 << 30, 1 << 30, 8, 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Tensor::Create(DataType::kFloat32, {1, 1, kLargest / 4, 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace favor
