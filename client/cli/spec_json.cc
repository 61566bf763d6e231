#include <optional>
#include <string>
#include <variant>

#include "client/cli/attend_outcome.h"
#include "client/cli/names.h"
#include "client/cli/statistics_file.h"

namespace favor::cli {
namespace {

template <typename T>
void PutIfSet(Json* json, const char* name, const std::optional<T>& value) {
  if (value) (*json)[name] = *value;
}

template <typename E>
void PutNamed(Json* json, const char* name, E value) {
  if (value != E::kUnspecified) (*json)[name] = NameOfValue(value);
}

template <typename T>
void PutIfNotZero(Json* json, const char* name, T value) {
  if (value != T{}) (*json)[name] = value;
}

Json ProjectionToJson(const client::Projection& projection) {
  Json json = Json::object();
  PutNamed(&json, "kind", projection.kind);
  PutNamed(&json, "row_norms", projection.row_norms);
  PutIfSet(&json, "seed", projection.seed);
  return json;
}

Json ToJson(const client::FeatureSpec& spec) {
  Json json = Json::object();
  PutNamed(&json, "kernel", spec.kernel);
  PutNamed(&json, "estimator", spec.estimator);
  PutIfSet(&json, "num_features", spec.num_features);
  if (const Json projection = ProjectionToJson(spec.projection); !projection.empty()) json["projection"] = projection;
  PutNamed(&json, "nonlinearity", spec.nonlinearity);
  PutIfSet(&json, "polynomial_offset", spec.polynomial_offset);
  if (spec.epsilon_parity) {
    Json& parity = json["epsilon_parity"] = Json::object();
    PutIfSet(&parity, "feature_epsilon", spec.epsilon_parity->feature_epsilon);
    PutIfSet(&parity, "causal_epsilon", spec.epsilon_parity->causal_epsilon);
  }
  if (spec.statistics) json["statistics"] = StatisticsToJson(*spec.statistics);
  PutIfNotZero(&json, "antithetic", spec.antithetic);
  PutIfNotZero(&json, "precondition", spec.precondition);
  PutIfNotZero(&json, "num_exact_keys", spec.num_exact_keys);
  PutIfNotZero(&json, "num_anchors", spec.num_anchors);
  PutIfNotZero(&json, "num_fit_rows", spec.num_fit_rows);
  PutIfNotZero(&json, "num_directions", spec.num_directions);
  return json;
}

Json ToJson(const client::AutoSpec& spec) {
  Json json = {{"max_relative_error", spec.max_relative_error}};
  if (spec.time_budget) json["time_budget_seconds"] = absl::ToDoubleSeconds(*spec.time_budget);
  PutNamed(&json, "when_missed", spec.when_missed);
  return json;
}

}  // namespace

Json SpecToJson(const client::AttentionSpec& spec) {
  Json json = {{"causal", spec.causal}};
  PutIfSet(&json, "scale", spec.scale);
  PutNamed(&json, "layout", spec.layout);
  if (const auto* features = std::get_if<client::FeatureSpec>(&spec.mode)) json["features"] = ToJson(*features);
  if (std::holds_alternative<client::ExactSpec>(spec.mode)) json["exact"] = Json::object();
  if (const auto* automatic = std::get_if<client::AutoSpec>(&spec.mode)) json["auto"] = ToJson(*automatic);
  PutNamed(&json, "precision", spec.precision);
  return json;
}

}  // namespace favor::cli
