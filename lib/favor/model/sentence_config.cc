#include "favor/model/sentence_config.h"

#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"
#include "favor/format/json.h"
#include "favor/format/json_fields.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostTokens = int64_t{1} << 40;

// An object without members when there is no such file: all of its fields have defaults.
absl::StatusOr<JsonValue> ReadOptional(const fs::path& folder, const std::string& name) {
  const std::string path = (folder / name).string();
  if (!EntryExists(path)) return JsonValue{JsonValue::Object()};
  return ReadJsonFile(path, kMaxConfigBytes);
}

// The first that is there; models of 2020 have one of the later names.
const char* TransformerFile(const fs::path& folder) {
  constexpr const char* kNames[] = {"sentence_bert_config.json", "sentence_roberta_config.json",
                                    "sentence_camembert_config.json", "sentence_xlm-roberta_config.json"};
  for (const char* name : kNames) {
    if (EntryExists((folder / name).string())) return name;
  }
  return kNames[0];
}

// As versions from 5 on write it.
Pooling NamedPooling(const JsonFields& fields) {
  const std::pair<const char*, Pooling> known[] = {
      {"mean", Pooling::kMean}, {"cls", Pooling::kCls}, {"lasttoken", Pooling::kLast}, {"max", Pooling::kMax}};
  const std::string name = fields.RequiredString("pooling_mode");
  for (const auto& [known_name, pooling] : known) {
    if (name == known_name) return pooling;
  }
  fields.FailValue("pooling_mode", "must be mean, cls, lasttoken or max");
  return Pooling::kMean;
}

// As versions before it do: one of several is true.
Pooling FlaggedPooling(const JsonFields& fields) {
  const std::pair<const char*, Pooling> known[] = {{"pooling_mode_mean_tokens", Pooling::kMean},
                                                   {"pooling_mode_cls_token", Pooling::kCls},
                                                   {"pooling_mode_lasttoken", Pooling::kLast},
                                                   {"pooling_mode_max_tokens", Pooling::kMax}};
  std::vector<Pooling> chosen;
  for (const auto& [name, pooling] : known) {
    if (fields.Bool(name, false)) chosen.push_back(pooling);
  }
  for (const char* name : {"pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"}) {
    if (fields.Bool(name, false)) fields.FailValue(name, "must be false: this pooling is not supported");
  }
  if (chosen.size() != 1) {
    fields.Fail("pooling_mode_mean_tokens",
                absl::StrCat("and its like choose ", chosen.size(), " ways of pooling, must choose one"));
    return Pooling::kMean;
  }
  return chosen.front();
}

Pooling PoolingOf(const JsonFields& fields) {
  if (!fields.Bool("include_prompt", true)) {
    fields.FailValue("include_prompt", "must be true: leaving the prompt out of the pooling is not supported");
  }
  return fields.Has("pooling_mode") ? NamedPooling(fields) : FlaggedPooling(fields);
}

// Newer versions keep the length in tokenizer_config.json alone, where other models say "none" by a number of 31
// digits.
int64_t MaxTokens(const JsonFields& transformer, const JsonValue& tokenizer_config) {
  const int64_t own = transformer.Integer("max_seq_length", 0, 1, kMostTokens);
  if (own > 0) return own;
  const JsonValue* length = tokenizer_config.Find("model_max_length");
  const int64_t* number = length == nullptr ? nullptr : length->integer();
  return number != nullptr && *number >= 1 && *number <= kMostTokens ? *number : 0;
}

// An error of this file that names it by the last part of its path: config.json alone would be another file.
absl::Status WithFolder(const std::string& name, const absl::Status& status) {
  const fs::path path(name);
  if (!absl::StartsWith(status.message(), path.filename().string())) return status;
  return absl::Status(status.code(), absl::StrCat((path.parent_path() / "").string(), status.message()));
}

void ReadPooling(const fs::path& folder, const std::string& name, SentenceConfig* config, absl::Status* status) {
  const absl::StatusOr<JsonValue> json = ReadJsonFile((folder / name).string(), kMaxConfigBytes);
  if (!json.ok()) {
    if (status->ok()) *status = WithFolder(name, json.status());
    return;
  }
  config->pooling = PoolingOf(JsonFields(*json, name, status));
}

void ReadModules(const fs::path& folder, const JsonValue& modules, SentenceConfig* config, absl::Status* status) {
  // The file is a list; JsonFields reads objects.
  const JsonValue whole{JsonValue::Object{{"modules", modules}}};
  const JsonFields fields(whole, "modules.json", status);
  fields.RequiredArray("modules");
  std::set<std::string> kinds;
  std::string pooling;  // its file
  for (const JsonFields& module : fields.Objects("modules")) {
    const std::string type = module.RequiredString("type");
    const std::string path = module.String("path", "");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (!kinds.insert(kind).second) {
      module.FailValue("type", absl::StrCat("which is there twice: more than one ", kind, " is not supported"));
    }
    if (kind != "Normalize" && kinds.count("Normalize") > 0) {
      module.FailValue("type", "which stands behind Normalize, that must be the last one");
    }
    if (absl::EndsWith(type, ".Pooling")) {
      if (absl::StrContains(path, "..") || fs::path(path).is_absolute()) {
        module.FailValue("path", "must be inside the folder");
        return;
      }
      pooling = (fs::path(path) / "config.json").string();
    } else if (absl::EndsWith(type, ".Normalize")) {
      config->normalizes = true;
    } else if (!absl::EndsWith(type, ".Transformer")) {
      module.FailValue("type", "must end in .Transformer, .Pooling or .Normalize");
    }
  }
  // What is wrong with the list itself is named first.
  if (status->ok() && !pooling.empty()) ReadPooling(folder, pooling, config, status);
}

}  // namespace

absl::StatusOr<SentenceConfig> ReadSentenceConfig(const std::string& folder) {
  SentenceConfig config;
  absl::Status status;
  const fs::path path(folder);
  if (const std::string file = (path / "modules.json").string(); EntryExists(file)) {
    const absl::StatusOr<JsonValue> modules = ReadJsonFile(file, kMaxConfigBytes);
    if (!modules.ok()) return modules.status();
    ReadModules(path, *modules, &config, &status);
  } else if (EntryExists((path / "1_Pooling" / "config.json").string())) {
    ReadPooling(path, "1_Pooling/config.json", &config, &status);
  }

  const char* transformer_file = TransformerFile(path);
  const absl::StatusOr<JsonValue> transformer = ReadOptional(path, transformer_file);
  if (!transformer.ok()) return transformer.status();
  const JsonFields transformer_fields(*transformer, transformer_file, &status);
  const absl::StatusOr<JsonValue> tokenizer = ReadOptional(path, "tokenizer_config.json");
  if (!tokenizer.ok()) return tokenizer.status();
  config.max_tokens = MaxTokens(transformer_fields, *tokenizer);
  if (transformer_fields.String("transformer_task", "feature-extraction") != "feature-extraction") {
    transformer_fields.FailValue("transformer_task", "must be feature-extraction");
  }
  config.lowercases = transformer_fields.Bool("do_lower_case", false);

  const absl::StatusOr<JsonValue> sentence = ReadOptional(path, "config_sentence_transformers.json");
  if (!sentence.ok()) return sentence.status();
  const JsonFields fields(*sentence, "config_sentence_transformers.json", &status);
  const JsonFields prompts = fields.Object("prompts");
  if (const JsonValue::Object* members = prompts.object().object(); members != nullptr) {
    for (const JsonMember& member : *members) config.prompts[member.name] = prompts.RequiredString(member.name);
  }
  config.default_prompt = fields.String("default_prompt_name", "");
  if (!config.default_prompt.empty() && config.prompts.count(config.default_prompt) == 0) {
    fields.FailValue("default_prompt_name", "must be one of prompts");
  }
  if (!status.ok()) return status;
  return config;
}

}  // namespace favor
