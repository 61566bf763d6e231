// Dense layers of encoders beside oneDNN: who is faster for which shape. One thread, CPU time, taking turns; weights
// are those of a dozen layers in turn, so that they come from L3 or memory as they do inside an encoder. Both have
// their weights packed beforehand. `oneDNN_ratio` is the median over turns of oneDNN's time by ours.
#include <dnnl.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/dense.h"
#include "favor/kernels/panels.h"
#include "favor/kernels/tile.h"
#include "tests/benchmarks/clock.h"
#include "tests/benchmarks/fma_peak.h"

namespace favor {
namespace {

using dnnl::memory;
using kernels::kTile;

constexpr int kLayers = 12;
constexpr int64_t kBlock = 3 * kTile;  // tokens that a layer takes at a time, as in encoders

AlignedBuffer<float> Floats(int64_t size) {
  AlignedBuffer<float> buffer = *AlignedBuffer<float>::Allocate(size);
  for (int64_t i = 0; i < size; ++i) buffer[i] = static_cast<float>(i * 2654435761u % 1024) / 1024 - 0.5f;
  return buffer;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

class OurLayers {
 public:
  OurLayers(int64_t rows, int64_t depth, int64_t num_tokens)
      : rows_(rows), depth_(depth), num_tokens_(num_tokens), bias_(Floats(kernels::PanelRowCount(rows))) {
    for (int i = 0; i < kLayers; ++i) weights_.push_back(Floats(kernels::PanelRowCount(rows) * depth));
    const int64_t columns = (num_tokens + kTile - 1) / kTile * kTile;
    inputs_ = Floats(columns * depth);
    outputs_ = Floats(columns * kernels::PanelRowCount(rows));
  }

  void Run(int layer) {
    const int64_t out = kernels::PanelRowCount(rows_);
    for (int64_t t = 0; t < num_tokens_; t += kBlock) {
      kernels::Dense({weights_[layer].data(), rows_, depth_}, bias_.data(), inputs_.data() + t * depth_, depth_ * kTile,
                     std::min(kBlock, num_tokens_ - t), kernels::Activation::kNone, /*add=*/false,
                     outputs_.data() + t * out, out * kTile);
    }
  }

 private:
  int64_t rows_, depth_, num_tokens_;
  AlignedBuffer<float> bias_, inputs_, outputs_;
  std::vector<AlignedBuffer<float>> weights_;
};

class TheirLayers {
 public:
  TheirLayers(int64_t rows, int64_t depth, int64_t num_tokens) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const auto f32 = memory::data_type::f32;
    const auto ab = memory::format_tag::ab;
    const memory::desc x({num_tokens, depth}, f32, ab), w({depth, rows}, f32, memory::format_tag::any);
    const memory::desc bias({1, rows}, f32, ab), y({num_tokens, rows}, f32, ab), plain({depth, rows}, f32, ab);
    const dnnl::matmul::primitive_desc chosen(dnnl::matmul::desc(x, w, bias, y), engine_);
    product_ = dnnl::matmul(chosen);
    AlignedBuffer<float> values = Floats(rows * depth);
    for (int i = 0; i < kLayers; ++i) {
      memory from(plain, engine_, values.data()), to(chosen.weights_desc(), engine_);
      dnnl::reorder(from, to).execute(stream_, from, to);
      weights_.push_back(to);
    }
    arguments_ = {
        {DNNL_ARG_SRC, memory(x, engine_)}, {DNNL_ARG_BIAS, memory(bias, engine_)}, {DNNL_ARG_DST, memory(y, engine_)}};
    stream_.wait();
  }

  void Run(int layer) {
    arguments_[DNNL_ARG_WEIGHTS] = weights_[layer];
    product_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul product_;
  std::vector<memory> weights_;
  std::unordered_map<int, memory> arguments_;
};

void Measure(benchmark::State& state, int64_t rows, int64_t depth, int64_t num_tokens) {
  OurLayers ours(rows, depth, num_tokens);
  TheirLayers theirs(rows, depth, num_tokens);
  std::vector<double> our_seconds, ratios;
  for (int layer = 0; layer < kLayers; ++layer) {
    ours.Run(layer);
    theirs.Run(layer);
  }
  int layer = 0;
  for (auto _ : state) {
    our_seconds.push_back(SecondsOf(CLOCK_PROCESS_CPUTIME_ID, [&] { ours.Run(layer); }));
    const double their_seconds = SecondsOf(CLOCK_PROCESS_CPUTIME_ID, [&] { theirs.Run(layer); });
    ratios.push_back(their_seconds / our_seconds.back());
    state.SetIterationTime(our_seconds.back() + their_seconds);
    layer = (layer + 1) % kLayers;
  }
  if (ratios.empty()) return;
  const double rate = 2.0 * rows * depth * num_tokens / Median(our_seconds) / 1e9;
  state.counters["GFLOP/s"] = rate;
  state.counters["share"] = rate / FmaPeakGflops(1, 5);
  state.counters["oneDNN_ratio"] = Median(ratios);
}

}  // namespace
}  // namespace favor

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  // [outputs, inputs] of MiniLM and of BERT base: queries, keys and values at once; attention's output; feed forward.
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{1152, 384}, {384, 384}, {1536, 384}, {384, 1536},
                                                           {2304, 768}, {768, 768}, {3072, 768}, {768, 3072}};
  for (const auto& [rows, depth] : shapes) {
    for (const int64_t num_tokens : {16, 48, 144, 1920}) {
      benchmark::RegisterBenchmark(
          absl::StrCat("dense/", rows, "x", depth, "/tokens:", num_tokens).c_str(),
          [=, rows = rows, depth = depth](benchmark::State& state) { favor::Measure(state, rows, depth, num_tokens); })
          ->UseManualTime()
          ->MinTime(0.3);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
