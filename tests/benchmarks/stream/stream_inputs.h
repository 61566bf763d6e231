#ifndef FAVOR_TESTS_BENCHMARKS_STREAM_STREAM_INPUTS_H_
#define FAVOR_TESTS_BENCHMARKS_STREAM_STREAM_INPUTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace favor {

// Which tensor of a chunk.
enum class StreamTensor : uint8_t { kQueries, kKeys, kValues };

// Inputs of a sequence without end, made as fast as memory is read: a chunk of a tensor is a window into a few million
// N(0, 1) numbers, which begins at a place of its own. Immutable.
class StreamInputs {
 public:
  // `chunk_floats`: of one tensor of a chunk, at most 2^22.
  explicit StreamInputs(int64_t chunk_floats);

  // [chunk_floats] of a tensor of chunk `index`.
  absl::Span<const float> Chunk(int64_t index, StreamTensor tensor) const;

 private:
  const int64_t chunk_floats_;
  std::vector<float> numbers_;
};

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_STREAM_STREAM_INPUTS_H_
