#include "favor/tokenizer/split_pattern.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/regex_syntax.h"
#include "unicode/unistr.h"

namespace favor {
namespace {

constexpr int32_t kStackBytes = 16 << 20;
// What ICU's time limit counts in.
constexpr int32_t kStepsPerTick = 10000;
constexpr int32_t kLeastTicks = 100;
constexpr int32_t kStepsPerUnit = 32;

icu::UnicodeString ToUtf16(absl::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

int32_t MostTicks(const icu::UnicodeString& text) {
  return kLeastTicks + static_cast<int32_t>(int64_t{kStepsPerUnit} * text.length() / kStepsPerTick);
}

// Follows places in UTF-16 in the same text in UTF-8.
class Utf8Places {
 public:
  explicit Utf8Places(const icu::UnicodeString& text) : text_(text) {}

  // Of a place not before the last one.
  uint32_t Of(int32_t place) {
    for (; unit_ < place; ++unit_) {
      const char16_t unit = text_[unit_];
      byte_ += unit < 0x80 ? 1 : unit < 0x800 || U16_IS_SURROGATE(unit) ? 2 : 3;
    }
    return byte_;
  }

 private:
  const icu::UnicodeString& text_;
  int32_t unit_ = 0;
  uint32_t byte_ = 0;
};

}  // namespace

absl::StatusOr<SplitPattern> SplitPattern::Compile(absl::string_view regex) {
  const absl::StatusOr<std::string> translated = TranslateRegex(regex);
  if (!translated.ok()) return translated.status();
  UErrorCode error = U_ZERO_ERROR;
  UParseError place;
  std::unique_ptr<icu::RegexPattern> pattern(icu::RegexPattern::compile(ToUtf16(*translated), 0, place, error));
  if (U_FAILURE(error)) return absl::InvalidArgumentError(absl::StrCat("which ICU refuses: ", u_errorName(error)));
  return SplitPattern(std::move(pattern));
}

absl::Status SplitPattern::FindAll(absl::string_view text, std::vector<TextRange>* matches) const {
  const icu::UnicodeString utf16 = ToUtf16(text);
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern_->matcher(utf16, error));
  if (U_SUCCESS(error)) matcher->setStackLimit(kStackBytes, error);
  if (U_SUCCESS(error)) matcher->setTimeLimit(MostTicks(utf16), error);
  Utf8Places places(utf16);
  std::optional<uint32_t> last_end;
  while (U_SUCCESS(error) && matcher->find(error)) {
    const uint32_t begin = places.Of(matcher->start(error));
    const uint32_t end = places.Of(matcher->end(error));
    if (begin == end && begin == last_end) continue;
    matches->push_back({begin, end});
    last_end = end;
  }
  if (U_SUCCESS(error)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a pattern of the tokenizer's Split takes too much time or memory (",
                                                 u_errorName(error), ") for a text of ", text.size(), " bytes"));
}

}  // namespace favor
