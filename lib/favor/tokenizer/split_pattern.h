#ifndef FAVOR_TOKENIZER_SPLIT_PATTERN_H_
#define FAVOR_TOKENIZER_SPLIT_PATTERN_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/normalized_text.h"
#include "unicode/regex.h"

namespace favor {

// A regular expression that is looked for in texts. Immutable and thread-safe.
//
// Time and memory are bounded whatever the pattern: ICU counts its steps, of which a text of n UTF-16 units may take a
// million and 32 n in all (the patterns of GPT, Llama and Qwen take fewer than four a unit), and keeps no more than
// 16 MiB to come back to.
class SplitPattern {
 public:
  // InvalidArgumentError, as "which ..." or "whose ...", for what is wrong or not implemented (regex_syntax.h).
  static absl::StatusOr<SplitPattern> Compile(absl::string_view regex);

  // Appends where it matches in `text`, which is UTF-8: from left to right, none within another, an empty match not
  // right behind one. InvalidArgumentError for a text that takes more than is allowed.
  absl::Status FindAll(absl::string_view text, std::vector<TextRange>* matches) const;

 private:
  explicit SplitPattern(std::unique_ptr<icu::RegexPattern> pattern) : pattern_(std::move(pattern)) {}

  std::unique_ptr<icu::RegexPattern> pattern_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_SPLIT_PATTERN_H_
