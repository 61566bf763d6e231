#ifndef FAVOR_ATTENTION_ERROR_ESTIMATE_H_
#define FAVOR_ATTENTION_ERROR_ESTIMATE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace favor {

// How far an approximate answer is from exact attention: |output - exact| / |exact|, both Frobenius norms over all
// valid rows of the call.
struct ErrorEstimate {
  double relative_error = 0;
  // Ends of the 95% interval. Infinite, as the error, where nothing can be said: exact outputs that are all zero,
  // approximate ones not, or that have no place in float32.
  double lower = 0;
  double upper = 0;
  // The same error of answering every row with the mean of its visible values: an approximation above it is worthless.
  double mean_of_values_error = 0;
  int64_t num_rows = 0;  // computed exactly
};

namespace internal {

// A row of the output that was also computed exactly.
struct MeasuredRow {
  double probability = 0;           // with which one draw gives it
  double squared_error = 0;         // |output - exact|^2
  double squared_norm = 0;          // |exact|^2
  double mean_of_values_error = 0;  // |mean of values - exact|^2
};

// sqrt(squared_error / squared_norm): infinite where only the norm is 0, 0 where both are.
double RelativeError(double squared_error, double squared_norm);

// Ratio of Horvitz-Thompson sums, with the delete-one jackknife of its logarithm as standard error and Student's t for
// the interval. `whole`: the rows are all there are, and the interval is a point. At least two rows unless whole.
ErrorEstimate EstimateError(absl::Span<const MeasuredRow> rows, bool whole);

// Of answers whose exact rows are not to be had.
ErrorEstimate UnknownError(int64_t num_rows);

// Student's t of a 95% interval with so many degrees of freedom, at least 1: within 1% from 4 on (an expansion in 1/n,
// Abramowitz and Stegun 26.7.5).
double StudentT95(int64_t degrees_of_freedom);

}  // namespace internal
}  // namespace favor

#endif  // FAVOR_ATTENTION_ERROR_ESTIMATE_H_
