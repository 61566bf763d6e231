#ifndef FAVOR_ATTENTION_AUTO_WAYS_H_
#define FAVOR_ATTENTION_AUTO_WAYS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/attention/auto_glance.h"
#include "favor/attention/call_costs.h"
#include "favor/attention/error_estimate.h"
#include "favor/attention/way_choice.h"

namespace favor::internal {

// The ways that mode auto has for a call, and what they and their rehearsal cost.
class AutoWays {
 public:
  // min_measured_rows: that a verification computes at least.
  AutoWays(const CallCosts& costs, const AttentionInputs& inputs, int64_t min_measured_rows);

  // Numbers of anchors that cost less than exact attention, rising; nothing is known of their errors.
  std::vector<Way> Unknown() const;
  // The same with errors and spreads, from those that a pilot found at some numbers of anchors: by a line through two
  // of them in logarithms.
  std::vector<Way> Known(absl::Span<const int64_t> levels, absl::Span<const ErrorEstimate> errors) const;

  // Rows that verify the answer of so many anchors: as many as cost little beside it or beside exact attention, within
  // bounds.
  int64_t MeasuredRows(int64_t num_anchors) const;

  double MeasureSeconds(int64_t num_rows) const;

  // A glance that takes a small share of exact attention, if there is one; none where the least takes longer than
  // most_seconds.
  struct Glance {
    AutoGlance::Options options;
    double seconds = 0;
  };
  std::optional<Glance> PlanGlance(double most_seconds) const;
  // All ways with the error that a glance found for the cheapest of them: more anchors are not worse.
  std::vector<Way> Glimpsed(const ErrorEstimate& glance) const;

  // Numbers of anchors that a pilot looks at, the first one or the others, and the most rows that are worth while; none
  // where it would take longer than most_seconds.
  struct Pilot {
    std::vector<int64_t> levels;
    int64_t num_rows = 0;
    double seconds = 0;
  };
  Pilot PlanPilot(bool first_only, double most_seconds) const;

  // All numbers of anchors, and the most rows that pilots and measurements take on their own.
  static std::vector<int64_t> Ladder();
  static constexpr int64_t kMostPilotRows = 192, kMostMeasuredRows = 256;
  // So many times as many rows are computed where a measurement says too little.
  static constexpr int64_t kMoreRows = 4;

  static AttentionSpec SpecOf(const Way& way, double scale);

 private:
  void SetError(double error, double spread, double model_spread, int64_t num_rows, Way* way) const;
  double PilotSeconds(const std::vector<int64_t>& levels, int64_t num_rows) const;

  const CallCosts costs_;
  int64_t num_heads_;  // of all sequences
  int64_t num_key_heads_;
  int64_t max_anchors_;
  int64_t min_measured_rows_;
};

// Standard error of the logarithm of an error, from its interval.
double LogSpread(const ErrorEstimate& estimate);

// An upper bound of the error that holds in 97.5% of cases at least.
double UpperBound(const ErrorEstimate& estimate);

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_AUTO_WAYS_H_
