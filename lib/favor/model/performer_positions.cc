#include "favor/model/performer_positions.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

// Element l of the fixed sinusoid of a position: sin(t f_i) for the first half of dim, cos(t f_i) for the second,
// f_i = 10000^(-2 i / dim). The angle is rounded to float32, as the published code does.
float Sinusoid(int64_t position, int64_t l, int64_t dim) {
  const int64_t i = l < dim / 2 ? l : l - dim / 2;
  const auto frequency = static_cast<float>(1 / std::pow(10000.0, 2.0 * static_cast<double>(i) / dim));
  const double angle = static_cast<float>(position) * frequency;
  return static_cast<float>(l < dim / 2 ? std::sin(angle) : std::cos(angle));
}

// Rows that there are of a table. A position is compared with them, never multiplied first: a state from outside may
// stand at 2^53.
int64_t NumRows(const AlignedBuffer<float>& table, int64_t dim) { return dim > 0 ? table.size() / dim : 0; }

}  // namespace

PerformerPositions PerformerPositions::Read(const PerformerConfig& config, Weights* weights) {
  using Kind = PerformerConfig::Positions;
  PerformerPositions positions;
  positions.kind_ = config.positions;
  positions.dim_ = config.dim;
  positions.head_dim_ = config.head_dim;
  if (config.positions == Kind::kRotary) {
    positions.rows_ = weights->Read("pos_emb.emb", {config.max_seq_len, config.dim});
    positions.head_rows_ = weights->Read("layer_pos_emb.emb", {config.max_seq_len, config.head_dim});
  } else if (config.positions == Kind::kAbsolute) {
    positions.rows_ = weights->Read("pos_emb.emb.weight", {config.max_seq_len, config.dim});
  } else if (config.positions == Kind::kAxial) {
    positions.ReadAxial(config, weights);
  }
  return positions;
}

void PerformerPositions::ReadAxial(const PerformerConfig& config, Weights* weights) {
  axes_ = config.axial_shape;
  for (size_t axis = 0; axis < axes_.size(); ++axis) {
    std::vector<int64_t> shape(axes_.size() + 2, 1);
    shape[axis + 1] = axes_[axis];
    shape.back() = config.dim;
    // Its name changed with version 0.3 of the package.
    const std::string old_name = absl::StrCat("pos_emb.weights_", axis);
    axial_.push_back(weights->Read(weights->Has(old_name) ? old_name : absl::StrCat("pos_emb.weights.", axis), shape));
  }
}

void PerformerPositions::AddTo(int64_t position, float* row) const {
  if (kind_ == PerformerConfig::Positions::kAxial) {
    int64_t rest = position;
    for (size_t axis = axes_.size(); axis-- > 0; rest /= axes_[axis]) {
      const float* vector = axial_[axis].data() + rest % axes_[axis] * dim_;
      for (int64_t l = 0; l < dim_; ++l) row[l] += vector[l];
    }
  } else if (position < NumRows(rows_, dim_)) {
    const float* vector = rows_.data() + position * dim_;
    for (int64_t l = 0; l < dim_; ++l) row[l] += vector[l];
  } else if (kind_ == PerformerConfig::Positions::kRotary) {
    for (int64_t l = 0; l < dim_; ++l) row[l] += Sinusoid(position, l, dim_);
  }
}

void PerformerPositions::Angles(int64_t position, float* sines, float* cosines) const {
  const int64_t half = head_dim_ / 2;
  const bool known = position < NumRows(head_rows_, head_dim_);
  const float* row = head_rows_.data() + (known ? position * head_dim_ : 0);
  for (int64_t j = 0; j < half; ++j) {
    sines[j] = known ? row[j] : Sinusoid(position, j, head_dim_);
    cosines[j] = known ? row[half + j] : Sinusoid(position, half + j, head_dim_);
  }
}

int64_t PerformerPositions::num_bytes() const {
  int64_t floats = rows_.size() + head_rows_.size();
  for (const AlignedBuffer<float>& axis : axial_) floats += axis.size();
  return floats * static_cast<int64_t>(sizeof(float));
}

}  // namespace favor
