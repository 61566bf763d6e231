#include "favor/tokenizer/utf8.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace favor {
namespace {

bool IsContinuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Bytes of the character at `position`, 0 if there is none.
size_t ValidLength(absl::string_view text, size_t position) {
  const size_t left = text.size() - position;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || left < 2 || !IsContinuation(byte(1))) return 0;
  if (first < 0xE0) return 2;
  if (left < 3 || !IsContinuation(byte(2))) return 0;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (first > 0xF4 || left < 4 || !IsContinuation(byte(3))) return 0;
  const bool overlong = first == 0xF0 && byte(1) < 0x90;
  const bool beyond = first == 0xF4 && byte(1) >= 0x90;
  return overlong || beyond ? 0 : 4;
}

}  // namespace

absl::Status CheckUtf8(absl::string_view text) {
  size_t position = 0;
  return CheckUtf8(text, text.size(), &position);
}

absl::Status CheckUtf8(absl::string_view text, size_t stop, size_t* position) {
  while (*position < stop) {
    uint64_t eight = 0;
    while (*position + sizeof(eight) <= stop) {
      std::memcpy(&eight, text.data() + *position, sizeof(eight));
      if ((eight & 0x8080808080808080u) != 0) break;
      *position += sizeof(eight);
    }
    if (*position == stop) break;
    const size_t length = ValidLength(text, *position);
    if (length == 0) {
      return absl::InvalidArgumentError(absl::StrFormat("text is not UTF-8: byte %d is 0x%02X", *position,
                                                        static_cast<unsigned char>(text[*position])));
    }
    *position += length;
  }
  return absl::OkStatus();
}

char32_t NextCharacter(absl::string_view text, size_t* position) {
  const auto next = [&] { return static_cast<unsigned char>(text[(*position)++]); };
  const char32_t first = next();
  if (first < 0x80) return first;
  if (first < 0xE0) return (first & 0x1F) << 6 | (next() & 0x3F);
  const char32_t second = next() & 0x3F;
  if (first < 0xF0) return (first & 0x0F) << 12 | second << 6 | (next() & 0x3F);
  const char32_t third = next() & 0x3F;
  return (first & 0x07) << 18 | second << 12 | third << 6 | (next() & 0x3F);
}

void AppendUtf8(char32_t character, std::string* text) {
  const auto append = [&](char32_t byte) { text->push_back(static_cast<char>(byte)); };
  if (character < 0x80) return append(character);
  if (character < 0x800) {
    append(0xC0 | character >> 6);
  } else {
    if (character < 0x10000) {
      append(0xE0 | character >> 12);
    } else {
      append(0xF0 | character >> 18);
      append(0x80 | (character >> 12 & 0x3F));
    }
    append(0x80 | (character >> 6 & 0x3F));
  }
  append(0x80 | (character & 0x3F));
}

std::string CharacterName(char32_t character) {
  std::string name = absl::StrFormat("U+%04X", static_cast<uint32_t>(character));
  if (character < 0x20 || (character >= 0x7F && character < 0xA0)) return name;
  name += " (";
  AppendUtf8(character, &name);
  return name + ")";
}

int64_t CountCharacters(absl::string_view text) {
  int64_t count = 0;
  for (const char byte : text) count += !IsContinuation(static_cast<unsigned char>(byte));
  return count;
}

}  // namespace favor
