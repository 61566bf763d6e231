#include "favor/attention/auto_ways.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "favor/attention/auto_pilot.h"
#include "favor/attention/error_measurement.h"

namespace favor::internal {
namespace {

// A glance looks at the first number of anchors, a pilot at the second and every other after it; what lies between is
// interpolated.
constexpr int64_t kLadder[] = {1, 2, 4, 8, 16, 32, 64};
// Anchors need some queries each to be the centres of.
constexpr int64_t kQueriesPerAnchor = 4;
// Noting what is known of every row costs some percent.
constexpr double kMoments = 1.05;
// The factor of EstimateError() for skewed logarithms, and what takes its place in an upper bound.
constexpr double kSkew = 1.15, kOneSided = 1.3;
// What a prediction may be wrong by beside its sampling: interpolation, the sample that anchors are fitted to.
constexpr double kModelSpread = 0.08;
// What a glance may be wrong by beside its sampling of rows: half of that is its sample of keys.
constexpr double kGlanceSpread = 0.3;

}  // namespace

AutoWays::AutoWays(const CallCosts& costs, const AttentionInputs& inputs, int64_t min_measured_rows)
    : costs_(costs),
      num_heads_(inputs.queries.shape.batch_size * inputs.queries.shape.num_heads),
      num_key_heads_(inputs.keys.shape.num_heads),
      min_measured_rows_(min_measured_rows) {
  int64_t queries = 0;
  for (int64_t batch = 0; batch < inputs.queries.shape.batch_size; ++batch) {
    queries += inputs.NumQueries(batch);
  }
  max_anchors_ = queries / kQueriesPerAnchor;
}

int64_t AutoWays::MeasuredRows(int64_t num_anchors) const {
  constexpr int64_t kLeast = 32;
  int64_t rows = kMostMeasuredRows;
  constexpr double kShareOfWay = 0.1, kShareOfExact = 0.01;
  const double enough = std::max(kShareOfWay * costs_.Anchors(num_anchors), kShareOfExact * costs_.exact());
  while (rows > kLeast && MeasureSeconds(rows) > enough) rows /= 2;
  return std::max(rows, min_measured_rows_);
}

std::optional<AutoWays::Glance> AutoWays::PlanGlance(double most_seconds) const {
  constexpr int64_t kLeastHeads = 2, kLeastRows = 8, kLeastKeys = 128;
  constexpr double kShareOfExact = 0.01;
  Glance glance;
  AutoGlance::Options& options = glance.options;
  options.num_heads = std::min(num_heads_, options.num_heads);
  const auto seconds = [&] { return costs_.Glance(options.num_heads, options.num_rows, options.num_keys); };
  const double enough = std::min(most_seconds, kShareOfExact * costs_.exact());
  while (seconds() > enough) {
    if (options.num_keys > kLeastKeys) {
      options.num_keys /= 2;
    } else if (options.num_rows > kLeastRows) {
      options.num_rows /= 2;
    } else if (options.num_heads > kLeastHeads) {
      options.num_heads /= 2;
    } else {
      break;
    }
  }
  glance.seconds = seconds();
  if (glance.seconds > most_seconds) return std::nullopt;
  return glance;
}

std::vector<Way> AutoWays::Glimpsed(const ErrorEstimate& glance) const {
  std::vector<Way> ways = Unknown();
  for (Way& way : ways) SetError(glance.relative_error, LogSpread(glance), kGlanceSpread, glance.num_rows, &way);
  return ways;
}

// A row of zeros in every head that has a row.
double AutoWays::MeasureSeconds(int64_t num_rows) const {
  const double heads = static_cast<double>(std::min(num_rows, num_heads_));
  return costs_.Rows(heads, static_cast<double>(num_rows) / heads + 1) + costs_.overhead();
}

std::vector<Way> AutoWays::Unknown() const {
  std::vector<Way> ways;
  for (const int64_t anchors : kLadder) {
    Way way;
    way.num_anchors = anchors;
    way.seconds = kMoments * costs_.Anchors(anchors) + MeasureSeconds(MeasuredRows(anchors));
    way.error = std::numeric_limits<double>::infinity();
    if (anchors > std::max<int64_t>(max_anchors_, 1) || way.seconds >= costs_.exact()) break;
    ways.push_back(way);
  }
  return ways;
}

// spread: of the logarithm of an error found on num_rows rows; model_spread: what else it may be wrong by.
void AutoWays::SetError(double error, double spread, double model_spread, int64_t num_rows, Way* way) const {
  // Measured on more rows, the spread is less.
  const int64_t measured_rows = MeasuredRows(way->num_anchors);
  const double of_measurement = spread * std::sqrt(static_cast<double>(num_rows) / static_cast<double>(measured_rows));
  way->error = error;
  way->margin = kOneSided * StudentT95(measured_rows - 1) * of_measurement;
  way->spread = std::sqrt(spread * spread + of_measurement * of_measurement + model_spread * model_spread);
}

std::vector<Way> AutoWays::Known(absl::Span<const int64_t> levels, absl::Span<const ErrorEstimate> errors) const {
  std::vector<Way> ways;
  for (Way way : Unknown()) {
    if (way.num_anchors < levels.front()) continue;
    const double at = std::log(static_cast<double>(way.num_anchors));
    size_t right = 0;
    while (right + 1 < levels.size() && levels[right] < way.num_anchors) ++right;
    size_t left = right;
    while (left > 0 && levels[left] > way.num_anchors) --left;
    if (left == right && levels[left] < way.num_anchors && left > 0) --left;  // beyond the last: on the same line
    const auto log_of = [](double value) { return std::log(std::max(value, 1e-30)); };
    double error = log_of(errors[left].relative_error), spread = LogSpread(errors[left]);
    if (left != right) {
      const double from = std::log(static_cast<double>(levels[left]));
      const double t = (at - from) / (std::log(static_cast<double>(levels[right])) - from);
      error += t * (log_of(errors[right].relative_error) - error);
      spread = std::max(spread, LogSpread(errors[right]));
    }
    SetError(std::exp(error), spread, kModelSpread, errors[left].num_rows, &way);
    ways.push_back(way);
  }
  return ways;
}

double AutoWays::PilotSeconds(const std::vector<int64_t>& levels, int64_t num_rows) const {
  const auto heads = static_cast<double>(std::min(num_rows, num_heads_));
  const double rows = static_cast<double>(num_rows) / heads;
  double queries = 1 + rows;
  int64_t anchors = 0;
  for (const int64_t level : levels) {
    queries += rows + std::min(static_cast<double>(level), rows);
    anchors += level;
  }
  // Candidates among the queries cost about what a mean does.
  const double fit = costs_.Fit(anchors) + costs_.Fit(1);
  return static_cast<double>(num_key_heads_) * fit +
         costs_.Rows(heads, queries, static_cast<double>(AutoPilot::kMostKeys)) + 3 * costs_.overhead();
}

AutoWays::Pilot AutoWays::PlanPilot(bool first_only, double most_seconds) const {
  constexpr int64_t kLeast = 24;
  constexpr double kShareOfWay = 0.25, kShareOfExact = 0.03;  // that a pilot may take if it can do with it
  Pilot pilot;
  const std::vector<Way> ways = Unknown();
  for (size_t i = first_only ? 0 : 1; i < ways.size(); i += 2) {
    pilot.levels.push_back(ways[i].num_anchors);
    if (first_only) break;
  }
  if (pilot.levels.empty()) return {};
  const double way = ways[first_only ? 0 : std::min<size_t>(ways.size() - 1, 3)].seconds;
  const double enough = std::min(most_seconds, std::max(kShareOfWay * way, kShareOfExact * costs_.exact()));
  const auto seconds = [&] { return PilotSeconds(pilot.levels, pilot.num_rows); };
  pilot.num_rows = kMostPilotRows;
  while (pilot.num_rows > kLeast && seconds() > enough) pilot.num_rows /= 2;
  while (pilot.levels.size() > 1 && seconds() > most_seconds) pilot.levels.pop_back();
  pilot.seconds = seconds();
  return pilot.seconds > most_seconds ? Pilot() : pilot;
}

std::vector<int64_t> AutoWays::Ladder() { return {std::begin(kLadder), std::end(kLadder)}; }

AttentionSpec AutoWays::SpecOf(const Way& way, double scale) {
  AttentionSpec spec;
  spec.scale = scale;
  spec.mode = AttentionMode::kFeatures;
  spec.features.estimator = Estimator::kAnchors;
  spec.features.num_anchors = way.num_anchors;
  return spec;
}

double LogSpread(const ErrorEstimate& estimate) {
  if (!(estimate.upper > estimate.relative_error) || !(estimate.relative_error > 0)) return 0;
  const double half = std::log(estimate.upper / estimate.relative_error);
  return half / (kSkew * StudentT95(std::max<int64_t>(estimate.num_rows - 1, 1)));
}

double UpperBound(const ErrorEstimate& estimate) {
  if (!(estimate.upper > estimate.relative_error) || !(estimate.relative_error > 0)) return estimate.upper;
  return estimate.relative_error * std::pow(estimate.upper / estimate.relative_error, kOneSided / kSkew);
}

}  // namespace favor::internal
