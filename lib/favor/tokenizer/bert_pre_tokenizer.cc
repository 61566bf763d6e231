#include "favor/tokenizer/bert_pre_tokenizer.h"

#include <cstdint>

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/next_kind.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

enum class Kind : uint8_t { kWord, kSpace, kPunctuation };

Kind KindOf(char32_t c) {
  if (IsWhitespace(c)) return Kind::kSpace;
  return IsBertPunctuation(c) ? Kind::kPunctuation : Kind::kWord;
}

}  // namespace

absl::Status BertPreTokenizer::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  const absl::string_view bytes = text->text;
  uint32_t word_begin = 0;
  for (size_t i = 0; i < bytes.size();) {
    const auto begin = static_cast<uint32_t>(i);
    const Kind kind = NextKind<KindOf>(bytes, &i);
    if (kind == Kind::kWord || (kind == Kind::kPunctuation && !isolate_punctuation_)) continue;
    const auto end = static_cast<uint32_t>(i);
    if (word_begin < begin) words->push_back({word_begin, begin});
    if (kind == Kind::kPunctuation) words->push_back({begin, end});
    word_begin = end;
  }
  if (word_begin < bytes.size()) words->push_back({word_begin, static_cast<uint32_t>(bytes.size())});
  return absl::OkStatus();
}

absl::Status CharacterPreTokenizer::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  const absl::string_view bytes = text->text;
  for (size_t i = 0; i < bytes.size();) {
    const auto begin = static_cast<uint32_t>(i);
    NextCharacter(bytes, &i);
    words->push_back({begin, static_cast<uint32_t>(i)});
  }
  return absl::OkStatus();
}

}  // namespace favor
