#ifndef FAVOR_TESTS_SUPPORT_ORACLE_FITTED_H_
#define FAVOR_TESTS_SUPPORT_ORACLE_FITTED_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"
#include "tests/support/oracle/features.h"

namespace favor::testing {

// Estimators that are fitted to queries and keys, from their formulas.

// G q for a query, G^-T (k - c) for a key.
std::vector<double> Transformed(const HeadStatistics& statistics, absl::Span<const double> row, Side side);

// exp(1/4 ln det(I - 4A) + w'A w + w.B x - |x|^2/2), B = diag(sqrt(1 - 4 a_l)) U', for each row w, and for -w where
// rows are antithetic. Likhosherstov et al. 2022 (A a multiple of I) and 2023. Their products average to exp(x.y).
LogFeatures FittedFeatures(const FeatureSpec& spec, const HeadStatistics& statistics, absl::Span<const double> x,
                           const ProjectionMatrix& projection);

// Relative variance of an OPRF estimate of exp(x.y) from num_rows independent rows, s = |x + y|^2:
// (((1 + rho) / 2)^d rho^(-d/2) exp(rho s) - 1) / num_rows.
double RelativeVarianceOfOprf(int64_t head_dim, double proposal, double s, int64_t num_rows);

// Statistics of the right sizes with random numbers in them, one entry per key head; null where the features take none.
std::shared_ptr<const Statistics> RandomStatistics(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads,
                                                   uint64_t seed);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_ORACLE_FITTED_H_
