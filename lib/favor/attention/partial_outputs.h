#ifndef FAVOR_ATTENTION_PARTIAL_OUTPUTS_H_
#define FAVOR_ATTENTION_PARTIAL_OUTPUTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "favor/attention/query_tile.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

// Numerators and denominators that several parts of the features contribute to the outputs of a stretch of queries:
//   out = sum_g 2^c_g n_g / sum_g 2^c_g d_g,  c_g the whole number that part g's are relative to.
// Distinct tiles may be written by distinct threads at once.
class PartialOutputs {
 public:
  // A stretch has up to num_tiles tiles of each of num_readers heads.
  PartialOutputs(int64_t num_readers, int64_t num_parts, int64_t num_tiles, int64_t value_dim);

  int64_t Bytes() const { return num_readers_ * num_parts_ * num_tiles_ * tile_size_ * sizeof(float); }
  // Before anything else; only the first call does it. ResourceExhaustedError when there is no memory. Thread-safe.
  absl::Status Allocate();

  // Takes over queries [begin, end) of the tile that `queries` has read.
  void Put(int64_t reader, int64_t part, int64_t tile, int64_t begin, int64_t end, const QueryTile& queries);

  // Adds the parts of the first out.count queries of a tile up and writes their outputs; returns how many are
  // degenerate. Uses up what was put.
  int64_t Store(int64_t reader, int64_t tile, const kernels::MutableRows& out);

 private:
  struct Tile {
    float* sums;          // [kTile][value_stride]
    float* denominators;  // [kTile]
    float* references;    // [kTile]
  };
  Tile At(int64_t reader, int64_t part, int64_t tile);

  int64_t num_readers_, num_parts_, num_tiles_, value_stride_, tile_size_;
  absl::Mutex mutex_;
  AlignedBuffer<float> memory_;  // written under mutex_, before it is used
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_PARTIAL_OUTPUTS_H_
