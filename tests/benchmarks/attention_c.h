#ifndef FAVOR_TESTS_BENCHMARKS_ATTENTION_C_H_
#define FAVOR_TESTS_BENCHMARKS_ATTENTION_C_H_

#include <cstdint>

// The library and the FMA peak for peers/favor_library.py, which runs them in one process with the peers: ratios need
// neighbours in time. Not an interface of the project.
extern "C" {

// See fma_peak.h.
double favor_bench_peak_gflops(int num_threads, double milliseconds);
const char* favor_bench_peak_target();
const char* favor_bench_cpu_target();

// A call of a variant of attention_call.cc on dense [1, num_heads, length, 64] tensors that the caller keeps alive.
// `projection` [256, 64] may be null. Null when there is no such variant.
void* favor_bench_prepare(const char* variant, int64_t num_heads, int64_t length, int num_threads, const void* queries,
                          const void* keys, const void* values, const float* projection, void* output);
// Null, or what went wrong; valid until the next call.
const char* favor_bench_run(void* call);
double favor_bench_flops(const void* call);
void favor_bench_release(void* call);
}

#endif  // FAVOR_TESTS_BENCHMARKS_ATTENTION_C_H_
