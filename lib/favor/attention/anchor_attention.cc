#include "favor/attention/anchor_attention.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "favor/attention/rows.h"
#include "favor/attention/statistics_phases.h"
#include "favor/feature_map/feature_map.h"
#include "favor/kernels/pack.h"

namespace favor::internal {

AnchorAttention::Workspace::Workspace(const AnchorAttention& call, ScratchLayout layout)
    : state(call.spec_.features, call.inputs_.keys.shape.dim, call.inputs_.values.shape.dim, &layout),
      keys(call.spec_.features, call.inputs_.keys.shape.dim, call.inputs_.values.shape.dim, &layout),
      queries(call.spec_.features, call.inputs_.keys.shape.dim, call.inputs_.values.shape.dim, &layout),
      size(layout.size()) {}

AnchorAttention::AnchorAttention(const AttentionSpec& spec, const AttentionInputs& inputs)
    : spec_(spec),
      scale_(spec.scale.value_or(DefaultScale(spec.features.kernel, inputs.queries.shape.dim))),
      inputs_(inputs) {}

absl::StatusOr<AnchorAttention> AnchorAttention::Create(const AttentionSpec& spec, const AttentionInputs& inputs,
                                                        const MutableTensorView& output, AttentionReport* report) {
  const int64_t head_dim = inputs.queries.shape.dim, key_heads = inputs.keys.shape.num_heads;
  AnchorAttention call(spec, inputs);
  call.output_ = output;
  call.report_ = report;
  if (absl::Status status = CheckFeatures(spec.features, call.scale_, head_dim, inputs.projection.get());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckStatistics(spec.features, head_dim, key_heads); !status.ok()) return status;
  call.anchors_ = std::make_shared<AnchorSet>(spec.features, call.scale_, head_dim, key_heads);
  if (spec.features.statistics == nullptr) {
    call.measured_ = std::make_shared<Statistics>();
    call.measured_->heads.resize(key_heads);
    if (report != nullptr) report->statistics = call.measured_;
  }
  if (spec.features.num_fit_rows > 0) {
    auto fit = AnchorFit::Create(call.spec_, inputs);
    if (!fit.ok()) return fit.status();
    call.fit_ = *std::move(fit);
  }
  return call;
}

int64_t AnchorAttention::Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads) {
  const int64_t anchors = AnchorSet::Bytes(spec.features, inputs.keys.shape.dim, inputs.keys.shape.num_heads);
  const int64_t measurement = spec.features.statistics == nullptr ? MeasurementBytes(spec.features, inputs) : 0;
  return anchors + measurement + (spec.features.num_fit_rows > 0 ? AnchorFit::Bytes(spec, inputs, num_threads) : 0);
}

std::vector<Phase> AnchorAttention::FirstPhases(const Cancellation* cancellation) const {
  const UseHead use = [anchors = anchors_](int64_t head, const HeadStatistics& statistics) {
    return anchors->Set(head, statistics);
  };
  std::vector<Phase> phases;
  if (measured_ == nullptr) {
    phases = {UsePhase(spec_.features.statistics, use, cancellation)};
  } else {
    phases = MeasurementPhases(spec_.features, scale_, inputs_, cancellation, measured_, use);
  }
  if (fit_ == nullptr) return phases;
  std::vector<Phase> exact = AnchorFit::ExactRows(fit_, cancellation);
  std::move(exact.begin(), exact.end(), std::back_inserter(phases));
  return phases;
}

absl::StatusOr<std::unique_ptr<AnchorAttention::Workspace>> AnchorAttention::MakeWorkspace() const {
  absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(WorkspaceBytes() / sizeof(float));
  if (!memory.ok()) return memory.status();
  auto work = std::make_unique<Workspace>(*this, ScratchLayout(memory->data()));
  work->memory = *std::move(memory);
  return work;
}

int64_t AnchorAttention::WorkspaceBytes() const { return Workspace(*this, ScratchLayout()).size * sizeof(float); }

int64_t AnchorAttention::NumProducts() const {
  return inputs_.keys.shape.dim + NumPairs(std::min(spec_.features.num_directions, inputs_.keys.shape.dim));
}

int64_t AnchorAttention::FlopsPerKeyTile() const {
  const int64_t d = inputs_.keys.shape.dim, e = inputs_.values.shape.dim;
  return kTile * spec_.features.num_anchors * (2 * NumProducts() * e + 4 * d + 2 * e);
}

int64_t AnchorAttention::FlopsPerQueryTile() const {
  const int64_t d = inputs_.keys.shape.dim, e = inputs_.values.shape.dim;
  return kTile * 2 * (d * spec_.features.num_anchors + NumProducts() * e);
}

absl::Status AnchorAttention::FoldTile(int64_t batch, int64_t key_head, int64_t tile, AnchorState* state,
                                       Workspace* work) const {
  const int64_t begin = tile * kTile, left = inputs_.NumKeys(batch) - begin;
  const int64_t count = std::min(kTile, left), next = std::clamp<int64_t>(left - count, 0, kTile);
  if (count <= 0) return absl::OkStatus();
  kernels::Prefetch(kernels::RowsOf(inputs_.keys, batch, key_head, begin + count, next));
  kernels::Prefetch(kernels::RowsOf(inputs_.values, batch, key_head, begin + count, next));
  absl::Status status =
      work->keys.Load(*anchors_, kernels::RowsOf(inputs_.keys, batch, key_head, begin, count),
                      kernels::RowsOf(inputs_.values, batch, key_head, begin, count), {batch, key_head, begin});
  if (status.ok()) work->keys.FoldInto(anchors_->head(key_head), state);
  return status;
}

absl::Status AnchorAttention::Finish(int64_t batch, int64_t key_head, AnchorState* state, Workspace* work) const {
  state->Finish(anchors_->head(key_head));
  return fit_ == nullptr ? absl::OkStatus() : fit_->Weigh(batch, key_head, *anchors_, &work->queries, state);
}

absl::Status AnchorAttention::ReadTile(int64_t batch, int64_t head, int64_t tile, const AnchorState& state,
                                       Workspace* work) const {
  const Shape& shape = inputs_.queries.shape;
  const int64_t begin = tile * kTile, rows = std::min(kTile, shape.length - begin);
  const int64_t count = std::clamp<int64_t>(inputs_.NumQueries(batch) - begin, 0, rows);
  ZeroRows(kernels::RowsOf(output_, batch, head, begin + count, rows - count));
  if (count == 0) return absl::OkStatus();
  const int64_t next = std::clamp<int64_t>(inputs_.NumQueries(batch) - begin - count, 0, kTile);
  kernels::Prefetch(kernels::RowsOf(inputs_.queries, batch, head, begin + count, next));
  AnchorQueryTile& queries = work->queries;
  absl::Status status = queries.Load(*anchors_, kernels::RowsOf(inputs_.queries, batch, head, begin, count),
                                     {batch, head, head / group_size(), begin});
  if (!status.ok()) return status;
  queries.Read(state, 0, state.num_products());
  CountDegenerate(queries.Store(state, kernels::RowsOf(output_, batch, head, begin, count)), report_);
  if (report_ != nullptr && report_->row_moments != nullptr) {
    queries.Moments(report_->row_moments + (batch * shape.num_heads + head) * shape.length + begin);
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
