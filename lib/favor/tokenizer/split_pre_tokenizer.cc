#include "favor/tokenizer/split_pre_tokenizer.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"

namespace favor {
namespace {

// Of GPT-2, Qwen2, Llama 3 (GPT-4's) and GPT-4o. All of a text is matched; no match goes on from what is no white space
// to a space; and none looks at what stands before it, or behind a space that it does not match. So a text may be cut
// before such a space.
constexpr absl::string_view kCutBeforeSpaces[] = {
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    kQwenSplit,
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
    R"(\s+(?!\S)|\s+)",
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
};

struct Piece {
  TextRange range;
  bool is_match;
};

// Whether a piece is part of the word that the one before it ends.
bool Joins(SplitBehavior behavior, const Piece& before, const Piece& piece) {
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious:
      return !before.is_match && piece.is_match;
    case SplitBehavior::kMergedWithNext:
      return before.is_match && !piece.is_match;
    case SplitBehavior::kContiguous:
      return before.is_match == piece.is_match;
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
  }
  return false;
}

// The matches of a text of `size` bytes and what lies between.
std::vector<Piece> PiecesOf(const std::vector<TextRange>& matches, uint32_t size, bool inverts) {
  std::vector<Piece> pieces;
  pieces.reserve(matches.size() + 1);
  uint32_t begin = 0;
  for (const TextRange& match : matches) {
    if (begin < match.begin) pieces.push_back({{begin, match.begin}, inverts});
    pieces.push_back({match, !inverts});
    begin = match.end;
  }
  if (begin < size) pieces.push_back({{begin, size}, inverts});
  return pieces;
}

}  // namespace

absl::StatusOr<SplitPreTokenizer> SplitPreTokenizer::Make(absl::string_view regex, SplitBehavior behavior,
                                                          bool inverts) {
  absl::StatusOr<SplitPattern> pattern = SplitPattern::Compile(regex);
  if (!pattern.ok()) return pattern.status();
  const bool is_known =
      std::find(std::begin(kCutBeforeSpaces), std::end(kCutBeforeSpaces), regex) != std::end(kCutBeforeSpaces);
  const bool cuts = is_known && behavior == SplitBehavior::kIsolated && !inverts;
  return SplitPreTokenizer(*std::move(pattern), behavior, inverts, cuts);
}

absl::Status SplitPreTokenizer::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  std::vector<TextRange> matches;
  if (absl::Status status = pattern_.FindAll(text->text, &matches); !status.ok()) return status;
  const std::vector<Piece> pieces = PiecesOf(matches, static_cast<uint32_t>(text->text.size()), inverts_);
  TextRange word;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    if (i > 0 && Joins(behavior_, pieces[i - 1], piece)) {
      word.end = piece.range.end;
    } else {
      if (word.begin < word.end) words->push_back(word);
      word = piece.range;
    }
    if (behavior_ == SplitBehavior::kRemoved && piece.is_match) word = {};
  }
  if (word.begin < word.end) words->push_back(word);
  return absl::OkStatus();
}

std::string RegexOfText(absl::string_view text) {
  std::string regex;
  for (const char c : text) {
    if (absl::ascii_ispunct(static_cast<unsigned char>(c))) regex += '\\';
    regex += c;
  }
  return regex;
}

}  // namespace favor
