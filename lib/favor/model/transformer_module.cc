#include "favor/model/transformer_module.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/format/file_io.h"
#include "favor/format/json_fields.h"
#include "favor/model/config_file.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostTokens = int64_t{1} << 40;

// Its path in the folder. The first name that is there; models of 2020 have one of the later ones.
std::string TransformerFile(const fs::path& folder, const fs::path& transformer) {
  for (const char* model : {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const fs::path name = transformer / absl::StrCat("sentence_", model, "_config.json");
    if (EntryExists((folder / name).string())) return name.string();
  }
  return (transformer / "sentence_bert_config.json").string();
}

using Names = std::initializer_list<absl::string_view>;

// Null counts as absent: it asks for the default.
void RefuseOthers(const JsonFields& fields, Names known) {
  for (const JsonMember& member : *fields.object().object()) {
    if (member.value.is_null() || std::find(known.begin(), known.end(), member.name) != known.end()) continue;
    fields.FailValue(member.name, "which is not supported");
  }
}

// What sentence-transformers hands to from_pretrained of configuration, weights and tokenizer, each under its name of
// today and an older one. These say where a model is found, and how fast and how precisely it is computed.
void CheckArguments(const JsonFields& fields) {
  for (const char* name :
       {"config_args", "config_kwargs", "model_args", "model_kwargs", "tokenizer_args", "processor_kwargs"}) {
    RefuseOthers(fields.Object(name),
                 {"add_pooling_layer", "attn_implementation", "cache_dir", "clean_up_tokenization_spaces", "device_map",
                  "dtype", "local_files_only", "low_cpu_mem_usage", "model_max_length", "revision", "subfolder",
                  "token", "torch_dtype", "trust_remote_code", "use_fast", "use_safetensors"});
  }
  if (fields.Has("tokenizer_name_or_path")) fields.FailValue("tokenizer_name_or_path", "which is not supported");
}

// Which output becomes the token vectors.
void CheckOutput(const JsonFields& fields) {
  if (!fields.Has("modality_config")) return;  // nor is module_output_name looked at
  const JsonFields modalities = fields.Object("modality_config"), text = modalities.RequiredObject("text");
  if (modalities.Has("message")) {
    modalities.FailValue("message",
                         "which is not supported: texts are no messages, no chat template is put around them");
  }
  if (text.RequiredString("method") != "forward") text.FailValue("method", "must be forward");
  const JsonValue* output = text.Find("method_output_name");
  const JsonValue::Array* path = output == nullptr ? nullptr : output->array();
  const JsonValue* name = path != nullptr && path->size() == 1 ? &path->front() : output;
  if (name == nullptr || name->string() == nullptr || *name->string() != "last_hidden_state") {
    text.FailValue("method_output_name", "must be last_hidden_state");
  }
  if (fields.RequiredString("module_output_name") != "token_embeddings") {
    fields.FailValue("module_output_name", "must be token_embeddings");
  }
}

// What it calls the tokenizer with. Padding changes no vector.
int64_t ReadCallLength(const JsonFields& fields) {
  const JsonFields call = fields.Object("processing_kwargs");
  int64_t length = 0;
  for (const char* name : {"text", "common"}) {  // the later one counts
    const JsonFields arguments = call.Object(name);
    RefuseOthers(arguments,
                 {"add_special_tokens", "max_length", "pad_to_multiple_of", "padding", "return_tensors", "truncation"});
    if (!arguments.Bool("add_special_tokens", true)) arguments.FailValue("add_special_tokens", "must be true");
    const JsonValue* cut = arguments.Find("truncation");
    const bool cuts = cut == nullptr || (cut->boolean() != nullptr && *cut->boolean()) ||
                      (cut->string() != nullptr && *cut->string() == "longest_first");
    if (!cuts) arguments.FailValue("truncation", "must be true or longest_first");
    length = arguments.Integer("max_length", length, 1, kMostTokens);
  }
  return length;
}

// Newer versions keep the length in tokenizer_config.json alone, where other models say "none" by a number of 31
// digits.
int64_t MaxTokens(const JsonFields& fields, const JsonValue& tokenizer_config) {
  int64_t length = fields.Integer("max_seq_length", 0, 1, kMostTokens);
  for (const char* name : {"tokenizer_args", "processor_kwargs"}) {
    length = fields.Object(name).Integer("model_max_length", length, 1, kMostTokens);
  }
  if (const int64_t of_call = ReadCallLength(fields); of_call > 0) return of_call;
  if (length > 0) return length;
  const JsonValue* tokenizers = tokenizer_config.Find("model_max_length");
  const int64_t* number = tokenizers == nullptr ? nullptr : tokenizers->integer();
  return number != nullptr && *number >= 1 && *number <= kMostTokens ? *number : 0;
}

}  // namespace

absl::StatusOr<TransformerModule> ReadTransformerModule(const std::string& folder, const std::string& transformer) {
  const std::string name = TransformerFile(folder, transformer);
  const absl::StatusOr<JsonValue> json = ReadOptionalConfigFile(folder, name);
  if (!json.ok()) return json.status();
  const absl::StatusOr<JsonValue> tokenizer =
      ReadOptionalConfigFile(folder, (fs::path(transformer) / "tokenizer_config.json").string());
  if (!tokenizer.ok()) return tokenizer.status();

  absl::Status status;
  const JsonFields fields(*json, name, &status);
  TransformerModule module;
  module.max_tokens = MaxTokens(fields, *tokenizer);
  if (fields.String("transformer_task", "feature-extraction") != "feature-extraction") {
    fields.FailValue("transformer_task", "must be feature-extraction");
  }
  CheckOutput(fields);
  CheckArguments(fields);
  module.lowercases = fields.Bool("do_lower_case", false);
  if (!status.ok()) return status;
  return module;
}

}  // namespace favor
