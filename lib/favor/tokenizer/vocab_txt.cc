#include "favor/tokenizer/vocab_txt.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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

void CheckClass(const TokenizerSettings& settings) {
  const JsonFields& config = settings.config();
  if (!TokenizerSettings::IsBertClass(settings.ClassName("BertTokenizer"))) {
    settings.FailClass(
        "which is not implemented with vocab.txt; known: BertTokenizer, DistilBertTokenizer, ElectraTokenizer; others "
        "can be described in tokenizer.json or favor_tokenizer.json");
  }
  // BertJapaneseTokenizer's, whose name older folders do not have.
  for (const char* name : {"word_tokenizer_type", "subword_tokenizer_type", "mecab_kwargs"}) {
    if (config.Has(name)) config.FailValue(name, "which is not implemented");
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

// Collects added tokens: of two of the same content the first one counts.
class SpecialTokens {
 public:
  SpecialTokens(const TokenizerSettings& settings, Pipeline* pipeline, absl::Status* status)
      : settings_(settings), pipeline_(*pipeline), status_(*status) {}

  // The id of the token that a field names; an error when the vocabulary lacks it and it is required.
  int32_t Add(const std::string& field, const std::string& fallback, bool required) {
    const JsonFields& fields = settings_.Of(field);
    const JsonValue* value = fields.Find(field);
    const AddedToken token = value == nullptr ? AddedToken{fallback} : FromValue(*value, fields, field, &status_);
    const int32_t id = pipeline_.vocabulary->Find(token.content);
    if (id == Vocabulary::kNone && required) {
      fields.Fail(field, absl::StrCat("is \"", token.content, "\", which is not in vocab.txt"));
    }
    if (id != Vocabulary::kNone) Add(token, id);
    return id;
  }

  void AddAdditional() {
    for (const auto& [fields, path, value] : settings_.AdditionalTokens()) {
      const AddedToken token = FromValue(*value, *fields, path, &status_);
      if (contents_.contains(token.content)) continue;
      const int32_t id = pipeline_.vocabulary->Find(token.content);
      if (id == Vocabulary::kNone) return fields->Fail(path, "is not in vocab.txt");
      Add(token, id);
    }
  }

  // Of added_tokens.json: {"fox": 401}.
  void AddNamed() {
    const absl::flat_hash_set<std::string> special = SpecialContents();
    const JsonFields& fields = settings_.added_tokens();
    for (const JsonMember& member : *fields.object().object()) {
      AddedToken token{member.name};
      token.normalized = !special.contains(token.content);
      const auto id = static_cast<int32_t>(fields.RequiredInteger(member.name, 0, Vocabulary::kMaxId));
      if (!CheckId(fields, member.name, token, id)) return;
      Add(token, id);
    }
    CheckNewIds(fields, "");
  }

  void AddDecoder() {
    const JsonFields decoder = settings_.config().Object("added_tokens_decoder");
    for (const JsonMember& member : *decoder.object().object()) {
      const AddedToken token =
          FromObject(JsonFields(member.value, decoder.file_name(), &status_, decoder.Path(member.name)), false);
      int32_t id = -1;
      if (!absl::SimpleAtoi(member.name, &id) || id < 0 || id > Vocabulary::kMaxId) {
        return decoder.Fail(member.name, absl::StrCat("is no id from 0 to ", Vocabulary::kMaxId));
      }
      if (!CheckId(decoder, member.name, token, id)) return;
      Add(token, id);
    }
    CheckNewIds(settings_.config(), "added_tokens_decoder");
  }

 private:
  // Of those that the files name.
  absl::flat_hash_set<std::string> SpecialContents() const {
    absl::flat_hash_set<std::string> contents;
    for (const char* field :
         {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
      if (const JsonValue* token = settings_.Of(field).Find(field)) contents.insert(TokenContent(*token));
    }
    for (const auto& additional : settings_.AdditionalTokens()) contents.insert(TokenContent(*additional.token));
    return contents;
  }

  // transformers gives new tokens the ids behind the vocabulary, in their order, whatever the files say.
  void CheckNewIds(const JsonFields& fields, absl::string_view field) const {
    std::vector<int64_t> ids;
    for (const AddedToken& token : pipeline_.added_tokens) {
      if (token.id >= pipeline_.vocabulary->size()) ids.push_back(token.id);
    }
    std::sort(ids.begin(), ids.end());
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t free = pipeline_.vocabulary->size() + static_cast<int64_t>(i);
      if (ids[i] == free) continue;
      return fields.Fail(field,
                         absl::StrCat("has a token of id ", ids[i], ", the next one behind vocab.txt is ", free));
    }
  }

  bool CheckId(const JsonFields& fields, const std::string& name, const AddedToken& token, int32_t id) const {
    if (token.content.size() > Vocabulary::kMaxPieceBytes) {
      fields.Fail(name, absl::StrCat("has more than ", Vocabulary::kMaxPieceBytes, " bytes"));
    }
    const int32_t known_id = pipeline_.vocabulary->Find(token.content);
    const bool taken = known_id == Vocabulary::kNone && !pipeline_.vocabulary->Piece(id).empty();
    if (taken || (known_id != Vocabulary::kNone && known_id != id)) {
      fields.Fail(name, absl::StrCat("is \"", token.content, "\", vocab.txt has it otherwise"));
    }
    return fields.ok();
  }

  void Add(AddedToken token, int32_t id) {
    if (token.content.empty() || !contents_.insert(token.content).second) return;
    token.id = id;
    pipeline_.added_tokens.push_back(std::move(token));
  }

  const TokenizerSettings& settings_;
  Pipeline& pipeline_;
  absl::Status& status_;
  absl::flat_hash_set<std::string> contents_;  // of the pipeline's added tokens
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromVocabTxt(absl::string_view vocabulary,
                                                                 const TokenizerFiles& files, bool lowercase_first) {
  absl::Status status;
  const TokenizerSettings settings(files, &status);
  const JsonFields& config = settings.config();
  CheckClass(settings);
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

  SpecialTokens special(settings, &pipeline, &status);
  if (config.Has("added_tokens_decoder")) special.AddDecoder();
  special.AddNamed();
  const int32_t unknown_id = special.Add("unk_token", "[UNK]", true);
  pipeline.prefix = {special.Add("cls_token", "[CLS]", true)};
  pipeline.suffix = {special.Add("sep_token", "[SEP]", true)};
  special.Add("pad_token", "[PAD]", false);
  special.Add("mask_token", "[MASK]", false);
  special.AddAdditional();
  if (!status.ok()) return status;
  pipeline.model = std::make_unique<WordPiece>(*pipeline.vocabulary, unknown_id, "##", 100);
  return std::make_unique<PipelineTokenizer>(std::move(pipeline));
}

}  // namespace favor
