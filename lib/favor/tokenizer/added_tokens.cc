#include "favor/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"
#include "favor/tokenizer/white_space.h"

namespace favor {
namespace {

std::vector<std::pair<absl::string_view, int32_t>> Entries(const std::vector<AddedToken>& tokens) {
  std::vector<std::pair<absl::string_view, int32_t>> entries;
  for (const AddedToken& token : tokens) entries.emplace_back(token.content, static_cast<int32_t>(entries.size()));
  return entries;
}

bool StartsWithWord(absl::string_view text) {
  size_t position = 0;
  return !text.empty() && IsWordCharacter(NextCharacter(text, &position));
}

bool EndsWithWord(absl::string_view text) { return !text.empty() && StartsWithWord(text.substr(LastCharacter(text))); }

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), trie_(Entries(tokens_)) {
  for (const AddedToken& token : tokens_) first_bytes_.set(static_cast<unsigned char>(token.content.front()));
}

void AddedTokens::Split(absl::string_view text, std::vector<Part>* parts) const {
  Search search;
  Split(text, static_cast<uint32_t>(text.size()), &search, parts);
}

void AddedTokens::Split(absl::string_view text, uint32_t stop, Search* search, std::vector<Part>* parts) const {
  if (empty()) search->next = static_cast<uint32_t>(text.size());
  while (search->next < stop) {
    const uint32_t i = search->next;
    PrefixTrie::Match match;
    if (first_bytes_[static_cast<unsigned char>(text[i])]) match = trie_.LongestMatch(text.substr(i));
    if (match.value == PrefixTrie::kNone) {
      ++search->next;
      continue;
    }
    TextRange range = {i, i + static_cast<uint32_t>(match.length)};
    search->next = range.end;  // also where it does not count, as in the reference
    const AddedToken& token = tokens_[match.value];
    if (!Accept(text, token, search->free_from, &range)) continue;
    if (search->free_from < range.begin) parts->push_back({kText, {search->free_from, range.begin}});
    parts->push_back({token.id, range});
    search->free_from = range.end;
  }
  const auto end = static_cast<uint32_t>(text.size());
  if (search->next == end && search->free_from < end) parts->push_back({kText, {search->free_from, end}});
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
