#include "favor/base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/support/sanitizer.h"

namespace favor {
namespace {

TEST(AlignedBuffer, StartsAtAMultipleOf64Bytes) {
  for (int64_t size : {1, 3, 16, 17, 1000}) {
    absl::StatusOr<AlignedBuffer<float>> buffer = AlignedBuffer<float>::Allocate(size);
    ASSERT_TRUE(buffer.ok()) << buffer.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    EXPECT_EQ(buffer->size(), size);
    EXPECT_EQ(buffer->span().size(), static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i) (*buffer)[i] = static_cast<float>(i);  // for the address sanitizer
    EXPECT_EQ(buffer->span().back(), static_cast<float>(size - 1));
  }
}

TEST(AlignedBuffer, WhatHoldsAHugePageStartsAtOne) {
  constexpr int64_t kHugePage = 2 << 20;
  for (const int64_t size : {kHugePage, 3 * kHugePage + 5}) {
    auto buffer = AlignedBuffer<char>::Allocate(size);
    ASSERT_TRUE(buffer.ok()) << buffer.status();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kHugePage, 0u);
    std::fill_n(buffer->data(), size, 'x');  // for the address sanitizer
  }
}

TEST(AlignedBuffer, ZeroedIsZero) {
  // Memory just given back is likely to be given out again: it must not show through.
  {
    auto dirty = AlignedBuffer<uint64_t>::Allocate(1000);
    ASSERT_TRUE(dirty.ok());
    for (uint64_t& value : dirty->span()) value = ~uint64_t{0};
  }
  auto buffer = AlignedBuffer<uint64_t>::AllocateZeroed(1000);
  ASSERT_TRUE(buffer.ok());
  for (uint64_t value : buffer->span()) ASSERT_EQ(value, 0u);
}

TEST(AlignedBuffer, OfSizeZeroIsEmptyAndFine) {
  auto buffer = AlignedBuffer<float>::AllocateZeroed(0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_TRUE(buffer->empty());
  EXPECT_TRUE(buffer->span().empty());
}

TEST(AlignedBuffer, ReportsAnAllocationThatCannotSucceed) {
  for (int64_t size : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max() / 8,
                       std::numeric_limits<int64_t>::max() / 8 - 7}) {
    auto buffer = AlignedBuffer<double>::Allocate(size);
    EXPECT_EQ(buffer.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_NE(buffer.status().message().find(std::to_string(size)), absl::string_view::npos) << buffer.status();
  }
  EXPECT_EQ(AlignedBuffer<float>::Allocate(-1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(AlignedBuffer, ReportsThatTheSystemRefused) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer ends the process instead of letting an allocation fail";
  constexpr int64_t kMoreThanAnAddressSpace = int64_t{1} << 58;  // elements of 4 bytes
  for (auto* allocate : {&AlignedBuffer<float>::Allocate, &AlignedBuffer<float>::AllocateZeroed}) {
    EXPECT_EQ(allocate(kMoreThanAnAddressSpace).status(),
              absl::ResourceExhaustedError("no memory for a buffer of 288230376151711744 elements of 4 bytes"));
  }
}

TEST(AlignedBuffer, MovingLeavesTheSourceEmpty) {
  auto made = AlignedBuffer<float>::Allocate(8);
  ASSERT_TRUE(made.ok());
  AlignedBuffer<float> first = *std::move(made);
  first[7] = 3;
  AlignedBuffer<float> second = std::move(first);
  EXPECT_EQ(first.size(), 0);  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(second.size(), 8);
  EXPECT_EQ(second[7], 3);
}

}  // namespace
}  // namespace favor
