#include "favor/feature_map/anchor_set.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <Eigen/Dense>

#include "absl/strings/str_cat.h"
#include "favor/feature_map/inverse_transposed.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

using RowMajor = internal::RowMajorMatrix;
using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using kernels::Padded;

constexpr double kLog2E = 1.4426950408889634;

// Where a head's numbers stand in its memory, in floats.
struct Layout {
  Layout(const FeatureSpec& spec, int64_t head_dim) {
    const int64_t num_anchors = spec.num_anchors, num_directions = std::min(spec.num_directions, head_dim);
    centres = Take(num_anchors * Padded(head_dim));
    exponents = Take(Padded(kernels::PanelRowCount(num_anchors) * head_dim));
    metric = Take(Padded(kernels::PanelRowCount(num_anchors) * head_dim));
    offsets = Take(Padded(num_anchors));
    key_shift = Take(Padded(head_dim));
    key_directions = Take(Padded(kernels::PanelRowCount(num_directions) * head_dim));
    key_rows = Take(num_directions * Padded(head_dim));
    query_directions = Take(head_dim * Padded(num_directions));
  }
  int64_t Take(int64_t count) { return std::exchange(size, size + count); }

  int64_t size = 0;
  int64_t centres, exponents, metric, offsets, key_shift, key_directions, key_rows, query_directions;
};

RowMajor Clamped(const RowMajor& values, double bound) { return values.cwiseMin(bound).cwiseMax(-bound); }

}  // namespace

AnchorSet::AnchorSet(const FeatureSpec& spec, double scale, int64_t head_dim, int64_t num_key_heads)
    : multiplier_(std::sqrt(scale)), spec_(spec), head_dim_(head_dim), memory_(num_key_heads), heads_(num_key_heads) {}

int64_t AnchorSet::Bytes(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads) {
  const int64_t floats = Layout(spec, head_dim).size;
  return num_key_heads * static_cast<int64_t>(floats * sizeof(float) + sizeof(AlignedBuffer<float>) + sizeof(Head));
}

absl::Status AnchorSet::Set(int64_t key_head, const HeadStatistics& statistics) {
  const int64_t d = head_dim_, count = static_cast<int64_t>(statistics.anchors.size()) / d;
  const Layout layout(spec_, d);
  absl::StatusOr<AlignedBuffer<float>> allocated = AlignedBuffer<float>::AllocateZeroed(layout.size);
  if (!allocated.ok()) return allocated.status();
  memory_[key_head] = *std::move(allocated);
  float* memory = memory_[key_head].data();
  const RowMajor g = Eigen::Map<const RowMajor>(statistics.query_transform.data(), d, d);
  // Within what rows in tiles are brought down to, and what float32 holds.
  const RowMajor anchors =
      Clamped(multiplier_ * Eigen::Map<const RowMajor>(statistics.anchors.data(), count, d), kernels::kMaxMagnitude);
  const RowMajor metric = Clamped(anchors * (g.transpose() * g), 1e30);
  const Floats exponents = (kLog2E * anchors).cast<float>(), in_metric = metric.cast<float>();
  kernels::PackPanels(exponents.data(), d, count, d, memory + layout.exponents);
  kernels::PackPanels(in_metric.data(), d, count, d, memory + layout.metric);
  for (int64_t c = 0; c < count; ++c) {
    for (int64_t l = 0; l < d; ++l) {
      memory[layout.centres + c * Padded(d) + l] = static_cast<float>(anchors(c, l));
    }
    memory[layout.offsets + c] = static_cast<float>(std::min(metric.row(c).dot(anchors.row(c)) / 2, 1e37));
  }
  for (int64_t l = 0; l < d; ++l) {
    const double shift = multiplier_ * statistics.key_shift[l];
    memory[layout.key_shift + l] = std::clamp(shift, -double{kernels::kMaxMagnitude}, double{kernels::kMaxMagnitude});
  }
  heads_[key_head] = {count,
                      memory + layout.centres,
                      {memory + layout.exponents, count, d},
                      {memory + layout.metric, count, d},
                      memory + layout.offsets,
                      memory + layout.key_shift};
  const int64_t num_directions = static_cast<int64_t>(statistics.directions.size()) / d;
  if (num_directions == 0) return absl::OkStatus();

  const absl::StatusOr<RowMajor> inverse =
      internal::InverseTransposed(g, absl::StrCat("statistics.heads[", key_head, "]"));
  if (!inverse.ok()) return inverse.status();
  const RowMajor directions = Eigen::Map<const RowMajor>(statistics.directions.data(), num_directions, d);
  const Floats keys = (directions * *inverse).cast<float>(), queries = (directions * g).cast<float>();
  kernels::PackPanels(keys.data(), d, num_directions, d, memory + layout.key_directions);
  for (int64_t r = 0; r < num_directions; ++r) {
    for (int64_t l = 0; l < d; ++l) {
      memory[layout.key_rows + r * Padded(d) + l] = keys(r, l);
      memory[layout.query_directions + l * Padded(num_directions) + r] = queries(r, l);
    }
  }
  heads_[key_head].num_directions = num_directions;
  heads_[key_head].key_directions = {memory + layout.key_directions, num_directions, d};
  heads_[key_head].key_rows = memory + layout.key_rows;
  heads_[key_head].query_directions = memory + layout.query_directions;
  return absl::OkStatus();
}

}  // namespace favor
