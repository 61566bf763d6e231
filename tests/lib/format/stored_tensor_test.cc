#include "favor/format/stored_tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(StoredByteSize, MultipliesOut) {
  EXPECT_EQ(*StoredByteSize("F32", {2, 3}), 24);
  EXPECT_EQ(*StoredByteSize("BF16", {5}), 10);
  EXPECT_EQ(*StoredByteSize("I64", {}), 8);
  EXPECT_EQ(*StoredByteSize("C64", {3}), 24);
  EXPECT_EQ(*StoredByteSize("F8_E8M0", {3}), 3);
  EXPECT_EQ(*StoredByteSize("BOOL", {7, 0, std::numeric_limits<int64_t>::max() / 7}), 0);
}

TEST(StoredByteSize, NamesWhatIsWrong) {
  EXPECT_EQ(StoredByteSize("F31", {1}).status(), absl::InvalidArgumentError("dtype \"F31\" is not known"));
  EXPECT_EQ(StoredByteSize("F32", {1, -1}).status(), absl::InvalidArgumentError("shape[1] is -1, at least 0"));
  EXPECT_EQ(StoredByteSize("F32", std::vector<int64_t>(33, 1)).status(),
            absl::InvalidArgumentError("shape has 33 sizes, at most 32"));
  EXPECT_EQ(StoredByteSize("F64", {int64_t{1} << 31, int64_t{1} << 29}).status(),
            absl::InvalidArgumentError("shape [2147483648, 536870912] has more bytes than an int64 can count"));
  // A reader that multiplies the sizes after the first, the bytes of a row, would overflow.
  EXPECT_EQ(StoredByteSize("F32", {0, int64_t{1} << 32, int64_t{1} << 32}).status(),
            absl::InvalidArgumentError("shape [0, 4294967296, 4294967296] has more bytes than an int64 can count"));
}

TEST(ToFloat32, ReadsEveryFloatType) {
  const auto floats = [](const std::string& dtype, const std::string& bytes) {
    const auto got = ToFloat32({"x", dtype, {2}, Bytes(bytes)});
    EXPECT_TRUE(got.ok()) << got.status();
    return std::vector<float>(got->span().begin(), got->span().end());
  };
  using namespace std::string_literals;
  EXPECT_THAT(floats("F32", "\0\0\xc0\x3f\0\0\0\xc0"s), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(floats("F16", "\0\x3e\0\xc0"s), ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(floats("BF16", "\xc0\x3f\0\xc0"s), ElementsAre(1.5f, -2.0f));
  // 0.1, which float32 rounds, and -2.
  EXPECT_THAT(floats("F64", "\x9a\x99\x99\x99\x99\x99\xb9\x3f\0\0\0\0\0\0\0\xc0"s), ElementsAre(0.1f, -2.0f));
}

TEST(ToFloat32, ReadsDataAtAnyAddress) {
  const std::string bytes("x\0\0\xc0\x3f", 5);
  const auto got = ToFloat32({"x", "F32", {}, Bytes(bytes).subspan(1)});
  ASSERT_TRUE(got.ok());
  EXPECT_THAT(got->span(), ElementsAre(1.5f));
}

TEST(ToFloat32, RefusesOtherTypesAndDataThatDoNotFit) {
  const std::string bytes(8, '\0');
  EXPECT_EQ(ToFloat32({"ids", "I64", {1}, Bytes(bytes)}).status(),
            absl::InvalidArgumentError("tensor \"ids\" has dtype I64, must be F64, F32, F16 or BF16"));
  EXPECT_EQ(ToFloat32({"x", "F32", {3}, Bytes(bytes)}).status(),
            absl::InvalidArgumentError("tensor \"x\" has 8 bytes of data, shape [3] of F32 needs 12"));
  EXPECT_EQ(ToFloat32({"x", "F32", {-3}, Bytes(bytes)}).status(),
            absl::InvalidArgumentError("tensor \"x\": shape[0] is -3, at least 0"));
}

TEST(DataTypeOf, KnowsTheTypesThatAttentionTakes) {
  EXPECT_EQ(*DataTypeOf({"x", "F32", {}, {}}), DataType::kFloat32);
  EXPECT_EQ(*DataTypeOf({"x", "F16", {}, {}}), DataType::kFloat16);
  EXPECT_EQ(*DataTypeOf({"x", "BF16", {}, {}}), DataType::kBFloat16);
  EXPECT_EQ(DataTypeOf({"x", "F64", {}, {}}).status(),
            absl::InvalidArgumentError("tensor \"x\" has dtype F64, must be F32, F16 or BF16"));
}

}  // namespace
}  // namespace favor
