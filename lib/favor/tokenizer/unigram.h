#ifndef FAVOR_TOKENIZER_UNIGRAM_H_
#define FAVOR_TOKENIZER_UNIGRAM_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"
#include "favor/tokenizer/prefix_trie.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {

// `Unigram` of Hugging Face and SentencePiece (Kudo 2018): of all ways to cut a word into tokens the one whose scores
// add up to most. A character without a token counts as unknown, at 10 less than the least score; neighbouring unknown
// ones are one token, or, with byte fallback, tokens of their bytes, unless together they are the unknown token's own
// text.
class Unigram : public WordModel {
 public:
  // scores: one per id of the vocabulary.
  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, int32_t unknown_id, bool byte_fallback);

  void Encode(absl::string_view word, std::vector<WordPart>* parts) const override;
  int64_t num_bytes() const override {
    return trie_.num_bytes() + static_cast<int64_t>(scores_.capacity() * sizeof(double));
  }

 private:
  void AddUnknown(absl::string_view word, TextRange range, std::vector<WordPart>* parts) const;

  PrefixTrie trie_;
  std::vector<double> scores_;
  double unknown_score_;
  int32_t unknown_id_;
  std::string unknown_piece_;
  bool byte_fallback_;
  std::array<int32_t, 256> byte_ids_;  // Vocabulary::kNone where there is no token "<0x41>"
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_UNIGRAM_H_
