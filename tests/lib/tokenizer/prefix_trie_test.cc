#include "favor/tokenizer/prefix_trie.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(PrefixTrie, FindsTheLongestKey) {
  const PrefixTrie trie({{"a", 0}, {"abc", 1}, {"b", 2}});
  EXPECT_EQ(trie.LongestMatch("abcd").value, 1);
  EXPECT_EQ(trie.LongestMatch("abd").value, 0);
  EXPECT_EQ(trie.LongestMatch("abd").length, 1u);
  EXPECT_EQ(trie.LongestMatch("c").value, PrefixTrie::kNone);
  EXPECT_EQ(trie.LongestMatch("").value, PrefixTrie::kNone);
}

TEST(PrefixTrie, OfNoKeysFindsNothing) {
  EXPECT_EQ(PrefixTrie().LongestMatch("a").value, PrefixTrie::kNone);
  EXPECT_EQ(PrefixTrie(std::vector<std::pair<absl::string_view, int32_t>>()).Value(PrefixTrie::kRoot),
            PrefixTrie::kNone);
}

TEST(PrefixTrie, TheEmptyKeyIsNoMatch) {
  const PrefixTrie trie({{"", 7}, {"a", 1}});
  EXPECT_EQ(trie.Value(PrefixTrie::kRoot), 7);
  EXPECT_EQ(trie.LongestMatch("b").value, PrefixTrie::kNone);
}

TEST(PrefixTrie, AgreesWithAMapOnRandomKeys) {
  std::mt19937 random(1);
  const auto text = [&](size_t most) {
    std::string result;
    for (size_t i = random() % (most + 1); i > 0; --i) result += "ab\xFF"[random() % 3];
    return result;
  };
  std::map<std::string, int32_t> keys;
  for (int32_t i = 0; i < 300; ++i) keys.emplace(text(8), i);
  std::vector<std::pair<absl::string_view, int32_t>> entries(keys.begin(), keys.end());
  const PrefixTrie trie(entries);
  for (int i = 0; i < 2000; ++i) {
    const std::string input = text(12);
    PrefixTrie::Match expected;
    for (size_t length = 1; length <= input.size(); ++length) {
      if (const auto found = keys.find(input.substr(0, length)); found != keys.end()) {
        expected = {found->second, length};
      }
    }
    ASSERT_EQ(trie.LongestMatch(input).value, expected.value);
    ASSERT_EQ(trie.LongestMatch(input).length, expected.length);
  }
}

}  // namespace
}  // namespace favor
