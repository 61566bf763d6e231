#include "favor/attention/auto_glance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "favor/attention/scratch.h"
#include "favor/attention/squared_distance.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/anchors.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using kernels::Padded;

// Queries whose mean stands for that of all.
constexpr int64_t kMeanRows = 64;

// Replaces logits of a row and of the anchor by weights of the keys: exactly, and to first order about the anchor,
//   w_j (1 + t_j - sum_i w_i t_i), w the softmax of the anchor's logits, t what the row's are beyond them.
void Weigh(const float* anchor_weights, const float* anchor_logits, int64_t count, float* logits, float* first_order) {
  const float most = *std::max_element(logits, logits + count);
  double mean = 0, sum = 0;
  for (int64_t j = 0; j < count; ++j) mean += anchor_weights[j] * (logits[j] - anchor_logits[j]);
  for (int64_t j = 0; j < count; ++j) {
    first_order[j] = anchor_weights[j] * (1 + (logits[j] - anchor_logits[j]) - static_cast<float>(mean));
    logits[j] = std::exp(logits[j] - most);
    sum += logits[j];
  }
  for (int64_t j = 0; j < count; ++j) logits[j] = static_cast<float>(logits[j] / sum);
}

std::vector<float> Softmax(const float* logits, int64_t count) {
  std::vector<float> weights(count);
  const float most = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int64_t j = 0; j < count; ++j) sum += weights[j] = std::exp(logits[j] - most);
  for (float& weight : weights) weight = static_cast<float>(weight / sum);
  return weights;
}

}  // namespace

// What one head is looked at in, in floats.
struct AutoGlance::Scratch {
  Scratch(const Options& options, const AttentionInputs& inputs, ScratchLayout layout)
      : means(layout.Take(kMeanRows * Padded(inputs.queries.shape.dim))),
        points(layout.Take(Padded(inputs.queries.shape.dim) * kMeanRows)),
        distances(layout.Take(3 * kMeanRows)),
        queries(layout.Take((options.num_rows + 1) * Padded(inputs.queries.shape.dim))),
        keys(layout.Take(options.num_keys * Padded(inputs.keys.shape.dim))),
        transposed(layout.Take(inputs.keys.shape.dim * Padded(options.num_keys))),
        values(layout.Take(options.num_keys * Padded(inputs.values.shape.dim))),
        weights(layout.Take((2 * options.num_rows + 1) * Padded(options.num_keys))),
        outputs(layout.Take((2 * options.num_rows + 1) * Padded(inputs.values.shape.dim))),
        size(layout.size()) {}
  float* means;       // [kMeanRows][Padded(head_dim)]
  float* points;      // [head_dim][kMeanRows], the same
  float* distances;   // [3][kMeanRows]
  float* queries;     // [num_rows + 1][Padded(head_dim)], the anchor last
  float* keys;        // [num_keys][Padded(head_dim)]
  float* transposed;  // [head_dim][Padded(num_keys)]
  float* values;      // [num_keys][Padded(value_dim)]
  float* weights;     // [num_rows exact, 1 anchor or mean of values, num_rows to first order][Padded(num_keys)]
  float* outputs;     // of these weights, [..][Padded(value_dim)]
  int64_t size;
};

AutoGlance::AutoGlance(const Options& options, const AttentionInputs& inputs, const Cancellation* cancellation)
    : options_(options),
      inputs_(inputs),
      cancellation_(cancellation),
      group_(inputs.queries.shape.num_heads / inputs.keys.shape.num_heads),
      means_("queries", inputs_.queries, inputs_.query_lengths, group_, kMeanRows),
      readers_(SpreadReaders(inputs, options.num_heads)) {
  rows_.resize(readers_.size());
  clusterings_.resize(readers_.size(), 1.0);
}

int64_t AutoGlance::Bytes(const Options& options, const AttentionInputs& inputs, int num_threads) {
  const int64_t readers = inputs.queries.shape.batch_size * inputs.queries.shape.num_heads;
  const int64_t rows = options.num_heads * options.num_rows * static_cast<int64_t>(sizeof(MeasuredRow)) +
                       readers * static_cast<int64_t>(sizeof(Reader));
  const int64_t softmax = options.num_keys * static_cast<int64_t>(sizeof(float));
  const int64_t scratch = Scratch(options, inputs, ScratchLayout()).size * static_cast<int64_t>(sizeof(float));
  return rows + num_threads * (scratch + softmax);
}

absl::Status AutoGlance::Pack(const Reader& reader, const Scratch& scratch) const {
  const int64_t dim = inputs_.queries.shape.dim, stride = Padded(dim), key_head = reader.head / group_;
  const StratifiedRows rows(inputs_.NumQueries(reader.batch), options_.num_rows);
  const StratifiedRows keys(inputs_.NumKeys(reader.batch), options_.num_keys);
  absl::Status status = means_.Pack(key_head, 0, means_.count(), scratch.means, stride);
  status.Update(PackSample("queries", inputs_.queries, reader.batch, reader.head, rows, scratch.queries));
  status.Update(PackSample("keys", inputs_.keys, reader.batch, key_head, keys, scratch.keys));
  status.Update(PackSample("values", inputs_.values, reader.batch, key_head, keys, scratch.values));
  if (!status.ok()) return status;
  float* anchor = scratch.queries + rows.count() * stride;
  std::fill_n(anchor, stride, 0.0f);
  for (int64_t t = 0; t < means_.count(); ++t) {
    for (int64_t l = 0; l < dim; ++l) anchor[l] += scratch.means[t * stride + l] / static_cast<float>(means_.count());
  }
  const auto scale = static_cast<float>(options_.scale);
  for (int64_t i = 0; i < (rows.count() + 1) * stride; ++i) scratch.queries[i] *= scale;
  kernels::Transpose(scratch.keys, stride, keys.count(), dim, scratch.transposed, Padded(keys.count()));
  return absl::OkStatus();
}

// Squared distances of rows from the nearest of some among them, each the farthest from those before, over those from
// their mean; those of the rows that were chosen, which are 0, not counted.
double AutoGlance::Clustering(const Scratch& scratch) const {
  constexpr int64_t kCentres = 8;
  const int64_t dim = inputs_.queries.shape.dim, stride = Padded(dim), count = means_.count();
  if (count <= 2 * kCentres) return 1;
  kernels::Transpose(scratch.means, stride, count, dim, scratch.points, kMeanRows);
  std::vector<float> centre(dim, 0.0f);
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t l = 0; l < dim; ++l) centre[l] += scratch.means[t * stride + l] / static_cast<float>(count);
  }
  float *from_mean = scratch.distances, *from_centre = from_mean + kMeanRows, *least = from_centre + kMeanRows;
  kernels::SquaredDistances(scratch.points, dim, kMeanRows, centre.data(), from_mean);
  std::copy_n(from_mean, count, least);
  for (int64_t c = 0; c < kCentres; ++c) {
    const int64_t farthest = std::max_element(least, least + count) - least;
    kernels::SquaredDistances(scratch.points, dim, kMeanRows, scratch.means + farthest * stride, from_centre);
    for (int64_t t = 0; t < count; ++t) least[t] = c == 0 ? from_centre[t] : std::min(least[t], from_centre[t]);
  }
  const double total = std::accumulate(from_mean, from_mean + count, 0.0) / static_cast<double>(count);
  const double left = std::accumulate(least, least + count, 0.0) / static_cast<double>(count - kCentres);
  return left < total ? left / total : 1;
}

absl::Status AutoGlance::Look(int64_t index) {
  if (cancellation_ != nullptr) {
    if (absl::Status status = cancellation_->Check(); !status.ok()) return status;
  }
  auto memory = AlignedBuffer<float>::AllocateZeroed(Scratch(options_, inputs_, ScratchLayout()).size);
  if (!memory.ok()) return memory.status();
  const Scratch scratch(options_, inputs_, ScratchLayout(memory->data()));
  const Reader& reader = readers_[index];
  if (absl::Status status = Pack(reader, scratch); !status.ok()) return status;
  clusterings_[index] = Clustering(scratch);

  const int64_t rows = std::min(inputs_.NumQueries(reader.batch), options_.num_rows);
  const int64_t keys = std::min(inputs_.NumKeys(reader.batch), options_.num_keys), width = Padded(keys);
  const int64_t dim = inputs_.queries.shape.dim, value_dim = inputs_.values.shape.dim, stride = Padded(value_dim);
  kernels::MatMul({scratch.queries, Padded(dim), 1}, {scratch.transposed, width}, scratch.weights, width, rows + 1, dim,
                  width, /*accumulate=*/false);
  float* const anchor = scratch.weights + rows * width;
  const std::vector<float> anchor_weights = Softmax(anchor, keys);
  for (int64_t i = 0; i < rows; ++i) {
    Weigh(anchor_weights.data(), anchor, keys, scratch.weights + i * width, anchor + (1 + i) * width);
  }
  std::fill_n(anchor, keys, 1.0f / static_cast<float>(keys));
  kernels::MatMul({scratch.weights, width, 1}, {scratch.values, stride}, scratch.outputs, stride, 2 * rows + 1, keys,
                  stride, /*accumulate=*/false);
  const std::vector<float> zeros(value_dim, 0.0f);
  const float* mean = scratch.outputs + rows * stride;
  for (int64_t i = 0; i < rows; ++i) {
    const float *exact = scratch.outputs + i * stride, *answer = mean + (1 + i) * stride;
    rows_[index].push_back({static_cast<double>(rows) / static_cast<double>(inputs_.NumQueries(reader.batch)),
                            SquaredDistance(answer, exact, value_dim), SquaredDistance(zeros.data(), exact, value_dim),
                            SquaredDistance(mean, exact, value_dim)});
  }
  return absl::OkStatus();
}

Job AutoGlance::Plan() {
  Job job;
  job.phases.push_back(
      {static_cast<int64_t>(readers_.size()), 1, [this](int64_t index, int64_t) { return Look(index); }});
  job.phases.push_back({1, 1, [this](int64_t, int64_t) {
                          std::vector<MeasuredRow> all;
                          for (const auto& rows : rows_) all.insert(all.end(), rows.begin(), rows.end());
                          estimate_ = EstimateError(all, /*whole=*/false);
                          const double sum = std::accumulate(clusterings_.begin(), clusterings_.end(), 0.0);
                          if (!clusterings_.empty()) clustering_ = sum / static_cast<double>(clusterings_.size());
                          return absl::OkStatus();
                        }});
  return job;
}

}  // namespace favor::internal
