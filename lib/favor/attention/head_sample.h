#ifndef FAVOR_ATTENTION_HEAD_SAMPLE_H_
#define FAVOR_ATTENTION_HEAD_SAMPLE_H_

#include <cstdint>

#include <Eigen/Dense>

#include "absl/status/statusor.h"
#include "favor/attention/attention.h"

namespace favor::internal {

using RowMajorDoubles = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMajorFloats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A few rows of one head, spread over it (StratifiedRows), as they come.
struct HeadSample {
  RowMajorFloats queries;  // [R, head_dim]
  RowMajorFloats keys;     // [K, head_dim]
  // [K, value_dim], less the mean over all the values that were looked at, which are more than these.
  RowMajorFloats values;
  Eigen::VectorXd num_keys;       // [R], keys that the query sees, of all of the sequence
  double value_variance = 0;      // sum over coordinates
  double squared_value_mean = 0;  // |mean of all values|^2, its sampling error taken off, at least 0
  double num_queries = 0;         // of all of the sequence: what the sample stands for
};

// How many rows of a head are taken: few enough to cost about a hundredth of its attention.
struct HeadSampleSizes {
  explicit HeadSampleSizes(const AttentionInputs& inputs);
  int64_t queries, keys, values;
  // Of the sample, and of what it takes to make it.
  int64_t Bytes(const AttentionInputs& inputs) const;
};

// Of a sequence with queries and keys. InvalidArgumentError for a row that is not finite, ResourceExhaustedError.
absl::StatusOr<HeadSample> TakeHeadSample(const AttentionInputs& inputs, bool causal, int64_t batch, int64_t head);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_HEAD_SAMPLE_H_
