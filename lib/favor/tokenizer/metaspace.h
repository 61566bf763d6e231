#ifndef FAVOR_TOKENIZER_METASPACE_H_
#define FAVOR_TOKENIZER_METASPACE_H_

#include <string>
#include <vector>

#include "favor/tokenizer/pipeline.h"

namespace favor {

struct MetaspaceOptions {
  std::string replacement = "\xE2\x96\x81";  // one character, U+2581
  enum class Prepend { kNever, kFirst, kAlways } prepend = Prepend::kAlways;
  bool split = true;               // words start at the replacement; false: one word
  bool split_white_space = false;  // first cut at white space, and drop it
};

// `Metaspace` of Hugging Face: spaces become a visible character, one is put in front, and words start with it.
class Metaspace : public PreTokenizer {
 public:
  explicit Metaspace(MetaspaceOptions options) : options_(std::move(options)) {}

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  // A space becomes the replacement, or is dropped; what it stands before gets no other one.
  bool CutsBeforeSpaces() const override { return options_.split || options_.split_white_space; }

 private:
  // Appends [begin, end) of `text`, which is not empty, to `out`, with its words.
  void AppendPiece(const NormalizedText& text, TextRange range, bool first, NormalizedText* out,
                   std::vector<TextRange>* words) const;

  MetaspaceOptions options_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_METASPACE_H_
