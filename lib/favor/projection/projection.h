#ifndef FAVOR_PROJECTION_PROJECTION_H_
#define FAVOR_PROJECTION_PROJECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/kernels/panels.h"

namespace favor {

enum class ProjectionKind : uint8_t {
  kOrthogonal,  // blocks of head_dim rows of a Haar-distributed orthogonal matrix
  kIid,         // independent N(0, 1) entries
  kSupplied,    // the caller's matrix
};

enum class RowNorms : uint8_t {
  kChi,      // independent, chi-distributed with head_dim degrees of freedom: unbiased
  kSqrtDim,  // all sqrt(head_dim) (SMREG)
};

struct ProjectionSpec {
  ProjectionKind kind = ProjectionKind::kOrthogonal;
  RowNorms row_norms = RowNorms::kChi;  // kOrthogonal only
  uint64_t seed = 0;
  int64_t num_features = 0;
  int64_t head_dim = 0;

  friend bool operator==(const ProjectionSpec&, const ProjectionSpec&) = default;
};

constexpr int64_t kMaxNumFeatures = 65536;
constexpr int64_t kMaxHeadDim = 512;

// The matrix W whose rows w_r make the random features, one for all heads or one per key head. Immutable.
class Projection {
 public:
  int64_t num_matrices() const { return num_matrices_; }  // 1, or the number of key heads
  int64_t num_features() const { return num_features_; }
  int64_t head_dim() const { return head_dim_; }

  // Row-major [num_features, head_dim] of one key head.
  absl::Span<const float> Matrix(int64_t key_head) const {
    const int64_t index = num_matrices_ == 1 ? 0 : key_head;
    return rows_.span().subspan(index * num_features_ * head_dim_, num_features_ * head_dim_);
  }

  // The same rows packed for the kernels.
  kernels::Panels Panels(int64_t key_head) const {
    const int64_t index = num_matrices_ == 1 ? 0 : key_head;
    return {panels_.data() + index * kernels::PanelRowCount(num_features_) * head_dim_, num_features_, head_dim_};
  }

  // XXH3-128 over kind, seed, shape and norms, or over the supplied matrix, as 32 hexadecimal digits: equal ids, equal
  // features, on every machine. The encoding is documented in projection_id.h.
  const std::string& id() const { return id_; }

 private:
  friend absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec&, const Cancellation*);
  friend absl::StatusOr<std::shared_ptr<const Projection>> SuppliedProjection(absl::Span<const float>, int64_t, int64_t,
                                                                              int64_t);
  Projection() = default;
  absl::Status PackPanels();

  int64_t num_matrices_ = 0;
  int64_t num_features_ = 0;
  int64_t head_dim_ = 0;
  AlignedBuffer<float> rows_;  // [num_matrices, num_features, head_dim]
  AlignedBuffer<float> panels_;
  std::string id_;
};

// Memory of a projection of these sizes: its rows, and the same again for the kernels.
int64_t ProjectionBytes(int64_t num_matrices, int64_t num_features, int64_t head_dim);

// Draws a projection: the same spec gives the same bits on every machine. Drawn in double, stored as float32.
// InvalidArgumentError when a size is out of bounds; the cancellation (may be null) is honoured between blocks.
absl::StatusOr<std::shared_ptr<const Projection>> DrawProjection(const ProjectionSpec& spec,
                                                                 const Cancellation* cancellation = nullptr);

// Copies a caller's matrix, row-major [num_matrices, num_features, head_dim]; every entry must be finite.
absl::StatusOr<std::shared_ptr<const Projection>> SuppliedProjection(absl::Span<const float> rows, int64_t num_matrices,
                                                                     int64_t num_features, int64_t head_dim);

}  // namespace favor

#endif  // FAVOR_PROJECTION_PROJECTION_H_
