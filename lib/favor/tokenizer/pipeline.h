#ifndef FAVOR_TOKENIZER_PIPELINE_H_
#define FAVOR_TOKENIZER_PIPELINE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/normalized_text.h"

namespace favor {

// The parts of a tokenizer as Hugging Face's tokenizer.json names them. All immutable and thread-safe.

class Normalizer {
 public:
  virtual ~Normalizer() = default;

  // Appends the normalised `text`, which is UTF-8 and starts at byte `offset` of the original, to `normalized`.
  virtual void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const = 0;

  // Whether what it makes of a space and of what stands around it depends on no more than a grapheme or some 16 bytes
  // on either side, so that trying a cut on its surroundings tells.
  virtual bool IsLocal() const { return true; }
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;

  // Appends the words of `text`, none empty, in order. May rewrite the text. InvalidArgumentError for a text that it
  // cannot split within its bounds.
  virtual absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const = 0;

  // Whether words end before a space and depend on nothing before it, so that a text may be split in pieces.
  virtual bool CutsBeforeSpaces() const = 0;
};

// A token of a word: the bytes [range.begin, range.end) of it.
struct WordPart {
  int32_t id = 0;
  TextRange range;
};

class WordModel {
 public:
  virtual ~WordModel() = default;

  // Appends the tokens of a word, which is not empty.
  virtual void Encode(absl::string_view word, std::vector<WordPart>* parts) const = 0;

  // Of what it keeps besides a vocabulary that it does not own.
  virtual int64_t num_bytes() const = 0;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_PIPELINE_H_
