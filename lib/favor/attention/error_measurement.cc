#include "favor/attention/error_measurement.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/attention/block_jackknife.h"
#include "favor/attention/exact_attention.h"
#include "favor/attention/squared_distance.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

using internal::MeasuredRow;
using internal::RowSample;
using internal::SquaredDistance;

// Rows that have an answer: valid queries that see a key.
std::vector<RowSample::Range> ValidRows(const AttentionInputs& inputs) {
  const Shape& shape = inputs.queries.shape;
  std::vector<RowSample::Range> ranges;
  for (int64_t reader = 0; reader < shape.batch_size * shape.num_heads; ++reader) {
    const int64_t batch = reader / shape.num_heads, begin = reader * shape.length;
    if (inputs.NumKeys(batch) > 0) ranges.push_back({begin, begin + inputs.NumQueries(batch)});
  }
  return ranges;
}

AttentionSpec ExactSpecOf(const AttentionSpec& spec) {
  AttentionSpec exact;
  exact.mode = AttentionMode::kExact;
  exact.scale = spec.scale;
  return exact;
}

// The first num_keys rows of one head.
TensorView OneHead(const TensorView& view, int64_t batch, int64_t head, int64_t num_keys) {
  return {view.Row(batch, head, 0), view.type, {1, 1, num_keys, view.shape.dim}, view.strides};
}

}  // namespace

ErrorMeasurement::ErrorMeasurement(const AttentionSpec& spec, const AttentionInputs& inputs, const TensorView& output,
                                   int64_t num_rows, uint64_t seed, AlignedBuffer<kernels::RowMoments> moments)
    : spec_(ExactSpecOf(spec)),
      causal_(spec.causal),
      inputs_(inputs),
      output_(output),
      moments_(std::move(moments)),
      sample_(moments_.data(), ValidRows(inputs), num_rows, seed) {}

absl::Status CheckMeasuredRows(int64_t num_rows) {
  if (num_rows >= kMinMeasuredRows && num_rows <= kMaxMeasuredRows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("measure_error_rows is ", num_rows, ", must be from ", kMinMeasuredRows, " to ", kMaxMeasuredRows));
}

absl::Status CheckMeasurable(const AttentionSpec& spec, int64_t num_rows) {
  if (absl::Status status = CheckMeasuredRows(num_rows); !status.ok()) return status;
  if (spec.mode == AttentionMode::kExact) {
    return absl::InvalidArgumentError("measure_error_rows is set, exact attention has no error to measure");
  }
  if (spec.features.kernel != Kernel::kSoftmax) {
    return absl::InvalidArgumentError(
        "measure_error_rows is set, only the softmax kernel approximates something that can be computed exactly");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ErrorMeasurement>> ErrorMeasurement::Create(const AttentionSpec& spec,
                                                                           const AttentionInputs& inputs,
                                                                           const TensorView& output, int64_t num_rows,
                                                                           uint64_t seed) {
  if (absl::Status status = CheckMeasurable(spec, num_rows); !status.ok()) return status;
  const Shape& shape = inputs.queries.shape;
  auto moments = AlignedBuffer<kernels::RowMoments>::Allocate(shape.batch_size * shape.num_heads * shape.length);
  if (!moments.ok()) return moments.status();
  std::fill_n(moments->data(), moments->size(), kernels::RowMoments{});
  return std::unique_ptr<ErrorMeasurement>(
      new ErrorMeasurement(spec, inputs, output, num_rows, seed, *std::move(moments)));
}

void ErrorMeasurement::StartAgain(int64_t num_rows, uint64_t seed) {
  sample_ = RowSample(moments_.data(), ValidRows(inputs_), num_rows, seed);
  groups_.clear();
  exact_report_.degenerate_rows = 0;
}

int64_t ErrorMeasurement::Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int64_t num_rows,
                                int num_threads) {
  const Shape& shape = inputs.queries.shape;
  const int64_t all = shape.batch_size * shape.num_heads * shape.length, value_dim = inputs.values.shape.dim;
  const int64_t jackknife = (internal::BlockJackknife::kNumBlocks + 1) * kernels::kTile *
                            (kernels::Padded(value_dim) + kernels::kPad) * static_cast<int64_t>(sizeof(float));
  // Every row may be a group of its own, with a row of zeros, all of them padded.
  constexpr int64_t kBytesOfGroup = 512;
  const int64_t rows = std::min(num_rows, all);
  const int64_t groups =
      rows *
      ((2 * shape.dim + 3 * value_dim + 5 * kernels::kPad) * static_cast<int64_t>(sizeof(float)) + kBytesOfGroup);
  return all * static_cast<int64_t>(sizeof(kernels::RowMoments)) +
         RowSample::Bytes(all, shape.batch_size * shape.num_heads) + num_threads * jackknife + groups +
         AttentionScratchBytes(ExactSpecOf(spec), inputs, num_threads);
}

int64_t ErrorMeasurement::NumKeys(int64_t batch, int64_t query) const {
  const int64_t all = inputs_.NumKeys(batch);
  return causal_ ? std::min(query + 1, all) : all;
}

void ErrorMeasurement::MakeGroups() {
  const Shape& shape = inputs_.queries.shape;
  std::map<std::tuple<int64_t, int64_t>, std::vector<RowSample::Row>> by_keys;  // by head and number of keys
  for (const RowSample::Row& row : sample_.rows()) {
    const int64_t reader = row.index / shape.length;
    by_keys[{reader, NumKeys(reader / shape.num_heads, row.index % shape.length)}].push_back(row);
  }
  for (auto& [key, rows] : by_keys) {
    const auto [reader, num_keys] = key;
    groups_.push_back({reader / shape.num_heads, reader % shape.num_heads, num_keys, std::move(rows), {}, {}, {}});
  }
}

absl::Status ErrorMeasurement::GatherRows(Group* group) const {
  const int64_t dim = inputs_.queries.shape.dim, count = static_cast<int64_t>(group->rows.size());
  auto queries = AlignedBuffer<float>::Allocate((count + 1) * dim);
  auto outputs = AlignedBuffer<float>::Allocate((count + 1) * inputs_.values.shape.dim);
  auto row = AlignedBuffer<float>::Allocate(kernels::Padded(dim));
  const int64_t answer_stride = kernels::Padded(inputs_.values.shape.dim);
  auto answers = AlignedBuffer<float>::Allocate(count * answer_stride);
  for (const absl::Status& status : {queries.status(), outputs.status(), answers.status(), row.status()}) {
    if (!status.ok()) return status;
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t query = group->rows[i].index % inputs_.queries.shape.length;
    kernels::PackRows(kernels::RowsOf(inputs_.queries, group->batch, group->head, query, 1), 1, /*clamp=*/false,
                      row->data(), kernels::Padded(dim));
    std::copy_n(row->data(), dim, queries->data() + i * dim);
    kernels::PackRows(kernels::RowsOf(output_, group->batch, group->head, query, 1), 1, /*clamp=*/false,
                      answers->data() + i * answer_stride, answer_stride);
  }
  std::fill_n(queries->data() + count * dim, dim, 0.0f);
  group->queries = *std::move(queries);
  group->outputs = *std::move(outputs);
  group->answers = *std::move(answers);
  return absl::OkStatus();
}

AttentionOperands ErrorMeasurement::OperandsOf(Group& group) const {
  const int64_t count = static_cast<int64_t>(group.rows.size()) + 1;
  const int64_t key_head = group.head / (inputs_.queries.shape.num_heads / inputs_.keys.shape.num_heads);
  AttentionOperands operands;
  operands.inputs.queries =
      DenseView(static_cast<const float*>(group.queries.data()), {1, 1, count, inputs_.queries.shape.dim});
  operands.inputs.keys = OneHead(inputs_.keys, group.batch, key_head, group.num_keys);
  operands.inputs.values = OneHead(inputs_.values, group.batch, key_head, group.num_keys);
  operands.output = DenseView(group.outputs.data(), {1, 1, count, inputs_.values.shape.dim});
  return operands;
}

absl::StatusOr<Job> ErrorMeasurement::PlanExactRows(const Cancellation* cancellation) {
  MakeGroups();
  std::vector<AttentionOperands> calls;
  for (Group& group : groups_) {
    if (absl::Status status = GatherRows(&group); !status.ok()) return status;
    calls.push_back(OperandsOf(group));
  }
  absl::StatusOr<Job> job = PlanAttention(spec_, calls, cancellation, &exact_report_);
  if (job.ok()) job->phases.push_back({1, 1, [this](int64_t, int64_t) { return Estimate(); }});
  return job;
}

absl::Status ErrorMeasurement::Estimate() {
  const int64_t dim = inputs_.values.shape.dim;
  const std::vector<float> zeros(dim, 0.0f);
  std::vector<MeasuredRow> measured;
  for (const Group& group : groups_) {
    const float* mean = group.outputs.data() + static_cast<int64_t>(group.rows.size()) * dim;
    for (int64_t i = 0; i < static_cast<int64_t>(group.rows.size()); ++i) {
      const float *exact = group.outputs.data() + i * dim, *answer = group.answers.data() + i * kernels::Padded(dim);
      measured.push_back({group.rows[i].probability, SquaredDistance(answer, exact, dim),
                          SquaredDistance(zeros.data(), exact, dim), SquaredDistance(mean, exact, dim)});
    }
  }
  // All these rows see keys: one that is degenerate has overflowed, and zeros say nothing of the answer.
  estimate_ = exact_report_.degenerate_rows > 0 ? internal::UnknownError(static_cast<int64_t>(measured.size()))
                                                : internal::EstimateError(measured, sample_.whole());
  return absl::OkStatus();
}

}  // namespace favor
