#ifndef FAVOR_PROJECTION_PROJECTION_H_
#define FAVOR_PROJECTION_PROJECTION_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/kernels/projector.h"

namespace favor {

enum class ProjectionKind : uint8_t {
  kOrthogonal,  // blocks of head_dim rows of a Haar-distributed orthogonal matrix
  kIid,         // independent N(0, 1) entries
  kStructured,  // products of Hadamard and random sign matrices, see StructuredFactors
  // Blocks of head_dim rows whose directions are those from the centre of a regular simplex to its corners, at a
  // Haar-distributed rotation: any two at a cosine of -1 / (head_dim - 1). Up to 2 dimensions these are few enough to
  // be orthogonal instead.
  kSimplex,
  kSupplied,  // the caller's matrix
};

// Of kStructured: the norms before head_dim columns are kept of StructuredSize(head_dim), which then stands here for
// head_dim.
enum class RowNorms : uint8_t {
  kChi,      // independent, chi-distributed with head_dim degrees of freedom: unbiased
  kSqrtDim,  // all sqrt(head_dim) (SMREG)
};

// Whether projections of this kind have norms to choose; the spec's row_norms mean nothing to the others.
constexpr bool TakesRowNorms(ProjectionKind kind) {
  return kind == ProjectionKind::kOrthogonal || kind == ProjectionKind::kStructured || kind == ProjectionKind::kSimplex;
}

struct ProjectionSpec {
  ProjectionKind kind = ProjectionKind::kOrthogonal;
  RowNorms row_norms = RowNorms::kChi;  // where TakesRowNorms(kind)
  uint64_t seed = 0;
  int64_t num_features = 0;
  int64_t head_dim = 0;

  friend bool operator==(const ProjectionSpec&, const ProjectionSpec&) = default;
};

constexpr int64_t kMaxNumFeatures = 65536;
constexpr int64_t kMaxHeadDim = 512;
// Of a supplied matrix: products with inputs, which the kernels clamp to the same, then stay finite in float32.
constexpr float kMaxProjectionEntry = 1e13f;

// p: what head_dim is padded to with zeros, the next power of two and at least 32. Smaller Hadamard products are too
// coarse to pass for random rotations: see StructuredFactors.
constexpr int64_t StructuredSize(int64_t head_dim) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(head_dim, 32))));
}

// What a structured projection is the product of. Row r of block b is
//
//   w = row_scales[b p + r] * (H D1 H D2 H D3)_r,   of which the first head_dim columns are kept,
//
// H the p x p Hadamard matrix in Sylvester's order, unnormalised: H_ij = (-1)^popcount(i & j). D3 is applied to the
// input first. row_scales = norm / p^(3/2), since each H is sqrt(p) times an orthonormal matrix. Yu et al. 2016
// (Orthogonal random features, SORF), with the chi norms of Choromanski et al. 2021.
//
// Not Haar, so estimates are slightly biased, most where x + y lies along an axis: there E[w_1^4] is 3 - 8/p^2 + 8/p^3
// instead of a Gaussian's 3. Measured there over 4e6 rows, the softmax kernel comes out low by
//
//   |x + y|^2    p = 8   p = 16   p = 32   p = 64
//           1    0.36%    0.12%    0.03%    0.01%
//           4     3.4%     1.0%     0.3%     0.1%
//
// and by more the longer x + y is, where the variance exp(|x + y|^2) leaves little to estimate.
struct StructuredFactors {
  int64_t size;             // p = StructuredSize(head_dim)
  int64_t num_blocks;       // ceil(num_features / p)
  const float* signs;       // [num_blocks][3][p], +1 or -1: D1, D2, D3
  const float* row_scales;  // [num_blocks * p], 0 for the rows of the last block that there are no features for
};

// The matrix W whose rows w_r make the random features, one for all heads or one per key head. Immutable.
class Projection {
 public:
  int64_t num_matrices() const { return num_matrices_; }  // 1, or the number of key heads
  int64_t num_features() const { return num_features_; }
  int64_t head_dim() const { return head_dim_; }
  // Whether it was drawn with all norms sqrt(head_dim), so that estimates of the softmax kernel are biased.
  bool sqrt_dim_norms() const { return sqrt_dim_norms_; }

  // Row-major [num_features, head_dim] of one key head.
  absl::Span<const float> Matrix(int64_t key_head) const {
    const int64_t index = num_matrices_ == 1 ? 0 : key_head;
    return rows_.span().subspan(index * num_features_ * head_dim_, num_features_ * head_dim_);
  }

  // The same matrix as the kernels take it.
  kernels::Projector Projector(int64_t key_head) const;

  // The same, of entries rounded to bfloat16. A structured projection stays as it is, and so does everything on a CPU
  // without products of bfloat16.
  kernels::Projector BFloat16Projector(int64_t key_head) const;

  // The factors of a structured projection, each row of theirs aligned to 64 bytes, valid as long as the projection;
  // nullopt for every other kind. Matrix() is their product, rounded once to float32.
  std::optional<StructuredFactors> Structured() const {
    if (factors_.empty()) return std::nullopt;
    const int64_t size = StructuredSize(head_dim_);
    const int64_t num_blocks = factors_.size() / (4 * size);
    return StructuredFactors{size, num_blocks, factors_.data(), factors_.data() + num_blocks * 3 * size};
  }

  // Bytes of the matrices and factors.
  int64_t num_bytes() const {
    return (rows_.size() + panels_.size() + pairs_.size() + factors_.size()) * static_cast<int64_t>(sizeof(float));
  }

  // XXH3-128 over kind, seed, shape and norms, or over the supplied matrix, as 32 hexadecimal digits: equal ids, equal
  // features, on every machine. The encoding is documented in projection_id.h.
  const std::string& id() const { return id_; }

 private:
  friend absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec&, const Cancellation*);
  friend absl::StatusOr<std::shared_ptr<const Projection>> SuppliedProjection(absl::Span<const float>, int64_t, int64_t,
                                                                              int64_t);
  Projection() = default;
  // Packs rows_ into panels_, for every kind but kStructured.
  absl::Status PackPanels();

  int64_t num_matrices_ = 0;
  int64_t num_features_ = 0;
  int64_t head_dim_ = 0;
  bool sqrt_dim_norms_ = false;
  AlignedBuffer<float> rows_;      // [num_matrices, num_features, head_dim]
  AlignedBuffer<float> panels_;    // the same in panels; empty for kStructured
  AlignedBuffer<uint32_t> pairs_;  // the same in panels of bfloat16, where the CPU has use for them
  AlignedBuffer<float> factors_;   // kStructured: signs, then row_scales, of StructuredFactors
  std::string id_;
};

// Draws a projection: the same spec gives the same bits on every machine. Drawn in double, stored as float32.
// InvalidArgumentError when a size is out of bounds; the cancellation (may be null) is honoured between blocks.
absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec& spec,
                                                                 const Cancellation* cancellation = nullptr);

// num_bytes() of what the spec draws: 4 num_features head_dim, the same again for the panels and half of it for those
// of bfloat16; of a structured one 16 more per row and padding row instead.
int64_t DrawnProjectionBytes(const ProjectionSpec& spec);

// Copies a caller's matrix, row-major [num_matrices, num_features, head_dim]; every entry must be finite and of a
// magnitude of kMaxProjectionEntry at most.
absl::StatusOr<std::shared_ptr<const Projection>> SuppliedProjection(absl::Span<const float> rows, int64_t num_matrices,
                                                                     int64_t num_features, int64_t head_dim);

}  // namespace favor

#endif  // FAVOR_PROJECTION_PROJECTION_H_
