#ifndef FAVOR_FEATURE_MAP_INVERSE_TRANSPOSED_H_
#define FAVOR_FEATURE_MAP_INVERSE_TRANSPOSED_H_

#include <string>

#include <Eigen/Dense>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace favor::internal {

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// About the query transform of the statistics that are called `name`.
absl::Status NotInvertible(const std::string& name);

// G^-T. NotInvertible() where it has entries beyond kMaxTransformEntry, or is none.
absl::StatusOr<RowMajorMatrix> InverseTransposed(const RowMajorMatrix& g, const std::string& name);

}  // namespace favor::internal

#endif  // FAVOR_FEATURE_MAP_INVERSE_TRANSPOSED_H_
