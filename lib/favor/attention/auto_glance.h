#ifndef FAVOR_ATTENTION_AUTO_GLANCE_H_
#define FAVOR_ATTENTION_AUTO_GLANCE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_estimate.h"
#include "favor/attention/sampled_rows.h"
#include "favor/attention/spread_rows.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor::internal {

// A first idea of how wrong first-order softmax about one anchor, the mean of the queries, would be in a bidirectional
// call: some rows of some heads, with a sample of the keys in the place of all. It takes microseconds where a pilot
// takes a share of exact attention, and errs by what the sample of keys leaves out: a key that all queries look at,
// noise of the values that all keys together would have averaged. Thread-compatible.
class AutoGlance {
 public:
  struct Options {
    double scale = 1;
    int64_t num_heads = 8;  // of all sequences
    int64_t num_rows = 16;  // of each of them
    int64_t num_keys = 256;
  };

  // What is behind `inputs`, which are valid, and `cancellation` must outlive the job.
  AutoGlance(const Options& options, const AttentionInputs& inputs, const Cancellation* cancellation);

  // Upper bound of the memory it takes, in bytes.
  static int64_t Bytes(const Options& options, const AttentionInputs& inputs, int num_threads);

  // InvalidArgumentError for a row it takes that is not finite, ResourceExhaustedError when there is no memory.
  Job Plan();
  // Valid when that job has ended.
  const ErrorEstimate& estimate() const { return estimate_; }
  // How far queries are from the nearest of a few among them, by how far they are from their mean (both squared, 1 at
  // most): to that the error is about proportional, so it tells what more anchors might come to.
  double clustering() const { return clustering_; }

 private:
  struct Scratch;

  absl::Status Look(int64_t index);
  absl::Status Pack(const Reader& reader, const Scratch& scratch) const;
  double Clustering(const Scratch& scratch) const;

  const Options options_;
  const AttentionInputs inputs_;
  const Cancellation* const cancellation_;
  const int64_t group_;                         // query heads of a key head
  const SampledRows means_;                     // queries whose mean is the anchor
  std::vector<Reader> readers_;                 // heads that are looked at
  std::vector<std::vector<MeasuredRow>> rows_;  // [reader]
  std::vector<double> clusterings_;             // [reader]
  ErrorEstimate estimate_;
  double clustering_ = 1;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_AUTO_GLANCE_H_
