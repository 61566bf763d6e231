#ifndef FAVOR_ATTENTION_ATTENTION_H_
#define FAVOR_ATTENTION_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/attention/relative_bias.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/feature_map/feature_spec.h"
#include "favor/feature_map/statistics.h"
#include "favor/kernels/jackknife.h"
#include "favor/projection/projection.h"
#include "favor/tensor/tensor_view.h"

namespace favor {

enum class AttentionMode : uint8_t {
  kFeatures,  // linear cost; the features define or approximate the attention
  kExact,     // softmax(scale q.k) v, quadratic cost, memory O(tile)
};

// Arithmetic of the products.
enum class Precision : uint8_t {
  kFloat32,
  // Factors rounded to bfloat16, float32 sums: of the projection, the fold and the read. Adds about 8e-3 to the
  // relative error of an output on N(0, 1) inputs, 3e-3 with a structured projection, which stays in float32. Taken in
  // kFeatures, and where the CPU has such products; else kFloat32, as the report says.
  kBFloat16,
};

struct AttentionSpec {
  AttentionMode mode = AttentionMode::kFeatures;
  // Query i sees keys 0..i. Needs query_length == key_length (but see AttentionInputs::num_earlier_keys).
  bool causal = false;
  // kExact alone; >= 0: query i sees keys i - window to i + window. Unset: all.
  std::optional<int64_t> window;
  // x = sqrt(scale) * input; finite and > 0. Unset: DefaultScale().
  std::optional<double> scale;
  FeatureSpec features;  // kFeatures only
  Precision precision = Precision::kFloat32;
};

struct AttentionInputs {
  TensorView queries;  // [batch, heads, query_length, head_dim]
  TensorView keys;     // [batch, key_heads, key_length, head_dim]; key_heads divides heads
  TensorView values;   // [batch, key_heads, key_length, value_dim]
  // Valid rows per sequence, [batch]; empty: all. Rows past them are never read: they may hold anything.
  absl::Span<const int64_t> query_lengths;
  absl::Span<const int64_t> key_lengths;
  // Null for exact mode and for maps that take none. Row dimension head_dim; one matrix, or one per key head.
  std::shared_ptr<const Projection> projection;
  // Causal exact attention alone: keys in front of the one that stands at the first query, all of which every query
  // sees that has no window. key_length is then query_length + num_earlier_keys, key j stands at query
  // j - num_earlier_keys.
  int64_t num_earlier_keys = 0;
  // Exact attention alone; null: none. The caller's, for as long as the job runs. Of `heads` heads, and for lengths up
  // to its max_length(); key j stands j - num_earlier_keys - i behind query i.
  const RelativeBias* relative_bias = nullptr;

  // Valid rows of one sequence.
  int64_t NumQueries(int64_t batch) const {
    return query_lengths.empty() ? queries.shape.length : query_lengths[batch];
  }
  int64_t NumKeys(int64_t batch) const { return key_lengths.empty() ? keys.shape.length : key_lengths[batch]; }
};

struct AttentionReport {
  int64_t num_features = 0;  // features per head; 0 in exact mode
  // Rows that are zero, since they see no key, their denominator is not positive and finite (with epsilon_parity of
  // kGeneralized: zero or not finite), or they overflow: values of 1e29 or more, or more than the output's type holds.
  int64_t degenerate_rows = 0;
  Precision precision = Precision::kFloat32;  // what ran
  // Set by the caller, zeroed, may be null: gets what is known of every valid row, [batch][heads][query_length], for
  // ErrorMeasurement. kFeatures only. Costs some percent; the outputs keep their bits.
  kernels::RowMoments* row_moments = nullptr;
  // Those that the call measured, once its job has ended; null where they were given, or none took part.
  std::shared_ptr<const Statistics> statistics;
};

// The features of a call with this spec: a causal one cannot measure statistics, so that without given ones it runs
// WithoutStatistics(). Neither can a state: DescribeState().
FeatureSpec FeaturesThatRun(const AttentionSpec& spec);

constexpr int64_t kMaxValueDim = 512;

// Plans attention as a Job for a pool. Where features use statistics and none are given, a bidirectional call measures
// its own first, on its queries and keys. `inputs`, `output` [batch, heads, query_length, value_dim], the memory behind
// them, `cancellation` (may be null) and `report` (may be null; filled when the job ends OK) must outlive the job.
// Queries at or past query_lengths get zeros. The output's bits do not depend on the number of threads.
//
// InvalidArgumentError, naming field, value and bound, for shapes or parameters that do not fit; NaN or infinity in a
// row that is read ends the job with InvalidArgumentError naming tensor and position. Thread-compatible.
absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                                  const MutableTensorView& output, const Cancellation* cancellation,
                                  AttentionReport* report);

// One of several attentions that are computed together.
struct AttentionOperands {
  AttentionInputs inputs;
  MutableTensorView output;
};

// Plans attention over sequences of different lengths as one Job: what PlanAttention does for each call. All have the
// same spec, head_dim and value_dim, and share one report.
absl::StatusOr<Job> PlanAttention(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls,
                                  const Cancellation* cancellation, AttentionReport* report);

// Upper bound of the scratch memory, in bytes, that the planned job holds at once on a pool of num_threads threads.
// The inputs must be valid for PlanAttention.
int64_t AttentionScratchBytes(const AttentionSpec& spec, const AttentionInputs& inputs, int num_threads);
int64_t AttentionScratchBytes(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls, int num_threads);

// Plans and runs on the calling thread.
absl::Status Attend(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                    AttentionReport* report = nullptr);

}  // namespace favor

#endif  // FAVOR_ATTENTION_ATTENTION_H_
