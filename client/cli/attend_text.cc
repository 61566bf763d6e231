#include <algorithm>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/attend_outcome.h"
#include "client/cli/geometry.h"
#include "client/cli/names.h"
#include "client/cli/report_text.h"
#include "client/cli/wrap.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

constexpr size_t kMaxColumns = 8;

std::string DescribeProjection(const client::Projection& projection, const std::string& id) {
  std::string text = NameOfValue(projection.kind);
  if (projection.row_norms != client::RowNorms::kUnspecified) {
    absl::StrAppend(&text, ", ", NameOfValue(projection.row_norms), " norms");
  }
  if (projection.seed) absl::StrAppend(&text, ", seed ", *projection.seed);
  return absl::StrCat(text, ", id ", id);
}

std::string DescribeError(const client::ErrorEstimate& error) {
  return absl::StrFormat("%.4g, 95%% interval %.4g to %.4g, mean of values %.4g", error.relative_error, error.lower,
                         error.upper, error.mean_of_values_error);
}

// By the best that is known of the answer's error.
bool IsWorthless(const client::AttendReport& report) {
  const std::optional<client::ErrorEstimate>& error =
      report.measured_error ? report.measured_error : report.predicted_error;
  return error && error->relative_error > error->mean_of_values_error;
}

void PrintInputs(const AttendOutcome& outcome, std::ostream& out) {
  const auto describe = [](const client::TensorView& tensor) {
    return absl::StrCat(ShapeString(tensor.shape), " ", NameOfValue(tensor.type));
  };
  out << "inputs\n"
      << Line("queries", describe(outcome.inputs.tensors.queries))
      << Line("keys", describe(outcome.inputs.tensors.keys)) << Line("values", describe(outcome.inputs.tensors.values));
  for (const std::string& note : outcome.inputs.notes) out << "  note: " << note << "\n";
}

void PrintOutput(const AttendOutcome& outcome, std::ostream& out) {
  out << "output\n"
      << Line("shape", absl::StrCat(ShapeString(outcome.output_shape), " ", NameOfValue(outcome.result.output.type())));
  if (!outcome.output_file.empty()) out << Line("written to", outcome.output_file);
  int64_t index = 0;
  for (const std::vector<float>& row : outcome.FirstRows()) {
    std::string text;
    const size_t shown = std::min(row.size(), kMaxColumns);
    for (size_t i = 0; i < shown; ++i) absl::StrAppend(&text, absl::StrFormat("%9.5f ", row[i]));
    out << Line(absl::StrCat("row ", index++), absl::StrCat(text, row.size() > shown ? "..." : ""));
  }
}

void PrintReport(const client::AttendReport& report, std::ostream& out) {
  out << "report\n" << Line("attention", DescribeMode(report.spec, report.num_features));
  const auto* features = std::get_if<client::FeatureSpec>(&report.spec.mode);
  if (features != nullptr && !report.projection_id.empty()) {
    out << Line("projection", DescribeProjection(features->projection, report.projection_id));
  }
  if (!report.reason.empty()) out << Line("because", Wrap(report.reason, 18));
  out << Line("degenerate rows", absl::StrCat(report.degenerate_rows));
  if (report.predicted_error) out << Line("predicted error", DescribeError(*report.predicted_error));
  if (report.measured_error) out << Line("measured error", DescribeError(*report.measured_error));
  if (IsWorthless(report)) {
    out << "  note: as far from softmax attention as the mean of the values is: ask for --mode exact or auto,"
           " unless the\n  model was trained with these features\n";
  }
  if (report.error_bound_missed) out << "  note: the error bound was missed\n";
  out << Line("server", absl::StrCat("favord ", report.server_version, " on ", report.cpu_target));
}

void PrintTimes(const AttendOutcome& outcome, std::ostream& out) {
  const client::AttendResult& result = outcome.result;
  out << "time\n"
      << Line("round trip",
              absl::StrCat(Milliseconds(result.round_trip), ", ", Bytes(result.request_bytes), " sent, ",
                           Bytes(result.response_bytes), " received",
                           result.num_attempts > 1 ? absl::StrCat(", attempt ", result.num_attempts) : ""))
      << Line("queue", Milliseconds(result.report.queue_time))
      << Line("compute", Milliseconds(result.report.compute_time))
      << Line("throughput", absl::StrFormat("%.0f queries/s of all heads", outcome.QueriesPerSecond()));
}

void PrintComparison(const AttendOutcome& outcome, std::ostream& out) {
  if (!outcome.comparison) return;
  out << "error against exact softmax attention (relative, over the whole output)\n"
      << Line("this answer", absl::StrFormat("%.4g", outcome.comparison->relative_error))
      << Line("mean of values", absl::StrFormat("%.4g", outcome.comparison->mean_of_values_error))
      << Line("exact took", Milliseconds(outcome.exact_round_trip));
  if (const std::string verdict = Verdict(outcome); !verdict.empty()) out << "  note: " << Wrap(verdict, 8) << "\n";
}

}  // namespace

void PrintText(const AttendOutcome& outcome, std::ostream& out) {
  PrintInputs(outcome, out);
  PrintOutput(outcome, out);
  PrintReport(outcome.result.report, out);
  PrintTimes(outcome, out);
  PrintComparison(outcome, out);
}

}  // namespace favor::cli
