#include "favor/tokenizer/regex_scanner.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "favor/tokenizer/regex_sets.h"
#include "favor/tokenizer/utf8.h"
#include "unicode/uchar.h"

namespace favor {
namespace {

constexpr int kMaxDepth = 16;  // of classes in classes
constexpr char32_t kLastCharacter = 0x10FFFF;

icu::UnicodeSet SetOf(char32_t c) { return {static_cast<UChar32>(c), static_cast<UChar32>(c)}; }

bool IsSurrogate(uint32_t c) { return c >= 0xD800 && c < 0xE000; }

}  // namespace

icu::UnicodeSet CaseSet(char32_t character) {
  icu::UnicodeSet set = SetOf(character);
  set.closeOver(USET_CASE_INSENSITIVE);
  return set;
}

bool RegexScanner::Take(absl::string_view text) {
  if (!IsNext(text)) return false;
  position_ += text.size();
  return true;
}

absl::string_view RegexScanner::TakeUntil(absl::string_view end) {
  const size_t found = Rest().find(end);
  if (found == absl::string_view::npos) {
    Fail(absl::StrCat("lacks \"", end, "\""));
    return "";
  }
  const absl::string_view taken = Rest().substr(0, found);
  position_ += found + end.size();
  return taken;
}

char32_t RegexScanner::TakeCharacter() { return AtEnd() ? 0 : NextCharacter(pattern_, &position_); }

void RegexScanner::Fail(absl::string_view what) {
  if (status_.ok())
    status_ = absl::InvalidArgumentError(absl::StrCat("which is wrong at byte ", position_, ": ", what));
  position_ = pattern_.size();
}

void RegexScanner::NotImplemented(size_t begin) {
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat("whose \"", TakenSince(begin), "\" at byte ", begin, " is not implemented"));
  }
  position_ = pattern_.size();
}

std::optional<icu::UnicodeSet> RegexScanner::TakeClassEscape(bool in_class) {
  const absl::string_view rest = Rest();
  if (rest.size() < 2 || rest[0] != '\\') return std::nullopt;
  const char letter = rest[1], lower = absl::ascii_tolower(letter);
  if (absl::string_view("dhpsw").find(lower) == absl::string_view::npos) return std::nullopt;
  position_ += 2;
  const bool negated = letter != lower;
  if (lower == 'p') return TakeProperty(negated);
  icu::UnicodeSet set;
  if (lower == 'd') set = CategorySet(U_GC_ND_MASK);
  if (lower == 'h') set = HexDigitSet();
  if (lower == 's') set = SpaceSet();
  if (lower == 'w') set = in_class ? ClassWordSet() : WordSet();
  return negated ? set.complement() : set;
}

icu::UnicodeSet RegexScanner::TakeProperty(bool negated) {
  const size_t begin = position_ - 2;
  if (!Take("{")) {
    Fail("\\p without {");
    return {};
  }
  if (Take("^")) negated = !negated;
  icu::UnicodeSet set;
  if (!FindProperty(std::string(TakeUntil("}")), &set)) NotImplemented(begin);
  return negated ? set.complement() : set;
}

std::optional<char32_t> RegexScanner::TakeCharacterEscape() {
  if (!IsNext("\\")) return std::nullopt;
  const size_t begin = position_++;
  if (AtEnd()) {
    Fail("a backslash without what it escapes");
    return 0;
  }
  uint32_t value = 0;
  const auto hex = [&](absl::string_view digits) {
    if (!absl::SimpleHexAtoi(digits, &value) || value > kLastCharacter || IsSurrogate(value)) NotImplemented(begin);
    return static_cast<char32_t>(value);
  };
  if (Take("x{")) return hex(TakeUntil("}"));
  const char32_t c = TakeCharacter();
  const size_t num_digits = c == 'x' ? 2 : c == 'u' ? 4 : 0;
  if (num_digits > 0) {
    const absl::string_view digits = Rest().substr(0, num_digits);
    position_ += digits.size();
    // Two digits are a byte, of a character of more bytes where it is no ASCII.
    if (digits.size() < num_digits || hex(digits) >= (c == 'x' ? 0x80 : kLastCharacter)) NotImplemented(begin);
    return static_cast<char32_t>(value);
  }
  constexpr absl::string_view kNames = "abefnrtv", kControls = "\a\b\x1b\f\n\r\t\v";
  if (c < 0x80 && absl::ascii_isalnum(static_cast<unsigned char>(c))) {
    const size_t known = kNames.find(static_cast<char>(c));
    if (known != absl::string_view::npos) return static_cast<char32_t>(kControls[known]);
    NotImplemented(begin);
  }
  return c;
}

icu::UnicodeSet RegexScanner::TakeClass(bool ignore_case) { return TakeClass(ignore_case, 0); }

icu::UnicodeSet RegexScanner::TakeClass(bool ignore_case, int depth) {
  if (depth == kMaxDepth) Fail(absl::StrCat("more than ", kMaxDepth, " classes in one another"));
  const bool negated = Take("^");
  icu::UnicodeSet set = TakeClassPart(true, ignore_case, depth);
  while (Take("&&")) set.retainAll(TakeClassPart(false, ignore_case, depth));
  if (!Take("]")) Fail("a class without its \"]\"");
  return negated ? set.complement() : set;
}

icu::UnicodeSet RegexScanner::TakeClassPart(bool first, bool ignore_case, int depth) {
  icu::UnicodeSet set;
  for (; !AtEnd() && !IsNext("&&") && (first || !IsNext("]")); first = false) {
    ClassItem item = TakeClassItem(ignore_case, depth);
    if (item.character.has_value()) TakeRangeEnd(ignore_case, depth, &item);
    if (ignore_case) item.set.closeOver(USET_CASE_INSENSITIVE);
    set.addAll(item.set);
  }
  return set;
}

RegexScanner::ClassItem RegexScanner::TakeClassItem(bool ignore_case, int depth) {
  const size_t begin = position_;
  if (Take("[:")) {
    NotImplemented(begin);
    return {};
  }
  if (Take("[")) return {TakeClass(ignore_case, depth + 1), std::nullopt};
  if (std::optional<icu::UnicodeSet> set = TakeClassEscape(/*in_class=*/true); set.has_value()) {
    // Oniguruma adds to a class under (?i) what equals any of it, which may be more than one character.
    if (ignore_case) NotImplemented(begin);
    return {*std::move(set), std::nullopt};
  }
  std::optional<char32_t> c = TakeCharacterEscape();
  if (!c.has_value()) c = TakeCharacter();
  if (ignore_case && *c >= 0x80) NotImplemented(begin);
  return {SetOf(*c), c};
}

void RegexScanner::TakeRangeEnd(bool ignore_case, int depth, ClassItem* item) {
  if (!IsNext("-") || IsNext("-]")) return;
  const size_t begin = position_;
  ++position_;
  const ClassItem last = TakeClassItem(ignore_case, depth);
  // What a hyphen means where no range can be is not the same everywhere.
  if (!last.character.has_value() || *last.character < *item->character || *item->character == '-') {
    return NotImplemented(begin);
  }
  item->set = {static_cast<UChar32>(*item->character), static_cast<UChar32>(*last.character)};
}

}  // namespace favor
