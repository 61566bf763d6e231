#ifndef FAVOR_KERNELS_PROJECTOR_H_
#define FAVOR_KERNELS_PROJECTOR_H_

#include <algorithm>
#include <cstdint>
#include <variant>

#include "favor/kernels/bfloat16.h"
#include "favor/kernels/hadamard.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/panels.h"

namespace favor::kernels {

// The left factor of a projection: dense rows in panels, of float32 or bfloat16, or the factors of a structured one.
// Does not own them.
class Projector {
 public:
  Projector(const Panels& panels) : rows_(panels) {}          // NOLINT: either is a projector
  Projector(const HadamardBlocks& blocks) : rows_(blocks) {}  // NOLINT

  Projector(const BFloat16Panels& panels) : rows_(panels) {}  // NOLINT

  int64_t rows() const {
    return std::visit([](const auto& rows) { return rows.rows; }, rows_);
  }

  // Rows that Project() writes: rows() and what fills the last panel or block up.
  int64_t padded_rows() const { return (rows() + grain() - 1) / grain() * grain(); }

  // Slices start at multiples of this many rows.
  int64_t grain() const {
    const auto* blocks = std::get_if<HadamardBlocks>(&rows_);
    return blocks == nullptr ? kPanel : blocks->size;
  }

  // The largest multiple of grain() up to `rows`, or grain() itself.
  int64_t GrainsIn(int64_t rows) const { return std::max(grain(), rows / grain() * grain()); }

  Projector Slice(int64_t begin, int64_t count) const {
    return std::visit([=](const auto& rows) { return Projector(rows.Slice(begin, count)); }, rows_);
  }

  // u[r][t] = first[t] + w_r.x[t] for t < cols, a multiple of kPad; first null: 0. x is [depth][stride], u
  // [padded_rows()][stride].
  void Project(const float* x, int64_t stride, int64_t cols, const float* first, float* u) const {
    if (const auto* blocks = std::get_if<HadamardBlocks>(&rows_)) {
      ProjectHadamard(*blocks, x, stride, cols, first, u);
    } else if (const auto* panels = std::get_if<BFloat16Panels>(&rows_)) {
      ProjectBFloat16(*panels, x, stride, cols, first, u);
    } else {
      kernels::Project(std::get<Panels>(rows_), x, stride, cols, first, u);
    }
  }

 private:
  std::variant<Panels, BFloat16Panels, HadamardBlocks> rows_;
};

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_PROJECTOR_H_
