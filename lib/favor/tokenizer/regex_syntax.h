#ifndef FAVOR_TOKENIZER_REGEX_SYNTAX_H_
#define FAVOR_TOKENIZER_REGEX_SYNTAX_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

// A regular expression as Hugging Face `tokenizers` reads it (Oniguruma, its own syntax, Unicode 16), as ICU's reads
// it. What the two read otherwise is written out:
//
//   \s \d \w \h \p{..} [..&&..]  sets of characters, with those of Unicode 16; of properties see FindProperty()
//   . (?m:.)                     all but the line feed; all
//   ^ $                          beginning and end of any line, which line feeds end
//   \Z                           the end, and before a line feed there
//   \b \B                        by \w
//   (?i: )                       ASCII alone, and what its letters equal (k the Kelvin sign, s the long one)
//   a(?i)b|c                     the options up to the group's end: a(?i:b|c)
//   (..) (?<name>..)             groups, which catch nothing
//   {n,m}+ {n}?                  what is repeated once more; not possessive, not lazy
//
// and what is not implemented is an error that names it: references to groups and calls of them, conditions, absent
// groups, repeats of repeats and of groups that may be empty, (?x) and the options of Oniguruma's own, \G \K \X \y,
// octal and control escapes, POSIX brackets, other properties and, under (?i), characters beyond ASCII, classes in
// classes and two letters that a ligature or a sharp s stands for. ICU itself refuses to look behind without a bound.
//
// What ICU does between two of the steps that it counts is bounded: it counts one wherever it may have to come back, so
// that classes repeated in groups that keep one way only (atomic ones, lookaround), where it counts none, are written
// as groups of one, and long sequences have steps of their own.
absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_REGEX_SYNTAX_H_
