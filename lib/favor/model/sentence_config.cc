#include "favor/model/sentence_config.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"
#include "favor/format/json.h"
#include "favor/format/json_fields.h"
#include "favor/model/config_file.h"
#include "favor/model/transformer_module.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

struct KnownPooling {
  const char* name;  // as versions from 5 on write it
  const char* flag;  // as versions before it did
  Pooling pooling;
};

// In the order in which the flags' vectors are joined.
constexpr KnownPooling kPoolings[] = {
    {"cls", "pooling_mode_cls_token", Pooling::kCls},
    {"max", "pooling_mode_max_tokens", Pooling::kMax},
    {"mean", "pooling_mode_mean_tokens", Pooling::kMean},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrtLen},
    {"weightedmean", "pooling_mode_weightedmean_tokens", Pooling::kWeightedMean},
    {"lasttoken", "pooling_mode_lasttoken", Pooling::kLast}};

// Appends the pooling that `value` names, which stands at `place`.
void AppendNamed(const JsonFields& fields, absl::string_view place, const JsonValue& value, Poolings* poolings) {
  const auto fail = [&](absl::string_view what) {
    fields.Fail(place, absl::StrCat("is ", value.Description(), ", ", what));
  };
  for (const KnownPooling& known : kPoolings) {
    if (value.string() == nullptr || *value.string() != known.name) continue;
    const bool is_new = std::find(poolings->begin(), poolings->end(), known.pooling) == poolings->end();
    return is_new ? poolings->Append(known.pooling) : fail("which is there twice");
  }
  fail("must be cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken");
}

// A name, or a list, whose vectors are joined in its order.
Poolings NamedPoolings(const JsonFields& fields) {
  Poolings poolings;
  const JsonValue* value = fields.Find("pooling_mode");
  const JsonValue::Array* list = value->array();
  if (list == nullptr) {
    AppendNamed(fields, "pooling_mode", *value, &poolings);
    return poolings;
  }
  if (list->empty()) fields.FailValue("pooling_mode", "must name at least one pooling");
  for (size_t i = 0; i < list->size() && fields.ok(); ++i) {
    AppendNamed(fields, absl::StrCat("pooling_mode[", i, "]"), (*list)[i], &poolings);
  }
  return poolings;
}

// Those whose flags are true. Where none is, it is the mean.
Poolings FlaggedPoolings(const JsonFields& fields) {
  Poolings poolings;
  for (const KnownPooling& known : kPoolings) {
    if (fields.Bool(known.flag, false)) poolings.Append(known.pooling);
  }
  return poolings.size() == 0 ? Pooling::kMean : poolings;
}

Poolings PoolingOf(const JsonFields& fields) {
  if (!fields.Bool("include_prompt", true)) {
    fields.FailValue("include_prompt", "must be true: leaving the prompt out of the pooling is not supported");
  }
  return fields.Has("pooling_mode") ? NamedPoolings(fields) : FlaggedPoolings(fields);
}

void ReadPooling(const std::string& folder, const std::string& name, SentenceConfig* config, absl::Status* status) {
  const absl::StatusOr<JsonValue> json = ReadConfigFile(folder, name);
  if (json.ok()) {
    config->pooling = PoolingOf(JsonFields(*json, name, status));
  } else if (status->ok()) {
    *status = json.status();
  }
}

// It can be told to normalise token vectors instead.
void CheckNormalize(const std::string& folder, const std::string& name, absl::Status* status) {
  const absl::StatusOr<JsonValue> json = ReadOptionalConfigFile(folder, name);
  if (!json.ok()) return status->Update(json.status());
  const JsonFields fields(*json, name, status);
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (fields.String(key, "sentence_embedding") != "sentence_embedding") {
      fields.FailValue(key, "must be sentence_embedding");
    }
  }
}

void ReadModules(const std::string& folder, const JsonValue& modules, SentenceConfig* config, absl::Status* status) {
  // The file is a list; JsonFields reads objects.
  const JsonValue whole{JsonValue::Object{{"modules", modules}}};
  const JsonFields fields(whole, "modules.json", status);
  fields.RequiredArray("modules");
  std::set<std::string> kinds;
  std::string pooling, normalize;  // their files
  for (const JsonFields& module : fields.Objects("modules")) {
    const std::string type = module.RequiredString("type");
    const std::string path = module.String("path", "");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (!kinds.insert(kind).second && kind != "Dense") {
      module.FailValue("type", absl::StrCat("which is there twice: more than one ", kind, " is not supported"));
    }
    if (kind == "Dense" && kinds.count("Pooling") == 0) {
      module.FailValue("type", "which stands before Pooling, must be behind it");
    }
    if (kind != "Normalize" && kinds.count("Normalize") > 0) {
      module.FailValue("type", "which stands behind Normalize, that must be the last one");
    }
    if (absl::StrContains(path, "..") || fs::path(path).is_absolute()) {
      return module.FailValue("path", "must be inside the folder");
    }
    const std::string file = (fs::path(path) / "config.json").string();
    if (absl::EndsWith(type, ".Pooling")) {
      pooling = file;
    } else if (absl::EndsWith(type, ".Dense")) {
      config->dense.push_back(path);
    } else if (absl::EndsWith(type, ".Normalize")) {
      config->normalizes = true;
      if (!path.empty()) normalize = file;
    } else if (absl::EndsWith(type, ".Transformer")) {
      config->transformer = path;
    } else {
      module.FailValue("type", "must end in .Transformer, .Pooling, .Dense or .Normalize");
    }
  }
  // What is wrong with the list itself is named first.
  if (status->ok() && !pooling.empty()) ReadPooling(folder, pooling, config, status);
  if (status->ok() && !normalize.empty()) CheckNormalize(folder, normalize, status);
}

// Of config_sentence_transformers.json.
void ReadPrompts(const JsonFields& fields, SentenceConfig* config) {
  const JsonFields prompts = fields.Object("prompts");
  for (const JsonMember& member : *prompts.object().object()) {
    config->prompts[member.name] = prompts.String(member.name, "");
  }
  config->default_prompt = fields.String("default_prompt_name", "");
  if (!config->default_prompt.empty() && config->prompts.count(config->default_prompt) == 0) {
    fields.FailValue("default_prompt_name", "must be one of prompts");
  }
}

}  // namespace

absl::StatusOr<SentenceConfig> ReadSentenceConfig(const std::string& folder) {
  SentenceConfig config;
  absl::Status status;
  const fs::path path(folder);
  if (EntryExists((path / "modules.json").string())) {
    const absl::StatusOr<JsonValue> modules = ReadConfigFile(folder, "modules.json");
    if (!modules.ok()) return modules.status();
    ReadModules(folder, *modules, &config, &status);
  } else if (EntryExists((path / "1_Pooling" / "config.json").string())) {
    ReadPooling(folder, "1_Pooling/config.json", &config, &status);
  }
  if (!status.ok()) return status;

  const absl::StatusOr<TransformerModule> transformer = ReadTransformerModule(folder, config.transformer);
  if (!transformer.ok()) return transformer.status();
  config.max_tokens = transformer->max_tokens;
  config.lowercases = transformer->lowercases;

  const absl::StatusOr<JsonValue> sentence = ReadOptionalConfigFile(folder, "config_sentence_transformers.json");
  if (!sentence.ok()) return sentence.status();
  const JsonFields fields(*sentence, "config_sentence_transformers.json", &status);
  ReadPrompts(fields, &config);
  if (fields.Has("truncate_dim")) {
    fields.FailValue("truncate_dim", "which is not supported: without it, `dimensions` of a request shortens vectors");
  }
  if (!status.ok()) return status;
  return config;
}

}  // namespace favor
