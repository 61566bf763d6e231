#include "favor/model/encoder.h"

#include "absl/strings/str_cat.h"

namespace favor {

std::vector<int64_t> OffsetsOf(absl::Span<const int64_t> lengths) {
  std::vector<int64_t> offsets = {0};
  for (const int64_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

absl::Status Encoder::CheckSequence(absl::Span<const int32_t> ids) const {
  if (ids.empty()) return absl::InvalidArgumentError("there are no tokens, there must be at least one");
  if (max_tokens() > 0 && static_cast<int64_t>(ids.size()) > max_tokens()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", ids.size(), " tokens, the model takes at most ", max_tokens()));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocabulary_size()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ids[", i, "] is ", ids[i], ", it must be from 0 to ", vocabulary_size() - 1));
  }
  return absl::OkStatus();
}

}  // namespace favor
