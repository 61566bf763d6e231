#include "favor/format/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::vector<std::string> Names(const SafetensorsContents& contents) {
  std::vector<std::string> names;
  for (const StoredTensor& tensor : contents.tensors) names.push_back(tensor.name);
  return names;
}

TEST(WriteSafetensors, WritesWhatOpenReads) {
  const std::string path = testing::TempDir() + "/favor_roundtrip.safetensors";
  const std::string f32(24, 'a'), i64(8, 'b'), bf16(6, 'c');
  const std::vector<StoredTensor> tensors = {{"half \"quoted\"", "BF16", {3}, Bytes(bf16)},
                                             {"queries", "F32", {1, 2, 3}, Bytes(f32)},
                                             {"nothing", "F16", {0, 5}, {}},
                                             {"scalar", "I64", {}, Bytes(i64)}};
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"note", "\xc3\xa4"}};
  ASSERT_TRUE(WriteSafetensors(path, tensors, metadata).ok());

  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->contents().metadata, metadata);
  EXPECT_EQ(file->contents().tensors.size(), tensors.size());
  for (const StoredTensor& tensor : tensors) {
    const StoredTensor* found = file->Find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->dtype, tensor.dtype);
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->data, tensor.data);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found->data.data()) % StoredElementSize(tensor.dtype), 0u) << tensor.name;
  }
  EXPECT_EQ(file->Find("values"), nullptr);
}

TEST(WriteSafetensors, OfNothingIsAValidFile) {
  const std::string path = testing::TempDir() + "/favor_empty.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, {}).ok());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->contents().tensors.empty());
}

TEST(WriteSafetensors, RefusesWhatCannotBeWritten) {
  const std::string path = testing::TempDir() + "/favor_refused.safetensors", data(8, 'd');
  const auto error = [&](const std::vector<StoredTensor>& tensors) {
    const absl::Status status = WriteSafetensors(path, tensors);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const StoredTensor good{"x", "F32", {2}, Bytes(data)};
  EXPECT_THAT(error({good, good}), HasSubstr("tensor \"x\": the name is taken"));
  EXPECT_THAT(error({{"__metadata__", "F32", {2}, Bytes(data)}}), HasSubstr("the name is taken"));
  EXPECT_THAT(error({{"x", "F32", {3}, Bytes(data)}}), HasSubstr("8 bytes of data, shape [3] of F32 needs 12"));
  EXPECT_THAT(error({{"x", "F33", {2}, Bytes(data)}}), HasSubstr("dtype \"F33\" is not known"));
  EXPECT_THAT(error({{"\xff", "F32", {2}, Bytes(data)}}), HasSubstr("not UTF-8"));
}

// As the reference implementation writes it: keys in another order, padding spaces, data in another order than names.
TEST(ParseSafetensors, ReadsAFileOfTheReferenceImplementation) {
  const std::string header = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                             R"("a":{"shape":[2],"data_offsets":[0,4],"dtype":"F16"}}   )";
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(uint64_t{header.size()} >> (8 * i)));
  file += header + std::string("\0\x3c\0\xc0\0\0\xc0\x3f", 8);
  const auto contents = ParseSafetensors(Bytes(file), "m.safetensors");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_THAT(Names(*contents), ElementsAre("a", "b"));
  EXPECT_THAT(ToFloat32(*contents->Find("a"))->span(), ElementsAre(1, -2));
  EXPECT_THAT(ToFloat32(*contents->Find("b"))->span(), ElementsAre(1.5f));
  EXPECT_EQ(contents->metadata.at("format"), "pt");
}

TEST(SafetensorsFile, OpensARealModelsTensors) {
  const absl::StatusOr<SafetensorsFile> file =
      SafetensorsFile::Open(std::string(FAVOR_TEST_DATA_DIR) + "/qkv_rxnmapper_layer0.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  for (const StoredTensor& tensor : file->contents().tensors) {
    const auto floats = ToFloat32(tensor);
    ASSERT_TRUE(floats.ok()) << floats.status();
    for (float value : floats->span()) ASSERT_LT(std::abs(value), 1000) << tensor.name;  // NaN would fail too
  }
  const StoredTensor* queries = file->Find("queries");
  ASSERT_NE(queries, nullptr) << testing::PrintToString(Names(file->contents()));
  EXPECT_EQ(queries->dtype, "F32");
}

}  // namespace
}  // namespace favor
