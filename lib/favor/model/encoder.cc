#include "favor/model/encoder.h"

#include <string>

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
  return CheckIds(ids);
}

absl::Status Encoder::CheckIds(absl::Span<const int32_t> ids) const {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocabulary_size()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ids[", i, "] is ", ids[i], ", it must be from 0 to ", vocabulary_size() - 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<EncoderStateDescription> Encoder::DescribeState() const {
  return absl::InvalidArgumentError("its attention is bidirectional: every vector depends on later tokens too");
}

absl::Status Encoder::CheckChunk(absl::Span<const int32_t> ids, const EncoderState& state) const {
  const int64_t num_tokens = static_cast<int64_t>(ids.size());
  const bool has_positions = max_tokens() > 0;
  const int64_t most = has_positions ? max_tokens() : kMaxStateKeys;
  if (num_tokens > most - state.num_tokens()) {
    const std::string bound = has_positions ? absl::StrCat("the model has ", most, " positions")
                                            : absl::StrCat("a state counts no more than ", most);
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", num_tokens, " tokens behind ", state.num_tokens(), ", ", bound));
  }
  return CheckIds(ids);
}

absl::StatusOr<Job> Encoder::PlanChunk(absl::Span<const int32_t>, const Cancellation*, float*, EncoderState*) const {
  return DescribeState().status();
}

int64_t Encoder::ChunkScratchBytes(int64_t, const EncoderState&, int) const { return 0; }

}  // namespace favor
