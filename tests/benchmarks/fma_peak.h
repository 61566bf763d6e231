#ifndef FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_
#define FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_

#include <cstdint>

namespace favor {

// Runs `rounds` rounds of independent fused multiply-adds on registers and returns the flops done; `sink` keeps the
// compiler honest.
int64_t SpinFma(int64_t rounds, float* sink);

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_
