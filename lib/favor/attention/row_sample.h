#ifndef FAVOR_ATTENTION_ROW_SAMPLE_H_
#define FAVOR_ATTENTION_ROW_SAMPLE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "favor/base/aligned_buffer.h"
#include "favor/base/job.h"
#include "favor/kernels/jackknife.h"

namespace favor::internal {

// A sample of rows, each taken with a probability that grows with its variance, its squared norm and that of its query,
//   pi_i = 0.4 variance_i / sum + 0.2 norm_i / sum + 0.2 |query_i|^4 / sum + 0.2 / N,
// systematically, in a random order of short runs of rows. A few rows carry most of the error of random features, and
// in causal attention the first ones most of the norm: a uniform sample misses them. What is sampled for is a ratio of
// error and norm, whose variance is least for pi_i proportional to |error_i - ratio norm_i|. A loud query may be far
// out of reach of all features alike, which its variance does not tell and its norm does. The rest is uniform, for rows
// that their moments say too little of. Thread-compatible.
class RowSample {
 public:
  struct Row {
    int64_t index;
    double probability;  // pi
  };
  // Index ranges [begin, end) of the rows that may be taken, ascending.
  struct Range {
    int64_t begin, end;
  };

  // moments, finite and >= 0, are read when the job runs. Up to `size` rows are taken; all of them once,
  // with probability 1, where there are no more. The same seed takes the same rows.
  RowSample(const kernels::RowMoments* moments, std::vector<Range> ranges, int64_t size, uint64_t seed);

  // Upper bound of the memory that a sample takes, in bytes.
  static int64_t Bytes(int64_t num_rows, int64_t num_ranges) {
    return (num_rows / kRun + num_ranges) * static_cast<int64_t>(sizeof(Run));
  }

  // Draws, in steps of about a millisecond. The sample must outlive the phase.
  Phase Draw();

  // Valid once Draw() has run.
  const std::vector<Row>& rows() const { return rows_; }
  bool whole() const { return num_rows_ <= size_; }  // no row was left out

 private:
  // Neighbours stay together: at most one of so few is taken, and memory is read in order.
  static constexpr int64_t kRun = 16;
  struct Run {
    int64_t begin, end;
    double variance, norm, query_norm;  // sums over its rows
  };

  int64_t num_steps() const;
  absl::Status Step(int64_t step);
  void MakeRuns(int64_t begin, int64_t end);
  void Shuffle(int64_t i);
  void Take(int64_t begin, int64_t end);
  uint64_t Random(uint64_t counter) const;
  void Weigh();
  // Of rows together, from the sums of their moments.
  double Probability(double variance, double norm, double query_norm, int64_t num_rows) const;

  const kernels::RowMoments* moments_;
  std::vector<Range> ranges_;
  int64_t size_;
  uint64_t seed_;
  int64_t num_rows_ = 0, num_runs_ = 0;
  AlignedBuffer<Run> runs_;  // in order, then at random
  size_t next_range_ = 0;    // the next run to be made begins there
  int64_t next_row_ = 0;
  double variances_ = 0, norms_ = 0, query_norms_ = 0;                         // sums over all rows
  double per_variance_ = 0, per_norm_ = 0, per_query_norm_ = 0, per_row_ = 0;  // what pi is the sum of
  double passed_ = 0;  // sum of the probabilities of those that were looked at
  double next_ = 0;    // the next row is taken where passed_ reaches this
  std::vector<Row> rows_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_ROW_SAMPLE_H_
