#include "favor/tokenizer/vocab_txt.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "favor/format/json_fields.h"
#include "favor/tokenizer/bert_normalizer.h"
#include "favor/tokenizer/bert_pre_tokenizer.h"
#include "favor/tokenizer/normalizer_sequence.h"
#include "favor/tokenizer/pipeline_tokenizer.h"
#include "favor/tokenizer/utf8.h"
#include "favor/tokenizer/word_piece.h"

namespace favor {
namespace {

constexpr char kConfigFile[] = "tokenizer_config.json";
constexpr absl::string_view kClasses[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"};

absl::StatusOr<std::unique_ptr<Vocabulary>> ReadLines(absl::string_view text) {
  if (absl::Status status = CheckUtf8(text); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("vocab.txt: ", status.message()));
  }
  auto vocabulary = std::make_unique<Vocabulary>();
  int64_t id = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripSuffix(line, "\r");
    const absl::Status status = line.empty() ? absl::OkStatus() : vocabulary->AddOrReplace(line, id);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("vocab.txt: ", status.message()));
    ++id;
  }
  if (vocabulary->size() == 0) return absl::InvalidArgumentError("vocab.txt holds no tokens");
  return vocabulary;
}

void CheckClass(const JsonFields& config) {
  std::string name = config.String("tokenizer_class", "BertTokenizer");
  name = std::string(absl::StripSuffix(name, "Fast"));
  if (std::find(std::begin(kClasses), std::end(kClasses), name) == std::end(kClasses)) {
    config.FailValue("tokenizer_class",
                     "which is not implemented with vocab.txt; known: BertTokenizer, DistilBertTokenizer, "
                     "ElectraTokenizer; others can be described in tokenizer.json or favor_tokenizer.json");
  }
  if (!config.Bool("do_basic_tokenize", true)) config.FailValue("do_basic_tokenize", "which is not implemented");
  if (!config.Array("never_split").empty()) config.FailValue("never_split", "which is not implemented");
}

AddedToken FromObject(const JsonFields& fields, bool special) {
  AddedToken token;
  token.content = fields.RequiredString("content");
  token.single_word = fields.Bool("single_word", false);
  token.lstrip = fields.Bool("lstrip", false);
  token.rstrip = fields.Bool("rstrip", false);
  token.normalized = fields.Bool("normalized", !fields.Bool("special", special));
  return token;
}

// A special token that is a text or an object.
AddedToken FromValue(const JsonValue& value, const JsonFields& config, const std::string& field, absl::Status* status) {
  if (const std::string* content = value.string()) return {*content};
  return FromObject(JsonFields(value, config.file_name(), status, config.Path(field)), /*special=*/true);
}

class SpecialTokens {
 public:
  SpecialTokens(const JsonFields& config, Pipeline* pipeline, absl::Status* status)
      : config_(config), pipeline_(*pipeline), status_(*status) {}

  // The id of the token that a field names; an error when the vocabulary lacks it and it is required.
  int32_t Add(const std::string& field, const std::string& fallback, bool required) {
    const JsonValue* value = config_.Find(field);
    const AddedToken token = value == nullptr ? AddedToken{fallback} : FromValue(*value, config_, field, &status_);
    const int32_t id = pipeline_.vocabulary->Find(token.content);
    if (id == Vocabulary::kNone && required) {
      config_.Fail(field, absl::StrCat("is \"", token.content, "\", which is not in vocab.txt"));
    }
    if (id != Vocabulary::kNone) Add(token, id);
    return id;
  }

  void AddAdditional() {
    const JsonValue::Array& values = config_.Array("additional_special_tokens");
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string field = absl::StrCat("additional_special_tokens[", i, "]");
      const AddedToken token = FromValue(values[i], config_, field, &status_);
      const int32_t id = pipeline_.vocabulary->Find(token.content);
      if (id == Vocabulary::kNone) return config_.Fail(field, "is not in vocab.txt");
      Add(token, id);
    }
  }

  // Takes the place of all tokens added so far.
  void AddDecoder() {
    pipeline_.added_tokens.clear();
    contents_.clear();
    const JsonFields decoder = config_.Object("added_tokens_decoder");
    for (const JsonMember& member : *decoder.object().object()) {
      const AddedToken token =
          FromObject(JsonFields(member.value, config_.file_name(), &status_, decoder.Path(member.name)), false);
      int32_t id = -1;
      if (!absl::SimpleAtoi(member.name, &id) || id < 0 || id > Vocabulary::kMaxId) {
        return decoder.Fail(member.name, absl::StrCat("is no id from 0 to ", Vocabulary::kMaxId));
      }
      if (token.content.size() > Vocabulary::kMaxPieceBytes) {
        return decoder.Fail(member.name, absl::StrCat("has more than ", Vocabulary::kMaxPieceBytes, " bytes"));
      }
      const int32_t known_id = pipeline_.vocabulary->Find(token.content);
      const bool taken = known_id == Vocabulary::kNone && !pipeline_.vocabulary->Piece(id).empty();
      if (taken || (known_id != Vocabulary::kNone && known_id != id)) {
        return decoder.Fail(member.name, absl::StrCat("is \"", token.content, "\", vocab.txt has it otherwise"));
      }
      Add(token, id);
    }
  }

 private:
  void Add(AddedToken token, int32_t id) {
    if (token.content.empty() || !contents_.insert(token.content).second) return;
    token.id = id;
    pipeline_.added_tokens.push_back(std::move(token));
  }

  const JsonFields& config_;
  Pipeline& pipeline_;
  absl::Status& status_;
  absl::flat_hash_set<std::string> contents_;  // of the pipeline's added tokens
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromVocabTxt(absl::string_view vocabulary,
                                                                 const JsonValue& config_json, bool lowercase_first) {
  absl::Status status;
  const JsonFields config(config_json, kConfigFile, &status);
  CheckClass(config);
  absl::StatusOr<std::unique_ptr<Vocabulary>> lines = ReadLines(vocabulary);
  if (!lines.ok()) return lines.status();

  Pipeline pipeline;
  pipeline.vocabulary = *std::move(lines);
  BertNormalizerOptions options;
  options.lowercase = config.Bool("do_lower_case", true);
  options.strip_accents = config.Bool("strip_accents", options.lowercase);
  options.handle_chinese_chars = config.Bool("tokenize_chinese_chars", true);
  pipeline.normalizer = std::make_unique<BertNormalizer>(options);
  if (lowercase_first) pipeline.normalizer = LowercaseBefore(std::move(pipeline.normalizer));
  pipeline.pre_tokenizer = std::make_unique<BertPreTokenizer>();

  SpecialTokens special(config, &pipeline, &status);
  const int32_t unknown_id = special.Add("unk_token", "[UNK]", true);
  pipeline.prefix = {special.Add("cls_token", "[CLS]", true)};
  pipeline.suffix = {special.Add("sep_token", "[SEP]", true)};
  special.Add("pad_token", "[PAD]", false);
  special.Add("mask_token", "[MASK]", false);
  config.Has("added_tokens_decoder") ? special.AddDecoder() : special.AddAdditional();
  if (!status.ok()) return status;
  pipeline.model = std::make_unique<WordPiece>(*pipeline.vocabulary, unknown_id, "##", 100);
  return std::make_unique<PipelineTokenizer>(std::move(pipeline));
}

}  // namespace favor
