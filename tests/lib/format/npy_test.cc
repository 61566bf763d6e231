#include "favor/format/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Span<const std::byte> Bytes(absl::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string LittleEndian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

std::string Npy(const std::string& header, const std::string& data, int major = 1) {
  return std::string("\x93NUMPY") + static_cast<char>(major) + '\0' + LittleEndian(header.size(), major == 1 ? 2 : 4) +
         header + data;
}

std::string Header(const std::string& descr, const std::string& shape) {
  return absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape, ", }\n");
}

std::string ErrorOf(const std::string& file) {
  const absl::Status status = ParseNpy(Bytes(file), "q.npy").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(status.message().substr(0, 7), "q.npy: ") << status;
  return std::string(status.message());
}

TEST(ParseNpy, ReadsAllVersionsAndTypes) {
  for (int major : {1, 2, 3}) {
    for (const auto& [descr, dtype, size] : {std::tuple{"<f4", "F32", 4}, {"<f2", "F16", 2}, {"<f8", "F64", 8}}) {
      const std::string file = Npy(Header(descr, "(2, 3)"), std::string(6 * size, 'x'), major);
      const auto tensor = ParseNpy(Bytes(file), "q.npy");
      ASSERT_TRUE(tensor.ok()) << tensor.status();
      EXPECT_EQ(tensor->dtype, dtype);
      EXPECT_THAT(tensor->shape, ElementsAre(2, 3));
      EXPECT_EQ(tensor->data, Bytes(file).last(6 * size));
    }
  }
}

TEST(ParseNpy, ReadsTheShapesThatNumpyWrites) {
  EXPECT_THAT(ParseNpy(Bytes(Npy(Header("<f4", "()"), "abcd")), "")->shape, ElementsAre());
  EXPECT_THAT(ParseNpy(Bytes(Npy(Header("<f4", "(1,)"), "abcd")), "")->shape, ElementsAre(1));
  EXPECT_THAT(ParseNpy(Bytes(Npy(Header("<f4", "(0, 5)"), "")), "")->shape, ElementsAre(0, 5));
  EXPECT_THAT(ParseNpy(Bytes(Npy(Header("<f4", "(1, 1, 1, 1)"), "abcd")), "")->shape, ElementsAre(1, 1, 1, 1));
}

// The very bytes of numpy.save(file, numpy.arange(3, dtype='<f4')), NumPy 1.24.
TEST(ParseNpy, ReadsAFileWrittenByNumpy) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  header.resize(117, ' ');
  header += '\n';
  const std::string data("\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 12);
  const std::string file = std::string("\x93NUMPY\x01\0v\0", 10) + header + data;
  const auto tensor = ParseNpy(Bytes(file), "");
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_THAT(ToFloat32(*tensor)->span(), ElementsAre(0, 1, 2));
}

TEST(ParseNpy, TakesKeysInAnyOrderAndBothQuotes) {
  const std::string file = Npy("{\"shape\":(2 ,1),'fortran_order' : False,\"descr\":'<f4'}", "abcdefgh");
  const auto tensor = ParseNpy(Bytes(file), "");
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_THAT(tensor->shape, ElementsAre(2, 1));
}

TEST(ParseNpy, RefusesFortranOrderUnlessItMakesNoDifference) {
  const auto fortran = [](const std::string& shape, size_t size) {
    return Npy(absl::StrCat("{'descr': '<f4', 'fortran_order': True, 'shape': ", shape, "}"), std::string(size, 'x'));
  };
  EXPECT_THAT(ErrorOf(fortran("(2, 2)", 16)), HasSubstr("fortran_order is True, must be False"));
  EXPECT_TRUE(ParseNpy(Bytes(fortran("(1, 4, 1)", 16)), "").ok());
}

TEST(ParseNpy, NamesTheTypeItDoesNotTake) {
  EXPECT_THAT(ErrorOf(Npy(Header(">f4", "(1,)"), "abcd")), HasSubstr("descr is '>f4', must be '<f4', '<f2' or '<f8'"));
  EXPECT_THAT(ErrorOf(Npy(Header("<i8", "(1,)"), "abcdefgh")), HasSubstr("descr is '<i8'"));
  EXPECT_THAT(ErrorOf(Npy(Header("|O", "(1,)"), "abcd")), HasSubstr("descr is '|O'"));
}

TEST(ParseNpy, NamesTheBoundThatDataMiss) {
  EXPECT_THAT(ErrorOf(Npy(Header("<f4", "(2, 3)"), std::string(23, 'x'))),
              HasSubstr("has 23 bytes of data, shape [2, 3] of F32 needs 24"));
  EXPECT_THAT(ErrorOf(Npy(Header("<f4", "(2, 3)"), std::string(25, 'x'))), HasSubstr("has 25 bytes of data"));
}

TEST(ParseNpy, RefusesShapesThatCannotBe) {
  for (const char* shape :
       {"(-1,)", "(9223372036854775808,)", "(1e3,)", "(2 3)", "2", "(,)", "(1,,)", "(1", "('1',)"}) {
    EXPECT_THAT(ErrorOf(Npy(Header("<f4", shape), "abcd")), HasSubstr("expected ")) << shape;
  }
  EXPECT_THAT(ErrorOf(Npy(Header("<f4", "(4294967296, 4294967296)"), "")), HasSubstr("than an int64 can count"));
  EXPECT_THAT(ErrorOf(Npy(Header("<f4", "(9223372036854775807,)"), "")), HasSubstr("than an int64 can count"));
  std::string many = "(";
  for (int i = 0; i < 33; ++i) many += "1, ";
  EXPECT_THAT(ErrorOf(Npy(Header("<f4", many + ")"), "abcd")), HasSubstr("at most 32 sizes"));
}

TEST(ParseNpy, RefusesHeadersThatAreNoSuchDictionary) {
  const std::string good = "'descr': '<f4', 'fortran_order': False, 'shape': (1,)";
  EXPECT_TRUE(ParseNpy(Bytes(Npy(absl::StrCat("{", good, "}"), "abcd")), "").ok());
  for (const std::string& bad :
       {std::string(), std::string("{}"), good, absl::StrCat("{", good), absl::StrCat("{", good, "} x"),
        absl::StrCat("{", good, ", 'descr': '<f4'}"), absl::StrCat("{", good, ", 'more': 1}"),
        std::string("{'descr': '<f4', 'shape': (1,)}"),
        std::string("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), std::string("{'descr': '<f4"),
        std::string("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}")}) {
    ErrorOf(Npy(bad, "abcd"));
  }
}

TEST(ParseNpy, RefusesEveryTruncation) {
  for (int major : {1, 2}) {
    const std::string file = Npy(Header("<f4", "(2,)"), "abcdefgh", major);
    ASSERT_TRUE(ParseNpy(Bytes(file), "").ok());
    for (size_t size = 0; size < file.size(); ++size) ErrorOf(file.substr(0, size));
  }
}

TEST(ParseNpy, RefusesAnotherMagicOrVersion) {
  const std::string good = Npy(Header("<f4", "(1,)"), "abcd");
  std::string bad = good;
  bad[0] = 'x';
  EXPECT_THAT(ErrorOf(bad), HasSubstr("is not an .npy file"));
  for (int major : {0, 4, 255}) {
    bad = good;
    bad[6] = static_cast<char>(major);
    EXPECT_THAT(ErrorOf(bad), HasSubstr("has version " + std::to_string(major) + ".0, must be"));
  }
}

// Whatever bytes change, the parser answers, and what it accepts lies within the file. Sanitizers see to the rest.
TEST(ParseNpy, SurvivesMutation) {
  const std::string good = Npy(Header("<f4", "(2, 2)"), std::string(16, 'x'));
  const absl::string_view alphabet = "{}()[]'\",: \n0123456789-TrueFalse<f48\xff\x93";
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string file = good;
    for (int edits = 1 + random() % 4; edits > 0 && !file.empty(); --edits) {
      const size_t at = random() % file.size();
      switch (random() % 3) {
        case 0:
          file[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          file.erase(at, 1 + random() % 4);
          break;
        default:
          file.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    const auto tensor = ParseNpy(Bytes(file), "");
    if (!tensor.ok()) continue;
    EXPECT_EQ(*StoredByteSize(tensor->dtype, tensor->shape), static_cast<int64_t>(tensor->data.size()));
    EXPECT_EQ(tensor->data.data() + tensor->data.size(), Bytes(file).data() + file.size());
  }
}

TEST(WriteNpy, WritesWhatOpenReads) {
  const std::string path = testing::TempDir() + "/favor_npy_test.npy";
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {1}, {0, 4}, {3}, {1, 2, 3, 4}}) {
    const int64_t size = *StoredByteSize("F32", shape);
    const std::string data(size, 'd');
    ASSERT_TRUE(WriteNpy(path, {"ignored", "F32", shape, Bytes(data)}).ok());
    const absl::StatusOr<NpyFile> file = NpyFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->tensor().dtype, "F32");
    EXPECT_EQ(file->tensor().shape, shape);
    EXPECT_EQ(file->tensor().data, Bytes(data));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->tensor().data.data()) % 64, 0u) << "numpy aligns the elements";
  }
}

TEST(WriteNpy, RefusesWhatTheFormatCannotHold) {
  const std::string path = testing::TempDir() + "/favor_npy_refused.npy", data(8, 'd');
  EXPECT_EQ(WriteNpy(path, {"", "BF16", {4}, Bytes(data)}),
            absl::InvalidArgumentError(path + ": dtype is BF16, an .npy file can hold F32, F16 or F64"));
  EXPECT_EQ(WriteNpy(path, {"", "F32", {4}, Bytes(data)}),
            absl::InvalidArgumentError(path + ": 8 bytes of data, shape [4] of F32 needs 16"));
}

TEST(NpyHeaderBytes, HaveTheRoomThatWasAskedForWhateverTheShape) {
  for (const int64_t length : {int64_t{0}, int64_t{7}, int64_t{1'000'000'000'000}}) {
    const auto header = NpyHeaderBytes("F16", {length, 8, 64}, 128);
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ(header->size(), 128);
  }
  const auto header = NpyHeaderBytes("F32", {3, 2}, 300);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->size(), 320);  // the next multiple of 64
  EXPECT_THAT(ParseNpy(Bytes(*header + std::string(24, 'x')), "")->shape, ElementsAre(3, 2));
  EXPECT_FALSE(NpyHeaderBytes("BF16", {3}).ok());
}

TEST(ReadNpyHeader, LeavesTheStreamAtTheElements) {
  const std::string header = *NpyHeaderBytes("F16", {7, 3, 2});
  for (const size_t already_read : {size_t{0}, size_t{1}, kNpyMagic.size()}) {
    std::istringstream in(header.substr(already_read) + "elements");
    const auto tensor = ReadNpyHeader(header.substr(0, already_read), &in, "standard input");
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->dtype, "F16");
    EXPECT_THAT(tensor->shape, ElementsAre(7, 3, 2));
    EXPECT_TRUE(tensor->data.empty());
    std::string rest;
    in >> rest;
    EXPECT_EQ(rest, "elements");
  }
}

TEST(ReadNpyHeader, RefusesEveryTruncationAndLengthsThatCannotBe) {
  const std::string header = *NpyHeaderBytes("F32", {7, 3});
  for (size_t size = 0; size < header.size(); ++size) {
    std::istringstream in(header.substr(0, size));
    const absl::Status status = ReadNpyHeader("", &in, "standard input").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << size;
    EXPECT_THAT(std::string(status.message()), HasSubstr("standard input: "));
  }
  std::string endless = header;
  endless[6] = 2;  // whose header length has four bytes: of 2 GiB, and no more than was sent is read
  endless.replace(8, 4, "\xff\xff\xff\x7f", 4);
  std::istringstream in(endless + std::string(1 << 20, ' '));
  EXPECT_THAT(std::string(ReadNpyHeader("", &in, "standard input").status().message()),
              HasSubstr("has a header of 2147483647 bytes"));
  EXPECT_LT(in.tellg(), 70'000);
}

TEST(NpyFile, NamesThePathThatFailed) {
  const std::string path = testing::TempDir() + "/favor_npy_bad.npy", text = "not numpy";
  ASSERT_TRUE(WriteFile(path, {Bytes(text)}).ok());
  const absl::Status status = NpyFile::Open(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path + ": is not an .npy file"));
}

}  // namespace
}  // namespace favor
