#include "favor/tokenizer/tokenizer_agreement.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/split_pre_tokenizer.h"

namespace favor {
namespace {

struct Setting {
  const char* field;
  bool wanted;
  std::string in_json;  // "normalizer.lowercase"
  bool found;
};

void Compare(const JsonFields& config, const JsonFields& root, const Setting& setting) {
  const auto text = [](bool value) { return value ? "true" : "false"; };
  if (setting.wanted == setting.found) return;
  const std::string is = config.Has(setting.field) ? "is " : "is missing, which stands for ";
  config.Fail(setting.field,
              absl::StrCat(is, text(setting.wanted), "; ", root.file_name(), " has ", setting.in_json, " ",
                           text(setting.found), ". transformers obeys the former: they must agree"));
}

// BERT's classes make a normalizer of their own from these, with defaults for those that are not there.
void CheckNormalizer(const JsonFields& root, const TokenizerSettings& settings) {
  const JsonFields normalizer = root.Object("normalizer");
  if (normalizer.String("type", "") != "BertNormalizer") return;
  const JsonFields& config = settings.config();
  const bool lowercases = config.Bool("do_lower_case", true);
  const bool lowercase = normalizer.Bool("lowercase", true);
  Compare(config, root, {"do_lower_case", lowercases, "normalizer.lowercase", lowercase});
  Compare(config, root,
          {"strip_accents", config.Bool("strip_accents", lowercases), "normalizer.strip_accents",
           normalizer.Bool("strip_accents", lowercase)});
  Compare(config, root,
          {"tokenize_chinese_chars", config.Bool("tokenize_chinese_chars", true), "normalizer.handle_chinese_chars",
           normalizer.Bool("handle_chinese_chars", true)});
}

// RoBERTa's class makes its own pre-tokenizer, and has no normalizer.
void CheckPrefixSpace(const JsonFields& root, const TokenizerSettings& settings) {
  if (root.Has("normalizer")) {
    root.Fail("normalizer", "is there; transformers does without one for RobertaTokenizer: they must agree");
  }
  const JsonFields pre_tokenizer = root.Object("pre_tokenizer");
  if (pre_tokenizer.String("type", "") != "ByteLevel") return;
  const JsonFields& config = settings.config();
  Compare(config, root,
          {"add_prefix_space", config.Bool("add_prefix_space", false), "pre_tokenizer.add_prefix_space",
           pre_tokenizer.Bool("add_prefix_space", true)});
}

// Qwen's class makes its own normalizer, pre-tokenizer and model of merges.
void CheckQwen(const JsonFields& root, const TokenizerSettings& settings) {
  constexpr char kAgree[] = "which transformers makes for Qwen2Tokenizer: they must agree";
  if (root.Object("normalizer").String("type", "") != "NFC") {
    root.Fail("normalizer", absl::StrCat("is not NFC, ", kAgree));
  }
  const std::vector<JsonFields> steps = root.Object("pre_tokenizer").Objects("pretokenizers");
  if (steps.size() != 2 || steps[0].String("type", "") != "Split" || steps[1].String("type", "") != "ByteLevel" ||
      steps[0].Object("pattern").String("Regex", "") != kQwenSplit || steps[0].String("behavior", "") != "Isolated" ||
      steps[0].Bool("invert", false) || steps[1].Bool("use_regex", true)) {
    return root.Fail("pre_tokenizer", absl::StrCat("is not Qwen's Split and ByteLevel, ", kAgree));
  }
  const JsonFields& config = settings.config();
  Compare(config, root,
          {"add_prefix_space", config.Bool("add_prefix_space", false),
           "pre_tokenizer.pretokenizers[1].add_prefix_space", steps[1].Bool("add_prefix_space", true)});
  const JsonFields model = root.Object("model");
  if (model.Bool("ignore_merges", false)) model.FailValue("ignore_merges", absl::StrCat("not false, ", kAgree));
}

// The tokens around a text that a class takes from its settings.
void CheckFrame(const JsonFields& root, const TokenizerSettings& settings, const std::string& field,
                const std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  const JsonFields& fields = settings.Of(field);
  const JsonValue* value = fields.Find(field);
  if (value == nullptr) return;
  const std::string wanted = TokenContent(*value);
  if (ids.size() == 1 && tokenizer.Piece(ids[0]) == wanted) return;
  std::string found;
  for (const int32_t id : ids) absl::StrAppend(&found, found.empty() ? "" : " ", tokenizer.Piece(id));
  fields.Fail(field, absl::StrCat("is \"", wanted, "\", post_processor of ", root.file_name(), " puts \"", found,
                                  "\" in its place. transformers obeys the former: they must agree"));
}

// Tokens that the other files add to those of tokenizer.json.
class AddedTokenCheck {
 public:
  explicit AddedTokenCheck(const JsonFields& root) : root_(root) {
    for (const JsonFields& token : root.Objects("added_tokens")) known_.insert(token.String("content", ""));
  }

  void Check(const JsonFields& fields, const std::string& field, const JsonValue& token) const {
    Check(fields, field, TokenContent(token));
  }

  void Check(const JsonFields& fields, const std::string& field, const std::string& content) const {
    if (content.empty() || known_.contains(content)) return;
    fields.Fail(field, absl::StrCat("adds the token \"", content, "\", added_tokens of ", root_.file_name(),
                                    " lacks it. transformers obeys the former: they must agree"));
  }

 private:
  const JsonFields& root_;
  absl::flat_hash_set<std::string> known_;
};

void CheckAddedTokens(const JsonFields& root, const TokenizerSettings& settings) {
  const AddedTokenCheck check(root);
  const JsonFields decoder = settings.config().Object("added_tokens_decoder");
  for (const JsonMember& member : *decoder.object().object()) check.Check(decoder, member.name, member.value);
  const JsonFields& added = settings.added_tokens();
  for (const JsonMember& member : *added.object().object()) check.Check(added, member.name, member.name);
  for (const auto& [fields, path, token] : settings.AdditionalTokens()) check.Check(*fields, path, *token);
}

// What transformers takes where no file names a class.
std::string ClassOfModel(const JsonValue& model) {
  const JsonValue* type = model.Find("model_type");
  const std::string name = type == nullptr || type->string() == nullptr ? "" : *type->string();
  if (name == "bert" || name == "distilbert" || name == "electra") return "BertTokenizer";
  if (name == "mpnet") return "MPNetTokenizer";
  if (name == "qwen2" || name == "qwen3") return "Qwen2Tokenizer";
  if (name == "roberta") return "RobertaTokenizer";
  return name == "xlm-roberta" ? "XLMRobertaTokenizer" : "";
}

}  // namespace

absl::Status CheckAgreement(const JsonValue& json, const Tokenizer& tokenizer, const TokenizerFiles& files) {
  absl::Status status;
  const JsonFields root(json, "tokenizer.json", &status);
  const TokenizerSettings settings(files, &status);
  const std::string name = settings.ClassName(ClassOfModel(files.model));
  if (name == "BertJapaneseTokenizer") {
    settings.FailClass("which is not implemented: transformers does not look at tokenizer.json then");
  }
  if (TokenizerSettings::IsBertClass(name) || name == "MPNetTokenizer") {
    CheckNormalizer(root, settings);
    CheckFrame(root, settings, "cls_token", tokenizer.prefix(), tokenizer);
    CheckFrame(root, settings, "sep_token", tokenizer.suffix(), tokenizer);
  } else if (name == "RobertaTokenizer") {
    CheckPrefixSpace(root, settings);
    CheckFrame(root, settings, "cls_token", tokenizer.prefix(), tokenizer);
    CheckFrame(root, settings, "sep_token", tokenizer.suffix(), tokenizer);
  } else if (name == "XLMRobertaTokenizer") {
    CheckFrame(root, settings, "bos_token", tokenizer.prefix(), tokenizer);
    CheckFrame(root, settings, "eos_token", tokenizer.suffix(), tokenizer);
  }
  if (name == "Qwen2Tokenizer") CheckQwen(root, settings);
  if (settings.config().Bool("split_special_tokens", false)) {
    settings.config().FailValue("split_special_tokens", "which is not implemented; known: false");
  }
  CheckAddedTokens(root, settings);
  return status;
}

}  // namespace favor
