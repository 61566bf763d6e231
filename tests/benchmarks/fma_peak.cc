#include "tests/benchmarks/fma_peak.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/benchmarks/clock.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace favor {
namespace {

// 12 chains cover the latency of two FMA ports (4 cycles each) with room to spare, and fit the 16 registers of AVX2.
constexpr int kChains = 12;
constexpr float kFactor = 0.999f, kAddend = 1e-3f;  // a chain tends to 1: neither infinite nor subnormal

// `rounds` rounds over all chains; returns a number that depends on all of them, which keeps the compiler honest.
using Spin = float (*)(int64_t rounds);

float SpinPortable(int64_t rounds) {
  typedef float Lanes __attribute__((vector_size(16)));
  Lanes acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = Lanes{} + static_cast<float>(i);
  const Lanes a = Lanes{} + kFactor, b = Lanes{} + kAddend;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = acc[i] * a + b;
  }
  Lanes sum = {};
  for (const Lanes& lanes : acc) sum += lanes;
  return sum[0] + sum[1] + sum[2] + sum[3];
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float SpinAvx2(int64_t rounds) {
  __m256 acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 a = _mm256_set1_ps(kFactor), b = _mm256_set1_ps(kAddend);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm256_fmadd_ps(acc[i], a, b);
  }
  __m256 sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = _mm256_add_ps(sum, acc[i]);
  return _mm256_cvtss_f32(sum);
}

__attribute__((target("avx512f"))) float SpinAvx512(int64_t rounds) {
  __m512 acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 a = _mm512_set1_ps(kFactor), b = _mm512_set1_ps(kAddend);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_fmadd_ps(acc[i], a, b);
  }
  __m512 sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_ps(sum, acc[i]);
  return _mm512_cvtss_f32(sum);
}
#endif

struct Width {
  const char* name;
  Spin spin;
  int64_t lanes;
};

std::vector<Width> WidthsOfThisCpu() {
  std::vector<Width> widths = {{"portable", SpinPortable, 4}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) widths.push_back({"AVX2", SpinAvx2, 8});
  if (__builtin_cpu_supports("avx512f")) widths.push_back({"AVX-512", SpinAvx512, 16});
#endif
  return widths;
}

int64_t SpinSlice(const Width& width) {
  // 12 instructions a round, two a cycle: 1.4 million cycles, about half a millisecond.
  constexpr int64_t kRounds = 240'000;
  volatile float sink = width.spin(kRounds);
  (void)sink;
  return kRounds * kChains * width.lanes * 2;
}

// GFLOP/s of the best slice on the calling thread, by its CPU time.
double BestSlice(const Width& width, double milliseconds) {
  double best = 0, sum = 0;
  do {
    int64_t flops = 0;
    const double seconds = SecondsOf(CLOCK_THREAD_CPUTIME_ID, [&] { flops = SpinSlice(width); });
    best = std::max(best, flops / seconds / 1e9);
    sum += seconds;
  } while (sum < milliseconds / 1e3);
  return best;
}

// Wider is not always faster: some CPUs halve the ports or lower the clock. Chosen once, by measuring.
const Width& FastestWidth() {
  static const Width fastest = [] {
    Width best{};
    double best_gflops = 0;
    for (const Width& width : WidthsOfThisCpu()) {
      BestSlice(width, 5);  // wakes the CPU up
      const double gflops = BestSlice(width, 20);
      if (gflops > best_gflops) best = width, best_gflops = gflops;
    }
    return best;
  }();
  return fastest;
}

}  // namespace

double FmaPeakGflops(int num_threads, double milliseconds) {
  const Width& width = FastestWidth();
  if (num_threads <= 1) return BestSlice(width, milliseconds);
  std::vector<double> gflops(num_threads);
  std::vector<std::thread> threads;
  for (double& mine : gflops) {
    threads.emplace_back([&mine, &width, milliseconds] { mine = BestSlice(width, milliseconds); });
  }
  double sum = 0;
  for (int i = 0; i < num_threads; ++i) {
    threads[i].join();
    sum += gflops[i];
  }
  return sum;
}

std::string FmaPeakTarget() { return FastestWidth().name; }

int64_t SpinFma() { return SpinSlice(FastestWidth()); }

}  // namespace favor
