#include "favor/feature_map/head_transforms.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <Eigen/Dense>

#include "absl/strings/str_cat.h"
#include "favor/feature_map/inverse_transposed.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

using RowMajor = internal::RowMajorMatrix;
using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kLog2E = 1.4426950408889634;

// Whether a head has transforms that are no mere factors.
bool IsDense(const FeatureSpec& spec) { return spec.precondition || spec.estimator == Estimator::kSderf; }

// Where a head's numbers stand in its memory, in floats.
struct Layout {
  Layout(const FeatureSpec& spec, int64_t head_dim, int64_t num_rows) {
    query_factors = Take(kernels::Padded(head_dim));
    key_shift = Take(kernels::Padded(head_dim));
    key_factors = Take(kernels::Padded(head_dim));
    norm_factors = Take(kernels::Padded(head_dim));
    const int64_t panels = IsDense(spec) ? kernels::PanelRowCount(head_dim) * head_dim : 0;
    queries = Take(kernels::Padded(panels));
    keys = Take(kernels::Padded(panels));
    row_exponents = Take(kernels::Padded(num_rows));
    row_factors = Take(kernels::Padded(num_rows));
  }
  int64_t Take(int64_t count) { return std::exchange(size, size + count); }

  int64_t size = 0;
  int64_t query_factors, key_shift, key_factors, norm_factors, queries, keys, row_exponents, row_factors;
};

struct Matrices {
  RowMajor queries;  // B G
  RowMajor keys;     // B G^-T
};

absl::Status CheckOrthogonal(const RowMajor& u, const std::string& name) {
  const RowMajor residual = u.transpose() * u - RowMajor::Identity(u.rows(), u.cols());
  const double largest = residual.cwiseAbs().maxCoeff();
  if (largest <= 1e-6) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ".proposal has a basis U with |U'U - I| up to ", largest, ", must be at most 1e-06"));
}

// B G and B G^-T, B = diag(b) U'.
absl::StatusOr<Matrices> DenseMatrices(const HeadStatistics& statistics, const Eigen::VectorXd& b,
                                       const std::string& name) {
  const int64_t d = b.size();
  Matrices matrices{RowMajor::Identity(d, d), RowMajor::Identity(d, d)};
  if (!statistics.query_transform.empty()) {
    matrices.queries = Eigen::Map<const RowMajor>(statistics.query_transform.data(), d, d);
    absl::StatusOr<RowMajor> inverse = internal::InverseTransposed(matrices.queries, name);
    if (!inverse.ok()) return inverse.status();
    matrices.keys = *std::move(inverse);
  }
  if (static_cast<int64_t>(statistics.proposal.size()) > d) {
    const RowMajor u = Eigen::Map<const RowMajor>(statistics.proposal.data() + d, d, d);
    if (absl::Status status = CheckOrthogonal(u, name); !status.ok()) return status;
    matrices.queries = u.transpose() * matrices.queries;
    matrices.keys = u.transpose() * matrices.keys;
  }
  matrices.queries = b.asDiagonal() * matrices.queries;
  matrices.keys = b.asDiagonal() * matrices.keys;
  return matrices;
}

// A as a vector of its diagonal; zeros without a proposal.
Eigen::VectorXd ProposalOf(const FeatureSpec& spec, const HeadStatistics& statistics, int64_t head_dim) {
  if (!UsesProposal(spec.estimator)) return Eigen::VectorXd::Zero(head_dim);
  if (spec.estimator == Estimator::kSderf) {
    return Eigen::Map<const Eigen::VectorXd>(statistics.proposal.data(), head_dim);
  }
  return Eigen::VectorXd::Constant(head_dim, statistics.proposal[0]);
}

}  // namespace

HeadTransforms::HeadTransforms(const FeatureSpec& spec, double scale, int64_t head_dim, int64_t num_key_heads,
                               std::shared_ptr<const Projection> projection)
    : spec_(spec),
      multiplier_(std::sqrt(scale) * kLog2E),
      head_dim_(head_dim),
      projection_(std::move(projection)),
      memory_(num_key_heads),
      heads_(num_key_heads) {
  spec_.statistics = nullptr;
}

int64_t HeadTransforms::Bytes(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads, int64_t num_rows) {
  const int64_t floats = Layout(spec, head_dim, num_rows).size;
  return num_key_heads * static_cast<int64_t>(floats * sizeof(float) + sizeof(AlignedBuffer<float>) + sizeof(Head));
}

absl::Status HeadTransforms::Set(int64_t key_head, const HeadStatistics& statistics) {
  const std::string name = absl::StrCat("statistics.heads[", key_head, "]");
  const int64_t d = head_dim_, num_rows = projection_->num_features();
  const Layout layout(spec_, d, num_rows);
  absl::StatusOr<AlignedBuffer<float>> allocated = AlignedBuffer<float>::AllocateZeroed(layout.size);
  if (!allocated.ok()) return allocated.status();
  memory_[key_head] = *std::move(allocated);
  float* memory = memory_[key_head].data();
  Head& head = heads_[key_head];
  const Eigen::VectorXd a = ProposalOf(spec_, statistics, d);
  const Eigen::VectorXd b = (1 - 4 * a.array()).sqrt();

  if (!statistics.key_shift.empty()) {
    for (int64_t l = 0; l < d; ++l) {
      memory[layout.key_shift + l] = static_cast<float>(statistics.key_shift[l] * multiplier_);
    }
    head.key_shift = memory + layout.key_shift;
  }
  if (IsDense(spec_)) {
    const absl::StatusOr<Matrices> matrices = DenseMatrices(statistics, b, name);
    if (!matrices.ok()) return matrices.status();
    const Floats queries = matrices->queries.cast<float>(), keys = matrices->keys.cast<float>();
    kernels::PackPanels(queries.data(), d, d, d, memory + layout.queries);
    kernels::PackPanels(keys.data(), d, d, d, memory + layout.keys);
    head.queries = kernels::Panels{memory + layout.queries, d, d};
    head.keys = kernels::Panels{memory + layout.keys, d, d};
  } else {
    const bool balanced = !statistics.query_transform.empty();
    for (int64_t l = 0; l < d; ++l) {
      const double g = balanced ? statistics.query_transform[l] : 1;
      if (!(std::abs(g) >= 1 / kMaxTransformEntry)) return internal::NotInvertible(name);
      memory[layout.query_factors + l] = static_cast<float>(b[l] * g);
      memory[layout.key_factors + l] = static_cast<float>(b[l] / g);
    }
    head.query_factors = memory + layout.query_factors;
    head.key_factors = memory + layout.key_factors;
  }
  // |y|^2 = sum_l column_l^2 / b_l^2; tiles hold x log2(e).
  for (int64_t l = 0; l < d; ++l) memory[layout.norm_factors + l] = static_cast<float>(-0.5 / (kLog2E * b[l] * b[l]));
  head.norm_factors = memory + layout.norm_factors;

  if (!UsesProposal(spec_.estimator)) return absl::OkStatus();
  const absl::Span<const float> rows = projection_->Matrix(key_head);
  for (int64_t r = 0; r < num_rows; ++r) {
    double weight = 0;
    for (int64_t l = 0; l < d; ++l) weight += a[l] * rows[r * d + l] * static_cast<double>(rows[r * d + l]);
    constexpr double kLargest = 1e28;  // far from kNoExponent
    const double exponent = std::clamp(2 * kLog2E * weight, -kLargest, kLargest);
    memory[layout.row_exponents + r] = static_cast<float>(std::nearbyint(exponent));
    memory[layout.row_factors + r] = static_cast<float>(std::exp2(exponent - std::nearbyint(exponent)));
  }
  head.row_exponents = memory + layout.row_exponents;
  head.row_factors = memory + layout.row_factors;
  return absl::OkStatus();
}

}  // namespace favor
