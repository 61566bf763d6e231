#include "client/cli/report_text.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/names.h"

namespace favor::cli {

std::string Milliseconds(absl::Duration duration) {
  return absl::StrFormat("%.2f ms", absl::ToDoubleMilliseconds(duration));
}

std::string Bytes(int64_t bytes) {
  if (bytes < 10'000) return absl::StrCat(bytes, " bytes");
  if (bytes < 10'000'000) return absl::StrFormat("%.0f kB", bytes / 1e3);
  return absl::StrFormat("%.1f MB", bytes / 1e6);
}

std::string Line(absl::string_view name, absl::string_view value) {
  return absl::StrFormat("  %-16s%s\n", name, value);
}

std::string DescribeMode(const client::AttentionSpec& spec, int64_t num_features) {
  std::string text = "exact softmax";
  if (std::holds_alternative<client::AutoSpec>(spec.mode)) text = "auto";
  if (const auto* features = std::get_if<client::FeatureSpec>(&spec.mode)) {
    text = absl::StrCat("features, ", NameOfValue(features->kernel), " kernel");
    if (features->estimator != client::Estimator::kUnspecified) {
      absl::StrAppend(&text, ", ", NameOfValue(features->estimator), " estimator");
    }
    if (features->nonlinearity != client::Nonlinearity::kUnspecified) {
      absl::StrAppend(&text, ", ", NameOfValue(features->nonlinearity));
    }
    if (num_features > 0) absl::StrAppend(&text, ", ", num_features, " features");
    if (features->num_anchors > 0) absl::StrAppend(&text, ", ", features->num_anchors, " anchors");
    if (features->num_directions > 0) absl::StrAppend(&text, ", ", features->num_directions, " directions");
    if (features->num_fit_rows > 0) absl::StrAppend(&text, ", ", features->num_fit_rows, " fit rows");
    if (features->epsilon_parity) absl::StrAppend(&text, ", epsilon parity");
  }
  absl::StrAppend(&text, spec.causal ? ", causal" : ", bidirectional");
  if (spec.scale) absl::StrAppend(&text, ", scale ", absl::StrFormat("%.6g", *spec.scale));
  return text;
}

}  // namespace favor::cli
