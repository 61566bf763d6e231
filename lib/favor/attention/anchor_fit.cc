#include "favor/attention/anchor_fit.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <Eigen/Dense>

#include "favor/attention/exact_attention.h"
#include "favor/attention/not_finite.h"
#include "favor/attention/stratified_rows.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

int64_t GroupSize(const AttentionInputs& inputs) {
  return inputs.queries.shape.num_heads / inputs.keys.shape.num_heads;
}

// Of every sequence and key head: no more than there are.
int64_t MostRows(const AttentionSpec& spec, const AttentionInputs& inputs) {
  return std::min(spec.features.num_fit_rows, GroupSize(inputs) * inputs.queries.shape.length);
}

Shape RowsShape(const AttentionInputs& inputs, int64_t num_rows, int64_t dim) {
  return {inputs.keys.shape.batch_size, inputs.keys.shape.num_heads, num_rows, dim};
}

// The weights w of parts of an output, all relative to the mean of V, that make their sum nearest to a target. Where
// parts leave a choice it is nearest to 1, so that a part which the rows have nothing of keeps its own.
class LeastSquares {
 public:
  static constexpr int kParts = 3;
  using Parts = Eigen::Matrix<double, kParts, 1>;

  void Add(const Parts& parts, double target) {
    products_ += parts * parts.transpose();
    residual_ += parts * (target - parts.sum());
  }

  Parts Weights() const {
    // Every part in its own unit.
    const Parts squares = products_.diagonal();
    Parts unit;
    for (int i = 0; i < kParts; ++i) unit[i] = squares[i] > 0 ? 1 / std::sqrt(squares[i]) : 0;
    Eigen::CompleteOrthogonalDecomposition<Eigen::Matrix<double, kParts, kParts>> solver;
    solver.setThreshold(1e-9);
    solver.compute(unit.asDiagonal() * products_ * unit.asDiagonal());
    const Parts free = Parts::Ones() + unit.asDiagonal() * solver.solve(unit.asDiagonal() * residual_);
    const Parts bounded = Bounded(free);
    return bounded == free ? free : Descend(bounded);
  }

 private:
  // A part is damped where the rows ask for it, and hardly ever rightly the opposite: a few rows that agree by chance
  // would otherwise scale all others up. Of second order a little more may stand for what orders beyond it leave out.
  static Parts Bounded(const Parts& weights) { return weights.cwiseMax(0).cwiseMin(Parts(1.1, 1.1, 1.5)); }

  // The best within bounds: a convex function, one weight after the other to its minimum, from about there.
  Parts Descend(Parts weights) const {
    constexpr int kSweeps = 100;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      for (int i = 0; i < kParts; ++i) {
        if (!(products_(i, i) > 0)) continue;
        const double slope = residual_[i] - products_.row(i) * (weights - Parts::Ones());
        weights[i] += slope / products_(i, i);
        weights = Bounded(weights);
      }
    }
    return weights;
  }

  Eigen::Matrix<double, kParts, kParts> products_ = Eigen::Matrix<double, kParts, kParts>::Zero();
  Parts residual_ = Parts::Zero();
};

}  // namespace

AnchorFit::AnchorFit(const AttentionSpec& spec, const AttentionInputs& inputs)
    : inputs_(inputs), num_rows_(MostRows(spec, inputs)) {
  exact_spec_.mode = AttentionMode::kExact;
  exact_spec_.scale = spec.scale;
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) {
    row_counts_.push_back(std::min(num_rows_, GroupSize(inputs) * inputs.NumQueries(batch)));
  }
}

absl::StatusOr<std::shared_ptr<AnchorFit>> AnchorFit::Create(const AttentionSpec& spec, const AttentionInputs& inputs) {
  std::shared_ptr<AnchorFit> fit(new AnchorFit(spec, inputs));
  const int64_t rows = RowsShape(inputs, fit->num_rows_, 1).num_elements();
  // Nothing is written here: whether there is room for all of it is seen before the job runs.
  auto queries = AlignedBuffer<float>::Allocate(rows * inputs.queries.shape.dim);
  auto outputs = AlignedBuffer<float>::Allocate(rows * inputs.values.shape.dim);
  if (!queries.ok()) return queries.status();
  if (!outputs.ok()) return outputs.status();
  fit->queries_ = *std::move(queries);
  fit->outputs_ = *std::move(outputs);
  return fit;
}

int64_t AnchorFit::Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads) {
  const int64_t most_rows = MostRows(spec, inputs), rows = RowsShape(inputs, most_rows, 1).num_elements();
  AttentionOperands exact{inputs, {}};
  exact.inputs.queries.shape.length = most_rows;
  return rows * (inputs.queries.shape.dim + inputs.values.shape.dim) * static_cast<int64_t>(sizeof(float)) +
         ExactScratchBytes(absl::MakeConstSpan(&exact, 1), num_threads);
}

TensorView AnchorFit::Queries() const {
  return DenseView(static_cast<const float*>(queries_.data()),
                   RowsShape(inputs_, num_rows_, inputs_.queries.shape.dim));
}

MutableTensorView AnchorFit::Outputs() {
  return DenseView(outputs_.data(), RowsShape(inputs_, num_rows_, inputs_.values.shape.dim));
}

absl::Status AnchorFit::Gather(int64_t batch, int64_t key_head) {
  const int64_t dim = inputs_.queries.shape.dim, group = GroupSize(inputs_), count = row_counts_[batch];
  const int64_t length = inputs_.NumQueries(batch);
  alignas(64) float row[kernels::Padded(kMaxHeadDim)];
  float* to = queries_.data() + (batch * inputs_.keys.shape.num_heads + key_head) * num_rows_ * dim;
  const StratifiedRows sample(group * length, count);
  for (int64_t i = 0; i < sample.count(); ++i, to += dim) {
    const int64_t index = sample.Row(i);
    const int64_t head = key_head * group + index / length, position = index % length;
    const kernels::Rows from = kernels::RowsOf(inputs_.queries, batch, head, position, 1);
    if (kernels::PackRows(from, 1, /*clamp=*/false, row, kernels::Padded(dim)) == 0) {
      return NotFiniteError("queries", from, 0, batch, head, position);
    }
    std::copy_n(row, dim, to);
  }
  std::fill_n(to, (num_rows_ - sample.count()) * dim, 0.0f);
  return absl::OkStatus();
}

std::vector<Phase> AnchorFit::ExactRows(const std::shared_ptr<AnchorFit>& fit, const Cancellation* cancellation) {
  const int64_t heads = fit->inputs_.keys.shape.num_heads;
  Phase gather;
  gather.num_chains = heads * fit->inputs_.keys.shape.batch_size;
  gather.run_step = [=](int64_t chain, int64_t) { return fit->Gather(chain / heads, chain % heads); };
  AttentionOperands exact{fit->inputs_, fit->Outputs()};
  exact.inputs.queries = fit->Queries();
  exact.inputs.query_lengths = fit->row_counts_;
  Job job = PlanExactAttention(fit->exact_spec_, absl::MakeConstSpan(&exact, 1), cancellation, &fit->exact_report_);
  std::vector<Phase> phases = {std::move(gather)};
  std::move(job.phases.begin(), job.phases.end(), std::back_inserter(phases));
  return phases;
}

absl::Status AnchorFit::Weigh(int64_t batch, int64_t key_head, const AnchorSet& anchors, AnchorQueryTile* tile,
                              AnchorState* state) const {
  const int64_t count = row_counts_[batch], value_dim = inputs_.values.shape.dim;
  const float* exact = outputs_.data() + (batch * inputs_.keys.shape.num_heads + key_head) * num_rows_ * value_dim;
  auto first_order = AlignedBuffer<float>::Allocate(AnchorQueryTile::kWidth * value_dim);
  if (!first_order.ok()) return first_order.status();
  LeastSquares fit;
  for (int64_t begin = 0; begin < count; begin += AnchorQueryTile::kWidth) {
    const int64_t rows = std::min(AnchorQueryTile::kWidth, count - begin);
    absl::Status status = tile->Load(anchors, kernels::RowsOf(Queries(), batch, key_head, begin, rows),
                                     {batch, key_head, key_head, begin});
    if (!status.ok()) return status;
    tile->Read(*state, 0, state->head_dim());
    for (int64_t t = 0; t < rows; ++t) std::copy_n(tile->beyond(t), value_dim, first_order->data() + t * value_dim);
    tile->Read(*state, state->head_dim(), state->num_products());
    for (int64_t t = 0; t < rows; ++t, exact += value_dim) {
      const float *at_anchor = tile->at_anchor(t, *state), *first = first_order->data() + t * value_dim;
      const float* second = tile->beyond(t);
      for (int64_t n = 0; n < value_dim; ++n) {
        const double mean = state->total[n];
        fit.Add({at_anchor[n] - mean, first[n], second[n]}, exact[n] - mean);
      }
    }
  }
  const LeastSquares::Parts weights = fit.Weights();
  state->Weigh(static_cast<float>(weights[0]), static_cast<float>(weights[1]), static_cast<float>(weights[2]));
  return absl::OkStatus();
}

}  // namespace favor::internal
