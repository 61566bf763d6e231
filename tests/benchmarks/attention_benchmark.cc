// Attention against the FMA peak and against whole-matrix Eigen, in one process. H heads, d = 64, m = 256.
//
// The machine is rarely quiet. One thread is timed by the CPU time of the process, which is the time on the clock when
// nobody else wants the core; more threads by the clock. And figures are ratios of neighbours in time: the peak is
// measured before and after every single run, and `share` is the median over runs of GFLOP/s by that peak. The two
// calls of a pair take turns, and `ratio` is the median over turns.
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "favor/kernels/cpu_target.h"
#include "tests/benchmarks/attention_call.h"
#include "tests/benchmarks/clock.h"
#include "tests/benchmarks/fma_peak.h"
#include "tests/benchmarks/whole_matrix_favor.h"

namespace favor {
namespace {

constexpr double kPeakMilliseconds = 2;

struct Case {
  const Variant* variant;
  int64_t num_heads, length;
  int num_threads;
};

clockid_t ClockFor(int num_threads) { return num_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC; }

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

int AllowedCores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

// The tensors of the last case: benchmarks come back to one case several times, and filling them takes a while.
RandomTensors* TensorsOf(const Case& c) {
  static std::unique_ptr<RandomTensors> last;
  const DataType type = SetUp(*c.variant).data_type;
  const Shape shape{1, c.num_heads, c.length, kHeadDim};
  if (last == nullptr || last->type != type || last->shape != shape) {
    last.reset();
    last = std::make_unique<RandomTensors>(type, c.num_heads, c.length);
  }
  return last.get();
}

void RunOrSkip(benchmark::State& state, AttentionCall* call) {
  if (const absl::Status status = call->Run(); !status.ok()) state.SkipWithError(status.ToString().c_str());
}

// Times `run` against the peak.
void MeasureShare(benchmark::State& state, double flops, int num_threads, const std::function<void()>& run) {
  run();  // pages, caches, threads
  std::vector<double> seconds, shares, peaks = {FmaPeakGflops(num_threads, kPeakMilliseconds)};
  for (auto _ : state) {
    seconds.push_back(SecondsOf(ClockFor(num_threads), run));
    state.SetIterationTime(seconds.back());
    peaks.push_back(FmaPeakGflops(num_threads, kPeakMilliseconds));
    const double peak = std::max(peaks.back(), peaks[peaks.size() - 2]);
    shares.push_back(flops / seconds.back() / 1e9 / peak);
  }
  if (seconds.empty()) return;
  state.counters["flops"] = flops;
  state.counters["median_ms"] = Median(seconds) * 1e3;
  state.counters["best_ms"] = *std::min_element(seconds.begin(), seconds.end()) * 1e3;
  state.counters["GFLOP/s"] = flops / Median(seconds) / 1e9;
  state.counters["peak"] = Median(peaks);
  state.counters["best_share"] = flops / (state.counters["best_ms"] * 1e6) / Median(peaks);
  state.counters["share"] = Median(shares);
}

void MeasureAttention(benchmark::State& state, const Case& c) {
  AttentionCall call(*c.variant, TensorsOf(c), c.num_threads);
  MeasureShare(state, call.flops(), c.num_threads, [&] { RunOrSkip(state, &call); });
}

// Cores' worth of CPU time that this process gets when `num_threads` of its threads want all: as many on a quiet
// machine.
double FreeCores(int num_threads) {
  double cpu = 0;
  const double wall = SecondsOf(
      CLOCK_MONOTONIC, [&] { cpu = SecondsOf(CLOCK_PROCESS_CPUTIME_ID, [&] { FmaPeakGflops(num_threads, 5); }); });
  return cpu / wall;
}

// How many times `a` costs what `b` costs, per nominal flop. The shorter call runs several times a turn.
void MeasurePair(benchmark::State& state, const Case& a, const Case& b) {
  RandomTensors tensors_a(SetUp(*a.variant).data_type, a.num_heads, a.length);
  RandomTensors tensors_b(SetUp(*b.variant).data_type, b.num_heads, b.length);
  const int num_threads = std::max(a.num_threads, b.num_threads);
  const clockid_t clock = ClockFor(num_threads);
  AttentionCall calls[] = {{*a.variant, &tensors_a, a.num_threads}, {*b.variant, &tensors_b, b.num_threads}};
  int64_t times[2];
  for (int i = 0; i < 2; ++i) {
    times[i] = std::clamp<int64_t>(std::llround(calls[1 - i].flops() / calls[i].flops()), 1, 256);
    RunOrSkip(state, &calls[i]);
  }
  std::vector<double> ratios, free_cores;
  for (auto _ : state) {
    if (num_threads > 1) free_cores.push_back(FreeCores(num_threads));
    double cost[2], sum = 0;
    for (int i = 0; i < 2; ++i) {
      const double seconds = SecondsOf(clock, [&] {
        for (int64_t n = 0; n < times[i]; ++n) RunOrSkip(state, &calls[i]);
      });
      cost[i] = seconds / (times[i] * calls[i].flops());
      sum += seconds;
    }
    state.SetIterationTime(sum);
    ratios.push_back(cost[0] / cost[1]);
  }
  if (num_threads > 1) state.counters["free_cores"] = Median(free_cores);
  state.counters["ratio"] = Median(ratios);
}

void MeasureEigen(benchmark::State& state, int64_t num_heads, int64_t length) {
  const Variant& variant = Variants()[0];
  RandomTensors* t = TensorsOf({&variant, num_heads, length, 1});
  auto projection = DrawProjection(SetUp(variant).projection);
  if (!projection.ok()) return state.SkipWithError(projection.status().ToString().c_str());
  auto head = [&](std::vector<std::byte>& tensor, int64_t h) {
    return reinterpret_cast<float*>(tensor.data()) + h * length * kHeadDim;
  };
  MeasureShare(state, AttentionCall(variant, t, 0).flops(), 1, [&] {
    for (int64_t h = 0; h < num_heads; ++h) {
      WholeMatrixFavor(head(t->queries, h), head(t->keys, h), head(t->values, h), (*projection)->Matrix(0).data(),
                       length, kHeadDim, kHeadDim, kNumFeatures, head(t->output, h));
    }
  });
}

template <typename Measure>
benchmark::internal::Benchmark* Register(const std::string& name, Measure measure) {
  return benchmark::RegisterBenchmark(name.c_str(), measure)->UseManualTime()->Unit(benchmark::kMillisecond);
}

std::string NameOf(const Case& c) {
  return absl::StrCat(std::string(c.variant->name), "/H:", c.num_heads, "/L:", c.length, "/threads:", c.num_threads);
}

void RegisterCase(const Case& c) {
  Register(NameOf(c), [c](benchmark::State& state) { MeasureAttention(state, c); });
}

void RegisterPair(const std::string& name, const Case& a, const Case& b) {
  Register(absl::StrCat("ratio/", name, "/", std::string(b.variant->name), "/H:", b.num_heads),
           [a, b](benchmark::State& state) { MeasurePair(state, a, b); });
}

void RegisterLengths(const Variant& variant, int num_threads) {
  const bool exact = SetUp(variant).attention.mode == AttentionMode::kExact;
  for (const int64_t length : {128, 256, 512, 1024, 4096, 16384}) RegisterCase({&variant, 8, length, num_threads});
  // One head from here on: eight of a million tokens are 8 GB, and exact attention takes hours beyond 64k.
  RegisterCase({&variant, exact ? 1 : 8, 65536, num_threads});
  if (exact) return;
  for (const int64_t length : {262144, 1048576}) RegisterCase({&variant, 1, length, num_threads});
}

void RegisterAll() {
  const int max_threads = std::min(2, AllowedCores());
  for (int threads = 1; threads <= max_threads; ++threads) {
    Register(absl::StrCat("fma_peak/threads:", threads), [threads](benchmark::State& state) {
      std::vector<double> peaks;
      for (auto _ : state) {
        state.SetIterationTime(SecondsOf(CLOCK_MONOTONIC, [&] { peaks.push_back(FmaPeakGflops(threads, 20)); }));
      }
      state.counters["peak"] = Median(peaks);
    });
  }
  for (const int64_t length : {512, 1024, 4096, 16384}) {
    Register(absl::StrCat("whole_matrix_eigen/H:8/L:", length, "/threads:1"),
             [length](benchmark::State& state) { MeasureEigen(state, 8, length); });
  }
  for (int threads = 1; threads <= max_threads; ++threads) {
    for (const Variant& variant : Variants()) {
      if (!variant.for_checks) RegisterLengths(variant, threads);
    }
  }
  for (const Variant& variant : Variants()) {
    if (variant.for_checks) continue;
    if (max_threads >= 2) {
      for (const int64_t heads : {1, 8})
        RegisterPair("two_threads", {&variant, heads, 4096, 1}, {&variant, heads, 4096, 2});
    }
    if (SetUp(variant).attention.mode == AttentionMode::kFeatures) {
      RegisterPair("cost_per_token_1M_by_1k", {&variant, 1, 1048576, 1}, {&variant, 1, 1024, 1});
    }
    const Variant& plain = *FindVariant(variant.name.substr(0, variant.name.find('_')));
    if (&plain != &variant) RegisterPair("speed", {&plain, 8, 4096, 1}, {&variant, 8, 4096, 1});
  }
}

}  // namespace
}  // namespace favor

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("favor_cpu_target", favor::CpuTargetName());
  benchmark::AddCustomContext("fma_peak_width", favor::FmaPeakTarget());
  benchmark::AddCustomContext("allowed_cores", std::to_string(favor::AllowedCores()));
  benchmark::AddCustomContext("compiler", FAVOR_COMPILER);
  if (favor::AllowedCores() < 2) std::fprintf(stderr, "One core: cases with two threads are left out.\n");
  favor::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
