#ifndef FAVOR_TOKENIZER_PREFIX_TRIE_H_
#define FAVOR_TOKENIZER_PREFIX_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace favor {

// A set of byte strings with a value each, walked byte by byte: finds the longest that a text starts with. About nine
// bytes per node. Immutable and thread-safe.
class PrefixTrie {
 public:
  static constexpr int32_t kNone = -1;
  static constexpr uint32_t kRoot = 0;

  PrefixTrie() : PrefixTrie(std::vector<std::pair<absl::string_view, int32_t>>()) {}

  // Keys are unique; values at least 0. Time and memory linear in the bytes of the keys, once they are sorted.
  explicit PrefixTrie(std::vector<std::pair<absl::string_view, int32_t>> entries);

  // The node that `byte` leads to, or the root, to which nothing leads, if there is none.
  uint32_t Child(uint32_t node, char byte) const;

  // The node that `text` leads to from the root; false if there is none.
  bool Find(absl::string_view text, uint32_t* node) const;

  // The value of the key that ends at this node, kNone if none does.
  int32_t Value(uint32_t node) const { return values_[node]; }

  int64_t num_bytes() const {
    return static_cast<int64_t>(first_child_.capacity() * sizeof(uint32_t) + labels_.capacity() +
                                values_.capacity() * sizeof(int32_t));
  }

  struct Match {
    int32_t value = kNone;
    size_t length = 0;
  };
  // The longest way from `node` (itself not counted) along the beginning of `text` that ends in a value.
  Match LongestMatch(absl::string_view text, uint32_t node = kRoot) const;

 private:
  // Nodes in breadth-first order, so that the children of n are [first_child_[n], first_child_[n + 1]).
  std::vector<uint32_t> first_child_;
  std::vector<char> labels_;  // the byte that leads to each node
  std::vector<int32_t> values_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_PREFIX_TRIE_H_
