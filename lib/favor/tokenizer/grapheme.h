#ifndef FAVOR_TOKENIZER_GRAPHEME_H_
#define FAVOR_TOKENIZER_GRAPHEME_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace favor {

// Where the extended grapheme cluster that starts at `begin` ends (Unicode Standard Annex 29). `text` is UTF-8 and
// longer than `begin`. The rule for conjuncts of Indic scripts is left out: such clusters are longer than anybody here
// asks for.
size_t GraphemeEnd(absl::string_view text, size_t begin);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_GRAPHEME_H_
