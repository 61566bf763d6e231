#ifndef FAVOR_ATTENTION_SEGMENTS_H_
#define FAVOR_ATTENTION_SEGMENTS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/plan_sizes.h"
#include "favor/base/cancellation.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

// What plans that fold the keys of a head in several segments at once have in common.

// Segments of each of num_states heads of key_length keys, whose workspaces have so many bytes; at least 1.
inline int64_t NumSegments(int64_t num_states, int64_t key_length, int64_t workspace_bytes) {
  // Shorter ones cost more in merging than they give.
  constexpr int64_t kMinSegmentKeys = 6 * kernels::kFoldTile;
  // The states of all segments exist at once; keep them small beside any tensor worth segmenting.
  constexpr int64_t kMaxSegmentBytes = int64_t{64} << 20;
  const int64_t segments = std::min(
      {kTargetChains / num_states, key_length / kMinSegmentKeys, kMaxSegmentBytes / (num_states * workspace_bytes)});
  return std::max<int64_t>(segments, 1);
}

// Tiles [first, end) of a segment: all segments have the same number, or one more.
struct TileRange {
  int64_t first, end;
};
inline TileRange TilesOfSegment(int64_t segment, int64_t segments, int64_t tiles) {
  return {segment * tiles / segments, (segment + 1) * tiles / segments};
}

// Adds all states to the first: i + stride to i for stride 1, 2, 4 ..., the same tree whatever the threads.
template <typename State>
void AppendSegments(const std::vector<State*>& states) {
  const int64_t count = static_cast<int64_t>(states.size());
  for (int64_t stride = 1; stride < count; stride *= 2) {
    for (int64_t i = 0; i + stride < count; i += 2 * stride) states[i]->Append(states[i + stride]);
  }
}

// Runs run_tile for tiles [begin, end), unless cancelled.
template <typename RunTile>
absl::Status ForTiles(int64_t begin, int64_t end, const Cancellation* cancellation, RunTile run_tile) {
  for (int64_t tile = begin; tile < end; ++tile) {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    if (absl::Status status = run_tile(tile); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_SEGMENTS_H_
