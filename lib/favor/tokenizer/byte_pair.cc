#include "favor/tokenizer/byte_pair.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "favor/format/json.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

constexpr int32_t kNone = Vocabulary::kNone;

absl::Status Unknown(absl::string_view token) {
  return absl::InvalidArgumentError(
      absl::StrCat("names ", JsonValue{std::string(token)}.Description(), ", which is not in model.vocab"));
}

}  // namespace

// The tokens of one word while they are merged: a list through those that are left. What was merged into the one before
// it has no id.
class BytePair::Merging {
 public:
  Merging(const BytePair& model, absl::Span<WordPart> parts)
      : model_(model), parts_(parts), previous_(parts.size()), next_(parts.size()) {
    const auto size = static_cast<int32_t>(parts.size());
    for (int32_t i = 0; i < size; ++i) {
      previous_[i] = i - 1;
      next_[i] = i + 1 < size ? i + 1 : kEnd;
    }
    for (int32_t i = 0; i + 1 < size; ++i) Offer(i);
  }

  void Run() {
    while (!candidates_.empty()) {
      const Candidate best = candidates_.front();
      std::pop_heap(candidates_.begin(), candidates_.end());
      candidates_.pop_back();
      const int32_t right = next_[best.left];
      if (parts_[best.left].id == kNone || right == kEnd) continue;
      // Its neighbours may have changed since. As in the reference it counts if they become the same token all the
      // same.
      const Merge* merge = model_.FindMerge(parts_[best.left].id, parts_[right].id);
      if (merge != nullptr && merge->id == best.id) Join(best.left, right, best.id);
    }
  }

 private:
  static constexpr int32_t kEnd = -1;

  struct Candidate {
    uint32_t rank;
    int32_t left;
    int32_t id;  // what the two become
    // std's heaps have the largest in front.
    bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };

  void Offer(int32_t left) {
    const Merge* merge = model_.FindMerge(parts_[left].id, parts_[next_[left]].id);
    if (merge == nullptr) return;
    candidates_.push_back({merge->rank, left, merge->id});
    std::push_heap(candidates_.begin(), candidates_.end());
  }

  void Join(int32_t left, int32_t right, int32_t id) {
    parts_[left] = {id, {parts_[left].range.begin, parts_[right].range.end}};
    parts_[right].id = kNone;
    next_[left] = next_[right];
    if (next_[left] != kEnd) previous_[next_[left]] = left;
    if (previous_[left] != kEnd) Offer(previous_[left]);
    if (next_[left] != kEnd) Offer(left);
  }

  const BytePair& model_;
  absl::Span<WordPart> parts_;
  absl::InlinedVector<int32_t, 32> previous_, next_;  // kEnd where there is none
  absl::InlinedVector<Candidate, 32> candidates_;     // a heap
};

BytePair::BytePair(const Vocabulary* vocabulary, BytePairOptions options)
    : vocabulary_(vocabulary), options_(std::move(options)), byte_ids_(vocabulary->FindBytes()) {}

absl::Status BytePair::AddMerge(absl::string_view left, absl::string_view right) {
  const int32_t left_id = vocabulary_->Find(left), right_id = vocabulary_->Find(right);
  if (left_id == kNone) return Unknown(left);
  if (right_id == kNone) return Unknown(right);
  const absl::string_view rest = right.substr(std::min(right.size(), options_.continuing_prefix.size()));
  const std::string merged = absl::StrCat(left, rest);
  const int32_t id = vocabulary_->Find(merged);
  if (id == kNone) return Unknown(merged);
  merges_.insert_or_assign({left_id, right_id}, Merge{num_merges_++, id});
  return absl::OkStatus();
}

const BytePair::Merge* BytePair::FindMerge(int32_t left, int32_t right) const {
  const auto found = merges_.find({left, right});
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePair::Encode(absl::string_view word, std::vector<WordPart>* parts) const {
  if (options_.whole_words) {
    const int32_t id = vocabulary_->Find(word);
    if (id != kNone) return parts->push_back({id, {0, static_cast<uint32_t>(word.size())}});
  }
  const size_t first = parts->size();
  AddCharacters(word, parts);
  Merging(*this, absl::MakeSpan(*parts).subspan(first)).Run();
  const auto merged = [](const WordPart& part) { return part.id == kNone; };
  parts->erase(std::remove_if(parts->begin() + static_cast<std::ptrdiff_t>(first), parts->end(), merged), parts->end());
}

void BytePair::AddCharacters(absl::string_view word, std::vector<WordPart>* parts) const {
  bool after_unknown = false;
  for (size_t i = 0; i < word.size();) {
    TextRange range = {static_cast<uint32_t>(i), 0};
    NextCharacter(word, &i);
    range.end = static_cast<uint32_t>(i);
    const int32_t id = FindCharacter(word, range);
    const bool known = id != kNone || (options_.byte_fallback && AddBytes(word, range, parts));
    if (id != kNone) {
      parts->push_back({id, range});
    } else if (!known && after_unknown && options_.fuse_unknown) {
      parts->back().range.end = range.end;
    } else if (!known && options_.unknown_id != kNone) {
      parts->push_back({options_.unknown_id, range});
    }
    after_unknown = !known && options_.unknown_id != kNone;
  }
}

int32_t BytePair::FindCharacter(absl::string_view word, TextRange range) const {
  const absl::string_view character = word.substr(range.begin, range.end - range.begin);
  const bool continues = range.begin > 0 && !options_.continuing_prefix.empty();
  const bool ends = range.end == word.size() && !options_.end_suffix.empty();
  if (!continues && !ends) return vocabulary_->Find(character);
  return vocabulary_->Find(
      absl::StrCat(continues ? options_.continuing_prefix : "", character, ends ? options_.end_suffix : ""));
}

// All bytes or none.
bool BytePair::AddBytes(absl::string_view word, TextRange range, std::vector<WordPart>* parts) const {
  const size_t first = parts->size();
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(word[i])];
    if (id == kNone) {
      parts->resize(first);
      return false;
    }
    parts->push_back({id, {i, i + 1}});
  }
  return true;
}

}  // namespace favor
