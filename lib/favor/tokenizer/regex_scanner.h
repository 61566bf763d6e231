#ifndef FAVOR_TOKENIZER_REGEX_SCANNER_H_
#define FAVOR_TOKENIZER_REGEX_SCANNER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "unicode/uniset.h"

namespace favor {

// The characters and classes of a regular expression as Oniguruma writes them, one after the other. After an error,
// which is the first one, it is at its end.
class RegexScanner {
 public:
  // UTF-8.
  explicit RegexScanner(absl::string_view pattern) : pattern_(pattern) {}

  bool AtEnd() const { return position_ >= pattern_.size(); }
  bool IsNext(absl::string_view text) const { return Rest().substr(0, text.size()) == text; }
  // Moves behind `text` where it is next.
  bool Take(absl::string_view text);
  // All up to `end` and behind it. An error where there is none.
  absl::string_view TakeUntil(absl::string_view end);
  char32_t TakeCharacter();
  absl::string_view Rest() const { return pattern_.substr(position_); }
  void Skip(size_t num_bytes) { position_ += num_bytes; }
  size_t position() const { return position_; }
  absl::string_view TakenSince(size_t begin) const { return pattern_.substr(begin, position_ - begin); }

  // A class in brackets, of which the first one is taken. ignore_case: under (?i).
  icu::UnicodeSet TakeClass(bool ignore_case);
  // An escape, where the next one is of that kind: a class as \s, a character as \n. in_class: in brackets.
  std::optional<icu::UnicodeSet> TakeClassEscape(bool in_class);
  std::optional<char32_t> TakeCharacterEscape();

  // Record an error: "which is wrong at byte N: WHAT", "whose "TEXT" at byte N is not implemented", of what is taken
  // from `begin` on.
  void Fail(absl::string_view what);
  void NotImplemented(size_t begin);

  const absl::Status& status() const { return status_; }

 private:
  struct ClassItem {
    icu::UnicodeSet set;
    std::optional<char32_t> character;  // the only one of the set
  };
  // What stands between two "&&".
  icu::UnicodeSet TakeClassPart(bool first, bool ignore_case, int depth);
  icu::UnicodeSet TakeClass(bool ignore_case, int depth);
  ClassItem TakeClassItem(bool ignore_case, int depth);
  // Widens a range "a-z", of which "a" is taken.
  void TakeRangeEnd(bool ignore_case, int depth, ClassItem* item);
  icu::UnicodeSet TakeProperty(bool negated);

  absl::string_view pattern_;
  size_t position_ = 0;
  absl::Status status_;
};

// A character and those it equals under (?i). Those beyond ASCII are refused there.
icu::UnicodeSet CaseSet(char32_t character);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_REGEX_SCANNER_H_
