#include "favor/tokenizer/unigram.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

// The best way to a place of the word: its score, where its last token begins, and that token.
struct Path {
  double score = 0;
  uint32_t begin = kNowhere;
  int32_t id = 0;
};

void Offer(const Path& path, Path* best) {
  if (best->begin == kNowhere || path.score > best->score) *best = path;
}

}  // namespace

Unigram::Unigram(const Vocabulary& vocabulary, std::vector<double> scores, int32_t unknown_id, bool byte_fallback)
    : trie_(vocabulary.MakeTrie()),
      scores_(std::move(scores)),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty),
      unknown_id_(unknown_id),
      unknown_piece_(vocabulary.Piece(unknown_id)),
      byte_fallback_(byte_fallback),
      byte_ids_(vocabulary.FindBytes()) {}

void Unigram::Encode(absl::string_view word, std::vector<WordPart>* parts) const {
  const auto size = static_cast<uint32_t>(word.size());
  absl::InlinedVector<Path, 64> best(size + 1);
  for (uint32_t begin = 0; begin < size;) {
    size_t next = begin;
    NextCharacter(word, &next);
    const double score_here = best[begin].score;
    bool known = false;  // the character by itself is a token
    uint32_t node = PrefixTrie::kRoot;
    for (uint32_t end = begin; end < size;) {
      node = trie_.Child(node, word[end++]);
      if (node == PrefixTrie::kRoot) break;
      const int32_t id = trie_.Value(node);
      if (id == PrefixTrie::kNone) continue;
      Offer({scores_[id] + score_here, begin, id}, &best[end]);
      known |= end == next;
    }
    if (!known) Offer({unknown_score_ + score_here, begin, unknown_id_}, &best[next]);
    begin = static_cast<uint32_t>(next);
  }

  const size_t first = parts->size();
  for (uint32_t end = size; end > 0; end = best[end].begin) {
    const Path& path = best[end];
    const bool goes_on = parts->size() > first && path.id == unknown_id_ && parts->back().id == unknown_id_;
    if (goes_on) {
      parts->back().range.begin = path.begin;
    } else {
      parts->push_back({path.id, {path.begin, end}});
    }
  }
  std::reverse(parts->begin() + static_cast<std::ptrdiff_t>(first), parts->end());
  if (!byte_fallback_) return;
  const std::vector<WordPart> whole(parts->begin() + static_cast<std::ptrdiff_t>(first), parts->end());
  parts->resize(first);
  for (const WordPart& part : whole) {
    // The unknown token may stand in the text itself.
    if (part.id == unknown_id_ && word.substr(part.range.begin, part.range.end - part.range.begin) != unknown_piece_) {
      AddUnknown(word, part.range, parts);
    } else {
      parts->push_back(part);
    }
  }
}

void Unigram::AddUnknown(absl::string_view word, TextRange range, std::vector<WordPart>* parts) const {
  const size_t first = parts->size();
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(word[i])];
    if (id == Vocabulary::kNone) {  // all bytes or none
      parts->resize(first);
      return parts->push_back({unknown_id_, range});
    }
    parts->push_back({id, range});
  }
}

}  // namespace favor
