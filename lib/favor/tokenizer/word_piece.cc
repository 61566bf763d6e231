#include "favor/tokenizer/word_piece.h"

#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

WordPart Whole(absl::string_view word, int32_t id) { return {id, {0, static_cast<uint32_t>(word.size())}}; }

}  // namespace

WordPiece::WordPiece(const Vocabulary& vocabulary, int32_t unknown_id, absl::string_view continuing_prefix,
                     int64_t max_characters)
    : trie_(vocabulary.MakeTrie()), unknown_id_(unknown_id), max_characters_(max_characters) {
  continues_ = trie_.Find(continuing_prefix, &continuing_);
}

void WordPiece::Encode(absl::string_view word, std::vector<WordPart>* parts) const {
  const auto is_long = [&] {  // characters are counted only where bytes do not settle it
    return static_cast<int64_t>(word.size()) > max_characters_ && CountCharacters(word) > max_characters_;
  };
  if (is_long()) return parts->push_back(Whole(word, unknown_id_));
  const size_t num_before = parts->size();
  size_t begin = 0;
  while (begin < word.size()) {
    const PrefixTrie::Match match =
        begin > 0 && !continues_ ? PrefixTrie::Match()
                                 : trie_.LongestMatch(word.substr(begin), begin == 0 ? trie_.kRoot : continuing_);
    if (match.value == PrefixTrie::kNone) {
      parts->resize(num_before);
      return parts->push_back(Whole(word, unknown_id_));
    }
    const size_t end = begin + match.length;
    parts->push_back({match.value, {static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}});
    begin = end;
  }
}

void WordLevel::Encode(absl::string_view word, std::vector<WordPart>* parts) const {
  const int32_t id = vocabulary_->Find(word);
  parts->push_back(Whole(word, id == Vocabulary::kNone ? unknown_id_ : id));
}

}  // namespace favor
