#include "favor/tokenizer/regex_sets.h"

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/regex_characters.h"
#include "unicode/uchar.h"
#include "unicode/uscript.h"

namespace favor {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Scripts, and what Unicode 16 has of them that ICU 72 has not.
struct Script {
  const char* name;
  UScriptCode code;
  Range later[2];
};
constexpr Range kNone = {1, 0};
constexpr Script kScripts[] = {
    {"Bopomofo", USCRIPT_BOPOMOFO, {kNone, kNone}},
    {"Cyrillic", USCRIPT_CYRILLIC, {{0x1C89, 0x1C8A}, kNone}},
    {"Devanagari", USCRIPT_DEVANAGARI, {kNone, kNone}},
    {"Greek", USCRIPT_GREEK, {kNone, kNone}},
    {"Han", USCRIPT_HAN, {{0x2EBF0, 0x2EE5D}, kNone}},
    {"Hangul", USCRIPT_HANGUL, {kNone, kNone}},
    {"Hebrew", USCRIPT_HEBREW, {kNone, kNone}},
    {"Hiragana", USCRIPT_HIRAGANA, {kNone, kNone}},
    {"Katakana", USCRIPT_KATAKANA, {kNone, kNone}},
    {"Latin", USCRIPT_LATIN, {{0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}}},
    {"Thai", USCRIPT_THAI, {kNone, kNone}},
};

void Add(Range range, icu::UnicodeSet* set) {
  if (range.first <= range.last) set->add(static_cast<UChar32>(range.first), static_cast<UChar32>(range.last));
}

icu::UnicodeSet IntProperty(UProperty property, int32_t value) {
  icu::UnicodeSet set;
  UErrorCode error = U_ZERO_ERROR;  // of names that are not there; these are
  set.applyIntPropertyValue(property, value, error);
  return set;
}

void AppendHex(char32_t c, std::string* pattern) {
  absl::StrAppend(pattern, "\\x{", absl::Hex(static_cast<uint32_t>(c)), "}");
}

}  // namespace

icu::UnicodeSet CategorySet(uint32_t categories) {
  icu::UnicodeSet set = IntProperty(UCHAR_GENERAL_CATEGORY_MASK, static_cast<int32_t>(categories));
  for (const LaterCharacters& later : CharactersLaterThanIcu()) {
    const auto first = static_cast<UChar32>(later.first), last = static_cast<UChar32>(later.last);
    if ((later.category & categories) != 0) {
      set.add(first, last);
    } else {
      set.remove(first, last);
    }
  }
  return set;
}

bool FindProperty(const std::string& name, icu::UnicodeSet* set) {
  for (const Script& script : kScripts) {
    if (name != script.name) continue;
    *set = IntProperty(UCHAR_SCRIPT, script.code);
    for (const Range& later : script.later) Add(later, set);
    return true;
  }
  // ICU would also take "letter", and "punct" for what is more to Oniguruma.
  const int32_t mask = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, name.c_str());
  if (mask == UCHAR_INVALID_CODE) return false;
  for (const UPropertyNameChoice choice : {U_SHORT_PROPERTY_NAME, U_LONG_PROPERTY_NAME}) {
    const char* known = u_getPropertyValueName(UCHAR_GENERAL_CATEGORY_MASK, mask, choice);
    if (known == nullptr || name != known) continue;
    *set = CategorySet(static_cast<uint32_t>(mask));
    return true;
  }
  return false;
}

icu::UnicodeSet SpaceSet() { return IntProperty(UCHAR_WHITE_SPACE, 1); }

icu::UnicodeSet ClassWordSet() {
  icu::UnicodeSet set = CategorySet(U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_NL_MASK | U_GC_PC_MASK);
  constexpr Range kCircledLetters[] = {{0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
  for (const Range& range : kCircledLetters) Add(range, &set);
  return set;
}

icu::UnicodeSet WordSet() {
  icu::UnicodeSet set = ClassWordSet();
  constexpr Range kLatin1[] = {{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}};
  for (const Range& range : kLatin1) Add(range, &set);
  return set;
}

icu::UnicodeSet HexDigitSet() { return IntProperty(UCHAR_ASCII_HEX_DIGIT, 1); }

std::string SetPattern(const icu::UnicodeSet& set) {
  if (set.isEmpty()) return "(?!)";
  std::string pattern = "[";
  for (int32_t i = 0; i < set.getRangeCount(); ++i) {
    const auto first = static_cast<char32_t>(set.getRangeStart(i)), last = static_cast<char32_t>(set.getRangeEnd(i));
    AppendHex(first, &pattern);
    if (first == last) continue;
    pattern += '-';
    AppendHex(last, &pattern);
  }
  return pattern += ']';
}

}  // namespace favor
