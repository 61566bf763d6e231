#ifndef FAVOR_FEATURE_MAP_HEAD_TRANSFORMS_H_
#define FAVOR_FEATURE_MAP_HEAD_TRANSFORMS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"
#include "favor/kernels/panels.h"
#include "favor/projection/projection.h"

namespace favor {

// Statistics as the kernels take them. With x = G q, y = G^-T (k - c) and the estimator's B, queries and keys reach the
// projection as B x and B y, so that fitted features are those of FAVOR+ but for two things: the norm of a key is that
// of y, and feature r weighs exp(2 w_r'A w_r) when it is read, half of it due to either side. So the state of a fitted
// estimator holds plain sums of exp(w_r.B y - |y|^2/2).
class HeadTransforms {
 public:
  // Of one key head, all in the units of tiles (FeatureMap::input_multiplier).
  struct Head {
    // Applied to rows first; null: nothing to do. [Padded(head_dim)].
    const float* query_factors = nullptr;
    const float* key_shift = nullptr;
    const float* key_factors = nullptr;
    // Then to tiles, [head_dim, head_dim]; without them the factors are all.
    std::optional<kernels::Panels> queries;
    std::optional<kernels::Panels> keys;
    // g of a key in base 2 is sum_l norm_factors[l] column_l^2 of its transformed tile. [head_dim]
    const float* norm_factors = nullptr;
    // Feature r weighs 2^row_exponents[r] row_factors[r], the former whole; null: 1. By row of the projection.
    const float* row_exponents = nullptr;
    const float* row_factors = nullptr;
  };

  // Of num_key_heads heads that are to be set. `spec`'s statistics are not looked at.
  HeadTransforms(const FeatureSpec& spec, double scale, int64_t head_dim, int64_t num_key_heads,
                 std::shared_ptr<const Projection> projection);
  // What it holds once all heads are set: a head's memory is taken when it is.
  static int64_t Bytes(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads, int64_t num_rows);

  // Sets a head, once, from statistics that have passed CheckStatistics(). InvalidArgumentError, naming the field,
  // where G cannot be inverted or U is not orthogonal; ResourceExhaustedError when there is no memory. Heads may be set
  // at once by different threads. O(head_dim^3 + head_dim num_rows).
  absl::Status Set(int64_t key_head, const HeadStatistics& statistics);

  int64_t num_key_heads() const { return heads_.size(); }
  const Head& head(int64_t key_head) const { return heads_[key_head]; }

 private:
  FeatureSpec spec_;
  double multiplier_;  // FeatureMap::input_multiplier
  int64_t head_dim_;
  std::shared_ptr<const Projection> projection_;
  std::vector<AlignedBuffer<float>> memory_;  // by head
  std::vector<Head> heads_;
};

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_HEAD_TRANSFORMS_H_
