#ifndef FAVOR_FEATURE_MAP_FIT_STATISTICS_H_
#define FAVOR_FEATURE_MAP_FIT_STATISTICS_H_

#include <cstdint>
#include <vector>

#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"

namespace favor {

// Sums over rows of a tensor, relative to an origin near them, so that what rows have in common does not drown what
// they differ in.
struct RowMoments {
  int64_t count = 0;
  std::vector<double> origin;    // o [head_dim]
  std::vector<double> sum;       // sum of row - o [head_dim]
  std::vector<double> products;  // sum of (row - o)(row - o)', [head_dim, head_dim]
};

// The statistics that make estimates vary least for queries and keys with these moments, as they come (not scaled).
// Neutral ones, which change nothing, where there are no rows or where they say too little.
//
// Preconditioning: among all G, mean |x|^2 + mean |y|^2 is least for G'G = P with P Sq P = Sk, Sq and Sk the
// covariances of queries and keys. Of the G that have this product we take D^(1/4) V' L^-1, where Sq = L L' and L' Sk L
// = V D V': it makes both covariances D^(1/2), a diagonal, so that the basis of kSderf is the identity and one
// eigenvalue problem does. c = mean(k) + P mean(q) makes the mean of y minus that of x.
//
// With the moments of x and y, scale included, and d = head_dim:
//   kOprf, kSaderf  phi = mean |x + y|^2 over all pairs, rho = 2d / (2 phi + d + sqrt((2 phi + d)^2 + 8 d phi)),
//                   A = (1 - 1/rho) / 8; the textbook form of rho cancels for small phi
//   kSaderf         before: coordinate l of q times psi_l, of k by 1/psi_l, psi_l = (mean k_l^2 / mean q_l^2)^(1/4)
//   kSderf          M = mean (x + y)(x + y)' over all pairs = U diag(lambda) U',
//                   a_l = -lambda_l / (1 - 2 lambda_l + sqrt((2 lambda_l + 1)^2 + 8 lambda_l))
HeadStatistics FitStatistics(const FeatureSpec& spec, double scale, const RowMoments& queries, const RowMoments& keys);

// Statistics of the right sizes that change nothing: FAVOR+.
HeadStatistics NeutralStatistics(const FeatureSpec& spec, int64_t head_dim);

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_FIT_STATISTICS_H_
