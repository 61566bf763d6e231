#include "favor/tokenizer/prefix_trie.h"

#include <algorithm>
#include <cstring>

namespace favor {

PrefixTrie::PrefixTrie(std::vector<std::pair<absl::string_view, int32_t>> entries) {
  std::sort(entries.begin(), entries.end());
  // The keys below a node are a range of the sorted ones. All nodes of one depth are made before those of the next.
  using Range = std::pair<size_t, size_t>;
  std::vector<Range> level = {{0, entries.size()}};
  labels_.push_back(0);
  for (size_t depth = 0; !level.empty(); ++depth) {
    std::vector<Range> next;
    for (auto [begin, end] : level) {
      const bool ends_here = begin < end && entries[begin].first.size() == depth;
      values_.push_back(ends_here ? entries[begin].second : kNone);
      if (ends_here) ++begin;
      first_child_.push_back(static_cast<uint32_t>(labels_.size()));
      while (begin < end) {
        const char label = entries[begin].first[depth];
        size_t behind = begin + 1;
        while (behind < end && entries[behind].first[depth] == label) ++behind;
        labels_.push_back(label);
        next.push_back({begin, behind});
        begin = behind;
      }
    }
    level = std::move(next);
  }
  first_child_.push_back(static_cast<uint32_t>(labels_.size()));
}

uint32_t PrefixTrie::Child(uint32_t node, char byte) const {
  const uint32_t begin = first_child_[node];
  const uint32_t count = first_child_[node + 1] - begin;
  if (count == 0) return kRoot;
  const char* const labels = labels_.data() + begin;
  const void* const found = std::memchr(labels, static_cast<unsigned char>(byte), count);
  return found == nullptr ? kRoot : begin + static_cast<uint32_t>(static_cast<const char*>(found) - labels);
}

bool PrefixTrie::Find(absl::string_view text, uint32_t* node) const {
  *node = kRoot;
  for (const char byte : text) {
    *node = Child(*node, byte);
    if (*node == kRoot) return false;
  }
  return true;
}

PrefixTrie::Match PrefixTrie::LongestMatch(absl::string_view text, uint32_t node) const {
  Match match;
  for (size_t i = 0; i < text.size(); ++i) {
    node = Child(node, text[i]);
    if (node == kRoot) break;
    if (values_[node] != kNone) match = {values_[node], i + 1};
  }
  return match;
}

}  // namespace favor
