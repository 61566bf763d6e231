#ifndef FAVOR_KERNELS_PANELS_H_
#define FAVOR_KERNELS_PANELS_H_

#include <cstdint>

namespace favor::kernels {

// Rows of the left factor of a product, packed so that a block of rows is read as one stream: panels of kPanel rows,
// each [depth][kPanel]; the last one filled up with zeros. On every CPU target the same: six rows and two registers of
// columns are the twelve accumulators that a target of 16 registers has room for.
constexpr int64_t kPanel = 6;

constexpr int64_t NumPanels(int64_t rows) { return (rows + kPanel - 1) / kPanel; }

struct Panels {
  const float* data;  // [NumPanels(rows)][depth][kPanel]
  int64_t rows;
  int64_t depth;

  // Rows [begin, begin + count); begin is a multiple of kPanel.
  Panels Slice(int64_t begin, int64_t count) const { return {data + begin * depth, count, depth}; }
};

// Rows that the panels hold, with those that fill the last one up: results of products of panels have as many.
constexpr int64_t PanelRowCount(int64_t rows) { return NumPanels(rows) * kPanel; }

// Packs row-major rows, `stride` floats apart.
void PackPanels(const float* rows, int64_t stride, int64_t count, int64_t depth, float* panels);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_PANELS_H_
