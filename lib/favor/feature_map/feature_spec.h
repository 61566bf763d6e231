#ifndef FAVOR_FEATURE_MAP_FEATURE_SPEC_H_
#define FAVOR_FEATURE_MAP_FEATURE_SPEC_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"

namespace favor {

// The kernel that features approximate or define; the formulas stand in feature_map.h.
enum class Kernel : uint8_t {
  kSoftmax,
  kGaussian,
  kSoftmaxRegularized,
  kGeneralized,
  kEluPlusOne,
  kNoProjection,
  kTaylor2,
  kPolynomial2,
};

enum class Estimator : uint8_t {
  kPositive,
  kHyperbolic,
  kTrigonometric,
  // Fitted to queries and keys by Statistics; kSoftmax only.
  kOprf,    // FAVOR++ (Likhosherstov et al. 2022)
  kSderf,   // FAVOR# (Likhosherstov et al. 2023)
  kSaderf,  // every coordinate balanced between queries and keys, then kOprf
  // First-order softmax about cluster centres of the queries (attention/anchor_attention.h): no features, no
  // projection. kSoftmax only, not causal; needs Statistics.
  kAnchors,
};

// Anchors of a head at most.
constexpr int64_t kMaxAnchors = 256;
// Directions of second order at most.
constexpr int64_t kMaxDirections = 32;
// Rows computed exactly for a fit at most.
constexpr int64_t kMaxFitRows = 1024;

enum class Nonlinearity : uint8_t {
  kRelu,
  kSquaredRelu,
  kExp,
  kAbs,
  kGelu,
  kSigmoid,
  kGeluTanh,
  kSilu,
  kSoftplus,
  kLeakyRelu,
};

// Reproduces the epsilons of performer-pytorch: feature_epsilon is added to every stabilised feature, causal_epsilon to
// every entry of the causal key sum.
struct EpsilonParity {
  double feature_epsilon = 1e-4;  // 1e-3 for kGeneralized, 0 for kNoProjection in the reference
  double causal_epsilon = 1e-6;
  // Of causal softmax kernels, whose published key stabiliser is the maximum over all keys of the sequence, later ones
  // too. True: over the keys up to the query's own. Only then can a sequence be taken piece by piece, and only then
  // does no output depend on a later key. What an output then is, the published formula gives for the sequence that
  // ends with its token.
  bool prefix_stabiliser = false;
};

struct Statistics;  // statistics.h

// How features are made from a projected (or raw) row.
struct FeatureSpec {
  Kernel kernel = Kernel::kSoftmax;
  Estimator estimator = Estimator::kPositive;       // kSoftmax, kSoftmaxRegularized and kGaussian
  Nonlinearity nonlinearity = Nonlinearity::kRelu;  // kGeneralized
  double polynomial_offset = 1;                     // kPolynomial2: (x.y + polynomial_offset)^2
  std::optional<EpsilonParity> epsilon_parity;
  // Rows W and -W, two features of each: in front of any estimator but kTrigonometric; of kPositive it makes
  // kHyperbolic.
  bool antithetic = false;
  // Queries and keys transformed before their features are made, such that attention stays as it is and estimates vary
  // least: HeadStatistics. kSoftmax only, not kTrigonometric.
  bool precondition = false;
  // kAnchors: 1 to kMaxAnchors. A call that samples fewer queries takes as many.
  int64_t num_anchors = 0;
  // kAnchors: directions of second order, 0 to kMaxDirections; no more are taken than head_dim.
  int64_t num_directions = 0;
  // kAnchors: rows of each sequence and key head that weigh its parts (anchor_fit.h); 0: none.
  int64_t num_fit_rows = 0;
  // Where UsesStatistics(). Null: those that a call measures itself.
  std::shared_ptr<const Statistics> statistics;
};

// Whether the map reads a projection always (softmax, Gaussian), never (elu+1, no_projection, Taylor, polynomial), or
// as the caller likes (generalised: without one, features are f(x)).
enum class ProjectionUse : uint8_t { kRequired, kOptional, kNone };
ProjectionUse ProjectionUseOf(const FeatureSpec& spec);

// Whether the kernel is estimated: whether it reads FeatureSpec::estimator.
bool UsesEstimator(Kernel kernel);

// Whether it makes two features of each row of the projection.
bool MakesPairs(const FeatureSpec& spec);

// Whether the estimator has a proposal A, HeadStatistics::proposal.
constexpr bool UsesProposal(Estimator estimator) {
  return estimator >= Estimator::kOprf && estimator <= Estimator::kSaderf;
}

// Whether attention is first-order softmax about anchors instead of features.
constexpr bool UsesAnchors(const FeatureSpec& spec) {
  return spec.kernel == Kernel::kSoftmax && spec.estimator == Estimator::kAnchors;
}

// As many anchors as cost about what FAVOR+ costs with num_features, where values have head_dim; 1 to kMaxAnchors.
int64_t DefaultNumAnchors(int64_t num_features, int64_t head_dim, int64_t num_directions = 0);

// Products of two of so many directions.
constexpr int64_t NumPairs(int64_t num_directions) { return num_directions * (num_directions + 1) / 2; }

// Whether features depend on statistics of queries and keys.
bool UsesStatistics(const FeatureSpec& spec);

// The same without them: FAVOR+, which runs where there are none. Statistics of keys that are yet to come would let
// earlier outputs of a causal call depend on them, and those of a state's first keys would not be those of its later.
// Not for kAnchors, which are nothing without.
FeatureSpec WithoutStatistics(const FeatureSpec& spec);

// Largest polynomial_offset, and largest of the epsilons of EpsilonParity; the least is 0.
constexpr double kMaxPolynomialOffset = 1e15, kMaxParityEpsilon = 1;

// Whether a published implementation's epsilons exist for this kernel and estimator.
bool SupportsEpsilonParity(const FeatureSpec& spec);

// Features per head for a projection of num_projection_rows rows (ignored where there is none).
int64_t NumFeatures(const FeatureSpec& spec, int64_t head_dim, int64_t num_projection_rows);

// The scale that holds when the caller gives none: 1/sqrt(head_dim), or 1 for kEluPlusOne and kNoProjection.
double DefaultScale(Kernel kernel, int64_t head_dim);

// InvalidArgumentError unless scale is from 1e-30 to 1e30, where its square root is safe in float32.
absl::Status CheckScale(double scale);

}  // namespace favor

#endif  // FAVOR_FEATURE_MAP_FEATURE_SPEC_H_
