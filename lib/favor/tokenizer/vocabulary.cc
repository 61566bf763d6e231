#include "favor/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "favor/format/json.h"

namespace favor {
namespace {

std::string Quoted(absl::string_view text) { return JsonValue{std::string(text)}.Description(); }

}  // namespace

absl::Status Vocabulary::Add(absl::string_view piece, int64_t id) {
  if (const int32_t known = Find(piece); known != kNone) {
    return absl::InvalidArgumentError(absl::StrCat("token ", Quoted(piece), " has two ids, ", known, " and ", id));
  }
  return AddOrReplace(piece, id);
}

absl::Status Vocabulary::AddOrReplace(absl::string_view piece, int64_t id) {
  if (id < 0 || id > kMaxId) {
    return absl::InvalidArgumentError(absl::StrCat("token ", Quoted(piece), " has id ", id, ", ids are 0 to ", kMaxId));
  }
  if (piece.size() > kMaxPieceBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("token ", Quoted(piece), " has ", piece.size(), " bytes, at most ", kMaxPieceBytes));
  }
  const auto [taken, is_free] = pieces_.try_emplace(static_cast<int32_t>(id), piece);
  if (!is_free) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens ", Quoted(taken->second), " and ", Quoted(piece), " have the same id ", id));
  }
  ids_.insert_or_assign(std::string(piece), static_cast<int32_t>(id));
  size_ = std::max(size_, id + 1);
  return absl::OkStatus();
}

absl::Status Vocabulary::CheckGaps() const {
  constexpr int64_t kAlwaysAllowed = 65536;
  const int64_t most = 4 * num_pieces() + kAlwaysAllowed;
  if (size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("ids go up to ", size() - 1, " with ", num_pieces(), " tokens, that is more than ", most - 1));
}

int32_t Vocabulary::Find(absl::string_view piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? kNone : found->second;
}

int64_t Vocabulary::num_bytes() const {
  // Both maps keep a byte beside each of their places; short texts stand in them.
  const int64_t of_a_place = sizeof(std::pair<const std::string, int32_t>) + 1;
  int64_t bytes = static_cast<int64_t>(ids_.capacity() + pieces_.capacity()) * of_a_place;
  for (const auto& [piece, id] : ids_) {
    if (piece.size() > std::string().capacity()) bytes += 2 * static_cast<int64_t>(piece.size() + 16);
  }
  return bytes;
}

std::array<int32_t, 256> Vocabulary::FindBytes() const {
  std::array<int32_t, 256> ids;
  for (size_t byte = 0; byte < ids.size(); ++byte) ids[byte] = Find(absl::StrFormat("<0x%02X>", byte));
  return ids;
}

PrefixTrie Vocabulary::MakeTrie() const {
  std::vector<std::pair<absl::string_view, int32_t>> entries;
  entries.reserve(ids_.size());
  for (const auto& [piece, id] : ids_) entries.emplace_back(piece, id);
  return PrefixTrie(std::move(entries));
}

const std::string& Vocabulary::Piece(int32_t id) const {
  static const std::string* const kEmpty = new std::string();
  const auto found = pieces_.find(id);
  return found == pieces_.end() ? *kEmpty : found->second;
}

}  // namespace favor
