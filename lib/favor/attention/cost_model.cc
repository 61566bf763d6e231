#include "favor/attention/cost_model.h"

#include <time.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/attention/call_costs.h"

namespace favor {
namespace {

constexpr int64_t kDim = 64;
constexpr int kRepetitions = 3;

// A head of queries and keys that are neither loud nor all alike.
struct Sample {
  explicit Sample(int64_t length) : length(length), rows(length * kDim) {
    uint32_t state = 1;
    for (float& value : rows) {
      state = state * 1664525 + 1013904223;  // Numerical Recipes' generator: what the numbers are is of no account
      value = static_cast<float>(state >> 8) / 16777216.0f - 0.5f;
    }
  }
  AttentionInputs Inputs(int64_t num_queries) const {
    AttentionInputs inputs;
    inputs.queries = DenseView(rows.data(), {1, 1, num_queries, kDim});
    inputs.keys = inputs.values = DenseView(rows.data(), {1, 1, length, kDim});
    return inputs;
  }

  int64_t length;
  std::vector<float> rows;
};

// Of the calling thread alone: what else the machine does at the start of a server does not count.
double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least time of some runs on the calling thread; 0 where a run fails.
double SecondsOf(const AttentionSpec& spec, const AttentionInputs& inputs) {
  std::vector<float> output(inputs.queries.shape.num_elements());
  double least = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const double begin = ThreadSeconds();
    if (!Attend(spec, inputs, DenseView(output.data(), inputs.queries.shape)).ok()) return 0;
    const double seconds = ThreadSeconds() - begin;
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

AttentionSpec Exact() {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return spec;
}

AttentionSpec Anchors(int64_t num_anchors) {
  AttentionSpec spec;
  spec.features.estimator = Estimator::kAnchors;
  spec.features.num_anchors = num_anchors;
  return spec;
}

// Brings costs to a measured time of what they make `expected`. A clock that says nonsense changes them by little.
void Scale(double measured, double expected, std::initializer_list<double*> costs) {
  if (!(measured > 0)) return;
  const double factor = std::clamp(measured / expected, 0.05, 20.0);
  for (double* cost : costs) *cost *= factor;
}

}  // namespace

CostModel MeasureCosts() {
  CostModel model;
  const Sample sample(1536);
  const AttentionInputs square = sample.Inputs(768), narrow = sample.Inputs(6), whole = sample.Inputs(1536);
  const double rows = SecondsOf(Exact(), narrow);
  Scale(SecondsOf(Exact(), square), internal::CallCosts(model, square, false).exact(),
        {&model.exact, &model.pair, &model.packing});
  CostModel without = model;
  without.packing = 0;
  const double pairs = internal::CallCosts(without, narrow, false).exact();
  Scale(rows - pairs, internal::CallCosts(model, narrow, false).exact() - pairs, {&model.packing});
  constexpr int64_t kAnchors = 8;
  Scale(SecondsOf(Anchors(kAnchors), whole), internal::CallCosts(model, whole, false).Anchors(kAnchors),
        {&model.fold, &model.read, &model.key, &model.query, &model.mean, &model.sample, &model.metric, &model.fit,
         &model.head});
  return model;
}

}  // namespace favor
