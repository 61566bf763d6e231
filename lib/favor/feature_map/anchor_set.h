#ifndef FAVOR_FEATURE_MAP_ANCHOR_SET_H_
#define FAVOR_FEATURE_MAP_ANCHOR_SET_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/base/aligned_buffer.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"
#include "favor/kernels/panels.h"

namespace favor {

// The anchors of a call as the kernels take them: with x = sqrt(scale) q and y = sqrt(scale) (k - c), key j weighs
// exp(b.y_j) at anchor b, which for a softmax is exp(scale q.k_j).
class AnchorSet {
 public:
  struct Head {
    int64_t count = 0;
    const float* centres = nullptr;    // b [count][Padded(head_dim)]
    kernels::Panels exponents;         // log2(e) b: its products with y are exponents in base 2
    kernels::Panels metric;            // G'G b
    const float* offsets = nullptr;    // b'G'G b / 2: x is nearest to the b of the largest (G'G b).x less its offset
    const float* key_shift = nullptr;  // sqrt(scale) c [Padded(head_dim)]
    // Directions of second order: with coordinates z = U G^-T y of a key and u = U G (x - b) of a query, u.z is the
    // part of (x - b).y in them.
    int64_t num_directions = 0;
    kernels::Panels key_directions = {};      // U G^-T
    const float* key_rows = nullptr;          // the same, rows Padded(head_dim) floats apart
    const float* query_directions = nullptr;  // (U G)' [head_dim][Padded(num_directions)]
  };

  // Of heads of up to num_anchors that are to be set.
  AnchorSet(const FeatureSpec& spec, double scale, int64_t head_dim, int64_t num_key_heads);
  // What it holds once all heads are set: a head's memory is taken when it is.
  static int64_t Bytes(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads);

  // Sets a head, once, from statistics that have passed CheckStatistics(). InvalidArgumentError, naming the field,
  // where there are directions and G cannot be inverted; ResourceExhaustedError when there is no memory. Heads may be
  // set at once by different threads. O((num_anchors + head_dim) head_dim^2).
  absl::Status Set(int64_t key_head, const HeadStatistics& statistics);

  double multiplier() const { return multiplier_; }  // sqrt(scale)
  int64_t num_key_heads() const { return heads_.size(); }
  const Head& head(int64_t key_head) const { return heads_[key_head]; }

 private:
  double multiplier_;
  FeatureSpec spec_;
  int64_t head_dim_;
  std::vector<AlignedBuffer<float>> memory_;  // by head
  std::vector<Head> heads_;
};

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_ANCHOR_SET_H_
