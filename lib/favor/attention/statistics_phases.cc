#include "favor/attention/statistics_phases.h"

#include <algorithm>
#include <utility>

#include "favor/attention/not_finite.h"
#include "favor/attention/plan_sizes.h"
#include "favor/attention/scratch.h"
#include "favor/base/aligned_buffer.h"
#include "favor/feature_map/fit_statistics.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"
#include "favor/kernels/transform.h"

namespace favor::internal {
namespace {

using kernels::kFoldTile;
using kernels::Padded;

// The valid rows of one key head in a tensor of `group` heads a key head, of which every step-th is a sample.
class SampledRows {
 public:
  SampledRows(const char* name, const TensorView& tensor, absl::Span<const int64_t> lengths, int64_t group)
      : name_(name), tensor_(tensor), group_(group) {
    ends_.reserve(tensor.shape.batch_size * group);
    for (int64_t batch = 0; batch < tensor.shape.batch_size; ++batch) {
      const int64_t length = lengths.empty() ? tensor.shape.length : lengths[batch];
      for (int64_t head = 0; head < group; ++head) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + length);
    }
    const int64_t num_rows = ends_.empty() ? 0 : ends_.back();
    step_ = std::max<int64_t>(1, CeilDiv(num_rows, MaxSampledRows(tensor.shape.dim)));
    count_ = CeilDiv(num_rows, step_);
  }

  int64_t count() const { return count_; }
  int64_t dim() const { return tensor_.shape.dim; }

  // Packs samples [begin, begin + count) of a key head.
  absl::Status Pack(int64_t key_head, int64_t begin, int64_t count, float* rows, int64_t stride) const {
    for (int64_t done = 0; done < count;) {
      const int64_t row = (begin + done) * step_;
      const int64_t segment = std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin();
      const int64_t position = row - (segment == 0 ? 0 : ends_[segment - 1]);
      const int64_t batch = segment / group_, head = key_head * group_ + segment % group_;
      kernels::Rows from = kernels::RowsOf(tensor_, batch, head, position, 1);
      from.count = std::min(CeilDiv(ends_[segment] - row, step_), count - done);
      from.row_stride *= step_;
      const int64_t finite = kernels::PackRows(from, 1.0f, /*clamp=*/true, rows + done * stride, stride);
      if (finite < from.count) {
        return NotFiniteError(name_, from, finite, batch, head, position + finite * (step_ - 1));
      }
      done += from.count;
    }
    return absl::OkStatus();
  }

 private:
  const char* name_;
  TensorView tensor_;
  int64_t group_;
  std::vector<int64_t> ends_;  // of the rows of each sequence and head of a group, counted on
  int64_t step_ = 1;
  int64_t count_ = 0;
};

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
};

int64_t SideBytes(int64_t dim) {
  return Scratch(dim, ScratchLayout()).size * static_cast<int64_t>(sizeof(float)) +
         (dim * dim + 2 * dim) * static_cast<int64_t>(sizeof(double));
}

absl::Status Begin(int64_t dim, Side* side) {
  absl::StatusOr<AlignedBuffer<float>> memory =
      AlignedBuffer<float>::AllocateZeroed(Scratch(dim, ScratchLayout()).size);
  if (!memory.ok()) return memory.status();
  side->memory = *std::move(memory);
  side->moments.origin.assign(dim, 0.0);
  side->moments.sum.assign(dim, 0.0);
  side->moments.products.assign(dim * dim, 0.0);
  return absl::OkStatus();
}

// Adds `count` packed rows; `cross` also products of different coordinates.
void AddRows(const Scratch& scratch, int64_t dim, int64_t count, bool cross, RowMoments* moments) {
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
    if (cross) continue;
    for (int64_t l = 0; l < dim; ++l) squares[l] += static_cast<double>(row[l]) * row[l];
  }
  if (!cross) {
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

  bool cross() const { return spec.precondition || spec.estimator == Estimator::kSderf; }
};

}  // namespace

std::vector<Phase> MeasurementPhases(const FeatureSpec& spec, double scale, const AttentionInputs& inputs,
                                     const Cancellation* cancellation, std::shared_ptr<Statistics> statistics,
                                     std::shared_ptr<HeadTransforms> transforms) {
  const int64_t key_heads = inputs.keys.shape.num_heads, dim = inputs.keys.shape.dim;
  auto measurement = std::make_shared<Measurement>(Measurement{
      spec, scale,
      SampledRows("queries", inputs.queries, inputs.query_lengths, inputs.queries.shape.num_heads / key_heads),
      SampledRows("keys", inputs.keys, inputs.key_lengths, 1), std::vector<Side>(2 * key_heads)});
  const int64_t tile_flops = 2 * dim * dim * kFoldTile;
  const int64_t tiles_per_step = std::max<int64_t>(1, kStepFlops / tile_flops);
  const int64_t num_rows = std::max(measurement->queries.count(), measurement->keys.count());
  Phase sums;
  sums.num_chains = 2 * key_heads;
  sums.steps_per_chain = std::max<int64_t>(1, CeilDiv(CeilDiv(num_rows, kFoldTile), tiles_per_step));
  sums.run_step = [=, last_step = sums.steps_per_chain - 1](int64_t chain, int64_t step) -> absl::Status {
    const SampledRows& rows = chain % 2 == 0 ? measurement->queries : measurement->keys;
    Side& side = measurement->sides[chain];
    if (step == 0) {
      if (absl::Status status = Begin(dim, &side); !status.ok()) return status;
    }
    const Scratch scratch(dim, ScratchLayout(side.memory.data()));
    for (int64_t tile = step * tiles_per_step; tile < (step + 1) * tiles_per_step; ++tile) {
      if (cancellation != nullptr) {
        if (absl::Status status = cancellation->Check(); !status.ok()) return status;
      }
      const int64_t begin = tile * kFoldTile, count = std::min(kFoldTile, rows.count() - begin);
      if (count <= 0) break;
      absl::Status status = rows.Pack(chain / 2, begin, count, scratch.rows, Padded(dim));
      if (!status.ok()) return status;
      AddRows(scratch, dim, count, measurement->cross(), &side.moments);
    }
    if (step == last_step) side.memory = {};
    return absl::OkStatus();
  };

  Phase fit;
  fit.num_chains = key_heads;
  fit.run_step = [=](int64_t head, int64_t) {
    Side &queries = measurement->sides[2 * head], &keys = measurement->sides[2 * head + 1];
    statistics->heads[head] = FitStatistics(measurement->spec, measurement->scale, queries.moments, keys.moments);
    queries = {};
    keys = {};
    return transforms == nullptr ? absl::OkStatus() : transforms->Set(head, statistics->heads[head]);
  };
  return {std::move(sums), std::move(fit)};
}

int64_t MeasurementBytes(const AttentionInputs& inputs) {
  const int64_t dim = inputs.keys.shape.dim;
  const int64_t segments = inputs.queries.shape.batch_size * (1 + inputs.queries.shape.num_heads);
  const int64_t statistics = (2 * dim * dim + 2 * dim) * static_cast<int64_t>(sizeof(double));
  return inputs.keys.shape.num_heads * (2 * SideBytes(dim) + statistics) +
         segments * static_cast<int64_t>(sizeof(int64_t));
}

Phase TransformsPhase(std::shared_ptr<const Statistics> statistics, std::shared_ptr<HeadTransforms> transforms,
                      const Cancellation* cancellation) {
  Phase phase;
  phase.num_chains = transforms->num_key_heads();
  phase.run_step = [=](int64_t head, int64_t) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    return transforms->Set(head, statistics->heads[head]);
  };
  return phase;
}

}  // namespace favor::internal
