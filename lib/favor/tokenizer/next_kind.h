#ifndef FAVOR_TOKENIZER_NEXT_KIND_H_
#define FAVOR_TOKENIZER_NEXT_KIND_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/utf8.h"

namespace favor {

// kKindOf of the character that starts at *position, which is moved behind it; from a table where it is ASCII. `text`
// is UTF-8 and longer than *position.
template <auto kKindOf>
auto NextKind(absl::string_view text, size_t* position) {
  static const auto kAscii = [] {
    std::array<decltype(kKindOf(U'a')), 128> kinds;
    for (char32_t c = 0; c < kinds.size(); ++c) kinds[c] = kKindOf(c);
    return kinds;
  }();
  const auto byte = static_cast<unsigned char>(text[*position]);
  if (byte >= kAscii.size()) return kKindOf(NextCharacter(text, position));
  ++*position;
  return kAscii[byte];
}

}  // namespace favor

#endif  // FAVOR_TOKENIZER_NEXT_KIND_H_
