#ifndef FAVOR_FEATURE_MAP_STATISTICS_H_
#define FAVOR_FEATURE_MAP_STATISTICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "favor/feature_map/feature_spec.h"

namespace favor {

// What an estimator has been fitted to: of one key head, and of the query heads that share it. With it, queries q and
// keys k count as
//
//   x = G q,   y = G^-T (k - c)
//
// (before the scale), which leaves softmax attention as it is: q.k = x.y + q.c, and what is the same for all keys of a
// query cancels. What changes is how much features vary.
struct HeadStatistics {
  // c, [head_dim], in the units of the keys as they come. Empty: none.
  std::vector<double> key_shift;
  // G, row-major [head_dim, head_dim], or its diagonal [head_dim]. Empty: the identity.
  std::vector<double> query_transform;
  // A: [1] for kOprf and kSaderf; [head_dim] for kSderf, its basis U after it, row-major [head_dim, head_dim], the
  // columns of which are the directions that the entries of A belong to (no U: the identity). Depends on the scale that
  // it was measured with. Empty for other estimators.
  std::vector<double> proposal;
  // kAnchors: b of every anchor, [num_anchors, head_dim], in the units of the queries as they come. Then c is what keys
  // are relative to, and G the metric: a query belongs to the anchor for which |G (q - b)| is least. Empty for other
  // estimators.
  std::vector<double> anchors = {};
  // kAnchors: the directions of second order, orthonormal rows in the coordinates G (q - b), [num_directions,
  // head_dim].
  std::vector<double> directions = {};

  friend bool operator==(const HeadStatistics&, const HeadStatistics&) = default;
};

// One entry per key head.
struct Statistics {
  std::vector<HeadStatistics> heads;

  friend bool operator==(const Statistics&, const Statistics&) = default;
};

// Bounds of what statistics may hold. Beyond them no measurement gets, and float32 loses what they say.
constexpr double kMaxKeyShift = 1e13;       // magnitude
constexpr double kMaxTransformEntry = 1e6;  // magnitude, of G and of its inverse
constexpr double kMaxProposal = 0.249;      // of A: from 1/4 on the estimate has no mean
constexpr double kMinProposal = -1e6;

// OK when the sizes fit the spec, and every number is finite and within its bound; else InvalidArgumentError such as
// "statistics.heads[2].proposal[0] is 0.3, must be from -1e+06 to 0.249". num_key_heads 0: any number of heads. That G
// can be inverted and that U is orthogonal is checked when they are put to use (HeadTransforms::Set).
absl::Status CheckStatistics(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads);

// Which features a state or an answer was made with: `projection_id` where no statistics take part, else XXH3-128 of
// these bytes, integers little-endian, doubles as the bits of IEEE 754 binary64:
//
//    8  the text "favorsts"
//    1  version, 1
//   32  projection_id
//    8  key heads; then for each of them the key shift, the query transform and the proposal, each as
//         8    n, its length
//         8 n  its entries
std::string FeaturesId(const std::string& projection_id, const Statistics* statistics);

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_STATISTICS_H_
