#ifndef FAVOR_ATTENTION_ERROR_MEASUREMENT_H_
#define FAVOR_ATTENTION_ERROR_MEASUREMENT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_estimate.h"
#include "favor/attention/row_sample.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

constexpr int64_t kMinMeasuredRows = 8;
constexpr int64_t kMaxMeasuredRows = 4096;

// InvalidArgumentError naming field, value and bound for too few or too many rows.
absl::Status CheckMeasuredRows(int64_t num_rows);

// InvalidArgumentError naming field, value and bound where the error of such calls cannot be measured: too few or too
// many rows, exact mode, and kernels other than softmax, which alone approximates something that can be computed
// exactly.
absl::Status CheckMeasurable(const AttentionSpec& spec, int64_t num_rows);

// Measures how far one approximate call is from exact softmax attention, by computing some of its rows exactly. The
// rows are chosen by their variance and norm, which the call notes as it runs. In three parts, the first two of them
// jobs:
//   measurement = ErrorMeasurement::Create(...); report.row_moments = measurement->row_moments();
//   job = PlanAttention(..., &report); measurement->AddDraw(&job); run it;
//   run measurement->PlanExactRows(...); read measurement->estimate().
// Costs num_rows rows of exact attention: num_rows * key_length * 2 (head_dim + value_dim) flops; one row and one more
// for each head (causal: for each row) that has a row in the sample. Thread-compatible.
class ErrorMeasurement {
 public:
  // The error of CheckMeasurable, or ResourceExhaustedError. What is behind inputs and output must outlive the jobs.
  // The same seed chooses the same rows.
  static absl::StatusOr<std::unique_ptr<ErrorMeasurement>> Create(const AttentionSpec& spec,
                                                                  const AttentionInputs& inputs,
                                                                  const TensorView& output, int64_t num_rows,
                                                                  uint64_t seed);

  // Upper bound of the memory it takes, in bytes, the jobs' scratch included.
  static int64_t Bytes(const AttentionSpec& spec, const AttentionInputs& inputs, int64_t num_rows, int num_threads);

  kernels::RowMoments* row_moments() { return moments_.data(); }
  // Chooses the rows, when all outputs are there.
  void AddDraw(Job* job) { job->phases.push_back(sample_.Draw()); }
  // Computes them. To be called when the job with the draw has ended; the output is not read afterwards.
  absl::StatusOr<Job> PlanExactRows(const Cancellation* cancellation);
  const ErrorEstimate& estimate() const { return estimate_; }
  // To measure the same answer once more, on other rows: AddDraw() and PlanExactRows() again.
  void StartAgain(int64_t num_rows, uint64_t seed);

 private:
  // Rows of one head that see the same keys; behind them a query of zeros, whose exact output is the mean of the
  // values.
  struct Group {
    int64_t batch, head, num_keys;
    std::vector<internal::RowSample::Row> rows;
    AlignedBuffer<float> queries, outputs;  // [rows + 1][head_dim], [rows + 1][value_dim]
    AlignedBuffer<float> answers;           // what the call's output has, [rows][Padded(value_dim)]
  };

  ErrorMeasurement(const AttentionSpec& spec, const AttentionInputs& inputs, const TensorView& output, int64_t num_rows,
                   uint64_t seed, AlignedBuffer<kernels::RowMoments> moments);
  int64_t NumKeys(int64_t batch, int64_t query) const;
  void MakeGroups();
  absl::Status GatherRows(Group* group) const;
  AttentionOperands OperandsOf(Group& group) const;
  absl::Status Estimate();

  const AttentionSpec spec_;  // exact, and not causal: a group's keys are those that its rows see
  const bool causal_;
  const AttentionInputs inputs_;
  const TensorView output_;
  AlignedBuffer<kernels::RowMoments> moments_;  // [batch][heads][query_length]
  internal::RowSample sample_;
  std::vector<Group> groups_;
  AttentionReport exact_report_;
  ErrorEstimate estimate_;
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_ERROR_MEASUREMENT_H_
