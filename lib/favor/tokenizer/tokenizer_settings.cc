#include "favor/tokenizer/tokenizer_settings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "favor/format/file_io.h"

namespace favor {
namespace {

// added_tokens.json may name a million tokens.
constexpr int64_t kMaxFileBytes = 128 << 20;

constexpr absl::string_view kBertClasses[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"};

const JsonValue& Nothing() {
  static const JsonValue* const kNothing = new JsonValue{JsonValue::Object()};
  return *kNothing;
}

}  // namespace

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& folder) {
  TokenizerFiles files;
  const std::pair<const char*, JsonValue*> known[] = {{"tokenizer_config.json", &files.config},
                                                      {"special_tokens_map.json", &files.special_tokens},
                                                      {"added_tokens.json", &files.added_tokens},
                                                      {"config.json", &files.model}};
  for (const auto& [name, value] : known) {
    const std::string path = absl::StrCat(folder, "/", name);
    if (!EntryExists(path)) continue;
    absl::StatusOr<JsonValue> json = ReadJsonFile(path, kMaxFileBytes);
    if (!json.ok()) return json.status();
    *value = *std::move(json);
  }
  return files;
}

std::string TokenContent(const JsonValue& token) {
  const JsonValue* content = token.object() == nullptr ? &token : token.Find("content");
  return content == nullptr || content->string() == nullptr ? "" : *content->string();
}

TokenizerSettings::TokenizerSettings(const TokenizerFiles& files, absl::Status* status)
    : config_(files.config, "tokenizer_config.json", status),
      special_tokens_(config_.Has("added_tokens_decoder") ? Nothing() : files.special_tokens, "special_tokens_map.json",
                      status),
      added_tokens_(config_.Has("added_tokens_decoder") ? Nothing() : files.added_tokens, "added_tokens.json", status),
      model_(files.model, "config.json", status) {}

std::vector<TokenizerSettings::AdditionalToken> TokenizerSettings::AdditionalTokens() const {
  std::vector<AdditionalToken> tokens;
  // A list, or names and tokens. The second is the older name, looked at where the first has nothing.
  for (const char* field : {"extra_special_tokens", "additional_special_tokens"}) {
    const JsonFields& fields = Of(field);
    const JsonValue* value = fields.Find(field);
    if (value != nullptr && value->object() != nullptr) {
      for (const JsonMember& member : *value->object()) {
        tokens.push_back({&fields, absl::StrCat(field, ".", member.name), &member.value});
      }
    } else {
      for (const JsonValue& token : fields.Array(field)) {
        tokens.push_back({&fields, absl::StrCat(field, "[", tokens.size(), "]"), &token});
      }
    }
    if (!tokens.empty()) break;
  }
  return tokens;
}

std::string TokenizerSettings::ClassName(absl::string_view fallback) const {
  const JsonFields& fields = config_.Has("tokenizer_class") ? config_ : model_;
  const std::string name = fields.String("tokenizer_class", std::string(fallback));
  return std::string(absl::StripSuffix(name, "Fast"));
}

void TokenizerSettings::FailClass(absl::string_view what) const {
  (config_.Has("tokenizer_class") ? config_ : model_).FailValue("tokenizer_class", what);
}

bool TokenizerSettings::IsBertClass(absl::string_view name) {
  return std::find(std::begin(kBertClasses), std::end(kBertClasses), name) != std::end(kBertClasses);
}

}  // namespace favor
