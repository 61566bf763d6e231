#include "tests/integration/harness/client_tensors.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "tests/integration/harness/attend_stream.h"

namespace favor::testing {

client::Tensor RowsTensor(const DoubleTensor& tensor, int64_t begin, int64_t count) {
  const DoubleTensor rows = RowsOf(tensor, begin, count);
  const std::vector<float> floats(rows.values.begin(), rows.values.end());
  const size_t size = floats.size() * sizeof(float);
  std::unique_ptr<std::byte[]> data(new std::byte[size]);
  if (size > 0) std::memcpy(data.get(), floats.data(), size);
  const Shape& shape = rows.shape;
  return client::Tensor(DataType::kFloat32, {shape.batch_size, shape.num_heads, shape.length, shape.dim},
                        std::move(data), size);
}

client::OwnedChunk OwnedRows(const DoubleTensor* queries, const DoubleTensor* keys, const DoubleTensor* values,
                             int64_t begin, int64_t count) {
  client::OwnedChunk chunk;
  if (queries != nullptr) chunk.queries = RowsTensor(*queries, begin, count);
  if (keys != nullptr) chunk.keys = RowsTensor(*keys, begin, count);
  if (values != nullptr) chunk.values = RowsTensor(*values, begin, count);
  return chunk;
}

DoubleTensor ToDouble(const client::Tensor& tensor) {
  const std::vector<int64_t>& shape = tensor.shape();
  DoubleTensor result({shape.at(0), shape.at(1), shape.at(2), shape.at(3)});
  const std::vector<float> floats = tensor.ToFloat32();
  std::copy(floats.begin(), floats.end(), result.values.begin());
  return result;
}

void PutRows(const DoubleTensor& from, int64_t begin, DoubleTensor* to) {
  const Shape& shape = from.shape;
  for (int64_t outer = 0; outer < shape.batch_size * shape.num_heads; ++outer) {
    std::copy_n(from.values.begin() + outer * shape.length * shape.dim, shape.length * shape.dim,
                to->values.begin() + (outer * to->shape.length + begin) * shape.dim);
  }
}

client::AttentionSpec FavorSpec(bool causal, uint64_t seed) {
  client::FeatureSpec features;
  features.num_features = 40;
  features.projection.seed = seed;
  return {.causal = causal, .mode = features};
}

}  // namespace favor::testing
