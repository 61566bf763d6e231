#include "tests/benchmarks/fma_peak.h"

namespace favor {

int64_t SpinFma(int64_t rounds, float* sink) {
  // 12 chains of 8 lanes cover the latency of two FMA ports (4 cycles each) with room to spare.
  typedef float Lanes __attribute__((vector_size(32)));
  constexpr int kChains = 12;
  Lanes acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = Lanes{} + static_cast<float>(i);
  const Lanes a = Lanes{} + 0.999f, b = Lanes{} + 1e-3f;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = acc[i] * a + b;
  }
  float sum = 0;
  for (int i = 0; i < kChains; ++i) {
    for (int lane = 0; lane < 8; ++lane) sum += acc[i][lane];
  }
  *sink = sum;
  return rounds * kChains * 8 * 2;
}

}  // namespace favor
