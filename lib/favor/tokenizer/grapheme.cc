#include "favor/tokenizer/grapheme.h"

#include "favor/tokenizer/utf8.h"
#include "unicode/uchar.h"

namespace favor {
namespace {

int BreakClass(char32_t c) {
  // Marks of Unicode 16 and 17, which ICU 72 has not got.
  if (c == 0x0897 || (c >= 0x1ACF && c <= 0x1ADD) || (c >= 0x1AE0 && c <= 0x1AEB)) return U_GCB_EXTEND;
  return u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_GRAPHEME_CLUSTER_BREAK);
}

bool IsControl(int c) { return c == U_GCB_CONTROL || c == U_GCB_CR || c == U_GCB_LF; }

// Rules GB6 to GB8.
bool WithinSyllable(int before, int after) {
  switch (before) {
    case U_GCB_L:
      return after == U_GCB_L || after == U_GCB_V || after == U_GCB_LV || after == U_GCB_LVT;
    case U_GCB_LV:
    case U_GCB_V:
      return after == U_GCB_V || after == U_GCB_T;
    case U_GCB_LVT:
    case U_GCB_T:
      return after == U_GCB_T;
    default:
      return false;
  }
}

}  // namespace

size_t GraphemeEnd(absl::string_view text, size_t begin) {
  size_t end = begin;
  char32_t c = NextCharacter(text, &end);
  int before = BreakClass(c);
  // An emoji followed by Extend* and then by a joiner goes on with another emoji; regional indicators come in pairs.
  bool emoji = u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC);
  bool joined_emoji = false;
  bool odd_indicator = before == U_GCB_REGIONAL_INDICATOR;
  while (end < text.size()) {
    size_t next = end;
    c = NextCharacter(text, &next);
    const int after = BreakClass(c);
    const bool next_emoji = u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_EXTENDED_PICTOGRAPHIC);
    bool goes_on = after == U_GCB_EXTEND || after == U_GCB_ZWJ || after == U_GCB_SPACING_MARK ||
                   before == U_GCB_PREPEND || WithinSyllable(before, after) || (joined_emoji && next_emoji) ||
                   (odd_indicator && after == U_GCB_REGIONAL_INDICATOR);
    if (IsControl(before) || IsControl(after)) goes_on = before == U_GCB_CR && after == U_GCB_LF;
    if (!goes_on) break;
    odd_indicator = after == U_GCB_REGIONAL_INDICATOR && !odd_indicator;
    joined_emoji = emoji && after == U_GCB_ZWJ;
    emoji = next_emoji || (emoji && after == U_GCB_EXTEND);
    before = after;
    end = next;
  }
  return end;
}

}  // namespace favor
