#ifndef FAVOR_ATTENTION_ATTENTION_STATE_H_
#define FAVOR_ATTENTION_ATTENTION_STATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/head_state.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/job.h"
#include "favor/feature_map/head_transforms.h"
#include "favor/projection/projection.h"

namespace favor {

struct StateSizes {
  int64_t batch_size = 0;
  int64_t num_key_heads = 0;
  int64_t head_dim = 0;
  int64_t value_dim = 0;

  friend bool operator==(const StateSizes&, const StateSizes&) = default;
};

// All that two states have in common when they can be merged. DescribeState() makes it.
struct StateDescription {
  AttentionSpec spec;         // kFeatures, canonical
  std::string projection_id;  // FeaturesId: covers the statistics; empty without a projection
  StateSizes sizes;
  int64_t num_features = 0;
};

// The spec with every default filled in, and fields that the kernel does not read back at their defaults. Features that
// use statistics but have none become those without: a state cannot measure any.
AttentionSpec CanonicalSpec(const AttentionSpec& spec, int64_t head_dim);

// InvalidArgumentError, naming field, value and bound, for what cannot be: parameters and sizes that do not fit, and
// attention that has no state. That is exact mode, and causal epsilon parity of the softmax kernels, whose stabiliser
// is the maximum over later keys too unless it is a prefix_stabiliser.
absl::StatusOr<StateDescription> DescribeState(const AttentionSpec& spec, const StateSizes& sizes,
                                               const std::shared_ptr<const Projection>& projection);

// OK when the two describe states that can be merged; else FailedPreconditionError, such as "state.spec.scale is 0.25,
// must be 0.125", for the first field in which `actual` is not as wanted. Specs need not be canonical. `name` is what
// the error calls `actual`.
absl::Status CheckSameDescription(absl::string_view name, const StateDescription& actual,
                                  const StateDescription& wanted);

// More keys than any sequence will have; all counts up to this one are exact as doubles.
constexpr int64_t kMaxStateKeys = int64_t{1} << 53;

// Which exponents the features of a map have, and with them the maxima of its states.
enum class FeatureExponents : uint8_t {
  kNone,        // all maxima are 0
  kOfToken,     // one for all features of a token: all maxima of a head are equal
  kOfFeatures,  // every feature has its own
};

// What linear attention remembers of the keys and values of whole sequences: a HeadState for every sequence and key
// head. Constant in size. attention_stream.h says what can be done with it. Owns its memory. Movable, but not while a
// job works with it. Thread-compatible.
class AttentionState {
 public:
  // An empty state; all its memory is written to. InvalidArgumentError for statistics that HeadTransforms::Set refuses.
  // `projection` must be the one that was described, null where there is none. ResourceExhaustedError when there is no
  // memory.
  static absl::StatusOr<AttentionState> Create(const StateDescription& description,
                                               std::shared_ptr<const Projection> projection);
  // Memory that such a state takes, in bytes, that of its projection apart.
  static int64_t Bytes(const StateDescription& description);

  AttentionState(AttentionState&&) = default;
  AttentionState& operator=(AttentionState&&) = default;

  const StateDescription& description() const { return description_; }
  const std::shared_ptr<const Projection>& projection() const { return projection_; }  // null: none
  // Of the spec's statistics; null: none.
  const std::shared_ptr<const HeadTransforms>& transforms() const { return transforms_; }

  // Keys folded so far.
  int64_t num_keys(int64_t sequence) const { return heads_[sequence * description_.sizes.num_key_heads].count; }

  FeatureExponents exponents() const { return exponents_; }

  // Forgets all keys.
  void Clear();

  // False from the moment that a job is planned which changes the state until it has ended OK. A job that fails or is
  // cancelled half way leaves some keys in some heads, so the state is good for nothing then but Clear().
  bool usable() const { return usable_; }

  // For the library's own use: index is sequence * num_key_heads + key head.
  int64_t num_heads() const { return heads_.size(); }
  HeadState& head(int64_t index) { return heads_[index]; }
  const HeadState& head(int64_t index) const { return heads_[index]; }
  void set_usable(bool usable) { usable_ = usable; }

 private:
  AttentionState() = default;

  StateDescription description_;
  std::shared_ptr<const Projection> projection_;
  std::shared_ptr<const HeadTransforms> transforms_;
  AlignedBuffer<float> memory_;
  std::vector<HeadState> heads_;
  FeatureExponents exponents_ = FeatureExponents::kNone;
  bool usable_ = true;
};

namespace internal {

// A job that changes a state: the state is not usable() from now on until the job has ended OK.
Job UsableAfter(Job job, AttentionState* state);

}  // namespace internal
}  // namespace favor

#endif  // FAVOR_ATTENTION_ATTENTION_STATE_H_
