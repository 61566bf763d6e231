// Linear and exact attention against the FMA peak and against whole-matrix Eigen, in one run. H = 8, d = 64, m = 256;
// flops are nominal: 2m(2d + 2e) per token and head for features, 2L(d + e) for exact, exps free.
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "benchmark/benchmark.h"
#include "favor/attention/attention.h"
#include "favor/base/thread_pool.h"
#include "tests/benchmarks/fma_peak.h"
#include "tests/benchmarks/whole_matrix_favor.h"

namespace favor {
namespace {

constexpr int64_t kHeads = 8, kDim = 64, kFeatures = 256;

struct Tensors {
  explicit Tensors(int64_t length)
      : shape{1, kHeads, length, kDim},
        queries(shape.num_elements()),
        keys(queries.size()),
        values(queries.size()),
        output(queries.size()) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (std::vector<float>* tensor : {&queries, &keys, &values}) {
      for (float& value : *tensor) value = normal(random);
    }
    ProjectionSpec spec;
    spec.num_features = kFeatures;
    spec.head_dim = kDim;
    projection = *DrawProjection(spec);
  }
  Shape shape;
  std::vector<float> queries, keys, values, output;
  std::shared_ptr<const Projection> projection;
};

void Report(benchmark::State& state, double flops_per_iteration) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops_per_iteration * state.iterations() / 1e9, benchmark::Counter::kIsRate);
}

double FeatureFlops(int64_t length) { return 2.0 * kFeatures * (2 * kDim + 2 * kDim) * kHeads * length; }

void FmaPeak(benchmark::State& state) {
  float sink;
  int64_t flops = 0;
  for (auto _ : state) {
    flops = SpinFma(1'000'000, &sink);
    benchmark::DoNotOptimize(sink);
  }
  Report(state, flops);
}
BENCHMARK(FmaPeak)->UseRealTime()->Unit(benchmark::kMillisecond);

void WholeMatrixEigen(benchmark::State& state) {
  Tensors t(state.range(0));
  const int64_t size = t.shape.length * kDim;
  for (auto _ : state) {
    for (int64_t h = 0; h < kHeads; ++h) {
      WholeMatrixFavor(&t.queries[h * size], &t.keys[h * size], &t.values[h * size], t.projection->Matrix(h).data(),
                       t.shape.length, kDim, kDim, kFeatures, &t.output[h * size]);
    }
  }
  Report(state, FeatureFlops(t.shape.length));
}
BENCHMARK(WholeMatrixEigen)
    ->ArgName("L")
    ->Arg(512)
    ->Arg(4096)
    ->Arg(16384)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void Run(benchmark::State& state, AttentionMode mode, bool causal) {
  Tensors t(state.range(0));
  ThreadPool pool(state.range(1));
  AttentionSpec spec;
  spec.mode = mode;
  spec.causal = causal;
  AttentionInputs inputs;
  inputs.queries = DenseView(t.queries.data(), t.shape);
  inputs.keys = DenseView(t.keys.data(), t.shape);
  inputs.values = DenseView(t.values.data(), t.shape);
  if (mode == AttentionMode::kFeatures) inputs.projection = t.projection;
  for (auto _ : state) {
    absl::StatusOr<Job> job = PlanAttention(spec, inputs, DenseView(t.output.data(), t.shape), nullptr, nullptr);
    const absl::Status status = job.ok() ? pool.Run(*std::move(job)) : job.status();
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  const double length = t.shape.length;
  Report(state, mode == AttentionMode::kExact ? 2.0 * length * length * 2 * kDim * kHeads : FeatureFlops(length));
}

void Bidirectional(benchmark::State& state) { Run(state, AttentionMode::kFeatures, false); }
void Causal(benchmark::State& state) { Run(state, AttentionMode::kFeatures, true); }
void Exact(benchmark::State& state) { Run(state, AttentionMode::kExact, false); }

BENCHMARK(Bidirectional)
    ->ArgNames({"L", "threads"})
    ->ArgsProduct({{512, 4096, 16384}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Causal)
    ->ArgNames({"L", "threads"})
    ->ArgsProduct({{512, 4096, 16384}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Exact)
    ->ArgNames({"L", "threads"})
    ->ArgsProduct({{512, 4096}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace favor
