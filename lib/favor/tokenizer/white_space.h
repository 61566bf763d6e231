#ifndef FAVOR_TOKENIZER_WHITE_SPACE_H_
#define FAVOR_TOKENIZER_WHITE_SPACE_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace favor {

// Of UTF-8 text.

// Where the last character of `text`, which is not empty, starts.
size_t LastCharacter(absl::string_view text);

// Where the white space at the end of `text` starts.
size_t TrailingSpace(absl::string_view text);

// Where the white space at the beginning of `text` ends.
size_t LeadingSpace(absl::string_view text);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_WHITE_SPACE_H_
