// Files that somebody made to break a reader: each must give a Status that says what is wrong, and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "favor/format/safetensors.h"

namespace favor {
namespace {

using testing::HasSubstr;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string WithLength(uint64_t length, const std::string& rest) {
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(length >> (8 * i)));
  return file + rest;
}

std::string File(const std::string& header, size_t data_size) {
  return WithLength(header.size(), header + std::string(data_size, 'd'));
}

std::string Entry(absl::string_view name, absl::string_view dtype, absl::string_view shape, absl::string_view offsets) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
                      "}");
}

std::string Object(absl::string_view members) { return absl::StrCat("{", members, "}"); }

std::string ErrorOf(const std::string& file) {
  const absl::Status status = ParseSafetensors(Bytes(file), "m.safetensors").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(status.message().substr(0, 15), "m.safetensors: ") << status;
  return std::string(status.message());
}

TEST(HostileSafetensors, HeaderLengthBeyondTheFileOrTheBound) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("is shorter than the 8 bytes"));
  EXPECT_THAT(ErrorOf("1234567"), HasSubstr("is shorter than the 8 bytes"));
  EXPECT_THAT(ErrorOf(WithLength(3, "{}")), HasSubstr("header has 3 bytes, at most 2 can be"));
  EXPECT_THAT(ErrorOf(WithLength(~uint64_t{0}, "{}")), HasSubstr("header has 18446744073709551615 bytes, at most 2"));
  EXPECT_THAT(ErrorOf(WithLength(kMaxSafetensorsHeader + 1, std::string(kMaxSafetensorsHeader + 1, ' '))),
              HasSubstr("header has 100000001 bytes, at most 100000000 can be"));
}

TEST(HostileSafetensors, HeaderThatIsNoJsonObject) {
  for (const char* header :
       {"", "{", "{]", "nul", "{\"a\":}", "{\"a\":1,}", "{\"\xff\":{}}", "{} {}", "{\"a\":1e999}"}) {
    EXPECT_THAT(ErrorOf(File(header, 0)), HasSubstr("header is not valid JSON")) << header;
  }
  for (const char* header : {"[]", "1", "null", "\"text\""}) {
    EXPECT_THAT(ErrorOf(File(header, 0)), HasSubstr("header is not a JSON object")) << header;
  }
}

TEST(HostileSafetensors, HeaderNestedDeeply) {
  for (const char* bracket : {"[", "{\"a\":"}) {
    std::string header = "{\"a\":";
    for (int i = 0; i < 1000000; ++i) header += bracket;
    EXPECT_THAT(ErrorOf(File(header, 0)), HasSubstr("header is nested too deeply"));
  }
}

TEST(HostileSafetensors, NamesThatComeTwice) {
  const std::string entry = Entry("x", "F32", "[1]", "[0,4]");
  EXPECT_THAT(ErrorOf(File(Object(absl::StrCat(entry, ",", entry)), 4)), HasSubstr("header has the name \"x\" twice"));
  EXPECT_THAT(ErrorOf(File(R"({"x":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4)),
              HasSubstr("header has the name \"shape\" twice"));
}

TEST(HostileSafetensors, EntriesOfTheWrongKind) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"x":1})", "tensor \"x\": its entry is not a JSON object"},
      {R"({"x":{}})", "tensor \"x\": dtype is not a string"},
      {R"({"x":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", "tensor \"x\": dtype is not a string"},
      {R"({"x":{"dtype":"F32","data_offsets":[0,4]}})", "tensor \"x\": shape is not a list"},
      {R"({"x":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", "tensor \"x\": shape is not a list"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":{"0":4}}})", "tensor \"x\": data_offsets is not a list"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "data_offsets has 1 entries, not 2"},
      {R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", "data_offsets has 3 entries, not 2"},
      {R"({"x":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", "tensor \"x\": dtype \"F33\" is not known"},
      {R"({"__metadata__":[]})", "__metadata__ is not a JSON object"},
      {R"({"__metadata__":{"a":1}})", "__metadata__[\"a\"] is not text"},
  };
  for (const auto& [header, message] : cases) EXPECT_THAT(ErrorOf(File(header, 4)), HasSubstr(message)) << header;
}

TEST(HostileSafetensors, SizesThatAreNoSizes) {
  for (const char* size :
       {"-1", "1.0", "1e2", "9223372036854775808", "18446744073709551616", "true", "null", "\"1\""}) {
    EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", absl::StrCat("[1,", size, "]"), "[0,4]")), 4)),
                HasSubstr("tensor \"x\": shape[1] is not an integer from 0 to 2^63 - 1"))
        << size;
    EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[1]", absl::StrCat("[", size, ",4]"))), 4)),
                HasSubstr("tensor \"x\": data_offsets[0] is not an integer from 0 to 2^63 - 1"))
        << size;
  }
}

TEST(HostileSafetensors, ShapesThatOverflow) {
  for (const char* shape : {"[4294967296,4294967296]", "[9223372036854775807]", "[9223372036854775807,2]"}) {
    EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", shape, "[0,4]")), 4)),
                HasSubstr("has more bytes than an int64 can count"))
        << shape;
  }
  // 2^62 * 4 = 2^64 wraps to 0, which would fit no bytes at all.
  EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[4611686018427387904]", "[0,0]")), 0)),
              HasSubstr("has more bytes than an int64 can count"));
}

TEST(HostileSafetensors, OffsetsOutsideTheData) {
  EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[2]", "[0,8]")), 7)),
              HasSubstr("tensor \"x\": data_offsets are [0, 8], within 7 bytes"));
  EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[2]", "[8,0]")), 8)),
              HasSubstr("tensor \"x\": data_offsets are [8, 0], within 8 bytes"));
  EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[2]", "[9223372036854775799,9223372036854775807]")), 8)),
              HasSubstr("within 8 bytes"));
  EXPECT_THAT(ErrorOf(File(Object(Entry("x", "F32", "[2]", "[0,4]")), 4)),
              HasSubstr("tensor \"x\": data_offsets span 4 bytes, shape [2] of F32 needs 8"));
}

TEST(HostileSafetensors, TensorsThatOverlapOrLeaveHoles) {
  const auto two = [](const char* first, const char* second, size_t size) {
    return File(Object(absl::StrCat(Entry("x", "F32", "[1]", first), ",", Entry("y", "F32", "[1]", second))), size);
  };
  EXPECT_TRUE(ParseSafetensors(Bytes(two("[4,8]", "[0,4]", 8)), "").ok());
  EXPECT_THAT(ErrorOf(two("[0,4]", "[2,6]", 6)),
              HasSubstr("tensor \"y\": data_offsets start at 2, overlapping: the tensor before ends at 4"));
  EXPECT_THAT(ErrorOf(two("[0,4]", "[0,4]", 4)), HasSubstr("tensor \"y\": data_offsets start at 0, overlapping"));
  EXPECT_THAT(ErrorOf(two("[0,4]", "[6,10]", 10)), HasSubstr("tensor \"y\": data_offsets start at 6, leaving a hole"));
  EXPECT_THAT(ErrorOf(two("[0,4]", "[4,8]", 9)), HasSubstr("has 9 bytes of data, tensors cover 8"));
  EXPECT_THAT(ErrorOf(File("{}", 1)), HasSubstr("has 1 bytes of data, tensors cover 0"));
}

const std::string& Good() {
  static const std::string file =
      File("{\"__metadata__\":{\"format\":\"pt\"}," + Entry("x", "F32", "[1,2]", "[0,8]") + "," +
               Entry("none", "F16", "[0]", "[8,8]") + "," + Entry("y", "BF16", "[3]", "[8,14]") + "}",
           14);
  return file;
}

TEST(HostileSafetensors, EveryTruncation) {
  ASSERT_TRUE(ParseSafetensors(Bytes(Good()), "").ok());
  for (size_t size = 0; size < Good().size(); ++size) ErrorOf(Good().substr(0, size));
}

// Whatever bytes change, the parser answers, and what it accepts lies within the file. Sanitizers see to the rest.
TEST(HostileSafetensors, Mutations) {
  const absl::string_view alphabet = "{}[]\",: 0123456789-eF\\u\xff";
  std::mt19937 random(1);
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string file = Good();
    for (int edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % file.size();
      switch (random() % 3) {
        case 0:
          file[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          file.erase(at, 1);
          file[0] -= at >= 8;  // the header's length follows, or most files would fail at once
          break;
        default:
          file.insert(at, 1, alphabet[random() % alphabet.size()]);
          file[0] += at >= 8;
      }
    }
    const auto contents = ParseSafetensors(Bytes(file), "");
    if (!contents.ok()) continue;
    ++accepted;
    for (const StoredTensor& tensor : contents->tensors) {
      ASSERT_EQ(*StoredByteSize(tensor.dtype, tensor.shape), static_cast<int64_t>(tensor.data.size()));
      ASSERT_GE(tensor.data.data(), Bytes(file).data());
      ASSERT_LE(tensor.data.data() + tensor.data.size(), Bytes(file).data() + file.size());
    }
  }
  EXPECT_GT(accepted, 100) << "mutations should often leave a valid file, or they test little";
}

}  // namespace
}  // namespace favor
