#include "client/cli/attend_outcome.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "client/cli/geometry.h"
#include "client/cli/names.h"
#include "client/cli/statistics_file.h"

namespace favor::cli {
namespace {

Json ErrorToJson(const client::ErrorEstimate& error) {
  return {{"relative_error", error.relative_error},
          {"lower", error.lower},
          {"upper", error.upper},
          {"mean_of_values_error", error.mean_of_values_error},
          {"num_rows", error.num_rows}};
}

Json ReportToJson(const client::AttendReport& report) {
  Json json = {{"spec", SpecToJson(report.spec)},
               {"projection_id", report.projection_id},
               {"num_features", report.num_features},
               {"degenerate_rows", report.degenerate_rows},
               {"queue_seconds", absl::ToDoubleSeconds(report.queue_time)},
               {"compute_seconds", absl::ToDoubleSeconds(report.compute_time)},
               {"server_version", report.server_version},
               {"cpu_target", report.cpu_target}};
  if (report.statistics) json["statistics"] = StatisticsToJson(*report.statistics);
  if (report.predicted_error) json["predicted_error"] = ErrorToJson(*report.predicted_error);
  if (report.measured_error) json["measured_error"] = ErrorToJson(*report.measured_error);
  if (report.error_bound_missed) json["error_bound_missed"] = true;
  if (!report.reason.empty()) json["reason"] = report.reason;
  return json;
}

Json OutputToJson(const AttendOutcome& outcome) {
  const client::Tensor& output = outcome.result.output;
  Json json = {{"shape", outcome.output_shape}, {"data_type", NameOfValue(output.type())}};
  if (!outcome.output_file.empty()) json["file"] = outcome.output_file;
  json["first_rows"] = Json::array();
  for (const std::vector<float>& row : outcome.FirstRows()) json["first_rows"].push_back(row);
  return json;
}

}  // namespace

std::vector<std::vector<float>> AttendOutcome::FirstRows() const {
  const client::Tensor& output = result.output;
  const int64_t dim = output.shape().empty() ? 0 : output.shape().back();
  if (dim == 0) return {};
  const int64_t num_rows = std::min(excerpt_rows, output.num_elements() / dim);
  client::TensorView first = output.view();
  first.bytes = first.bytes.first(num_rows * dim * SizeOf(output.type()));
  const std::vector<float> values = client::ToFloat32(first);
  std::vector<std::vector<float>> rows;
  for (int64_t row = 0; row < num_rows; ++row) {
    rows.emplace_back(values.begin() + row * dim, values.begin() + (row + 1) * dim);
  }
  return rows;
}

double AttendOutcome::QueriesPerSecond() const {
  const Geometry geometry = GeometryOf(inputs.tensors.queries.shape, result.report.spec.layout);
  const double seconds = absl::ToDoubleSeconds(result.round_trip);
  return seconds > 0 ? static_cast<double>(geometry.batch_size * geometry.length) / seconds : 0;
}

std::string Verdict(const AttendOutcome& outcome) {
  if (!outcome.comparison) return "";
  const Comparison& comparison = *outcome.comparison;
  const auto* features = std::get_if<client::FeatureSpec>(&outcome.result.report.spec.mode);
  if (features != nullptr && features->kernel != client::Kernel::kSoftmax &&
      features->kernel != client::Kernel::kUnspecified) {
    return absl::StrFormat("the %s kernel defines an attention of its own: this is its distance from softmax, no error",
                           NameOfValue(features->kernel));
  }
  if (comparison.relative_error >= comparison.mean_of_values_error) {
    return "the answer is no better than the mean of the values: these inputs need more features, another estimator, "
           "a model trained with these features, or --mode exact";
  }
  return "";
}

Json ToJson(const AttendOutcome& outcome) {
  const client::AttendResult& result = outcome.result;
  Json json = {{"output", OutputToJson(outcome)},
               {"report", ReportToJson(result.report)},
               {"round_trip_seconds", absl::ToDoubleSeconds(result.round_trip)},
               {"queries_per_second", outcome.QueriesPerSecond()},
               {"request_bytes", result.request_bytes},
               {"response_bytes", result.response_bytes},
               {"attempts", result.num_attempts}};
  if (outcome.comparison) {
    const Comparison& comparison = *outcome.comparison;
    json["comparison"] = {{"relative_error", comparison.relative_error},
                          {"mean_of_values_error", comparison.mean_of_values_error},
                          {"better_than_mean_of_values", comparison.relative_error < comparison.mean_of_values_error},
                          {"exact_round_trip_seconds", absl::ToDoubleSeconds(outcome.exact_round_trip)}};
    if (const std::string verdict = Verdict(outcome); !verdict.empty()) json["comparison"]["note"] = verdict;
  }
  if (!outcome.inputs.notes.empty()) json["notes"] = outcome.inputs.notes;
  return json;
}

}  // namespace favor::cli
