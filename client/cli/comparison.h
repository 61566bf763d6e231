#ifndef FAVOR_CLIENT_CLI_COMPARISON_H_
#define FAVOR_CLIENT_CLI_COMPARISON_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/attend.h"

namespace favor::cli {

// How far answers are from exact softmax attention: |answer - exact| / |exact|, Frobenius norms over the whole output.
struct Comparison {
  double relative_error = 0;        // of the answer
  double mean_of_values_error = 0;  // of answering every row with the mean of the values it sees
};

// |answer - exact| / |exact|, summed in double; 0 when both are zero throughout. The spans have the same size.
double RelativeError(absl::Span<const float> answer, absl::Span<const float> exact);

// The same for the mean of V: a row's answer is the mean of the values it may see, by key_lengths and, when causal, its
// own position; rows that see nothing, or that lie past query_lengths, are zero. `exact` is an output of these inputs.
double MeanOfValuesError(const client::TensorView& values, const client::AttendOptions& options,
                         const client::Tensor& exact);

// Compares an answer with the output of the same call in exact mode, float32. InternalError when their shapes differ.
absl::StatusOr<Comparison> Compare(const client::TensorView& values, const client::AttendOptions& options,
                                   const client::Tensor& answer, const client::Tensor& exact);

// The call whose output is the yardstick for `options`: exact, float32.
client::AttendOptions ExactOptions(const client::AttendOptions& options);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_COMPARISON_H_
