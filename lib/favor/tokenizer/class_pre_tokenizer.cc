#include "favor/tokenizer/class_pre_tokenizer.h"

#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/next_kind.h"
#include "favor/tokenizer/regex_characters.h"

namespace favor {
namespace {

// Neighbours of one kind are one word, but of kAlone, which are each a word, and of kDropped, which are none.
enum class Kind : uint8_t { kOne, kOther, kAlone, kDropped };

Kind OfWhitespace(char32_t c) {
  if (IsWordCharacter(c)) return Kind::kOne;
  return IsWhitespace(c) ? Kind::kDropped : Kind::kOther;
}
Kind OfDigits(char32_t c) { return IsNumeric(c) ? Kind::kOne : Kind::kOther; }
Kind OfIndividualDigits(char32_t c) { return IsNumeric(c) ? Kind::kAlone : Kind::kOther; }
Kind OfPunctuation(char32_t c) { return IsBertPunctuation(c) ? Kind::kAlone : Kind::kOther; }
Kind OfPunctuationRuns(char32_t c) { return IsBertPunctuation(c) ? Kind::kOne : Kind::kOther; }

template <auto kKindOf>
void SplitByKind(absl::string_view text, std::vector<TextRange>* words) {
  Kind last = Kind::kDropped;
  for (size_t i = 0; i < text.size();) {
    const auto begin = static_cast<uint32_t>(i);
    const Kind kind = NextKind<kKindOf>(text, &i);
    const auto end = static_cast<uint32_t>(i);
    if (kind == last && kind != Kind::kAlone && kind != Kind::kDropped) {
      words->back().end = end;
    } else if (kind != Kind::kDropped) {
      words->push_back({begin, end});
    }
    last = kind;
  }
}

}  // namespace

absl::Status ClassPreTokenizer::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  switch (classes_) {
    case WordClasses::kWhitespace:
      SplitByKind<OfWhitespace>(text->text, words);
      break;
    case WordClasses::kDigits:
      SplitByKind<OfDigits>(text->text, words);
      break;
    case WordClasses::kIndividualDigits:
      SplitByKind<OfIndividualDigits>(text->text, words);
      break;
    case WordClasses::kPunctuation:
      SplitByKind<OfPunctuation>(text->text, words);
      break;
    case WordClasses::kPunctuationRuns:
      SplitByKind<OfPunctuationRuns>(text->text, words);
      break;
  }
  return absl::OkStatus();
}

}  // namespace favor
