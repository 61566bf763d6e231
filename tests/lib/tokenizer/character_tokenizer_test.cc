#include "favor/tokenizer/character_tokenizer.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<Tokenizer> Load(absl::string_view json) {
  return ModelFolder().Write("favor_tokenizer.json", json).Load();
}
std::string ErrorOf(absl::string_view json) { return ModelFolder().Write("favor_tokenizer.json", json).Error(); }

TEST(ByteTokenizer, IdsAreBytes) {
  const auto tokenizer = Load(R"({"format_version":1,"type":"bytes"})");
  EXPECT_EQ(Show(*tokenizer->Encode("a\xFF\x00\xC3\xA9")), "97[0,1) 255[1,2)");
  EXPECT_EQ(Show(*tokenizer->Encode(absl::string_view("\0\xC3\xA9", 3))), "0[0,1) 195[1,2) 169[2,3)");
  EXPECT_EQ(tokenizer->vocabulary_size(), 256);
  EXPECT_EQ(tokenizer->Piece(97), "a");
  EXPECT_EQ(tokenizer->Piece(0x7F), "\x7F");
  EXPECT_EQ(tokenizer->Piece(0x80), "<0x80>");
  EXPECT_EQ(tokenizer->Piece(0xC3), "<0xC3>");
  EXPECT_EQ(tokenizer->Piece(256), "");
  EXPECT_EQ(tokenizer->Piece(-1), "");
  EXPECT_THAT(tokenizer->prefix(), IsEmpty());
}

TEST(CharacterTokenizer, ReadsResiduesWithTheTokensAroundThem) {
  const auto tokenizer = Load(R"({"format_version":1,"type":"characters","vocabulary":["<pad>","<cls>","<eos>","A","C"],
                                 "prefix":["<cls>"],"suffix":["<eos>"],"uppercase":true})");
  EXPECT_EQ(Show(*tokenizer->Encode("ACca")), "3[0,1) 4[1,2) 4[2,3) 3[3,4)");
  EXPECT_THAT(tokenizer->prefix(), ElementsAre(1));
  EXPECT_THAT(tokenizer->suffix(), ElementsAre(2));
  EXPECT_EQ(tokenizer->vocabulary_size(), 5);
  EXPECT_EQ(tokenizer->Piece(0), "<pad>");
  EXPECT_THAT(*tokenizer->Encode(""), IsEmpty());
}

TEST(CharacterTokenizer, UnknownCharactersAreNamedWithTheirByte) {
  const auto tokenizer = Load(R"({"format_version":1,"type":"characters","vocabulary":["A","\u00e9"]})");
  EXPECT_EQ(tokenizer->Encode("A\xC3\xA9\xE6\xBC\xA2").status().message(),
            "text: character U+6F22 (\xE6\xBC\xA2) at byte 3 is not in the vocabulary");
  EXPECT_EQ(tokenizer->Encode("Aa").status().message(),
            "text: character U+0061 (a) at byte 1 is not in the vocabulary");
  EXPECT_EQ(tokenizer->Encode("A\xFF").status().message(), "text is not UTF-8: byte 1 is 0xFF");
}

TEST(CharacterTokenizer, UnknownCharactersBecomeTheUnknownTokenWhereThereIsOne) {
  const auto tokenizer = Load(R"({"format_version":1,"type":"characters","vocabulary":{"A":5,"X":9},"unknown":"X"})");
  EXPECT_EQ(Show(*tokenizer->Encode("A\xC3\xA9")), "5[0,1) 9[1,3)");
  EXPECT_EQ(tokenizer->vocabulary_size(), 10);
}

TEST(FavorTokenizerJson, ErrorsNameFileAndField) {
  EXPECT_EQ(ErrorOf(R"({"type":"bytes"})"), "favor_tokenizer.json: format_version is missing");
  EXPECT_EQ(ErrorOf(R"({"format_version":2,"type":"bytes"})"),
            "favor_tokenizer.json: format_version is 2, not an integer from 1 to 1");
  EXPECT_EQ(ErrorOf(R"({"format_version":1,"type":"words"})"),
            "favor_tokenizer.json: type is \"words\", which is not implemented; known: bytes, characters");
  EXPECT_EQ(ErrorOf(R"({"format_version":1,"type":"bytes","unknown":"X"})"),
            "favor_tokenizer.json: unknown is not a field of this type");
  const std::string start = R"({"format_version":1,"type":"characters",)";
  EXPECT_EQ(ErrorOf(start + R"("prefix":[]})"), "favor_tokenizer.json: vocabulary is missing");
  EXPECT_EQ(ErrorOf(start + R"("vocabulary":[]})"), "favor_tokenizer.json: vocabulary is empty");
  EXPECT_EQ(ErrorOf(start + R"("vocabulary":["A",1]})"), "favor_tokenizer.json: vocabulary[1] is 1, not a string");
  EXPECT_THAT(ErrorOf(start + R"("vocabulary":["A","A"]})"), HasSubstr("token \"A\" has two ids, 0 and 1"));
  EXPECT_THAT(ErrorOf(start + R"("vocabulary":{"A":1,"B":1}})"), HasSubstr("have the same id 1"));
  EXPECT_THAT(ErrorOf(start + R"("vocabulary":{"A":-1}})"), HasSubstr("vocabulary.A is -1, not an integer from 0"));
  EXPECT_EQ(ErrorOf(start + R"("vocabulary":["A"],"unknown":"X"})"),
            "favor_tokenizer.json: unknown is \"X\", which is not in vocabulary");
  EXPECT_EQ(ErrorOf(start + R"("vocabulary":["A"],"suffix":["A","<eos>"]})"),
            "favor_tokenizer.json: suffix[1] is not in vocabulary");
}

}  // namespace
}  // namespace favor
