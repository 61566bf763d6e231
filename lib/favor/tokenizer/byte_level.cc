#include "favor/tokenizer/byte_level.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/next_kind.h"
#include "favor/tokenizer/regex_characters.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

bool IsVisible(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);  // 0xAD is the soft hyphen
}

std::array<std::string, 256> MakeVisibleBytes() {
  std::array<std::string, 256> visible;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    AppendUtf8(IsVisible(byte) ? static_cast<char32_t>(byte) : next++, &visible[byte]);
  }
  return visible;
}

enum class Kind : uint8_t { kLetter, kNumber, kSpace, kOther };

Kind KindOf(char32_t c) {
  if (IsLetter(c)) return Kind::kLetter;
  if (IsNumber(c)) return Kind::kNumber;
  return IsWhitespace(c) ? Kind::kSpace : Kind::kOther;
}

size_t ContractionSize(absl::string_view text) {
  if (text.front() != '\'') return 0;
  for (const absl::string_view known : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (absl::StartsWith(text, known)) return known.size();
  }
  return 0;
}

// All of the white space, but not its last character where a word follows, unless it is the only one.
size_t SpaceEnd(absl::string_view text, size_t begin) {
  size_t last = begin, end = begin;
  while (end < text.size()) {
    size_t next = end;
    if (NextKind<KindOf>(text, &next) != Kind::kSpace) return last > begin ? last : end;
    last = end;
    end = next;
  }
  return end;
}

// Where the word ends that starts at `begin`, as matched by
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t WordEnd(absl::string_view text, size_t begin) {
  if (const size_t size = ContractionSize(text.substr(begin)); size > 0) return begin + size;
  size_t end = begin;
  Kind kind = NextKind<KindOf>(text, &end);
  if (text[begin] == ' ' && end < text.size()) kind = NextKind<KindOf>(text, &end);
  if (kind == Kind::kSpace) return SpaceEnd(text, begin);
  while (end < text.size()) {
    size_t next = end;
    if (NextKind<KindOf>(text, &next) != kind) break;
    end = next;
  }
  return end;
}

}  // namespace

absl::string_view VisibleByte(char byte) {
  static const auto* const kVisible = new std::array<std::string, 256>(MakeVisibleBytes());
  return (*kVisible)[static_cast<unsigned char>(byte)];
}

absl::Status ByteLevel::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  if (text->text.empty()) return absl::OkStatus();
  if (options_.add_prefix_space && text->text.front() != ' ') {
    text->text.insert(text->text.begin(), ' ');
    text->sources.insert(text->sources.begin(), TextRange(text->sources.front()));
  }
  NormalizedText out;
  out.begin = text->begin;
  const absl::string_view bytes = text->text;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = options_.split ? WordEnd(bytes, begin) : bytes.size();
    const auto word_begin = static_cast<uint32_t>(out.text.size());
    for (size_t i = begin; i < end; ++i) {
      const absl::string_view visible = VisibleByte(bytes[i]);
      out.text.append(visible.data(), visible.size());
      out.FillSources(text->sources[i]);
    }
    words->push_back({word_begin, static_cast<uint32_t>(out.text.size())});
    begin = end;
  }
  *text = std::move(out);
  return absl::OkStatus();
}

}  // namespace favor
