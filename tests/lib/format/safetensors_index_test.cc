// Indexes as transformers writes them, and those that somebody made to break a reader.
#include "favor/format/safetensors_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/little_memory.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(const std::string& text) {
  const absl::Status status = ParseSafetensorsIndex(text, "m.index.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), StartsWith("m.index.json"));
  return std::string(status.message());
}

TEST(SafetensorsIndex, NamesAFileForEachTensor) {
  const auto index = ParseSafetensorsIndex(R"({"metadata": {"total_size": -7}, "other": [],
    "weight_map": {"b": "x 2.safetensors", "a": "x 2.safetensors", "c": "..1.safetensors"}})",
                                           "m.index.json");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->shard_of.size(), 3u);
  EXPECT_EQ(index->shard_of.at("c"), "..1.safetensors");
  EXPECT_THAT(index->Shards(), ElementsAre("..1.safetensors", "x 2.safetensors"));
}

TEST(SafetensorsIndex, WhatIsNoMapOfTensorsIsRefused) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("is not valid JSON"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("is not valid JSON"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("is a list of 0, not an object"));
  EXPECT_THAT(ErrorOf("7"), HasSubstr("is 7, not an object"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("weight_map is missing"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": null})"), HasSubstr("weight_map is null, not an object"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": ["a"]})"), HasSubstr("weight_map is a list of 1, not an object"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {}})"), HasSubstr("weight_map is empty"));
  EXPECT_THAT(ErrorOf(R"({"weight_map": {"a": "1.safetensors", "a": "1.safetensors"}})"), HasSubstr("\"a\" twice"));
}

TEST(SafetensorsIndex, AShardIsThePlainNameOfASafetensorsFile) {
  for (const char* value :
       {"7", "null", "[\"a.safetensors\"]", "{}", "true", "\"\"", "\".\"", "\"..\"", "\"a.bin\"", "\"/a.safetensors\"",
        "\"../a.safetensors\"", "\"b/a.safetensors\"", "\"a\\u0000.safetensors\"", "\"a.safetensors\\u0000\"",
        "\"a.safetensors/\"", "\"a.safetensors.index.json\""}) {
    EXPECT_THAT(ErrorOf(absl::StrCat(R"({"weight_map": {"x.y": )", value, "}}")),
                AllOf(HasSubstr("weight_map[\"x.y\"] is "), HasSubstr("must be the name of a .safetensors file")))
        << value;
  }
  const std::string longest = absl::StrCat(std::string(255 - 12, 'x'), ".safetensors");
  EXPECT_TRUE(ParseSafetensorsIndex(absl::StrCat(R"({"weight_map": {"a": ")", longest, "\"}}"), "m").ok());
  EXPECT_THAT(ErrorOf(absl::StrCat(R"({"weight_map": {"a": "x)", longest, "\"}}")), HasSubstr("weight_map[\"a\"]"));
}

std::string IndexOf(int num_shards) {
  std::string text = R"({"weight_map": {)";
  for (int i = 0; i < num_shards; ++i) absl::StrAppend(&text, "\"", i, "\": \"", i, ".safetensors\",");
  text.back() = '}';
  return text + "}";
}

TEST(SafetensorsIndex, HasSoManyShardsAtMost) {
  EXPECT_EQ(ParseSafetensorsIndex(IndexOf(kMaxShards), "m").value().Shards().size(), size_t{kMaxShards});
  EXPECT_THAT(ErrorOf(IndexOf(kMaxShards + 1)), HasSubstr("weight_map names 4097 files, at most 4096"));
}

TEST(SafetensorsIndex, AnErrorDoesNotRepeatALongName) {
  const std::string name(1 << 20, 'x');
  EXPECT_LT(ErrorOf(absl::StrCat(R"({"weight_map": {")", name, "\": \"", name, "\"}}")).size(), 300u);
}

// Within the bound of its bytes, the densest and the deepest ones.
TEST(SafetensorsIndex, WhateverItHoldsItTakesLittleMemory) {
  const size_t size = kMaxSafetensorsIndexBytes;
  std::string zeros = R"({"weight_map": [0)";
  while (zeros.size() < size - 4) zeros += ",0";
  std::string empty = R"({"weight_map": {"a": [[])";
  while (empty.size() < size - 8) empty += ",[]";
  const std::string path = ::testing::TempDir() + "/hostile.index.json";
  for (const std::string& text : {zeros + "]}", empty + "]}}", std::string(size, '['), IndexOf(100'000)}) {
    ASSERT_LE(text.size(), size);
    std::ofstream(path) << text;
    const favor::testing::LittleMemory limit(256);
    EXPECT_EQ(ReadSafetensorsIndex(path).status().code(), absl::StatusCode::kInvalidArgument);
  }
  std::ofstream(path) << std::string(size + 1, ' ');
  EXPECT_THAT(ReadSafetensorsIndex(path).status().message(),
              HasSubstr("hostile.index.json has 4194305 bytes, at most 4194304"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace favor
