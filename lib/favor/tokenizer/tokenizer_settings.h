#ifndef FAVOR_TOKENIZER_TOKENIZER_SETTINGS_H_
#define FAVOR_TOKENIZER_TOKENIZER_SETTINGS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/format/json.h"
#include "favor/format/json_fields.h"

namespace favor {

// The files beside a vocabulary that say what a tokenizer does with it. Objects without members where there is none.
struct TokenizerFiles {
  JsonValue config{JsonValue::Object()};          // tokenizer_config.json
  JsonValue special_tokens{JsonValue::Object()};  // special_tokens_map.json
  JsonValue added_tokens{JsonValue::Object()};    // added_tokens.json
  JsonValue model{JsonValue::Object()};           // config.json
};

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& folder);

// Of a token that is a text or an object; empty for what is neither.
std::string TokenContent(const JsonValue& token);

// What they say together, as transformers puts it: special_tokens_map.json counts more than tokenizer_config.json, but
// where the latter has added_tokens_decoder it and added_tokens.json are not looked at. Errors go to `status`. Owns
// neither files nor status.
class TokenizerSettings {
 public:
  TokenizerSettings(const TokenizerFiles& files, absl::Status* status);

  const JsonFields& config() const { return config_; }
  const JsonFields& added_tokens() const { return added_tokens_; }

  // The file that counts for a field of special tokens.
  const JsonFields& Of(absl::string_view field) const { return special_tokens_.Has(field) ? special_tokens_ : config_; }
  // The special tokens without a field of their own, and where they stand.
  struct AdditionalToken {
    const JsonFields* fields;
    std::string path;  // "additional_special_tokens[0]"
    const JsonValue* token;
  };
  std::vector<AdditionalToken> AdditionalTokens() const;

  // The class in transformers, without "Fast": tokenizer_config.json's, or config.json's. `fallback` where neither
  // says.
  std::string ClassName(absl::string_view fallback) const;
  // Refuses it, naming the file that has it.
  void FailClass(absl::string_view what) const;
  // Of BERT's: what do_lower_case and its like mean is known.
  static bool IsBertClass(absl::string_view name);

 private:
  JsonFields config_;
  JsonFields special_tokens_;
  JsonFields added_tokens_;
  JsonFields model_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_TOKENIZER_SETTINGS_H_
