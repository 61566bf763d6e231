#ifndef FAVOR_TOKENIZER_WORD_PIECE_H_
#define FAVOR_TOKENIZER_WORD_PIECE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"
#include "favor/tokenizer/prefix_trie.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {

// `WordPiece` of Hugging Face (Wu et al. 2016): a word is the longest token it starts with, then the longest that goes
// on from there with `continuing_prefix` before it, and so on. Where that fails, and for words of more than
// `max_characters`, the whole word is one unknown token.
class WordPiece : public WordModel {
 public:
  WordPiece(const Vocabulary& vocabulary, int32_t unknown_id, absl::string_view continuing_prefix,
            int64_t max_characters);

  void Encode(absl::string_view word, std::vector<WordPart>* parts) const override;
  int64_t num_bytes() const override { return trie_.num_bytes(); }

 private:
  PrefixTrie trie_;
  int32_t unknown_id_;
  bool continues_;           // false: no token has the prefix
  uint32_t continuing_ = 0;  // the node that the prefix leads to
  int64_t max_characters_;
};

// `WordLevel` of Hugging Face: a word is a token or unknown. Does not own the vocabulary, which must outlive it.
class WordLevel : public WordModel {
 public:
  WordLevel(const Vocabulary* vocabulary, int32_t unknown_id) : vocabulary_(vocabulary), unknown_id_(unknown_id) {}

  void Encode(absl::string_view word, std::vector<WordPart>* parts) const override;
  int64_t num_bytes() const override { return 0; }

 private:
  const Vocabulary* vocabulary_;
  int32_t unknown_id_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_WORD_PIECE_H_
