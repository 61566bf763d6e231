#include "favor/tokenizer/precompiled_normalizer.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/tokenizer/grapheme.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

uint32_t LittleEndian(absl::string_view bytes, size_t position) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<unsigned char>(bytes[position + i])} << (8 * i);
  return value;
}

// The parts of a unit of a Darts double array.
uint32_t Label(uint32_t unit) { return unit & (uint32_t{1} << 31 | 0xFF); }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & (uint32_t{1} << 9)) >> 6); }
uint32_t Leaf(uint32_t unit) { return unit & ~(uint32_t{1} << 31); }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }

// A character of the new text. `taken` is how many characters of the old text it stands for; 0 is an inserted one.
struct Change {
  char32_t c;
  int taken;
};

class Changes {
 public:
  void Keep(char32_t c) { changes_.push_back({c, 1}); }

  // As in the reference: characters stand for each other in order; the last one for what is left of the old text, and
  // new ones beyond it are inserted. What becomes nothing is taken by the character before, if there is one.
  void Replace(absl::string_view before, absl::string_view after) {
    const int64_t num_before = CountCharacters(before);
    int64_t num_after = 0;
    for (size_t i = 0; i < after.size(); ++num_after) {
      changes_.push_back({NextCharacter(after, &i), num_after < num_before ? 1 : 0});
    }
    if (num_after < num_before && !changes_.empty()) changes_.back().taken += static_cast<int>(num_before - num_after);
  }

  // Appends the new text. sources: one per old character.
  void Write(const std::vector<TextRange>& sources, uint32_t offset, NormalizedText* out) const {
    size_t next = 0;
    for (const Change& change : changes_) {
      TextRange source = {offset, offset};
      if (change.taken > 0) {
        source = sources[std::min(next, sources.size() - 1)];
        next += change.taken;
      } else if (next > 0) {
        source = sources[std::min(next, sources.size()) - 1];
      }
      AppendUtf8(change.c, &out->text);
      out->FillSources(source);
    }
  }

 private:
  std::vector<Change> changes_;
};

}  // namespace

absl::StatusOr<CharacterMap> CharacterMap::Parse(absl::string_view bytes) {
  if (bytes.size() < 4) return absl::InvalidArgumentError("is shorter than the 4 bytes of its trie's length");
  const uint32_t trie_bytes = LittleEndian(bytes, 0);
  if (trie_bytes > bytes.size() - 4 || trie_bytes % 4 != 0 || trie_bytes == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("has a trie of ", trie_bytes, " bytes, in ", bytes.size() - 4, " bytes, by fours"));
  }
  CharacterMap map;
  map.units_.resize(trie_bytes / 4);
  for (size_t i = 0; i < map.units_.size(); ++i) map.units_[i] = LittleEndian(bytes, 4 + 4 * i);
  map.texts_ = std::string(bytes.substr(4 + trie_bytes));
  if (absl::Status status = CheckUtf8(map.texts_); !status.ok()) return status;
  return map;
}

absl::optional<absl::string_view> CharacterMap::Find(absl::string_view text) const {
  uint32_t node = Offset(units_[0]);
  for (const char byte : text) {
    const auto label = static_cast<unsigned char>(byte);
    node ^= label;
    if (label == 0 || node >= units_.size() || Label(units_[node]) != label) return absl::nullopt;
    const uint32_t unit = units_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= units_.size()) return absl::nullopt;
    const size_t begin = Leaf(units_[node]);
    if (begin >= texts_.size() || (texts_[begin] & 0xC0) == 0x80) return absl::nullopt;
    return absl::string_view(texts_).substr(begin, std::min(texts_.find('\0', begin), texts_.size()) - begin);
  }
  return absl::nullopt;
}

void PrecompiledNormalizer::Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const {
  constexpr size_t kShortGrapheme = 6;
  std::vector<TextRange> sources;
  Changes changes;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    // A pair of ASCII characters is no grapheme, unless it ends a line.
    const bool alone = i + 1 < text.size() && static_cast<unsigned char>(text[i]) < 0x80 && text[i] != '\r' &&
                       static_cast<unsigned char>(text[i + 1]) < 0x80;
    const size_t end = alone ? i + 1 : GraphemeEnd(text, i);
    while (i < end) {
      const size_t character = i;
      NextCharacter(text, &i);
      sources.push_back({offset + static_cast<uint32_t>(character), offset + static_cast<uint32_t>(i)});
    }
    const absl::string_view grapheme = text.substr(begin, end - begin);
    if (grapheme.size() < kShortGrapheme) {
      if (const auto found = map_.Find(grapheme)) {
        changes.Replace(grapheme, *found);
        continue;
      }
    }
    for (size_t j = begin; j < end;) {
      const size_t character = j;
      const char32_t c = NextCharacter(text, &j);
      const absl::string_view part = text.substr(character, j - character);
      if (const auto found = map_.Find(part)) {
        changes.Replace(part, *found);
      } else {
        changes.Keep(c);
      }
    }
  }
  changes.Write(sources, offset, normalized);
}

}  // namespace favor
