#include "favor/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

std::vector<std::pair<absl::string_view, int32_t>> Entries(const std::vector<AddedToken>& tokens) {
  std::vector<std::pair<absl::string_view, int32_t>> entries;
  for (const AddedToken& token : tokens) entries.emplace_back(token.content, static_cast<int32_t>(entries.size()));
  return entries;
}

// Where the last character of `text`, which is not empty, starts.
size_t LastCharacter(absl::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return begin;
}

bool StartsWithWord(absl::string_view text) {
  size_t position = 0;
  return !text.empty() && IsWordCharacter(NextCharacter(text, &position));
}

bool EndsWithWord(absl::string_view text) { return !text.empty() && StartsWithWord(text.substr(LastCharacter(text))); }

// Where the white space at the end of `text` starts.
size_t TrailingSpace(absl::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t position = LastCharacter(text.substr(0, begin));
    const size_t character = position;
    if (!IsWhitespace(NextCharacter(text, &position))) break;
    begin = character;
  }
  return begin;
}

// Where the white space at the beginning of `text` ends.
size_t LeadingSpace(absl::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    size_t position = end;
    if (!IsWhitespace(NextCharacter(text, &position))) break;
    end = position;
  }
  return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), trie_(Entries(tokens_)) {
  for (const AddedToken& token : tokens_) first_bytes_.set(static_cast<unsigned char>(token.content.front()));
}

void AddedTokens::Split(absl::string_view text, std::vector<Part>* parts) const {
  uint32_t free_from = 0;
  const auto end = static_cast<uint32_t>(text.size());
  for (uint32_t i = 0; !empty() && i < end;) {
    PrefixTrie::Match match;
    if (first_bytes_[static_cast<unsigned char>(text[i])]) match = trie_.LongestMatch(text.substr(i));
    if (match.value == PrefixTrie::kNone) {
      ++i;
      continue;
    }
    TextRange range = {i, i + static_cast<uint32_t>(match.length)};
    i = range.end;  // also where it does not count, as in the reference
    const AddedToken& token = tokens_[match.value];
    if (!Accept(text, token, free_from, &range)) continue;
    if (free_from < range.begin) parts->push_back({kText, {free_from, range.begin}});
    parts->push_back({token.id, range});
    free_from = range.end;
  }
  if (free_from < end) parts->push_back({kText, {free_from, end}});
}

bool AddedTokens::Accept(absl::string_view text, const AddedToken& token, uint32_t free_from, TextRange* range) const {
  if (token.single_word && (EndsWithWord(text.substr(0, range->begin)) || StartsWithWord(text.substr(range->end)))) {
    return false;
  }
  if (token.lstrip) {
    const size_t begin = TrailingSpace(text.substr(free_from, range->begin - std::min(range->begin, free_from)));
    range->begin = free_from + static_cast<uint32_t>(begin);
  }
  if (token.rstrip) range->end += static_cast<uint32_t>(LeadingSpace(text.substr(range->end)));
  return true;
}

}  // namespace favor
