#include "favor/tokenizer/text_cuts.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/grapheme.h"
#include "favor/tokenizer/utf8.h"
#include "favor/tokenizer/white_space.h"

namespace favor {
namespace {

// Bytes on either side of a cut that it is tried on.
constexpr size_t kSurroundings = 32;
// Places tried within one distance: what is refused must not cost more than what is encoded.
constexpr int kMostTries = 16;

bool IsContinuation(char byte) { return (byte & 0xC0) == 0x80; }

bool Equal(const NormalizedText& whole, const NormalizedText& first, const NormalizedText& second) {
  if (whole.text != first.text + second.text) return false;
  for (size_t i = 0; i < whole.sources.size(); ++i) {
    const TextRange& part = i < first.sources.size() ? first.sources[i] : second.sources[i - first.sources.size()];
    if (whole.sources[i].begin != part.begin || whole.sources[i].end != part.end) return false;
  }
  return true;
}

}  // namespace

TextCuts::TextCuts(const Normalizer* normalizer, const PreTokenizer* pre_tokenizer,
                   const std::vector<AddedToken>& normalized_tokens)
    : normalizer_(normalizer), may_cut_(pre_tokenizer != nullptr && pre_tokenizer->CutsBeforeSpaces()) {
  if (normalizer != nullptr && !normalizer->IsLocal()) may_cut_ = false;
  for (const AddedToken& token : normalized_tokens) {
    if (token.rstrip || token.content.find(' ') != std::string::npos) may_cut_ = false;
  }
}

NormalizedText TextCuts::Normalize(absl::string_view text, size_t offset) const {
  NormalizedText normalized;
  if (normalizer_ != nullptr) {
    normalizer_->Normalize(text, static_cast<uint32_t>(offset), &normalized);
  } else {
    normalized.text = std::string(text);  // where its characters come from is plain
  }
  return normalized;
}

bool TextCuts::HasLag(absl::string_view text) const {
  if (normalizer_ == nullptr || text.empty()) return false;
  const size_t first = GraphemeEnd(text, 0);
  const NormalizedText probe = Normalize(absl::StrCat(text.substr(0, first), "a"), 0);
  return probe.sources.empty() || probe.sources.back().begin != first;
}

bool TextCuts::IsCut(absl::string_view text, size_t at) const {
  size_t begin = at - std::min(at, kSurroundings), end = std::min(text.size(), at + kSurroundings);
  while (IsContinuation(text[begin])) ++begin;
  while (end < text.size() && IsContinuation(text[end])) --end;
  const NormalizedText before = Normalize(text.substr(begin, at - begin), begin);
  const NormalizedText behind = Normalize(text.substr(at, end - at), at);
  if (before.text.empty() || TrailingSpace(before.text) != before.text.size()) return false;
  if (behind.text.empty() || behind.text.front() != ' ') return false;
  return Equal(Normalize(text.substr(begin, end - begin), begin), before, behind);
}

size_t TextCuts::Next(absl::string_view text, size_t begin, size_t distance) const {
  for (size_t at = begin; text.size() - at > distance;) {
    at += distance;
    for (int tries = 0; tries < kMostTries; ++tries, ++at) {
      at = std::min(text.find_first_of(" \n", at), text.size());
      if (at == text.size() || IsCut(text, at)) return at;
    }
  }
  return text.size();
}

}  // namespace favor
