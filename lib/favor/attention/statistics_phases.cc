#include "favor/attention/statistics_phases.h"

#include <algorithm>
#include <utility>

#include "favor/attention/plan_sizes.h"
#include "favor/attention/sampled_rows.h"
#include "favor/attention/scratch.h"
#include "favor/base/aligned_buffer.h"
#include "favor/feature_map/fit_anchors.h"
#include "favor/feature_map/fit_statistics.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/transform.h"

namespace favor::internal {
namespace {

using kernels::kFoldTile;
using kernels::Padded;

// What the sums over the rows of one side of a head are made in.
struct Scratch {
  Scratch(int64_t dim, ScratchLayout layout)
      : rows(layout.Take(kFoldTile * Padded(dim))),
        origin(layout.Take(dim)),
        products(layout.Take(dim * Padded(dim))),
        size(layout.size()) {}
  float* rows;      // [kFoldTile][Padded(dim)]
  float* origin;    // [Padded(dim)]
  float* products;  // [dim][Padded(dim)]
  int64_t size;     // floats
};

struct Side {
  AlignedBuffer<float> memory;
  RowMoments moments;
  AlignedBuffer<float> sample;  // of queries, where anchors are to be found among them
};

int64_t SideBytes(int64_t dim) {
  return Scratch(dim, ScratchLayout()).size * static_cast<int64_t>(sizeof(float)) +
         (dim * dim + 2 * dim) * static_cast<int64_t>(sizeof(double));
}

absl::Status BeginMoments(int64_t dim, Side* side) {
  absl::StatusOr<AlignedBuffer<float>> memory =
      AlignedBuffer<float>::AllocateZeroed(Scratch(dim, ScratchLayout()).size);
  if (!memory.ok()) return memory.status();
  side->memory = *std::move(memory);
  side->moments.origin.assign(dim, 0.0);
  side->moments.sum.assign(dim, 0.0);
  side->moments.products.assign(dim * dim, 0.0);
  return absl::OkStatus();
}

// Of which coordinates products are summed.
enum class Products : uint8_t { kNone, kSquares, kAll };

// Adds `count` packed rows.
void AddRows(const Scratch& scratch, int64_t dim, int64_t count, Products products, RowMoments* moments) {
  const int64_t stride = Padded(dim);
  if (moments->count == 0) {
    std::copy_n(scratch.rows, dim, scratch.origin);
    std::copy_n(scratch.rows, dim, moments->origin.begin());
  }
  moments->count += count;
  kernels::ShiftScaleRows(scratch.rows, count, stride, dim, scratch.origin, nullptr);
  double* sum = moments->sum.data();
  double squares[kMaxHeadDim] = {};
  for (int64_t t = 0; t < count; ++t) {
    const float* row = scratch.rows + t * stride;
    for (int64_t l = 0; l < dim; ++l) sum[l] += row[l];
    if (products != Products::kSquares) continue;
    for (int64_t l = 0; l < dim; ++l) squares[l] += static_cast<double>(row[l]) * row[l];
  }
  if (products != Products::kAll) {
    for (int64_t l = 0; l < dim; ++l) moments->products[l * dim + l] += squares[l];
    return;
  }
  kernels::MatMul({scratch.rows, 1, stride}, {scratch.rows, stride}, scratch.products, stride, dim, count, stride,
                  /*accumulate=*/false);
  for (int64_t k = 0; k < dim; ++k) {
    const float* from = scratch.products + k * stride;
    double* to = moments->products.data() + k * dim;
    for (int64_t l = 0; l < dim; ++l) to[l] += from[l];
  }
}

// The sums of all heads, from the first phase to the second.
struct Measurement {
  FeatureSpec spec;
  double scale;
  SampledRows queries, keys;
  std::vector<Side> sides;  // 2 key_head + (0 queries, 1 keys)

  Products products() const {
    if (UsesAnchors(spec) && NeedsMeansOnly(spec.num_anchors, spec.num_directions)) return Products::kNone;
    const bool all = spec.precondition || spec.estimator == Estimator::kSderf || UsesAnchors(spec);
    return all ? Products::kAll : Products::kSquares;
  }
  // Whether the rows themselves are kept, and not their moments.
  bool keeps_rows(int64_t side) const { return UsesAnchors(spec) && side % 2 == 0; }

  absl::Status Begin(int64_t side);
  absl::Status Take(int64_t side, int64_t begin, int64_t count);
  HeadStatistics Fit(int64_t head);
  std::vector<HeadStatistics> FitAnchors(int64_t head, absl::Span<const int64_t> nums_anchors);
};

absl::Status Measurement::Begin(int64_t side) {
  const int64_t dim = queries.dim();
  if (!keeps_rows(side)) return BeginMoments(dim, &sides[side]);
  absl::StatusOr<AlignedBuffer<float>> sample = AlignedBuffer<float>::Allocate(queries.count() * Padded(dim));
  if (!sample.ok()) return sample.status();
  sides[side].sample = *std::move(sample);
  return absl::OkStatus();
}

// Rows [begin, begin + count) of one side of a head.
absl::Status Measurement::Take(int64_t side, int64_t begin, int64_t count) {
  const SampledRows& rows = side % 2 == 0 ? queries : keys;
  const int64_t dim = queries.dim(), stride = Padded(dim);
  Side& to = sides[side];
  if (keeps_rows(side)) return rows.Pack(side / 2, begin, count, to.sample.data() + begin * stride, stride);
  const Scratch scratch(dim, ScratchLayout(to.memory.data()));
  absl::Status status = rows.Pack(side / 2, begin, count, scratch.rows, stride);
  if (status.ok()) AddRows(scratch, dim, count, products(), &to.moments);
  return status;
}

std::vector<HeadStatistics> Measurement::FitAnchors(int64_t head, absl::Span<const int64_t> nums_anchors) {
  Side &query_side = sides[2 * head], &key_side = sides[2 * head + 1];
  auto levels = favor::FitAnchors(nums_anchors, spec.num_directions, {query_side.sample.data(), queries.count()},
                                  key_side.moments);
  query_side = {};
  key_side = {};
  return levels;
}

HeadStatistics Measurement::Fit(int64_t head) {
  if (UsesAnchors(spec)) return FitAnchors(head, {spec.num_anchors})[0];
  Side &query_side = sides[2 * head], &key_side = sides[2 * head + 1];
  HeadStatistics statistics = FitStatistics(spec, scale, query_side.moments, key_side.moments);
  query_side = {};
  key_side = {};
  return statistics;
}

std::shared_ptr<Measurement> MakeMeasurement(const FeatureSpec& spec, double scale, const AttentionInputs& inputs) {
  const int64_t key_heads = inputs.keys.shape.num_heads, dim = inputs.keys.shape.dim;
  const int64_t max_queries = UsesAnchors(spec) ? kMaxAnchorSample : MaxSampledRows(dim);
  return std::make_shared<Measurement>(Measurement{
      spec, scale,
      SampledRows("queries", inputs.queries, inputs.query_lengths, inputs.queries.shape.num_heads / key_heads,
                  max_queries),
      SampledRows("keys", inputs.keys, inputs.key_lengths, 1, MaxSampledRows(dim)), std::vector<Side>(2 * key_heads)});
}

// Sums of all heads.
Phase SumPhase(const std::shared_ptr<Measurement>& measurement, const Cancellation* cancellation) {
  const int64_t dim = measurement->queries.dim(), tile_flops = 2 * dim * dim * kFoldTile;
  const int64_t tiles_per_step = std::max<int64_t>(1, kStepFlops / tile_flops);
  const int64_t num_rows = std::max(measurement->queries.count(), measurement->keys.count());
  Phase sums;
  sums.num_chains = static_cast<int64_t>(measurement->sides.size());
  sums.steps_per_chain = std::max<int64_t>(1, CeilDiv(CeilDiv(num_rows, kFoldTile), tiles_per_step));
  sums.run_step = [=, last_step = sums.steps_per_chain - 1](int64_t chain, int64_t step) -> absl::Status {
    const int64_t num_rows = (chain % 2 == 0 ? measurement->queries : measurement->keys).count();
    if (step == 0) {
      if (absl::Status status = measurement->Begin(chain); !status.ok()) return status;
    }
    for (int64_t tile = step * tiles_per_step; tile < (step + 1) * tiles_per_step; ++tile) {
      if (cancellation != nullptr) {
        if (absl::Status status = cancellation->Check(); !status.ok()) return status;
      }
      const int64_t begin = tile * kFoldTile, count = std::min(kFoldTile, num_rows - begin);
      if (count <= 0) break;
      if (absl::Status status = measurement->Take(chain, begin, count); !status.ok()) return status;
    }
    if (step == last_step) measurement->sides[chain].memory = {};
    return absl::OkStatus();
  };
  return sums;
}

}  // namespace

std::vector<Phase> MeasurementPhases(const FeatureSpec& spec, double scale, const AttentionInputs& inputs,
                                     const Cancellation* cancellation, std::shared_ptr<Statistics> statistics,
                                     UseHead use) {
  const std::shared_ptr<Measurement> measurement = MakeMeasurement(spec, scale, inputs);
  Phase fit;
  fit.num_chains = inputs.keys.shape.num_heads;
  fit.run_step = [=](int64_t head, int64_t) {
    statistics->heads[head] = measurement->Fit(head);
    return use == nullptr ? absl::OkStatus() : use(head, statistics->heads[head]);
  };
  return {SumPhase(measurement, cancellation), std::move(fit)};
}

std::vector<Phase> AnchorLevelPhases(const std::vector<int64_t>& nums_anchors, const AttentionInputs& inputs,
                                     const Cancellation* cancellation,
                                     std::vector<std::shared_ptr<Statistics>> statistics) {
  FeatureSpec spec;
  spec.estimator = Estimator::kAnchors;
  spec.num_anchors = nums_anchors.back();
  const std::shared_ptr<Measurement> measurement = MakeMeasurement(spec, /*scale=*/1, inputs);
  Phase fit;
  fit.num_chains = inputs.keys.shape.num_heads;
  fit.run_step = [=](int64_t head, int64_t) {
    std::vector<HeadStatistics> levels = measurement->FitAnchors(head, nums_anchors);
    for (size_t level = 0; level < levels.size(); ++level) statistics[level]->heads[head] = std::move(levels[level]);
    return absl::OkStatus();
  };
  return {SumPhase(measurement, cancellation), std::move(fit)};
}

int64_t MeasurementBytes(const FeatureSpec& spec, const AttentionInputs& inputs) {
  const int64_t dim = inputs.keys.shape.dim;
  const int64_t segments = inputs.queries.shape.batch_size * (1 + inputs.queries.shape.num_heads);
  const int64_t statistics =
      (2 * dim * dim + 2 * dim + (spec.num_anchors + spec.num_directions) * dim) * static_cast<int64_t>(sizeof(double));
  // The sample as it comes, transposed and in the metric; scores about it.
  const int64_t sample = UsesAnchors(spec) ? kMaxAnchorSample * (4 * Padded(dim) + spec.num_anchors) * 4 : 0;
  return inputs.keys.shape.num_heads * (2 * SideBytes(dim) + statistics + sample) +
         segments * static_cast<int64_t>(sizeof(int64_t));
}

Phase UsePhase(std::shared_ptr<const Statistics> statistics, UseHead use, const Cancellation* cancellation) {
  Phase phase;
  phase.num_chains = static_cast<int64_t>(statistics->heads.size());
  phase.run_step = [=](int64_t head, int64_t) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    return use(head, statistics->heads[head]);
  };
  return phase;
}

}  // namespace favor::internal
