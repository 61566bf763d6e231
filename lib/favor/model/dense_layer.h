#ifndef FAVOR_MODEL_DENSE_LAYER_H_
#define FAVOR_MODEL_DENSE_LAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/dense.h"
#include "favor/kernels/panels.h"
#include "favor/model/row_part.h"
#include "favor/model/token_blocks.h"
#include "favor/model/weights.h"

namespace favor {

// y = W x + b, the weights packed once for the kernels. Immutable and thread-safe.
class DenseLayer {
 public:
  DenseLayer() = default;  // of no rows

  // weights [rows][depth], row-major; bias [rows], or empty: none. ResourceExhaustedError when there is no memory.
  static absl::StatusOr<DenseLayer> Create(absl::Span<const float> weights, absl::Span<const float> bias, int64_t rows,
                                           int64_t depth);

  struct Part {
    std::string name;
    int64_t rows;
  };
  // Layers of one input, one below the other: name.weight [rows][depth] of each and, if they have one, name.bias
  // [rows]. Weights and bias are multiplied by `factor`. Errors go to the weights' status.
  static DenseLayer Read(absl::Span<const Part> parts, int64_t depth, bool has_bias, Weights* weights,
                         float factor = 1);
  // The other way round: name.weight [num_layers * rows][depth] and, if there is one, name.bias hold layers one below
  // the other.
  static std::vector<DenseLayer> ReadStack(const std::string& name, int64_t num_layers, int64_t rows, int64_t depth,
                                           bool has_bias, Weights* weights);

  int64_t rows() const { return rows_; }
  int64_t depth() const { return depth_; }
  // Rows that a tile of results has: what fills the last panel up is written too.
  int64_t padded_rows() const { return kernels::PanelRowCount(rows_); }
  // Those of a part: whole panels.
  struct RowRange {
    int64_t begin, end;
  };
  RowRange RowsOf(RowPart part) const {
    const int64_t num_panels = kernels::NumPanels(rows_);
    return {num_panels * part.index / part.count * kernels::kPanel,
            num_panels * (part.index + 1) / part.count * kernels::kPanel};
  }
  int64_t num_bytes() const { return (panels_.size() + bias_.size()) * static_cast<int64_t>(sizeof(float)); }

  // kernels::Dense over a block: x of depth() rows or more, y of padded_rows() or more, of which those of a part of
  // this layer's rows are written. Parts share no row, and give the bits of the whole.
  void Apply(const BlockTiles& x, kernels::Activation f, bool add, const BlockTiles& y, RowPart part = {}) const;

 private:
  int64_t rows_ = 0;
  int64_t depth_ = 0;
  AlignedBuffer<float> panels_;
  AlignedBuffer<float> bias_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_DENSE_LAYER_H_
