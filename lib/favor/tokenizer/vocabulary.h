#ifndef FAVOR_TOKENIZER_VOCABULARY_H_
#define FAVOR_TOKENIZER_VOCABULARY_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/prefix_trie.h"

namespace favor {

// The texts of tokens and their ids. Thread-compatible.
class Vocabulary {
 public:
  static constexpr int32_t kNone = -1;

  // Bounds of what a file may ask for. Ids may leave gaps, but not more than these allow.
  static constexpr int64_t kMaxId = (int64_t{1} << 24) - 1;
  static constexpr size_t kMaxPieceBytes = 4096;

  // InvalidArgumentError, naming the token, for a token that is there already, an id that is taken or out of bounds,
  // and a token that is too long.
  absl::Status Add(absl::string_view piece, int64_t id);

  // As Add, but of two equal tokens the later id counts; the earlier one keeps its text.
  absl::Status AddOrReplace(absl::string_view piece, int64_t id);

  // InvalidArgumentError when the ids leave too many gaps.
  absl::Status CheckGaps() const;

  // kNone when there is no such token.
  int32_t Find(absl::string_view piece) const;

  // The tokens "<0x00>" to "<0xFF>" that stand for bytes, kNone where there is none.
  std::array<int32_t, 256> FindBytes() const;

  // Empty when there is none.
  const std::string& Piece(int32_t id) const;

  // One more than the largest id.
  int64_t size() const { return static_cast<int64_t>(size_); }
  int64_t num_pieces() const { return static_cast<int64_t>(ids_.size()); }
  // Tokens as they were added, equal ones counted one by one.
  int64_t num_entries() const { return static_cast<int64_t>(std::max(ids_.size(), pieces_.size())); }
  const absl::flat_hash_map<std::string, int32_t>& ids() const { return ids_; }

  int64_t num_bytes() const;

  // The tokens with their ids as values.
  PrefixTrie MakeTrie() const;

 private:
  absl::flat_hash_map<std::string, int32_t> ids_;
  absl::flat_hash_map<int32_t, std::string> pieces_;
  int64_t size_ = 0;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_VOCABULARY_H_
