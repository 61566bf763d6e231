#include "favor/projection/structured.h"

#include <array>
#include <bit>
#include <cmath>

#include "favor/base/philox.h"
#include "favor/projection/gaussian.h"

namespace favor::internal {
namespace {

// v = H v, H the unnormalised Hadamard matrix in Sylvester's order.
void ApplyHadamard(int32_t* v, int64_t size) {
  for (int64_t half = 1; half < size; half *= 2) {
    for (int64_t begin = 0; begin < size; begin += 2 * half) {
      for (int64_t i = begin; i < begin + half; ++i) {
        const int32_t x = v[i], y = v[i + half];
        v[i] = x + y;
        v[i + half] = x - y;
      }
    }
  }
}

}  // namespace

void DrawStructuredFactors(const ProjectionSpec& spec, int64_t block, absl::Span<float> signs,
                           absl::Span<float> row_scales) {
  const int64_t size = StructuredSize(spec.head_dim);
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(spec.seed), static_cast<uint32_t>(spec.seed >> 32)};
  std::array<uint32_t, 4> bits = {};
  for (int64_t i = 0; i < 3 * size; ++i) {
    if (i % 128 == 0) {
      bits = Philox4x32({static_cast<uint32_t>(i / 128), static_cast<uint32_t>(block), static_cast<uint32_t>(size),
                         static_cast<uint32_t>(GaussianStream::kSigns)},
                        key);
    }
    signs[i] = (bits[i / 32 % 4] >> (i % 32) & 1) == 0 ? 1 : -1;
  }
  const double root = std::sqrt(static_cast<double>(size));
  for (int64_t r = 0; r < static_cast<int64_t>(row_scales.size()); ++r) {
    const double norm = spec.row_norms == RowNorms::kSqrtDim
                            ? root
                            : DrawChi({spec.seed, GaussianStream::kStructuredNorms, size, block}, r);
    row_scales[r] = static_cast<float>(norm / (static_cast<double>(size) * root));
  }
}

void MultiplyStructuredFactors(absl::Span<const float> signs, absl::Span<const float> row_scales, int64_t head_dim,
                               absl::Span<float> rows) {
  const int64_t size = signs.size() / 3;
  const float* d1 = signs.data();
  const float* d2 = d1 + size;
  const float* d3 = d2 + size;
  // Row r of H D1 H D2 H D3, from its left end; H is symmetric. No entry leaves the 19 bits of +-p^2.
  int32_t row[kMaxHeadDim];
  for (int64_t r = 0; r < static_cast<int64_t>(row_scales.size()); ++r) {
    for (int64_t c = 0; c < size; ++c) {
      const int32_t sign = std::popcount(static_cast<uint64_t>(r & c)) % 2 == 0 ? 1 : -1;
      row[c] = sign * static_cast<int32_t>(d1[c]);
    }
    ApplyHadamard(row, size);
    for (int64_t c = 0; c < size; ++c) row[c] *= static_cast<int32_t>(d2[c]);
    ApplyHadamard(row, size);
    const double scale = row_scales[r];
    for (int64_t c = 0; c < head_dim; ++c) {
      rows[r * head_dim + c] = static_cast<float>(scale * (row[c] * static_cast<int32_t>(d3[c])));
    }
  }
}

}  // namespace favor::internal
