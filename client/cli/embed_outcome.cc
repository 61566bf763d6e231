#include "client/cli/embed_outcome.h"

#include <algorithm>
#include <limits>
#include <map>

#include "client/cli/attend_outcome.h"
#include "client/cli/failure.h"
#include "client/cli/tensor_files.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

Json VectorsToJson(const client::EmbedResult& result, bool all_tokens) {
  const auto row = [&result](int64_t i) {
    return Json(std::vector<float>(result.vector(i).begin(), result.vector(i).end()));
  };
  if (!all_tokens && result.num_vectors == 1) return row(0);
  Json rows = Json::array();
  for (int64_t i = 0; i < result.num_vectors; ++i) rows.push_back(row(i));
  return rows;
}

Json EntryToJson(const EmbedOutcome& outcome, size_t i) {
  Json json = ResultToJson(outcome.inputs[i], outcome.embeddings.results[i], outcome.all_tokens,
                           /*with_vectors=*/outcome.output_file.empty());
  if (outcome.nearest.empty() || json.contains("error")) return json;
  json["nearest"] = Json::array();
  for (const Neighbour& it : outcome.nearest[i]) {
    json["nearest"].push_back({{"index", it.index}, {"cosine", it.cosine}});
  }
  return json;
}

int64_t Dimensions(const client::Embeddings& embeddings) {
  int64_t dimensions = 0;
  for (const client::EmbedResult& result : embeddings.results) dimensions = std::max(dimensions, result.dimensions);
  return dimensions;
}

}  // namespace

int64_t EmbedOutcome::NumFailed() const {
  return std::count_if(embeddings.results.begin(), embeddings.results.end(),
                       [](const client::EmbedResult& result) { return !result.status.ok(); });
}

Json ResultToJson(const client::EmbedInput& input, const client::EmbedResult& result, bool all_tokens,
                  bool with_vectors) {
  Json json = Json::object();
  if (const auto* text = std::get_if<std::string>(&input)) {
    json["text"] = *text;
  } else {
    json["ids"] = std::get<std::vector<int32_t>>(input);
  }
  json["num_tokens"] = result.num_tokens;
  if (!result.status.ok()) {
    json["error"] = ErrorToJson(result.status)["error"];
    return json;
  }
  json["num_tokens_used"] = result.num_tokens_used;
  json["num_windows"] = result.num_windows;
  json["num_vectors"] = result.num_vectors;
  if (with_vectors) json["embedding"] = VectorsToJson(result, all_tokens);
  return json;
}

double EmbedOutcome::TokensPerSecond() const {
  const double seconds = absl::ToDoubleSeconds(embeddings.round_trip);
  return seconds > 0 ? static_cast<double>(embeddings.report.num_tokens) / seconds : 0;
}

Json ToJson(const EmbedOutcome& outcome) {
  const client::Embeddings& embeddings = outcome.embeddings;
  const client::EmbedReport& report = embeddings.report;
  Json json = {{"model", report.model},
               {"model_id", report.model_id},
               {"dimensions", Dimensions(embeddings)},
               {"attention", SpecToJson(report.attention)}};
  if (!outcome.output_file.empty()) json["file"] = outcome.output_file;
  json["results"] = Json::array();
  for (size_t i = 0; i < embeddings.results.size(); ++i) json["results"].push_back(EntryToJson(outcome, i));
  json["failed"] = outcome.NumFailed();
  json["num_tokens"] = report.num_tokens;
  json["queue_seconds"] = absl::ToDoubleSeconds(report.queue_time);
  json["compute_seconds"] = absl::ToDoubleSeconds(report.compute_time);
  json["elapsed_seconds"] = absl::ToDoubleSeconds(embeddings.round_trip);
  json["tokens_per_second"] = outcome.TokensPerSecond();
  json["request_bytes"] = embeddings.request_bytes;
  json["response_bytes"] = embeddings.response_bytes;
  json["attempts"] = embeddings.num_attempts;
  json["server_version"] = report.server_version;
  json["cpu_target"] = report.cpu_target;
  return json;
}

absl::Status SaveVectors(const std::string& path, bool all_tokens, const client::Embeddings& embeddings) {
  const int64_t dimensions = Dimensions(embeddings);
  if (dimensions == 0) return absl::NotFoundError("no input has a vector: nothing was written");
  std::vector<float> rows;
  std::vector<int64_t> offsets = {0};
  for (const client::EmbedResult& result : embeddings.results) {
    rows.insert(rows.end(), result.vectors.begin(), result.vectors.end());
    // Row i is that of input i even when some failed.
    if (!all_tokens && result.vectors.empty()) {
      rows.insert(rows.end(), dimensions, std::numeric_limits<float>::quiet_NaN());
    }
    offsets.push_back(static_cast<int64_t>(rows.size()) / dimensions);
  }
  std::vector<StoredTensor> tensors = {
      {.name = "embeddings",
       .dtype = "F32",
       .shape = {offsets.back(), dimensions},
       .data = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(rows.data()), rows.size() * sizeof(float))}};
  if (all_tokens) {
    tensors.push_back({.name = "row_offsets",
                       .dtype = "I64",
                       .shape = {static_cast<int64_t>(offsets.size())},
                       .data = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(offsets.data()),
                                                   offsets.size() * sizeof(int64_t))});
  }
  const client::EmbedReport& report = embeddings.report;
  return SaveTensors(path, tensors,
                     {{"producer", "favor embed"},
                      {"model", report.model},
                      {"model_id", report.model_id},
                      {"server_version", report.server_version},
                      {"attention", ToText(SpecToJson(report.attention), -1)}});
}

}  // namespace favor::cli
