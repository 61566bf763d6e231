#include "favor/feature_map/inverse_transposed.h"

#include "absl/strings/str_cat.h"
#include "favor/feature_map/statistics.h"

namespace favor::internal {

absl::Status NotInvertible(const std::string& name) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, ".query_transform is singular, or close to it: its inverse must have entries from ",
                   -kMaxTransformEntry, " to ", kMaxTransformEntry));
}

// Whether it is one is seen from the product.
absl::StatusOr<RowMajorMatrix> InverseTransposed(const RowMajorMatrix& g, const std::string& name) {
  RowMajorMatrix inverse = g.partialPivLu().inverse();
  const RowMajorMatrix residual = g * inverse - RowMajorMatrix::Identity(g.rows(), g.cols());
  const bool good = residual.cwiseAbs().maxCoeff() <= 1e-6 && inverse.cwiseAbs().maxCoeff() <= kMaxTransformEntry;
  if (!good) return NotInvertible(name);  // NaN is not good either
  inverse.transposeInPlace();
  return inverse;
}

}  // namespace favor::internal
