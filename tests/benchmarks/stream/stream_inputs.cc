#include "tests/benchmarks/stream/stream_inputs.h"

#include <random>

namespace favor {
namespace {

constexpr int64_t kNumNumbers = int64_t{1} << 23;

// SplitMix64: neighbours in, strangers out.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

StreamInputs::StreamInputs(int64_t chunk_floats) : chunk_floats_(chunk_floats), numbers_(kNumNumbers) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (float& number : numbers_) number = normal(random);
}

absl::Span<const float> StreamInputs::Chunk(int64_t index, StreamTensor tensor) const {
  const uint64_t window = Mix(static_cast<uint64_t>(index) * 3 + static_cast<uint64_t>(tensor));
  const int64_t begin = static_cast<int64_t>(window % static_cast<uint64_t>(kNumNumbers - chunk_floats_));
  return absl::MakeConstSpan(numbers_).subspan(begin, chunk_floats_);
}

}  // namespace favor
