#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/embed_inputs.h"
#include "client/cli/embed_outcome.h"
#include "client/cli/report_text.h"

namespace favor::cli {
namespace {

constexpr size_t kShownCoordinates = 4;
constexpr int64_t kShownVectors = 8;  // of an input that has one for each token

std::string Coordinates(absl::Span<const float> vector) {
  std::string text;
  double squares = 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    if (i < kShownCoordinates) absl::StrAppendFormat(&text, "%9.4f", vector[i]);
    squares += static_cast<double>(vector[i]) * vector[i];
  }
  if (vector.size() > kShownCoordinates) absl::StrAppend(&text, " ...");
  return absl::StrFormat("%9.4f %s", std::sqrt(squares), text);
}

// "7", "512 of 900", "900 in 2 windows"
std::string TokenCount(const client::EmbedResult& result) {
  std::string text = absl::StrCat(result.num_tokens_used);
  if (result.num_tokens_used != result.num_tokens) absl::StrAppend(&text, " of ", result.num_tokens);
  if (result.num_windows > 1) absl::StrAppend(&text, " in ", result.num_windows, " windows");
  return text;
}

void PrintEntry(const EmbedOutcome& outcome, size_t i, std::ostream& out) {
  const client::EmbedResult& result = outcome.embeddings.results[i];
  PrintResult(static_cast<int64_t>(i), outcome.inputs[i], result, out);
  if (outcome.nearest.empty() || !result.status.ok()) return;
  for (const Neighbour& it : outcome.nearest[i]) {
    out << absl::StrFormat("          %7.4f  %d  %s\n", it.cosine, it.index, Describe(outcome.inputs[it.index]));
  }
}

int64_t NumFeatures(const client::AttentionSpec& spec) {
  const auto* features = std::get_if<client::FeatureSpec>(&spec.mode);
  return features == nullptr ? 0 : features->num_features.value_or(0);
}

}  // namespace

void PrintResult(int64_t index, const client::EmbedInput& input, const client::EmbedResult& result, std::ostream& out) {
  out << absl::StrFormat("%6d  %s, ", index, Describe(input));
  if (!result.status.ok()) {
    out << absl::StatusCodeToString(result.status.code()) << "\n";
    return;
  }
  out << TokenCount(result) << (result.num_tokens == 1 ? " token\n" : " tokens\n");
  for (int64_t row = 0; row < std::min(result.num_vectors, kShownVectors); ++row) {
    out << "        " << Coordinates(result.vector(row)) << "\n";
  }
  if (result.num_vectors > kShownVectors) {
    out << "        and " << result.num_vectors - kShownVectors << " more vectors\n";
  }
}

void PrintText(const EmbedOutcome& outcome, std::ostream& out) {
  const client::Embeddings& embeddings = outcome.embeddings;
  const client::EmbedReport& report = embeddings.report;
  int64_t num_vectors = 0, dimensions = 0;
  for (const client::EmbedResult& result : embeddings.results) {
    num_vectors += result.num_vectors;
    dimensions = std::max(dimensions, result.dimensions);
  }
  out << "embeddings\n"
      << Line("model", absl::StrCat(report.model, " (", report.model_id.substr(0, 8), ")"))
      << Line("attention", DescribeMode(report.attention, NumFeatures(report.attention)))
      << Line("vectors", absl::StrCat(num_vectors, " of ", dimensions, " coordinates"));
  if (!outcome.output_file.empty()) out << Line("written to", outcome.output_file);
  const size_t num_shown =
      std::min<size_t>(embeddings.results.size(), static_cast<size_t>(std::max<int64_t>(outcome.excerpt_rows, 0)));
  if (num_shown > 0) {
    out << "inputs: text, tokens; length of the vector, first coordinates"
        << (outcome.nearest.empty() ? "\n" : "; cosine, number and text of the nearest others\n");
  }
  for (size_t i = 0; i < num_shown; ++i) PrintEntry(outcome, i, out);
  if (const size_t rest = embeddings.results.size() - num_shown; rest > 0) {
    out << "        and " << rest << (rest == 1 ? " more input" : " more inputs") << " (--rows, --output, --json)\n";
  }
  out << "times\n"
      << Line("elapsed", absl::StrCat(Milliseconds(embeddings.round_trip), " for ", report.num_tokens, " tokens",
                                      absl::StrFormat(", %.0f tokens/s", outcome.TokensPerSecond())))
      << Line("compute", absl::StrCat(Milliseconds(report.compute_time), " after ", Milliseconds(report.queue_time),
                                      " in the queue"))
      << Line("bytes",
              absl::StrCat(Bytes(embeddings.request_bytes), " sent, ", Bytes(embeddings.response_bytes), " received"))
      << Line("server", absl::StrCat("favord ", report.server_version, " on ", report.cpu_target));
}

}  // namespace favor::cli
