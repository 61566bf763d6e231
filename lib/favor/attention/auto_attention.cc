#include "favor/attention/auto_attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "favor/attention/rows.h"
#include "favor/attention/validate.h"

namespace favor {
namespace {

using internal::AutoWays;
using internal::UpperBound;
using internal::Way;

// Of the rows that are taken. The pilot's and the measurement's must differ.
constexpr uint64_t kPilotSeed = 1, kMeasurementSeed = 2, kAnotherSeed = 1000;
// Another look at an answer: at errors up to so much of the bound, for so much of exact attention.
struct Look {
  double error, seconds;
};
constexpr Look kLooks[] = {{0.97, 0.05}, {0.8, 0.25}};

AttentionSpec ExactSpecOf(const AutoSpec& spec) {
  AttentionSpec exact;
  exact.mode = AttentionMode::kExact;
  exact.causal = spec.causal;
  exact.scale = spec.scale;
  return exact;
}

double ScaleOf(const AutoSpec& spec, const AttentionInputs& inputs) {
  return spec.scale.value_or(DefaultScale(Kernel::kSoftmax, inputs.queries.shape.dim));
}

// A glance may take so much of exact attention, it and the pilots so much, these and the cheapest way so much together.
constexpr double kGlanceShare = 0.02, kPilotShare = 0.05, kWorthWhile = 0.85;
// A way that a glance finds this sure runs without a pilot.
constexpr double kSureEnough = 0.99;
// Errors, beside the bound: of a single anchor, up to which more rows are to tell whether it will do; and that which is
// hoped for of more anchors, beyond which these hardly ever did on trained models, not in one call of twenty.
constexpr double kFirstMayDo = 0.65, kHopeless = 5;

std::string Anchors(int64_t num_anchors) {
  return num_anchors == 1 ? "1 anchor" : absl::StrCat(num_anchors, " anchors");
}

std::string Number(double value) { return absl::StrFormat("%.3g", value); }

}  // namespace

double LeastRelativeError(DataType output) {
  switch (output) {
    case DataType::kFloat16:
      return 0x1p-11;
    case DataType::kBFloat16:
      return 0x1p-8;
    default:
      return 1e-5;
  }
}

absl::Status CheckAutoSpec(const AutoSpec& spec, DataType output) {
  if (!(spec.max_relative_error > 0) || !std::isfinite(spec.max_relative_error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_relative_error is ", spec.max_relative_error, ", must be finite and > 0"));
  }
  if (spec.max_relative_error < LeastRelativeError(output)) {
    return absl::InvalidArgumentError(absl::StrCat("max_relative_error is ", spec.max_relative_error,
                                                   ", must be at least ", LeastRelativeError(output),
                                                   ", by which outputs of this type may be rounded"));
  }
  if (!(spec.budget_seconds > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("time_budget is ", spec.budget_seconds, " s, must be > 0"));
  }
  if (spec.min_measured_rows != 0) return CheckMeasuredRows(spec.min_measured_rows);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<AutoAttention>> AutoAttention::Create(const AutoSpec& spec,
                                                                     const AttentionInputs& inputs,
                                                                     const MutableTensorView& output,
                                                                     const CostModel& cost_model, int num_threads,
                                                                     const Cancellation* cancellation) {
  absl::Status status = CheckAutoSpec(spec, output.type);
  status.Update(internal::ValidateAttention(ExactSpecOf(spec), inputs, output));
  if (!status.ok()) return status;
  return std::unique_ptr<AutoAttention>(new AutoAttention(spec, inputs, output, cost_model, num_threads, cancellation));
}

AutoAttention::AutoAttention(const AutoSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                             const CostModel& cost_model, int num_threads, const Cancellation* cancellation)
    : spec_(spec),
      inputs_(inputs),
      output_(output),
      cancellation_(cancellation),
      costs_(cost_model, inputs, spec.causal),
      choices_(costs_, inputs, spec.min_measured_rows),
      num_threads_(num_threads) {
  terms_ = {spec.max_relative_error, costs_.exact(), 0, spec.budget_seconds * num_threads};
}

AutoAttention::NextStage AutoAttention::NextJob() {
  switch (stage_) {
    case Stage::kStart:
      return Begin();
    case Stage::kGlance:
      return ReadGlance();
    case Stage::kFit:
      stage_ = Stage::kRows;
      return pilot_->PlanRows();
    case Stage::kRows:
      return ReadPilot();
    case Stage::kDraw:
      stage_ = Stage::kMeasure;
      return measurement_->PlanExactRows(cancellation_);
    case Stage::kMeasure:
      return Judge();
    case Stage::kExact:
      return JudgeExact();
    case Stage::kDone:
      return std::nullopt;
  }
  return absl::InternalError("no such stage");
}

AutoAttention::NextStage AutoAttention::Begin() {
  if (spec_.causal) {
    return RunUnseen("exact attention: no approximation of causal softmax attention keeps bounds cheaply");
  }
  const std::vector<Way> ways = choices_.Unknown();
  if (ways.empty()) return RunUnseen("exact attention: nothing else would be faster for a call this short");
  if (ways[0].seconds > Share(kWorthWhile, 1)) {
    return RunUnseen("exact attention: an approximation of this call would hardly be faster");
  }
  const std::optional<AutoWays::Glance> plan = choices_.PlanGlance(Share(kGlanceShare, 0.125));
  if (!plan.has_value()) {
    return RunUnseen("exact attention: for a call this short, finding out whether less would do does not pay");
  }
  stage_ = Stage::kGlance;
  terms_.spent += plan->seconds;
  internal::AutoGlance::Options options = plan->options;
  options.scale = ScaleOf(spec_, inputs_);
  glance_ = std::make_unique<internal::AutoGlance>(options, inputs_, cancellation_);
  return glance_->Plan();
}

AutoAttention::NextStage AutoAttention::ReadGlance() {
  levels_ = {AutoWays::Ladder().front()};
  errors_ = {glance_->estimate()};
  statistics_ = {nullptr};
  ways_ = choices_.Glimpsed(errors_[0]);
  const double hoped_for = errors_[0].relative_error * glance_->clustering();
  glance_ = nullptr;
  const double error = errors_[0].relative_error;
  if (IsFirstSure() || (IsExactWithinBudget() && hoped_for > kHopeless * terms_.bound)) return Choose();
  return BeginPilot(/*first_only=*/error < kFirstMayDo * terms_.bound);
}

bool AutoAttention::IsFirstSure() const {
  const Way* way = internal::ChooseWay(ways_, terms_);
  return way != nullptr && internal::ChanceOf(*way, terms_.bound) >= kSureEnough;
}

// Where a pilot does not pay, what is known has to do.
AutoAttention::NextStage AutoAttention::BeginPilot(bool first_only) {
  const AutoWays::Pilot plan = choices_.PlanPilot(first_only, Share(kPilotShare, 0.5) - terms_.spent);
  const double cheapest = terms_.spent + plan.seconds + ways_[0].seconds;
  if (plan.levels.empty() || cheapest > Share(kWorthWhile, 1)) {
    return Choose();
  }
  stage_ = Stage::kFit;
  terms_.spent += plan.seconds;
  levels_ = plan.levels;
  pilot_ = std::make_unique<internal::AutoPilot>(
      internal::AutoPilot::Options{ScaleOf(spec_, inputs_), plan.levels, plan.num_rows, kPilotSeed}, inputs_,
      cancellation_);
  return pilot_->PlanFit();
}

AutoAttention::NextStage AutoAttention::ReadPilot() {
  const bool had_first_only = levels_.size() == 1 && levels_[0] == AutoWays::Ladder().front();
  errors_ = pilot_->errors();
  ways_ = choices_.Known(levels_, errors_);
  statistics_.clear();
  for (size_t level = 0; level < levels_.size(); ++level) statistics_.push_back(pilot_->statistics(level));
  pilot_ = nullptr;
  return had_first_only && !IsFirstSure() ? BeginPilot(/*first_only=*/false) : Choose();
}

// The numbers of anchors of the pilot and how wrong they would be: "1 anchor by 0.31, 4 anchors by 0.12".
std::string AutoAttention::Foretold() const {
  std::string text;
  for (size_t level = 0; level < levels_.size(); ++level) {
    absl::StrAppend(&text, level == 0 ? "" : ", ", Anchors(levels_[level]), " by ",
                    Number(errors_[level].relative_error));
  }
  return text;
}

AutoAttention::NextStage AutoAttention::Choose() {
  const Way* way = internal::ChooseWay(ways_, terms_);
  if (way != nullptr) return RunWay(*way);
  if (!IsExactWithinBudget()) return Miss();
  return RunExact(absl::StrCat("exact attention: to keep ", Number(terms_.bound),
                               " by anything less is not expected to be faster (sampled rows: ", Foretold(), ")"));
}

AutoAttention::NextStage AutoAttention::RunWay(const Way& way) {
  AttentionSpec spec = AutoWays::SpecOf(way, ScaleOf(spec_, inputs_));
  for (size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level] == way.num_anchors) spec.features.statistics = statistics_[level];
  }
  auto measurement = ErrorMeasurement::Create(spec, inputs_, output_, choices_.MeasuredRows(way.num_anchors),
                                              kMeasurementSeed + static_cast<uint64_t>(outcome_.num_escalations));
  if (!measurement.ok()) return measurement.status();
  measurement_ = *std::move(measurement);
  report_.row_moments = measurement_->row_moments();
  absl::StatusOr<Job> job = PlanAttention(spec, inputs_, output_, cancellation_, &report_);
  if (!job.ok()) return job.status();
  measurement_->AddDraw(&*job);
  stage_ = Stage::kDraw;
  has_looked_again_ = false;
  running_ = way;
  terms_.spent += way.seconds;
  outcome_.spec = spec;
  if (!errors_.empty()) outcome_.predicted = PredictionOf(way);
  return *std::move(job);
}

// Of a number of anchors that the pilot did not look at: what it found beside, moved to the expected error.
ErrorEstimate AutoAttention::PredictionOf(const Way& way) const {
  size_t nearest = 0;
  for (size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level] <= way.num_anchors) nearest = level;
  }
  ErrorEstimate estimate = errors_[nearest];
  if (!(estimate.relative_error > 0)) return estimate;
  const double factor = way.error / estimate.relative_error;
  for (double* value : {&estimate.relative_error, &estimate.lower, &estimate.upper}) *value *= factor;
  return estimate;
}

// An error that is probably below the bound, which the interval is too wide to tell: more rows cost less than another
// way.
bool AutoAttention::IsWorthAnotherLook(const ErrorEstimate& measured) const {
  if (has_looked_again_ || UpperBound(measured) <= terms_.bound) return false;
  const double seconds = choices_.MeasureSeconds(AutoWays::kMoreRows * measured.num_rows);
  return absl::c_any_of(kLooks, [&](const Look& look) {
    return measured.relative_error <= look.error * terms_.bound && seconds <= look.seconds * terms_.exact;
  });
}

AutoAttention::NextStage AutoAttention::LookAgain() {
  has_looked_again_ = true;
  const int64_t num_rows = AutoWays::kMoreRows * measurement_->estimate().num_rows;
  measurement_->StartAgain(num_rows, kAnotherSeed + static_cast<uint64_t>(outcome_.num_escalations));
  terms_.spent += choices_.MeasureSeconds(num_rows);
  Job job;
  measurement_->AddDraw(&job);
  stage_ = Stage::kDraw;
  return job;
}

AutoAttention::NextStage AutoAttention::Judge() {
  const ErrorEstimate measured = measurement_->estimate();
  if (IsWorthAnotherLook(measured)) return LookAgain();
  measurement_ = nullptr;
  report_.row_moments = nullptr;
  outcome_.measured = measured;
  if (report_.statistics == nullptr) report_.statistics = outcome_.spec.features.statistics;
  const std::string what = absl::StrCat(Anchors(running_->num_anchors), ": measured error ",
                                        Number(measured.relative_error), ", at most ", Number(UpperBound(measured)));
  if (UpperBound(measured) <= terms_.bound) {
    outcome_.missed = false;
    outcome_.reason = absl::StrFormat("%s, within %s, in some %.2g%% of the time of exact attention", what,
                                      Number(terms_.bound), 100 * terms_.spent / terms_.exact);
    stage_ = Stage::kDone;
    return std::nullopt;
  }
  // What is left is foretold from what this one turned out to be.
  const bool was_foretold = running_->error > 0 && std::isfinite(running_->error);
  const double factor = was_foretold ? measured.relative_error / running_->error : 1;
  std::vector<Way> left;
  for (Way way : ways_) {
    if (way.num_anchors <= running_->num_anchors) continue;
    way.error *= factor;
    left.push_back(way);
  }
  ways_ = std::move(left);
  const Way* way = internal::ChooseWay(ways_, terms_);
  if (way == nullptr && !IsExactWithinBudget()) return Miss();
  ++outcome_.num_escalations;
  if (way != nullptr) return RunWay(*way);
  return RunExact(absl::StrCat("exact attention after ", what, ", beyond ", Number(terms_.bound)));
}

// Without a look at the inputs.
AutoAttention::NextStage AutoAttention::RunUnseen(std::string reason) {
  if (IsExactWithinBudget()) return RunExact(std::move(reason));
  if (!spec_.causal) ways_ = choices_.Unknown();
  return Miss();
}

AutoAttention::NextStage AutoAttention::RunExact(std::string reason) {
  report_.row_moments = nullptr;
  absl::StatusOr<Job> job = PlanAttention(ExactSpecOf(spec_), inputs_, output_, cancellation_, &report_);
  if (!job.ok()) return job.status();
  stage_ = Stage::kExact;
  terms_.spent += terms_.exact;
  outcome_.spec = ExactSpecOf(spec_);
  outcome_.spec.scale = ScaleOf(spec_, inputs_);
  outcome_.measured = std::nullopt;
  outcome_.reason = std::move(reason);
  return *std::move(job);
}

// Exact attention errs only where an answer has no place in float32 or in the type of the output.
AutoAttention::NextStage AutoAttention::JudgeExact() {
  stage_ = Stage::kDone;
  const int64_t lost = report_.degenerate_rows - internal::NumRowsWithoutKeys(inputs_);
  if (lost == 0) return std::nullopt;
  const std::string what =
      absl::StrCat("of exact attention ", lost, " rows overflow and are zero: values of 1e29 or more, or more than ",
                   "output_type holds");
  if (!spec_.answer_when_missed) return absl::FailedPreconditionError(what);
  outcome_.missed = true;
  outcome_.reason = what;
  return std::nullopt;
}

// The bound is not expected to be met within the budget, or was measured not to be.
AutoAttention::NextStage AutoAttention::Miss() {
  const Way* best = internal::BestWithinBudget(ways_, terms_);
  const bool has_answer = outcome_.measured.has_value();
  if (spec_.answer_when_missed) {
    outcome_.missed = true;
    outcome_.reason = absl::StrFormat("the bound %s cannot be kept within time_budget", Number(terms_.bound));
    if (has_answer) {
      stage_ = Stage::kDone;
      return std::nullopt;
    }
    if (best != nullptr) return RunWay(*best);
  }
  const std::string reachable =
      has_answer        ? absl::StrCat("an error of ", Number(outcome_.measured->relative_error), " was measured")
      : best == nullptr ? "nothing is expected to be done"
      : std::isinf(best->error) ? "an error that is not known is to be had"
                                : absl::StrCat("an error of ", Number(best->error), " is the least expected");
  return absl::FailedPreconditionError(absl::StrFormat(
      "max_relative_error is %s, within time_budget, %.3g s, %s; exact attention is expected to take %.3g s",
      Number(terms_.bound), spec_.budget_seconds, reachable, terms_.exact / num_threads_));
}

int64_t AutoAttention::Bytes() const {
  int64_t bytes = AttentionScratchBytes(ExactSpecOf(spec_), inputs_, num_threads_);
  const std::vector<Way> ways = spec_.causal ? std::vector<Way>() : choices_.Unknown();
  if (ways.empty()) return bytes;
  const double scale = ScaleOf(spec_, inputs_);
  const int64_t rows = AutoWays::kMoreRows * std::max(AutoWays::kMostMeasuredRows, spec_.min_measured_rows);
  for (const Way& way : ways) {
    const AttentionSpec spec = AutoWays::SpecOf(way, scale);
    bytes = std::max(bytes, AttentionScratchBytes(spec, inputs_, num_threads_) +
                                ErrorMeasurement::Bytes(spec, inputs_, rows, num_threads_));
  }
  bytes = std::max(bytes, internal::AutoGlance::Bytes({}, inputs_, num_threads_));
  const internal::AutoPilot::Options pilot{scale, AutoWays::Ladder(), AutoWays::kMostPilotRows, kPilotSeed};
  return std::max(bytes, internal::AutoPilot::Bytes(pilot, inputs_, num_threads_));
}

}  // namespace favor
