#include "favor/model/dense_layer.h"

#include <algorithm>
#include <utility>
#include <vector>

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

void DenseLayer::Apply(const BlockTiles& x, kernels::Activation f, bool add, const BlockTiles& y, RowPart part) const {
  const auto [begin, end] = RowsOf(part);
  if (begin == end) return;
  const kernels::Panels panels =
      kernels::Panels{panels_.data(), rows_, depth_}.Slice(begin, std::min(end, rows_) - begin);
  kernels::Dense(panels, bias_.data() + begin, x.data, x.stride(), x.num_tokens, f, add,
                 y.data + begin * kernels::kTile, y.stride());
}

namespace {

DenseLayer CreateOrFail(absl::Span<const float> matrix, absl::Span<const float> bias, int64_t rows, int64_t depth,
                        Weights* weights) {
  if (!weights->status().ok()) return {};
  absl::StatusOr<DenseLayer> layer = DenseLayer::Create(matrix, bias, rows, depth);
  if (layer.ok()) return *std::move(layer);
  weights->Fail(layer.status().message());
  return {};
}

// name.bias, or zeros.
void AppendBias(const std::string& name, int64_t rows, bool has_bias, Weights* weights, std::vector<float>* bias) {
  if (has_bias) {
    const AlignedBuffer<float> shift = weights->Read(name + ".bias", {rows});
    bias->insert(bias->end(), shift.data(), shift.data() + shift.size());
  } else if (weights->status().ok()) {  // else `rows` is no more than a claim
    bias->resize(bias->size() + rows, 0.0f);
  }
}

}  // namespace

DenseLayer DenseLayer::Read(absl::Span<const Part> parts, int64_t depth, bool has_bias, Weights* weights,
                            float factor) {
  std::vector<float> matrix, bias;
  int64_t num_rows = 0;
  for (const auto& [name, rows] : parts) {
    const AlignedBuffer<float> weight = weights->Read(name + ".weight", {rows, depth});
    matrix.insert(matrix.end(), weight.data(), weight.data() + weight.size());
    AppendBias(name, rows, has_bias, weights, &bias);
    num_rows += rows;
  }
  if (factor != 1) {
    for (std::vector<float>* values : {&matrix, &bias}) {
      for (float& value : *values) value *= factor;
    }
  }
  return CreateOrFail(matrix, bias, num_rows, depth, weights);
}

std::vector<DenseLayer> DenseLayer::ReadStack(const std::string& name, int64_t num_layers, int64_t rows, int64_t depth,
                                              bool has_bias, Weights* weights) {
  const AlignedBuffer<float> matrix = weights->Read(name + ".weight", {num_layers * rows, depth});
  std::vector<float> bias;
  AppendBias(name, num_layers * rows, has_bias, weights, &bias);
  std::vector<DenseLayer> layers(num_layers);
  for (int64_t i = 0; i < num_layers && weights->status().ok(); ++i) {
    layers[i] = CreateOrFail(matrix.span().subspan(i * rows * depth, rows * depth),
                             absl::MakeConstSpan(bias).subspan(i * rows, rows), rows, depth, weights);
  }
  return layers;
}

}  // namespace favor
