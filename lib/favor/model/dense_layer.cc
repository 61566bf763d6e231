#include "favor/model/dense_layer.h"

#include <algorithm>
#include <utility>

namespace favor {

absl::StatusOr<DenseLayer> DenseLayer::Create(absl::Span<const float> weights, absl::Span<const float> bias,
                                              int64_t rows, int64_t depth) {
  DenseLayer layer;
  layer.rows_ = rows;
  layer.depth_ = depth;
  absl::StatusOr<AlignedBuffer<float>> panels = AlignedBuffer<float>::Allocate(layer.padded_rows() * depth);
  if (!panels.ok()) return panels.status();
  layer.panels_ = *std::move(panels);
  kernels::PackPanels(weights.data(), depth, rows, depth, layer.panels_.data());
  absl::StatusOr<AlignedBuffer<float>> padded_bias = AlignedBuffer<float>::AllocateZeroed(layer.padded_rows());
  if (!padded_bias.ok()) return padded_bias.status();
  layer.bias_ = *std::move(padded_bias);
  std::copy(bias.begin(), bias.end(), layer.bias_.data());
  return layer;
}

}  // namespace favor
