#include "server/convert/embed_request_conversion.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/convert/feature_spec_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/projection_conversion.h"

namespace favor {
namespace {

absl::Status NoSuchValue(const char* field, int value, const char* type) {
  return FieldError(field, absl::StrCat(field, " is ", value, ", which is no ", type));
}

absl::Status ReadPooling(v1::Pooling wire, const Model& model, Poolings* pooling) {
  switch (wire) {
    case v1::POOLING_UNSPECIFIED:
      *pooling = model.pooling;
      return absl::OkStatus();
    case v1::POOLING_MEAN:
      *pooling = Pooling::kMean;
      return absl::OkStatus();
    case v1::POOLING_CLS:
      *pooling = Pooling::kCls;
      return absl::OkStatus();
    case v1::POOLING_LAST:
      *pooling = Pooling::kLast;
      return absl::OkStatus();
    case v1::POOLING_MAX:
      *pooling = Pooling::kMax;
      return absl::OkStatus();
    case v1::POOLING_NONE:
      *pooling = Pooling::kNone;
      return absl::OkStatus();
    case v1::POOLING_WEIGHTED_MEAN:
      *pooling = Pooling::kWeightedMean;
      return absl::OkStatus();
    case v1::POOLING_MEAN_SQRT_LEN:
      *pooling = Pooling::kMeanSqrtLen;
      return absl::OkStatus();
    default:
      return NoSuchValue("pooling", wire, "Pooling");
  }
}

absl::Status ReadOverLength(v1::OverLength wire, OverLength* over_length) {
  switch (wire) {
    case v1::OVER_LENGTH_UNSPECIFIED:
    case v1::OVER_LENGTH_REFUSE:
      *over_length = OverLength::kRefuse;
      return absl::OkStatus();
    case v1::OVER_LENGTH_TRUNCATE_RIGHT:
      *over_length = OverLength::kTruncateRight;
      return absl::OkStatus();
    case v1::OVER_LENGTH_TRUNCATE_LEFT:
      *over_length = OverLength::kTruncateLeft;
      return absl::OkStatus();
    case v1::OVER_LENGTH_WINDOWS:
      *over_length = OverLength::kWindows;
      return absl::OkStatus();
    default:
      return NoSuchValue("over_length", wire, "OverLength");
  }
}

// After the pooling.
absl::Status ReadDimensions(int64_t wire, const Model& model, PoolOptions* options) {
  options->dimensions = 0;
  const int64_t all = EmbedDimensions(model, *options);
  options->dimensions = wire;
  if (wire >= 0 && wire <= all) return absl::OkStatus();
  return FieldError("dimensions", absl::StrCat("dimensions is ", wire, ", must be 0 to ", all, ", those of the model"));
}

absl::Status ReadPrompt(const v1::EmbedRequest& request, const Model& model, std::string* prompt) {
  if (request.has_prompt() && !request.prompt_name().empty()) {
    return FieldError("prompt_name", "prompt and prompt_name are both set, at most one of them may be");
  }
  *prompt = request.prompt();
  if (request.has_prompt()) return absl::OkStatus();  // set and empty: none, not the default
  const std::string& name = request.prompt_name().empty() ? model.default_prompt : request.prompt_name();
  if (name.empty()) return absl::OkStatus();
  const auto found = model.prompts.find(name);
  if (found != model.prompts.end()) {
    *prompt = found->second;
    return absl::OkStatus();
  }
  const std::string names = absl::StrJoin(
      model.prompts, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
  return FieldError("prompt_name",
                    absl::StrCat("prompt_name is '", name, "', the model has ", names.empty() ? "no prompts" : names));
}

// Errors of the attention's own conversion speak of "spec".
absl::Status AboutAttention(const absl::Status& status) {
  const auto rename = [](absl::string_view text) { return absl::StrReplaceAll(text, {{"spec.", "attention."}}); };
  return FieldError(rename(FieldOf(status)), rename(status.message()));
}

absl::Status CheckModeAlone(const v1::AttentionSpec& wire) {
  const std::pair<const char*, bool> others[] = {{"causal", wire.causal()},
                                                 {"scale", wire.has_scale()},
                                                 {"layout", wire.layout() != 0},
                                                 {"precision", wire.precision() != 0}};
  for (const auto& [name, is_set] : others) {
    if (!is_set) continue;
    const std::string field = absl::StrCat("attention.", name);
    return FieldError(field,
                      absl::StrCat(field, " is set, only the mode of attention may be: the rest is the model's"));
  }
  if (wire.has_auto_()) return UnservedFieldError("attention.auto", "set");
  if (wire.features().projection().has_matrix()) {
    return UnservedFieldError("attention.features.projection.matrix", "set");
  }
  return absl::OkStatus();
}

absl::Status ReadAttention(const v1::EmbedRequest& request, const Encoder& encoder, EmbedSettings* settings) {
  const v1::AttentionSpec& wire = request.attention();
  if (absl::Status status = CheckModeAlone(wire); !status.ok()) return status;
  if (wire.mode_case() == v1::AttentionSpec::MODE_NOT_SET) return absl::OkStatus();
  AttentionSpec spec = encoder.attention();
  spec.mode = wire.has_exact() ? AttentionMode::kExact : AttentionMode::kFeatures;
  if (wire.has_features()) {
    const absl::StatusOr<FeatureSpec> features = ReadFeatureSpec(wire.features(), {.head_dim = encoder.head_dim()});
    if (!features.ok())
      return absl::IsUnimplemented(features.status()) ? features.status() : AboutAttention(features.status());
    spec.features = *features;
    const auto projection = ReadDrawnProjection(wire.features(), spec.features, encoder.head_dim());
    if (!projection.ok())
      return absl::IsUnimplemented(projection.status()) ? projection.status() : AboutAttention(projection.status());
    settings->projection = *projection;
  }
  if (absl::Status status = encoder.CheckAttention(spec); !status.ok()) {
    return AboutField(std::move(status), "attention");
  }
  settings->attention = spec;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EmbedSettings> ReadEmbedSettings(const v1::EmbedRequest& request, NamedModel model) {
  EmbedSettings settings;
  const Model& asked = *model.model;
  absl::Status status = ReadPooling(request.pooling(), asked, &settings.options.pooling);
  if (status.ok()) status = AboutField(CheckPooling(asked, settings.options.pooling), "pooling");
  status.Update(ReadOverLength(request.over_length(), &settings.windows.over_length));
  status.Update(ReadDimensions(request.dimensions(), asked, &settings.options));
  status.Update(ReadPrompt(request, asked, &settings.prompt));
  if (!status.ok()) return status;
  if (status = ReadAttention(request, *asked.encoder, &settings); !status.ok()) return status;

  settings.options.normalize = request.has_normalize() ? request.normalize() : asked.normalizes;
  if (request.has_window_overlap()) settings.windows.overlap = request.window_overlap();
  if (status = CheckWindowOptions(asked, settings.windows); !status.ok()) {
    return AboutField(std::move(status), "window_overlap");
  }
  if (!v1::EmbeddingType_IsValid(request.output_type())) {
    return NoSuchValue("output_type", request.output_type(), "EmbeddingType");
  }
  if (request.output_type() != v1::EMBEDDING_TYPE_UNSPECIFIED) settings.type = request.output_type();
  settings.model = std::move(model);
  return settings;
}

absl::StatusOr<EmbedSettings> ParseEmbedSettings(const std::string& request, const ModelRegistry& models) {
  v1::EmbedRequest parsed;
  if (!parsed.ParseFromString(request)) {
    return absl::InvalidArgumentError("the request is no EmbedRequest: Protobuf cannot parse it");
  }
  absl::StatusOr<NamedModel> model = models.Find(parsed.model());
  if (!model.ok()) return model.status();
  return ReadEmbedSettings(parsed, *std::move(model));
}

}  // namespace favor
