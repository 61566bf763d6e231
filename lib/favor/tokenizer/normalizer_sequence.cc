#include "favor/tokenizer/normalizer_sequence.h"

#include <algorithm>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/bert_normalizer.h"
#include "favor/tokenizer/utf8.h"
#include "favor/tokenizer/white_space.h"

namespace favor {
namespace {

void AppendCharacters(absl::string_view text, uint32_t offset, NormalizedText* normalized) {
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    NextCharacter(text, &i);
    normalized->text.append(text.data() + begin, i - begin);
    normalized->FillSources({offset + static_cast<uint32_t>(begin), offset + static_cast<uint32_t>(i)});
  }
}

// `sources` are ranges of `text` on the way in and ranges of what `text` comes from on the way out.
void FollowBack(const NormalizedText& text, uint32_t offset, std::vector<TextRange>* sources) {
  for (TextRange& source : *sources) {
    if (source.begin < source.end) {
      source = text.Source(source.begin, source.end);
    } else {
      source = {offset, offset};
    }
  }
}

}  // namespace

void NormalizerSequence::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  NormalizedText current;
  AppendCharacters(text, offset, &current);
  for (const std::unique_ptr<Normalizer>& step : steps_) {
    NormalizedText next;
    step->Normalize(current.text, 0, &next);
    FollowBack(current, offset, &next.sources);
    current = std::move(next);
  }
  normalized->text += current.text;
  normalized->sources.insert(normalized->sources.end(), current.sources.begin(), current.sources.end());
}

bool NormalizerSequence::IsLocal() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const auto& step) { return step->IsLocal(); });
}

void ReplaceSpaces::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  for (size_t i = 0; i < text.size();) {
    size_t end = text.find_first_not_of(' ', i);
    if (end == absl::string_view::npos) end = text.size();
    if (end - i >= 2) {
      normalized->text += content_;
      const auto last = static_cast<uint32_t>(offset + end);
      normalized->FillSources({last - 1, last});  // as in the reference, the last of the spaces
    } else {
      if (end == i) NextCharacter(text, &end);
      AppendCharacters(text.substr(i, end - i), offset + static_cast<uint32_t>(i), normalized);
    }
    i = end;
  }
}

void ReplaceText::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  for (size_t i = 0; i < text.size();) {
    const size_t found = std::min(text.find(pattern_, i), text.size());
    AppendCharacters(text.substr(i, found - i), offset + static_cast<uint32_t>(i), normalized);
    if (found == text.size()) return;
    i = found + pattern_.size();
    normalized->text += content_;
    // As in the reference, the last of its characters.
    const size_t last = found + LastCharacter(text.substr(found, pattern_.size()));
    normalized->FillSources({static_cast<uint32_t>(offset + last), static_cast<uint32_t>(offset + i)});
  }
}

bool ReplaceText::IsLocal() const {
  for (size_t i = 0; i < pattern_.size();) {
    if (IsWhitespace(NextCharacter(pattern_, &i))) return false;
  }
  return pattern_.size() <= 16;
}

void StripSpaces::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  const size_t begin = left_ ? LeadingSpace(text) : 0;
  const absl::string_view rest = text.substr(begin);
  const size_t end = right_ ? TrailingSpace(rest) : rest.size();
  AppendCharacters(rest.substr(0, end), offset + static_cast<uint32_t>(begin), normalized);
}

void StripAccents::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (IsMark(NextCharacter(text, &i))) continue;
    AppendCharacters(text.substr(begin, i - begin), offset + static_cast<uint32_t>(begin), normalized);
  }
}

std::unique_ptr<Normalizer> LowercaseBefore(std::unique_ptr<Normalizer> next) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  steps.push_back(MakeLowercase());
  if (next != nullptr) steps.push_back(std::move(next));
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace favor
