#ifndef FAVOR_FEATURE_MAP_FIT_ANCHORS_H_
#define FAVOR_FEATURE_MAP_FIT_ANCHORS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "favor/feature_map/fit_statistics.h"
#include "favor/feature_map/statistics.h"

namespace favor {

// A sample of the queries of one head, as they come: row-major, rows Padded(head_dim) floats apart, what fills them up
// zero.
struct QuerySample {
  const float* rows;
  int64_t count;
};

// Whether of the moments of keys only the mean is read: one anchor, no directions.
constexpr bool NeedsMeansOnly(int64_t num_anchors, int64_t num_directions) {
  return num_anchors == 1 && num_directions == 0;
}

// Statistics of kAnchors: up to so many cluster centres of the queries in the metric of the keys' covariance
// Sk,
//   |G (q - b)|^2 = (q - b)' Sk (q - b),
// which is the variance over keys of what is left of q.k beside b.k: to that, squared, the error of first-order softmax
// about b is proportional where attention is weak. c is the mean of the keys.
//
// Centres are seeded by the query nearest to the mean, then again and again by the one that is farthest from all
// centres, and moved three times to the mean of what is nearest to them (on trained models as good as k-means++, and
// there is nothing random in it). As many as the sample has rows at most; at least one, the origin where there is no
// row. The directions of second order are those in which queries are farthest from their centres.
// A single anchor without directions is the mean of the queries: the metric is the identity, no products are needed.
// float32 products, means in float64. O(2 head_dim^2 count + 4 num_anchors head_dim count).
//
// One for each number of anchors, ascending; they share what does not depend on it, and are what each would be alone.
std::vector<HeadStatistics> FitAnchors(absl::Span<const int64_t> nums_anchors, int64_t num_directions,
                                       const QuerySample& queries, const RowMoments& keys);

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_FIT_ANCHORS_H_
