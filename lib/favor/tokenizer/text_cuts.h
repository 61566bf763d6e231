#ifndef FAVOR_TOKENIZER_TEXT_CUTS_H_
#define FAVOR_TOKENIZER_TEXT_CUTS_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/added_tokens.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

// Where a text may be cut so that its pieces, normalised, split into words and encoded one by one, have the tokens of
// the whole: before a space or an end of line that the normalizer makes a space of, behind what is no white space,
// where trying it on the surroundings shows that the normalizer does not look across. That is enough because no
// normalizer that IsLocal() looks farther, or carries anything on but what HasLag() asks for. Immutable and
// thread-safe.
class TextCuts {
 public:
  // Both may be null. normalized_tokens: those that are looked for in the normalised text, contents normalised.
  TextCuts(const Normalizer* normalizer, const PreTokenizer* pre_tokenizer,
           const std::vector<AddedToken>& normalized_tokens);

  // Whether `text`, a part between added tokens, may be cut at all.
  bool MayCut(absl::string_view text) const { return may_cut_ && !HasLag(text); }

  // A place to cut such a text, some `distance` bytes behind `begin` or farther; its size where there is none.
  size_t Next(absl::string_view text, size_t begin, size_t distance) const;

 private:
  // The places of characters come out late: the first one became nothing, and whoever comes next takes its place.
  bool HasLag(absl::string_view text) const;
  bool IsCut(absl::string_view text, size_t at) const;
  NormalizedText Normalize(absl::string_view text, size_t offset) const;

  const Normalizer* normalizer_;
  bool may_cut_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_TEXT_CUTS_H_
