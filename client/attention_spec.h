#ifndef FAVOR_CLIENT_ATTENTION_SPEC_H_
#define FAVOR_CLIENT_ATTENTION_SPEC_H_

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "client/tensor.h"

// What attention to compute. These types mirror favor/v1/attention.proto, which is the reference of every field, its
// bounds and its default; enumerators have the numbers of the proto. Whatever is left at kUnspecified, unset or zero is
// the server's to choose, and AttendReport::spec tells what it chose. What a server does not serve yet it answers with
// UnimplementedError naming the field.
namespace favor::client {

enum class Kernel {
  kUnspecified = 0,
  kSoftmax = 1,
  kGaussian = 2,
  kSoftmaxRegularized = 3,
  kGeneralized = 4,
  kEluPlusOne = 5,
  kNoProjection = 6,
  kTaylor2 = 7,
  kPolynomial2 = 8,
};

enum class Estimator {
  kUnspecified = 0,
  kPositive = 1,
  kHyperbolic = 2,
  kTrigonometric = 3,
  kOprf = 4,
  kSderf = 5,
  kSaderf = 6,
  kFirstOrder = 7,
  kSecondCumulant = 8,
  kAnchors = 9,
  kBest = 10,
};

enum class Nonlinearity {
  kUnspecified = 0,
  kRelu = 1,
  kSquaredRelu = 2,
  kExp = 3,
  kAbs = 4,
  kGelu = 5,
  kSigmoid = 6,
  kGeluTanh = 7,
  kSilu = 8,
  kSoftplus = 9,
  kLeakyRelu = 10,
};

enum class ProjectionKind {
  kUnspecified = 0,
  kOrthogonal = 1,
  kIid = 2,
  kSupplied = 3,
  kIdentity = 4,
  kStructured = 5,
  kSimplex = 6,
};

enum class RowNorms { kUnspecified = 0, kChi = 1, kSqrtDim = 2 };

enum class Precision { kUnspecified = 0, kFloat32 = 1, kBFloat16 = 2 };

// Axis order of all tensors of a call. kUnspecified is kBatchHeadsLengthDim.
enum class Layout { kUnspecified = 0, kBatchHeadsLengthDim = 1, kBatchLengthHeadsDim = 2 };

enum class WhenMissed { kUnspecified = 0, kFail = 1, kWarn = 2 };

struct Projection {
  ProjectionKind kind = ProjectionKind::kUnspecified;
  RowNorms row_norms = RowNorms::kUnspecified;
  std::optional<uint64_t> seed = std::nullopt;
  std::optional<TensorView> matrix = std::nullopt;  // [num_features, head_dim] or [key heads, num_features, head_dim]
};

struct EpsilonParity {
  std::optional<double> feature_epsilon = std::nullopt;
  std::optional<double> causal_epsilon = std::nullopt;
};

struct Statistics {
  struct Head {
    std::vector<double> key_shift;        // [head_dim]
    std::vector<double> query_transform;  // [head_dim, head_dim]
    std::vector<double> proposal;
    std::vector<double> anchors = {};     // [num_anchors, head_dim]
    std::vector<double> directions = {};  // [num_directions, head_dim]
  };
  std::vector<Head> heads = {};  // one per key head
};

// Attention by features, at linear cost. As it is: FAVOR+ with 4 * head_dim orthogonal features and seed 0.
struct FeatureSpec {
  Kernel kernel = Kernel::kUnspecified;
  Estimator estimator = Estimator::kUnspecified;
  std::optional<int64_t> num_features = std::nullopt;
  Projection projection = {};
  Nonlinearity nonlinearity = Nonlinearity::kUnspecified;
  std::optional<double> polynomial_offset = std::nullopt;
  std::optional<EpsilonParity> epsilon_parity = std::nullopt;
  std::optional<Statistics> statistics = std::nullopt;
  bool antithetic = false;
  bool precondition = false;
  int64_t num_exact_keys = 0;
  int64_t num_anchors = 0;
  int64_t num_fit_rows = 0;
  int64_t num_directions = 0;
};

// Softmax attention itself, at quadratic cost.
struct ExactSpec {};

// Whatever meets an error bound.
struct AutoSpec {
  double max_relative_error = 0;
  std::optional<absl::Duration> time_budget = std::nullopt;
  WhenMissed when_missed = WhenMissed::kUnspecified;
};

struct AttentionSpec {
  bool causal = false;
  std::optional<double> scale = std::nullopt;
  Layout layout = Layout::kUnspecified;
  std::variant<FeatureSpec, ExactSpec, AutoSpec> mode = {};
  Precision precision = Precision::kUnspecified;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_ATTENTION_SPEC_H_
