#ifndef FAVOR_ATTENTION_ERROR_PREDICTION_H_
#define FAVOR_ATTENTION_ERROR_PREDICTION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "favor/attention/attention.h"
#include "favor/attention/error_estimate.h"
#include "favor/attention/head_error.h"
#include "favor/attention/spread_rows.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

// Foretells how far an approximate call is from exact softmax attention, from the norms and logits of a few of its
// rows: no row is computed exactly, and the call's own answer is not looked at. Costs a hundredth of a call of 1,000
// tokens or more. Its interval, a factor of 3 below and of 6 above, holds nine of ten errors (docs/accuracy_notes.md):
// good to see that an approximation is hopeless, or beyond doubt. To know the error there is ErrorMeasurement.
// Thread-compatible.
class ErrorPrediction {
 public:
  // Whether the call approximates exact softmax attention.
  static bool IsPossible(const AttentionSpec& spec);

  // `report`: what the call with this spec and these inputs fills in. All that is behind the arguments must outlive the
  // phase.
  ErrorPrediction(const AttentionSpec& spec, const AttentionInputs& inputs, const AttentionReport* report,
                  const Cancellation* cancellation);

  // To run behind all phases of the call.
  Phase Plan();
  // Once it has run. Empty where no row has a key.
  std::optional<ErrorEstimate> estimate() const;

  // Upper bound of the memory it takes, in bytes.
  static int64_t Bytes(const AttentionInputs& inputs, int num_threads);

 private:
  // Of one head.
  struct Prediction {
    internal::Reader reader;
    double num_rows = 0;  // it stands for
    int64_t num_sampled = 0;
    internal::HeadError error = {};
  };
  absl::Status Predict(Prediction* prediction) const;

  const AttentionSpec spec_;
  const AttentionInputs inputs_;
  const AttentionReport* const report_;
  const Cancellation* const cancellation_;
  std::vector<Prediction> predictions_;
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_ERROR_PREDICTION_H_
