#ifndef FAVOR_TOKENIZER_ADDED_TOKENS_H_
#define FAVOR_TOKENIZER_ADDED_TOKENS_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/normalized_text.h"
#include "favor/tokenizer/prefix_trie.h"

namespace favor {

// A token that is looked for in the text before the model sees it, as the reference defines them.
struct AddedToken {
  std::string content;  // never empty
  int32_t id = 0;
  bool single_word = false;  // only where no letter, digit, mark or connector is right before or after it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space behind it along
  bool normalized = false;   // looked for in the normalised text, itself normalised
};

// Finds added tokens: from left to right, the longest first. Immutable and thread-safe.
class AddedTokens {
 public:
  static constexpr int32_t kText = -1;

  // Contents are unique.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // A part of a text: an added token, or what lies between (id is kText).
  struct Part {
    int32_t id = kText;
    TextRange range;
  };

  // Appends the parts of `text`, UTF-8, in order. They cover it; of an empty text there are none.
  void Split(absl::string_view text, std::vector<Part>* parts) const;

  // How far a search has come.
  struct Search {
    uint32_t next = 0;       // where to go on
    uint32_t free_from = 0;  // all before is in a part
  };
  // The same in steps: goes on to byte `stop` or a token further. Done when search->next is the end of the text.
  void Split(absl::string_view text, uint32_t stop, Search* search, std::vector<Part>* parts) const;

 private:
  // The part of a match of `token` at [begin, end), where all before `free_from` is taken. False if it does not count.
  bool Accept(absl::string_view text, const AddedToken& token, uint32_t free_from, TextRange* range) const;

  std::vector<AddedToken> tokens_;
  PrefixTrie trie_;  // values are indices of tokens_
  std::bitset<256> first_bytes_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_ADDED_TOKENS_H_
