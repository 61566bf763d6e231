#ifndef FAVOR_TOKENIZER_SPLIT_PRE_TOKENIZER_H_
#define FAVOR_TOKENIZER_SPLIT_PRE_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"
#include "favor/tokenizer/split_pattern.h"

namespace favor {

// Of Qwen2 and later ones.
inline constexpr absl::string_view kQwenSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
    R"(\s+(?!\S)|\s+)";

// What becomes of the matches of a pattern.
enum class SplitBehavior : uint8_t {
  kRemoved,
  kIsolated,            // each is a word
  kMergedWithPrevious,  // with what is between it and the match before
  kMergedWithNext,
  kContiguous,  // neighbouring ones are one word
};

// `Split` of Hugging Face: matches of a regular expression, and what lies between, are words. An empty match ends one
// and begins another.
class SplitPreTokenizer : public PreTokenizer {
 public:
  // inverts: what lies between is taken for a match, and the other way about.
  static absl::StatusOr<SplitPreTokenizer> Make(absl::string_view regex, SplitBehavior behavior, bool inverts);

  absl::Status Split(NormalizedText* text, std::vector<TextRange>* words) const override;
  bool CutsBeforeSpaces() const override { return cuts_before_spaces_; }

 private:
  SplitPreTokenizer(SplitPattern pattern, SplitBehavior behavior, bool inverts, bool cuts_before_spaces)
      : pattern_(std::move(pattern)), behavior_(behavior), inverts_(inverts), cuts_before_spaces_(cuts_before_spaces) {}

  SplitPattern pattern_;
  SplitBehavior behavior_;
  bool inverts_;
  bool cuts_before_spaces_;
};

// The pattern that matches `text` alone.
std::string RegexOfText(absl::string_view text);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_SPLIT_PRE_TOKENIZER_H_
