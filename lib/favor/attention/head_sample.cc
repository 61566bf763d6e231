#include "favor/attention/head_sample.h"

#include <algorithm>

#include "favor/attention/spread_rows.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using kernels::Padded;

absl::StatusOr<RowMajorFloats> Take(const char* name, const TensorView& tensor, int64_t batch, int64_t head,
                                    const StratifiedRows& sample) {
  const int64_t stride = Padded(tensor.shape.dim);
  auto rows = AlignedBuffer<float>::Allocate(sample.count() * stride);
  if (!rows.ok()) return rows.status();
  if (absl::Status status = PackSample(name, tensor, batch, head, sample, rows->data()); !status.ok()) return status;
  const Eigen::Map<const RowMajorFloats> all(rows->data(), sample.count(), stride);
  return RowMajorFloats(all.leftCols(tensor.shape.dim));
}

}  // namespace

HeadSampleSizes::HeadSampleSizes(const AttentionInputs& inputs)
    : queries(std::clamp<int64_t>(inputs.queries.shape.length / 32, 8, 16)),
      keys(std::clamp<int64_t>(inputs.keys.shape.length / 32, 16, 64)),
      values(std::clamp<int64_t>(inputs.keys.shape.length / 8, 128, 1024)) {}

int64_t HeadSampleSizes::Bytes(const AttentionInputs& inputs) const {
  const int64_t dim = inputs.queries.shape.dim, value_dim = inputs.values.shape.dim;
  const int64_t floats = 2 * ((queries + keys) * Padded(dim) + (values + keys) * Padded(value_dim));
  return floats * static_cast<int64_t>(sizeof(float)) + queries * static_cast<int64_t>(sizeof(double));
}

absl::StatusOr<HeadSample> TakeHeadSample(const AttentionInputs& inputs, bool causal, int64_t batch, int64_t head) {
  const HeadSampleSizes sizes(inputs);
  const int64_t num_queries = inputs.NumQueries(batch), num_keys = inputs.NumKeys(batch);
  const int64_t key_head = head * inputs.keys.shape.num_heads / inputs.queries.shape.num_heads;
  const StratifiedRows query_rows(num_queries, sizes.queries), key_rows(num_keys, sizes.keys);
  const StratifiedRows value_rows(num_keys, sizes.values);
  auto queries = Take("queries", inputs.queries, batch, head, query_rows);
  if (!queries.ok()) return queries.status();
  auto keys = Take("keys", inputs.keys, batch, key_head, key_rows);
  if (!keys.ok()) return keys.status();
  auto own_values = Take("values", inputs.values, batch, key_head, key_rows);
  if (!own_values.ok()) return own_values.status();
  const auto values = Take("values", inputs.values, batch, key_head, value_rows);
  if (!values.ok()) return values.status();

  HeadSample sample;
  sample.queries = *std::move(queries);
  sample.keys = *std::move(keys);
  sample.num_queries = static_cast<double>(num_queries);
  sample.num_keys.setConstant(query_rows.count(), static_cast<double>(num_keys));
  for (int64_t i = 0; causal && i < query_rows.count(); ++i) {
    sample.num_keys[i] = static_cast<double>(std::min(query_rows.Row(i) + 1, num_keys));
  }
  const Eigen::RowVectorXf mean = values->colwise().mean();
  const auto count = static_cast<double>(value_rows.count());
  if (count > 1) sample.value_variance = (values->rowwise() - mean).squaredNorm() / (count - 1);
  sample.squared_value_mean = std::max(mean.squaredNorm() - sample.value_variance / count, 0.0);
  sample.values = own_values->rowwise() - mean;
  return sample;
}

}  // namespace favor::internal
