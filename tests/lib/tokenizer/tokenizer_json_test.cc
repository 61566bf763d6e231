#include "favor/tokenizer/tokenizer_json.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/model_folder.h"
#include "tests/lib/tokenizer/recorded_cases.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kModel[] =
    R"("model":{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9,)"
    R"("vocab":{"u":0,"a":1,"##b":2,"<s>":3}})";

std::string With(absl::string_view more) { return absl::StrCat("{", more, ",", kModel, "}"); }
std::string ModelWith(absl::string_view vocab, absl::string_view more = "") {
  return absl::StrCat(R"({"model":{"type":"WordPiece","unk_token":"u",)", more, "\"vocab\":", vocab, "}}");
}

std::string ErrorOf(absl::string_view json) { return ModelFolder().Write("tokenizer.json", json).Error(); }
std::unique_ptr<Tokenizer> Load(absl::string_view json) { return ModelFolder().Write("tokenizer.json", json).Load(); }

TEST(LoadTokenizer, IsNullWhereThereIsNone) {
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(ModelFolder().path());
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(*tokenizer, nullptr);
}

TEST(LoadTokenizer, OtherTokenizersAreRefusedByName) {
  EXPECT_THAT(ModelFolder().Write("spiece.model", "").Error(), HasSubstr("spiece.model is not implemented; known: "));
}

TEST(LoadTokenizer, TokenizerJsonGoesBeforeVocabTxt) {
  const auto tokenizer =
      ModelFolder().Write("tokenizer.json", With(R"("version":"1.0")")).Write("vocab.txt", "[UNK]").Load();
  EXPECT_EQ(tokenizer->vocabulary_size(), 4);
}

TEST(TokenizerJson, ComponentsThatAreNotImplementedAreRefusedByName) {
  EXPECT_EQ(ErrorOf(With(R"("pre_tokenizer":{"type":"UnicodeScripts"})")),
            "tokenizer.json: pre_tokenizer.type is \"UnicodeScripts\", which is not implemented; known: "
            "BertPreTokenizer, WhitespaceSplit, Whitespace, Digits, Punctuation, Split, Metaspace, ByteLevel, "
            "Sequence of these");
  EXPECT_EQ(ErrorOf(With(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[]})")),
            "tokenizer.json: pre_tokenizer.pretokenizers has 0 steps, must have from 1 to 16");
  EXPECT_EQ(ErrorOf(With(R"("pre_tokenizer":{"type":"Punctuation","behavior":"Removed"})")),
            "tokenizer.json: pre_tokenizer.behavior is \"Removed\", which is not implemented; known: Isolated, "
            "Contiguous");
  EXPECT_EQ(ErrorOf(With(R"("normalizer":{"type":"Nmt"})")),
            "tokenizer.json: normalizer.type is \"Nmt\", which is not implemented; known: BertNormalizer, "
            "Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Replace, Strip, StripAccents, Sequence of these");
  EXPECT_EQ(ErrorOf(With(R"("post_processor":{"type":"GptProcessing"})")),
            "tokenizer.json: post_processor.type is \"GptProcessing\", which is not implemented; known: "
            "BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel, Sequence of these");
  EXPECT_EQ(ErrorOf(R"({"model":{"type":"Tiktoken"}})"),
            "tokenizer.json: model.type is \"Tiktoken\", which is not implemented; known: BPE, WordPiece, WordLevel, "
            "Unigram");
  EXPECT_EQ(ErrorOf(With(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"a"},"behavior":"Merged"})")),
            "tokenizer.json: pre_tokenizer.behavior is \"Merged\", which is not implemented; known: Removed, Isolated, "
            "MergedWithPrevious, MergedWithNext, Contiguous");
}

TEST(TokenizerJson, ModelsWithoutATypeAreWordPiece) {
  const auto tokenizer = Load(absl::StrReplaceAll(With(R"("version":"1.0")"), {{R"("type":"WordPiece",)", ""}}));
  EXPECT_EQ(Show(*tokenizer->Encode("ab")), "1[0,1) 2[1,2)");
}

std::string BytePairOf(absl::string_view more) {
  return absl::StrCat(R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"abb":3,"##b":4},)", more, "}}");
}

TEST(BytePairJson, MergesAreTextsOrPairs) {
  for (const char* merges : {R"("merges":["a b","ab b"])", R"("merges":[["a","b"],["ab","b"]])",
                             R"("merges":["#version: 0.2","a b","ab b"],"dropout":null)"}) {
    EXPECT_EQ(Show(*Load(BytePairOf(merges))->Encode("abbab")), "3[0,3) 2[3,5)") << merges;
  }
  EXPECT_EQ(Show(*Load(BytePairOf(R"("merges":["ab b"])"))->Encode("ab")), "0[0,1) 1[1,2)");
}

TEST(BytePairJson, ModelsWithoutATypeAreBytePairsWhereTheyMerge) {
  const std::string untyped =
      absl::StrReplaceAll(BytePairOf(R"("continuing_subword_prefix":"","merges":["a b"])"), {{R"("type":"BPE",)", ""}});
  EXPECT_EQ(Show(*Load(untyped)->Encode("ab")), "2[0,2)");
}

TEST(BytePairJson, TheLeftOneOfTwoEqualMergesGoesFirst) {
  const auto tokenizer = Load(R"({"model":{"type":"BPE","vocab":{"a":0,"aa":1},"merges":["a a"]}})");
  EXPECT_EQ(Show(*tokenizer->Encode("aaaaa")), "1[0,2) 1[2,4) 0[4,5)");
}

TEST(BytePairJson, BytesOfAffixesAreRefused) {
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    EXPECT_EQ(ErrorOf(absl::StrCat(R"({"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":0},"merges":[],")",
                                   affix, R"(":"##"}})")),
              "tokenizer.json: model.byte_fallback is true, which is not implemented; known: true without "
              "continuing_subword_prefix and end_of_word_suffix");
  }
}

TEST(BytePairJson, SomeBytesOfAllAreRefused) {
  EXPECT_EQ(
      ErrorOf(
          R"({"model":{"type":"BPE","byte_fallback":true,"unk_token":"u","vocab":{"u":0,"<0xC3>":1},"merges":[]}})"),
      "tokenizer.json: model.byte_fallback is true, of the tokens <0x00> to <0xFF> there are 1, must be all or "
      "none");
}

TEST(BytePairJson, ErrorsNameTheMerge) {
  EXPECT_EQ(ErrorOf(BytePairOf(R"("merges":["a b","a c"])")),
            "tokenizer.json: model.merges[1] names \"c\", which is not in model.vocab");
  EXPECT_EQ(ErrorOf(BytePairOf(R"("merges":["b a"])")),
            "tokenizer.json: model.merges[0] names \"ba\", which is not in model.vocab");
  for (const char* merge : {R"("ab")", R"("a b b")", "7", R"(["a"])", R"(["a",1])", R"({"a":"b"})"}) {
    EXPECT_THAT(ErrorOf(BytePairOf(absl::StrCat("\"merges\":[", merge, "]"))),
                AllOf(HasSubstr("model.merges[0] is "), HasSubstr(", not two tokens")));
  }
  EXPECT_THAT(ErrorOf(BytePairOf(R"("vocabulary":0)")), HasSubstr("model.merges"));
  EXPECT_EQ(ErrorOf(BytePairOf(R"("merges":[],"dropout":0.1)")),
            "tokenizer.json: model.dropout is 0.1, which is not implemented; known: null, 0");
  EXPECT_EQ(ErrorOf(BytePairOf(R"("merges":[],"unk_token":"u")")),
            "tokenizer.json: model.unk_token is \"u\", which is not in model.vocab");
}

TEST(TokenizerJson, PostProcessorsInASequenceStandAroundEachOther) {
  const auto tokenizer = Load(With(R"("post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel"},)"
                                   R"({"type":"BertProcessing","sep":["u",0],"cls":["a",1]},)"
                                   R"({"type":"RobertaProcessing","sep":["b",2],"cls":["<s>",3]}]})"));
  EXPECT_THAT(tokenizer->prefix(), ElementsAre(3, 1));
  EXPECT_THAT(tokenizer->suffix(), ElementsAre(0, 2));
}

TEST(TokenizerJson, TruncationPaddingAndDecoderAreNotLookedAt) {
  EXPECT_NE(Load(With(R"("truncation":{"max_length":2},"padding":{},"decoder":{"type":"Fuse"})")), nullptr);
}

TEST(TokenizerJson, PostProcessorsStandAroundTheText) {
  const auto bert = Load(With(R"("post_processor":{"type":"BertProcessing","sep":["u",0],"cls":["<s>",3]})"));
  EXPECT_THAT(bert->prefix(), ElementsAre(3));
  EXPECT_THAT(bert->suffix(), ElementsAre(0));
  const auto templated = Load(
      With(R"("post_processor":{"type":"TemplateProcessing","special_tokens":{"s":{"id":"s","ids":[3,1],"tokens":[]}},)"
           R"("single":[{"SpecialToken":{"id":"s","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]})"));
  EXPECT_THAT(templated->prefix(), ElementsAre(3, 1));
  EXPECT_THAT(templated->suffix(), IsEmpty());
}

TEST(TokenizerJson, MalformedPostProcessorsAreRefused) {
  const std::string start = R"("post_processor":{"type":"TemplateProcessing",)";
  EXPECT_EQ(ErrorOf(With(start + R"("single":[]})")),
            "tokenizer.json: post_processor.single has the text 0 times, not once");
  EXPECT_EQ(ErrorOf(With(start + R"("single":[{"Sequence":{"id":"B"}}]})")),
            "tokenizer.json: post_processor.single[0].Sequence.id is \"B\", a single text is \"A\"");
  EXPECT_EQ(ErrorOf(With(start + R"("single":[{"Sequence":{"id":"A","type_id":1}}]})")),
            "tokenizer.json: post_processor.single[0].Sequence.type_id is 1, which is not implemented; known: 0");
  EXPECT_EQ(ErrorOf(With(start + R"("single":[{"SpecialToken":{"id":"x","type_id":2}}]})")),
            "tokenizer.json: post_processor.single[0].SpecialToken.type_id is 2, which is not implemented; known: 0");
  EXPECT_EQ(ErrorOf(With(start + R"("single":[{"SpecialToken":{"id":"x"}}]})")),
            "tokenizer.json: post_processor.special_tokens.x is missing");
  EXPECT_EQ(ErrorOf(With(start + R"("single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{"x":{"ids":[-1]}}})")),
            "tokenizer.json: post_processor.special_tokens.x.ids holds -1, ids are 0 to 16777215");
  EXPECT_EQ(ErrorOf(With(R"("post_processor":{"type":"BertProcessing","cls":["a"],"sep":["a",1]})")),
            "tokenizer.json: post_processor.cls is not a token and its id");
  EXPECT_EQ(ErrorOf(With(R"("post_processor":{"type":"BertProcessing","cls":["a",4],"sep":["a",1]})")),
            "tokenizer.json: post_processor stands for id 4, the vocabulary has 4");
}

TEST(TokenizerJson, MalformedVocabulariesAreRefused) {
  EXPECT_EQ(ErrorOf(ModelWith("[]")), "tokenizer.json: model.vocab is a list of 0, not an object");
  EXPECT_EQ(ErrorOf(ModelWith(R"({"u":"0"})")), "tokenizer.json: model.vocab.u is \"0\", not an id");
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":-1})")), HasSubstr("token \"u\" has id -1, ids are 0 to 16777215"));
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":4294967296})")), HasSubstr("token \"u\" has id 4294967296"));
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":1e30})")), HasSubstr("not an id"));
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":1,"v":1})")), HasSubstr("tokens \"u\" and \"v\" have the same id 1"));
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":1,"v":1000000})")), HasSubstr("ids go up to 1000000 with 2 tokens"));
  EXPECT_THAT(ErrorOf(ModelWith(R"({"u":1,"u":1})")), HasSubstr("has the name \"u\" twice"));
  EXPECT_EQ(ErrorOf(ModelWith(R"({"a":1})")), "tokenizer.json: model.unk_token is \"u\", which is not in model.vocab");
  EXPECT_EQ(ErrorOf(ModelWith(R"({"u":1})", R"("max_input_chars_per_word":-1,)")),
            "tokenizer.json: model.max_input_chars_per_word is -1, not an integer from 0 to 2147483647");
  EXPECT_THAT(ErrorOf(ModelWith(absl::StrCat(R"({"u":0,")", std::string(5000, 'x'), R"(":1})"))),
              HasSubstr("has 5000 bytes, at most 4096"));
}

TEST(TokenizerJson, MalformedAddedTokensAreRefused) {
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":2,"content":"a"}])")),
            "tokenizer.json: added_tokens[0].id is 2, in model.vocab the token has 1");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":2,"content":"n"}])")),
            "tokenizer.json: added_tokens[0].id is 2, which another token of model.vocab has");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":4,"content":"n"},{"id":4,"content":"m"}])")),
            "tokenizer.json: added_tokens[1].id is 4, which is there twice");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":4,"content":"n"},{"id":5,"content":"n"}])")),
            "tokenizer.json: added_tokens[1].content is \"n\", which is there twice");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":-1,"content":"n"}])")),
            "tokenizer.json: added_tokens[0].id is -1, not an integer from 0 to 16777215");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"content":"n"}])")), "tokenizer.json: added_tokens[0].id is missing");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":8,"content":"n"}])")),
            "tokenizer.json: added_tokens[0].id is 8, the token's is 4: the next one behind those before it");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[{"id":4,"content":"n"},{"id":1,"content":"a"},{"id":6,"content":"m"}])")),
            "tokenizer.json: added_tokens[2].id is 6, the token's is 5: the next one behind those before it");
  EXPECT_EQ(ErrorOf(With(R"("added_tokens":[3])")), "tokenizer.json: added_tokens[0] is 3, not an object");
}

TEST(TokenizerJson, AddedTokensBeyondTheVocabularyCount) {
  const auto tokenizer = Load(With(R"("added_tokens":[{"id":4,"content":"<new>","special":true}])"));
  EXPECT_EQ(Show(*tokenizer->Encode("a<new>")), "1[0,1) 4[1,6)");
  EXPECT_EQ(tokenizer->vocabulary_size(), 5);
  EXPECT_EQ(tokenizer->Piece(4), "<new>");
  EXPECT_EQ(tokenizer->Piece(5), "");
}

// Bytes stand within characters, where there is no white space to trim. Recorded from the reference.
TEST(TokenizerJson, OffsetsOfBytesAreNotTrimmed) {
  for (const char* post_processor :
       {R"({"type":"ByteLevel","trim_offsets":true})", R"({"type":"RobertaProcessing","cls":["a",1],"sep":["a",1]})"}) {
    const auto tokenizer =
        Load(absl::StrCat(R"({"post_processor":)", post_processor, R"(,"model":{"type":"BPE","byte_fallback":true,)",
                          R"("merges":[["<0x20>","<0xE2>"],["<0x83>","a"]],"vocab":{"<0xC3>":0,"a":1,"<0xA9>":2,)",
                          R"("<0xE2>":3,"<0x98>":4,"<0x83>":5,"<0x20>":6,"<0x20><0xE2>":7,"<0x83>a":8}}})"));
    EXPECT_EQ(Show(*tokenizer->Encode("\xC3\xA9")), "0[0,2) 2[0,2)");
    EXPECT_EQ(Show(*tokenizer->Encode("a \xE2\x98\x83")), "1[0,1) 7[1,5) 4[2,5) 5[2,5)");
    EXPECT_EQ(Show(*tokenizer->Encode(" \xE2\x98\x83 a")), "7[0,4) 4[1,4) 5[1,4) 6[4,5) 1[5,6)");
    EXPECT_EQ(Show(*tokenizer->Encode("\xE2\x98\x83"
                                      "a")),
              "3[0,3) 4[0,3) 8[0,4)");
  }
}

// What a normalizer drops at the start of a text is no start of it, as in the reference.
TEST(TokenizerJson, MetaspaceInFrontOfTheFirstWordNeedsTheStartOfTheText) {
  for (const char* added : {"[]", R"([{"id":3,"content":"<x>","normalized":true}])"}) {
    const auto tokenizer =
        Load(absl::StrCat(R"({"normalizer":{"type":"Strip","strip_left":true,"strip_right":false},"added_tokens":)",
                          added, R"(,"pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"first"},)",
                          R"("model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"_a":2}}})"));
    EXPECT_EQ(Show(*tokenizer->Encode("a a")), "2[0,1) 2[1,3)");
    EXPECT_EQ(Show(*tokenizer->Encode(" a a")), "1[1,2) 2[2,4)");
  }
}

TEST(TokenizerJson, EveryBeginningOfAFileIsAnError) {
  const std::string whole = With(R"("added_tokens":[],"post_processor":null,"normalizer":{"type":"BertNormalizer",)"
                                 R"("clean_text":true,"handle_chinese_chars":true,"lowercase":true})");
  ASSERT_NE(Load(whole), nullptr);
  for (size_t length = 0; length < whole.size(); ++length) ErrorOf(whole.substr(0, length));
}

TEST(TokenizerJson, WordLevelReadsCharacters) {
  const auto tokenizer =
      Load(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":""},"behavior":"Isolated","invert":false},)"
           R"("model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"M":1,"K":2}}})");
  EXPECT_EQ(Show(*tokenizer->Encode("MK\xC3\xA9M")), "1[0,1) 2[1,2) 0[2,4) 1[4,5)");
}

// Two keys, "a" (to "b") and "c" (to nothing), as Darts would lay them out: units 0, 'a' and 'c', each with its leaf.
std::string SmallMap() {
  std::string units(4 * 256, '\0');
  const auto set = [&](size_t unit, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) units[4 * unit + i] = static_cast<char>(value >> (8 * i));
  };
  set(0, 0);                           // offset 0: children at their own bytes
  set('a', 'a' | 1 << 8 | 0x1 << 10);  // a leaf at 'a' ^ 1
  set('a' ^ 1, 1u << 31 | 0);          // text 0
  set('c', 'c' | 1 << 8 | 0x1 << 10);
  set('c' ^ 1, 1u << 31 | 1);
  return std::string("\0\x04\0\0", 4) + units + std::string("b\0", 2);
}

std::string Unigram(absl::string_view map, absl::string_view model) {
  return absl::StrCat(R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":")", absl::Base64Escape(map),
                      R"("},"pre_tokenizer":{"type":"Metaspace","replacement":"_","add_prefix_space":true},"model":)",
                      R"({"type":"Unigram",)", model, "}}");
}
constexpr char kPieces[] = R"("unk_id":0,"vocab":[["u",0],["_b",-1.5],["_",-2]])";

TEST(UnigramJson, MapsAndCuts) {
  const auto tokenizer = Load(Unigram(SmallMap(), kPieces));
  EXPECT_EQ(Show(*tokenizer->Encode("a xyc")), "1[0,1) 2[1,2) 0[2,4)");
  EXPECT_EQ(tokenizer->vocabulary_size(), 3);
}

// "<u>" is no added token here.
TEST(UnigramJson, TheUnknownTokensOwnTextIsNoBytes) {
  const auto tokenizer =
      Load(R"({"model":{"type":"Unigram","byte_fallback":true,"unk_id":0,)"
           R"("vocab":[["<u>",0],["a",-1],["<0x21>",-9],["<0x3C>",-9],["<0x3E>",-9],["<0x75>",-9]]}})");
  EXPECT_EQ(Show(*tokenizer->Encode("a<u>a!")), "1[0,1) 0[1,4) 1[4,5) 2[5,6)");
  // Joined with an unknown character it is no token any more.
  EXPECT_EQ(Show(*tokenizer->Encode("<u>!")), "3[0,4) 5[0,4) 4[0,4) 2[0,4)");
}

// As files of 2020 are.
// Pieces that are there twice count twice, as in the reference.
TEST(UnigramJson, AddedTokensFollowAllPieces) {
  const auto tokenizer = Load(R"({"added_tokens":[{"id":4,"content":"<new>"}],"model":{"type":"Unigram","unk_id":0,)"
                              R"("vocab":[["u",0],["a",-1],["b",-2],["a",-3]]}})");
  EXPECT_EQ(Show(*tokenizer->Encode("b<new>")), "2[0,1) 4[1,6)");
}

TEST(UnigramJson, AListOfPiecesIsUnigramsWithoutAType) {
  const std::string typed = Unigram(SmallMap(), kPieces);
  const auto tokenizer = Load(absl::StrReplaceAll(typed, {{R"("type":"Unigram",)", ""}}));
  EXPECT_EQ(Show(*tokenizer->Encode("a xyc")), "1[0,1) 2[1,2) 0[2,4)");
}

TEST(UnigramJson, MalformedFilesAreRefused) {
  EXPECT_EQ(ErrorOf(Unigram("abc", kPieces)),
            "tokenizer.json: normalizer.precompiled_charsmap is shorter than the 4 bytes of its trie's length");
  EXPECT_THAT(ErrorOf(Unigram(SmallMap().substr(0, 500), kPieces)), HasSubstr("has a trie of 1024 bytes, in 496"));
  EXPECT_THAT(ErrorOf(Unigram(SmallMap() + "\xFF", kPieces)), HasSubstr("text is not UTF-8: byte 2"));
  EXPECT_EQ(ErrorOf(Unigram(SmallMap(), R"("unk_id":3,"vocab":[["u",0]])")),
            "tokenizer.json: model.unk_id is 3, not an integer from 0 to 0");
  EXPECT_EQ(ErrorOf(Unigram(SmallMap(), R"("vocab":[["u",0]])")), "tokenizer.json: model.unk_id is missing");
  EXPECT_EQ(ErrorOf(Unigram(SmallMap(), R"("unk_id":0,"vocab":[])")),
            "tokenizer.json: model.unk_id is 0, not an integer from 0 to -1");
  EXPECT_EQ(ErrorOf(Unigram(SmallMap(), R"("unk_id":0,"vocab":[["u",0],["v"]])")),
            "tokenizer.json: model.vocab[1] is not a token and its score");
  EXPECT_EQ(ErrorOf(Unigram(SmallMap(), R"("unk_id":0,"vocab":[["u","0"]])")),
            "tokenizer.json: model.vocab[0] is not a token and its score");
}

TEST(UnigramJson, MapsThatPointOutsideFindNothing) {
  for (const uint32_t unit : {0xFFFFFFFFu, 0x7FFFFFFFu, 0x80000000u | 3, 0x61u | 1 << 8 | 0x3FFFFFu << 10}) {
    for (const char where : {'a', static_cast<char>('a' ^ 1)}) {
      std::string map = SmallMap();
      for (size_t i = 0; i < 4; ++i) map[4 + 4 * where + i] = static_cast<char>(unit >> (8 * i));
      EXPECT_TRUE(Load(Unigram(map, kPieces))->Encode("a b c").ok());
    }
  }
}

TEST(PipelineTokenizer, TextMustBeUtf8) {
  EXPECT_EQ(Load(With(R"("version":"1.0")"))->Encode("ab\xFF").status().message(), "text is not UTF-8: byte 2 is 0xFF");
}

}  // namespace
}  // namespace favor
