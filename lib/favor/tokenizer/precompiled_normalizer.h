#ifndef FAVOR_TOKENIZER_PRECOMPILED_NORMALIZER_H_
#define FAVOR_TOKENIZER_PRECOMPILED_NORMALIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

// The character map of a SentencePiece model: texts of a few characters and what they become.
//
//   4 bytes   n, little-endian
//   n bytes   a double-array trie of 32-bit units (Darts): what a key leads to is a place among the texts
//   rest      the texts, UTF-8, each ends in NUL
class CharacterMap {
 public:
  // InvalidArgumentError for what is not as above.
  static absl::StatusOr<CharacterMap> Parse(absl::string_view bytes);

  // What the shortest key that `text` starts with becomes; none where there is no such key.
  absl::optional<absl::string_view> Find(absl::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string texts_;
};

// `Precompiled` of Hugging Face: every grapheme of less than six bytes, else every character, that starts with a key of
// the map becomes what the map says.
class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharacterMap map) : map_(std::move(map)) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;

 private:
  CharacterMap map_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_PRECOMPILED_NORMALIZER_H_
