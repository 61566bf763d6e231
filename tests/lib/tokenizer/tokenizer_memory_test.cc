// The server's memory budget counts what a vocabulary takes.
#include <malloc.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/lib/tokenizer/recorded_cases.h"
#include "tests/support/sanitizer.h"

namespace favor {
namespace {

constexpr int kNumPieces = 40'000;

// Some short, some longer than what a std::string holds in itself.
std::string PieceOf(int i) { return i % 4 == 0 ? absl::StrCat("a piece of text ", i) : absl::StrFormat("%x", i); }

std::string VocabularyOfMany() {
  std::string vocabulary = R"({"u":0)";
  for (int i = 1; i < kNumPieces; ++i) absl::StrAppend(&vocabulary, ",\"", PieceOf(i), "\":", i);
  return vocabulary + "}";
}

std::string ScoredVocabularyOfMany() {
  std::string vocabulary = R"([["u",0])";
  for (int i = 1; i < kNumPieces; ++i) absl::StrAppend(&vocabulary, ",[\"", PieceOf(i), "\",-", i, "]");
  return vocabulary + "]";
}

// Every piece of two hexadecimal digits is made of them, and so on.
std::string Merges() {
  std::string vocabulary = R"({"u":0)", merges;
  int next = 1;
  for (int digits = 1; digits <= 3; ++digits) {
    for (int i = 0; i < 1 << 4 * digits; ++i) {
      const std::string piece = absl::StrFormat("%0*x", digits, i);
      absl::StrAppend(&vocabulary, ",\"", piece, "\":", next++);
      if (digits == 1) continue;
      const size_t half = piece.size() - 1;
      absl::StrAppend(&merges, merges.empty() ? "" : ",", "\"", piece.substr(0, half), " ", piece.substr(half), "\"");
    }
  }
  return absl::StrCat(R"("vocab":)", vocabulary, R"(},"merges":[)", merges, "]");
}

void ExpectCounted(const std::string& model) {
  if (testing::kSanitized) GTEST_SKIP() << "the heap is another one";
  const auto used = [] {
    const struct mallinfo2 heap = mallinfo2();
    return static_cast<double>(heap.uordblks + heap.hblkhd);
  };
  const double before = used();
  const auto tokenizer = TokenizerOf(absl::StrCat(R"({"model":)", model, "}"));
  const double taken = used() - before, counted = static_cast<double>(tokenizer->num_bytes());
  EXPECT_GT(taken, 200'000);
  EXPECT_GT(counted, 0.85 * taken);
  EXPECT_LT(counted, 1.15 * taken);
}

TEST(TokenizerMemory, OfWordPiece) {
  ExpectCounted(absl::StrCat(R"({"type":"WordPiece","unk_token":"u","vocab":)", VocabularyOfMany(), "}"));
}

TEST(TokenizerMemory, OfUnigram) {
  ExpectCounted(absl::StrCat(R"({"type":"Unigram","unk_id":0,"vocab":)", ScoredVocabularyOfMany(), "}"));
}

TEST(TokenizerMemory, OfBytePairs) { ExpectCounted(absl::StrCat(R"({"type":"BPE","unk_token":"u",)", Merges(), "}")); }

}  // namespace
}  // namespace favor
