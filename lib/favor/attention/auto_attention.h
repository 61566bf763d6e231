#ifndef FAVOR_ATTENTION_AUTO_ATTENTION_H_
#define FAVOR_ATTENTION_AUTO_ATTENTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/attention.h"
#include "favor/attention/auto_glance.h"
#include "favor/attention/auto_pilot.h"
#include "favor/attention/auto_spec.h"
#include "favor/attention/auto_ways.h"
#include "favor/attention/call_costs.h"
#include "favor/attention/cost_model.h"
#include "favor/attention/error_estimate.h"
#include "favor/attention/error_measurement.h"
#include "favor/attention/way_choice.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"

namespace favor {

// Attention by whatever is expected to be the fastest way to keep a bound on the error: first-order softmax about some
// number of anchors, or exact attention. In stages, each of them a job for a pool, one after the other:
//   1. short calls, causal ones and those whose approximation would not pay go to exact attention at once;
//   2. else a glance at a sample of rows and keys tells how wrong a single anchor would be (auto_glance.h);
//   3. unless that is surely little enough, or out of reach, pilots compute some rows, exactly and as each number of
//      anchors would answer them (auto_pilot.h), if the call is long enough for that to pay;
//   4. the way that is expected to take least runs (way_choice.h), or exact attention;
//   5. its error is measured on other rows. If the upper end of the interval is beyond the bound, a dearer way follows,
//      or exact attention.
// What is decided depends on the inputs and on the cost model alone: not on load, nor on the number of threads unless
// there is a budget.
//
//   while (true) {
//     job = attention->NextJob();   // a Status: the call failed; nullopt: the output is there
//     run it
//   }
// Thread-compatible.
class AutoAttention {
 public:
  // The inputs, without a projection, the output, what is behind them and `cancellation` (may be null) must outlive the
  // jobs. Errors are those of PlanAttention and CheckAutoSpec. num_threads: of the pool, for the budget.
  static absl::StatusOr<std::unique_ptr<AutoAttention>> Create(const AutoSpec& spec, const AttentionInputs& inputs,
                                                               const MutableTensorView& output,
                                                               const CostModel& cost_model, int num_threads,
                                                               const Cancellation* cancellation);

  // Upper bound of the memory that the stages take, in bytes, the jobs' scratch included. Before the first of them.
  int64_t Bytes() const;

  // The next job, once the one before has ended OK; nullopt when there is none. FailedPreconditionError where the bound
  // cannot be met within the budget, with the best that can.
  absl::StatusOr<std::optional<Job>> NextJob();

  // Whether the job that NextJob() gave last is exact attention of all rows.
  bool is_exact_running() const { return stage_ == Stage::kExact; }
  // Valid when there is no job left.
  const AutoOutcome& outcome() const { return outcome_; }
  const AttentionReport& report() const { return report_; }

 private:
  enum class Stage : uint8_t { kStart, kGlance, kFit, kRows, kDraw, kMeasure, kExact, kDone };
  using NextStage = absl::StatusOr<std::optional<Job>>;

  AutoAttention(const AutoSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                const CostModel& cost_model, int num_threads, const Cancellation* cancellation);
  NextStage Begin();
  NextStage ReadGlance();
  bool IsFirstSure() const;
  NextStage BeginPilot(bool first_only);
  NextStage ReadPilot();
  NextStage Choose();
  NextStage RunWay(const internal::Way& way);
  NextStage Judge();
  bool IsWorthAnotherLook(const ErrorEstimate& measured) const;
  NextStage LookAgain();
  NextStage RunUnseen(std::string reason);
  NextStage RunExact(std::string reason);
  NextStage JudgeExact();
  NextStage Miss();
  ErrorEstimate PredictionOf(const internal::Way& way) const;
  std::string Foretold() const;
  // Seconds that a stage may take: of exact attention, or of the budget where that does not allow exact attention.
  double Share(double of_exact, double of_budget) const {
    return IsExactWithinBudget() ? of_exact * terms_.exact : of_budget * terms_.budget;
  }
  bool IsExactWithinBudget() const { return terms_.spent + terms_.exact <= terms_.budget; }

  const AutoSpec spec_;
  const AttentionInputs inputs_;
  const MutableTensorView output_;
  const Cancellation* const cancellation_;
  const internal::CallCosts costs_;
  const internal::AutoWays choices_;
  const int num_threads_;  // that share the budget
  internal::Terms terms_;
  Stage stage_ = Stage::kStart;
  std::unique_ptr<internal::AutoGlance> glance_;               // while it is under way
  std::unique_ptr<internal::AutoPilot> pilot_;                 // while it is under way
  std::vector<int64_t> levels_;                                // numbers of anchors that it looked at
  std::vector<ErrorEstimate> errors_;                          // and what it found
  std::vector<std::shared_ptr<const Statistics>> statistics_;  // that it measured
  std::vector<internal::Way> ways_;                            // that are left
  std::optional<internal::Way> running_;
  std::unique_ptr<ErrorMeasurement> measurement_;
  bool has_looked_again_ = false;  // at the answer of the way that ran last
  AttentionReport report_;
  AutoOutcome outcome_;
};

}  // namespace favor

#endif  // FAVOR_ATTENTION_AUTO_ATTENTION_H_
