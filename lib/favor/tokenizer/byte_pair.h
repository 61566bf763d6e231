#ifndef FAVOR_TOKENIZER_BYTE_PAIR_H_
#define FAVOR_TOKENIZER_BYTE_PAIR_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {

struct BytePairOptions {
  int32_t unknown_id = Vocabulary::kNone;  // kNone: characters without a token are dropped
  bool fuse_unknown = false;               // neighbouring unknown characters are one token
  bool byte_fallback = false;              // they become tokens of their bytes, "<0x41>", where all of these are there
  bool whole_words = false;                // a word that is a token is that token (`ignore_merges`)
  std::string continuing_prefix;           // of characters that do not begin a word
  std::string end_suffix;                  // of the character that ends one
};

// `BPE` of Hugging Face (Sennrich et al. 2016): a word's characters, of whose neighbours those that stand first in the
// list of merges become one token, the leftmost first, until none is left to merge. Does not own the vocabulary, which
// must outlive it. Encode() takes time n log n of a word.
class BytePair : public WordModel {
 public:
  BytePair(const Vocabulary* vocabulary, BytePairOptions options);

  // The next merge, later ones counting for less. InvalidArgumentError, naming the token, when one of the three is not
  // in the vocabulary.
  absl::Status AddMerge(absl::string_view left, absl::string_view right);

  void Encode(absl::string_view word, std::vector<WordPart>* parts) const override;
  int64_t num_bytes() const override {
    return static_cast<int64_t>(merges_.capacity() * (sizeof(std::pair<std::pair<int32_t, int32_t>, Merge>) + 1));
  }

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  class Merging;

  const Merge* FindMerge(int32_t left, int32_t right) const;
  // The characters of the word as tokens.
  void AddCharacters(absl::string_view word, std::vector<WordPart>* parts) const;
  int32_t FindCharacter(absl::string_view word, TextRange range) const;
  bool AddBytes(absl::string_view word, TextRange range, std::vector<WordPart>* parts) const;

  const Vocabulary* vocabulary_;
  BytePairOptions options_;
  absl::flat_hash_map<std::pair<int32_t, int32_t>, Merge> merges_;
  uint32_t num_merges_ = 0;
  std::array<int32_t, 256> byte_ids_;  // Vocabulary::kNone where there is no token "<0x41>"
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_BYTE_PAIR_H_
