#ifndef FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_
#define FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_

#include <cstdint>
#include <string>

namespace favor {

// The float32 multiply-add peak of this machine in GFLOP/s, measured now on `num_threads` threads for about
// `milliseconds`: independent fused multiply-adds on registers, at the vector width that is fastest on this CPU. Each
// thread counts its best slice of half a millisecond of CPU time, so a neighbour on the core does not lower it.
double FmaPeakGflops(int num_threads, double milliseconds);

// The width it runs at: "AVX-512", "AVX2" or "portable".
std::string FmaPeakTarget();

// Runs about half a millisecond of multiply-adds on the calling thread and returns the flops done.
int64_t SpinFma();

}  // namespace favor

#endif  // FAVOR_TESTS_BENCHMARKS_FMA_PEAK_H_
