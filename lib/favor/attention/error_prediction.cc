#include "favor/attention/error_prediction.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "favor/attention/error_measurement.h"
#include "favor/attention/head_sample.h"
#include "favor/attention/rows.h"

namespace favor {
namespace {

// Heads that are looked at: more make a mean over heads no better than the prediction of one is.
constexpr int64_t kMaxHeads = 4;

// Ends of the interval by the prediction: 97.5% of the errors of random inputs are between, 91% of trained models'.
constexpr double kBelow = 1 / 3.0, kAbove = 6;
// Beyond this error the denominator of sines and cosines may vanish, and nothing bounds the answer.
constexpr double kVanishing = 0.3;

double NumRows(const AttentionInputs& inputs) {
  int64_t rows = 0;
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) rows += inputs.NumQueries(batch);
  return static_cast<double>(rows * inputs.queries.shape.num_heads);
}

}  // namespace

bool ErrorPrediction::IsPossible(const AttentionSpec& spec) { return CheckMeasurable(spec, kMinMeasuredRows).ok(); }

ErrorPrediction::ErrorPrediction(const AttentionSpec& spec, const AttentionInputs& inputs,
                                 const AttentionReport* report, const Cancellation* cancellation)
    : spec_(spec), inputs_(inputs), report_(report), cancellation_(cancellation) {
  for (const internal::Reader& reader : internal::SpreadReaders(inputs, kMaxHeads)) predictions_.push_back({reader});
}

Phase ErrorPrediction::Plan() {
  return {static_cast<int64_t>(predictions_.size()), 1,
          [this](int64_t chain, int64_t) { return Predict(&predictions_[chain]); }};
}

absl::Status ErrorPrediction::Predict(Prediction* prediction) const {
  if (cancellation_ != nullptr) {
    if (absl::Status status = cancellation_->Check(); !status.ok()) return status;
  }
  const internal::Reader& reader = prediction->reader;
  const auto sample = internal::TakeHeadSample(inputs_, spec_.causal, reader.batch, reader.head);
  if (!sample.ok()) return sample.status();
  const FeatureSpec features = FeaturesThatRun(spec_);
  const Shape& queries = inputs_.queries.shape;
  const double scale = spec_.scale.value_or(DefaultScale(features.kernel, queries.dim));
  const Statistics* statistics = features.statistics.get();
  if (statistics == nullptr && UsesStatistics(features)) statistics = report_->statistics.get();
  const HeadStatistics* own = statistics == nullptr
                                  ? nullptr
                                  : &statistics->heads[reader.head * inputs_.keys.shape.num_heads / queries.num_heads];
  if (UsesAnchors(features) && own == nullptr) return absl::InternalError("there are no anchors");
  prediction->error = UsesAnchors(features)
                          ? internal::ExpectedAnchorError(features, scale, *own, *sample)
                          : internal::ExpectedFeatureError(features, scale, own, report_->num_features, *sample);
  prediction->num_rows = sample->num_queries;
  prediction->num_sampled = sample->queries.rows();
  return absl::OkStatus();
}

std::optional<ErrorEstimate> ErrorPrediction::estimate() const {
  if (predictions_.empty()) return std::nullopt;
  double error = 0, mean_error = 0, norm = 0;
  ErrorEstimate estimate;
  for (const Prediction& prediction : predictions_) {
    error += prediction.num_rows * prediction.error.squared_error;
    mean_error += prediction.num_rows * prediction.error.mean_of_values_error;
    norm += prediction.num_rows * prediction.error.squared_norm;
    estimate.num_rows += prediction.num_sampled;
  }
  estimate.relative_error = internal::RelativeError(error, norm);
  estimate.mean_of_values_error = internal::RelativeError(mean_error, norm);
  // Rows that came out as zeros, which no formula foretells, err by all that they should be.
  const int64_t lost = report_->degenerate_rows - internal::NumRowsWithoutKeys(inputs_);
  if (lost > 0) {
    estimate.relative_error =
        std::hypot(estimate.relative_error, std::sqrt(static_cast<double>(lost) / NumRows(inputs_)));
  }
  // Sums of squares of inputs that are out of all proportion: nothing is known.
  if (!std::isfinite(estimate.relative_error)) estimate.relative_error = std::numeric_limits<double>::infinity();
  if (!std::isfinite(estimate.mean_of_values_error)) {
    estimate.mean_of_values_error = std::numeric_limits<double>::infinity();
  }
  estimate.lower = std::isinf(estimate.relative_error) ? 0 : kBelow * estimate.relative_error;
  estimate.upper = kAbove * estimate.relative_error;
  if (spec_.features.estimator == Estimator::kTrigonometric && (estimate.relative_error > kVanishing || lost > 0)) {
    estimate.upper = std::numeric_limits<double>::infinity();
  }
  return estimate;
}

int64_t ErrorPrediction::Bytes(const AttentionInputs& inputs, int num_threads) {
  const internal::HeadSampleSizes sizes(inputs);
  const int64_t dim = inputs.queries.shape.dim;
  const int64_t matrices = 5 * sizes.keys * sizes.keys + 10 * sizes.queries * sizes.keys + 5 * dim * dim +
                           3 * (sizes.keys + sizes.queries + kMaxAnchors) * dim;
  const int64_t bytes = sizes.Bytes(inputs) + matrices * static_cast<int64_t>(sizeof(double));
  const int64_t num_readers = inputs.queries.shape.batch_size * inputs.queries.shape.num_heads + kMaxHeads;
  return std::min<int64_t>(num_threads, kMaxHeads) * bytes + num_readers * static_cast<int64_t>(sizeof(Prediction));
}

}  // namespace favor
