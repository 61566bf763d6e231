#include "favor/tokenizer/tokenizer_json.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "favor/tokenizer/component_json.h"
#include "favor/tokenizer/normalizer_sequence.h"
#include "favor/tokenizer/pipeline_tokenizer.h"
#include "favor/tokenizer/post_processor_json.h"
#include "favor/tokenizer/unigram.h"
#include "favor/tokenizer/word_piece.h"

namespace favor {
namespace {

constexpr char kFile[] = "tokenizer.json";

std::unique_ptr<Vocabulary> ReadVocabulary(const JsonFields& model) {
  auto vocabulary = std::make_unique<Vocabulary>();
  const JsonFields fields = model.RequiredObject("vocab");
  for (const JsonMember& member : *fields.object().object()) {
    const int64_t* id = member.value.integer();
    if (id == nullptr) {
      fields.Fail(member.name, absl::StrCat("is ", member.value.Description(), ", not an id"));
      return vocabulary;
    }
    if (const absl::Status status = vocabulary->Add(member.name, *id); !status.ok()) {
      model.Fail("vocab", absl::StrCat("is wrong: ", status.message()));
      return vocabulary;
    }
  }
  if (const absl::Status status = vocabulary->CheckGaps(); !status.ok()) {
    model.Fail("vocab", absl::StrCat("is wrong: ", status.message()));
  }
  return vocabulary;
}

// [["<s>", 0.0], ["▁the", -3.2], ...], ids from 0.
std::vector<double> ReadScoredVocabulary(const JsonFields& model, Vocabulary* vocabulary) {
  std::vector<double> scores;
  for (const JsonValue& entry : model.RequiredArray("vocab")) {
    const JsonValue::Array* pair = entry.array();
    const std::string* piece = pair != nullptr && pair->size() == 2 ? (*pair)[0].string() : nullptr;
    const double* real = piece != nullptr ? std::get_if<double>(&(*pair)[1].value) : nullptr;
    const int64_t* whole = piece != nullptr ? (*pair)[1].integer() : nullptr;
    if (real == nullptr && whole == nullptr) {
      model.Fail(absl::StrCat("vocab[", scores.size(), "]"), "is not a token and its score");
      return scores;
    }
    const absl::Status status = vocabulary->AddOrReplace(*piece, static_cast<int64_t>(scores.size()));
    if (!status.ok()) {
      model.Fail("vocab", absl::StrCat("is wrong: ", status.message()));
      return scores;
    }
    scores.push_back(real != nullptr ? *real : static_cast<double>(*whole));
  }
  return scores;
}

void ReadUnigram(const JsonFields& fields, Pipeline* pipeline) {
  pipeline->vocabulary = std::make_unique<Vocabulary>();
  std::vector<double> scores = ReadScoredVocabulary(fields, pipeline->vocabulary.get());
  const int64_t last_id = static_cast<int64_t>(scores.size()) - 1;
  const auto unknown_id = static_cast<int32_t>(fields.RequiredInteger("unk_id", 0, last_id));
  const bool byte_fallback = fields.Bool("byte_fallback", false);
  if (!fields.ok()) return;
  pipeline->model = std::make_unique<Unigram>(*pipeline->vocabulary, std::move(scores), unknown_id, byte_fallback);
}

void ReadModel(const JsonFields& root, Pipeline* pipeline) {
  const JsonFields fields = root.RequiredObject("model");
  // Files of 2020 do not name the type. Then only Unigram's vocabulary is a list, and this prefix is WordPiece's own.
  const JsonValue* vocabulary = fields.Find("vocab");
  const bool lists_pieces = vocabulary != nullptr && vocabulary->array() != nullptr;
  if (lists_pieces && !fields.Has("type")) return ReadUnigram(fields, pipeline);
  const bool untyped = !fields.Has("type") && fields.Has("continuing_subword_prefix") && !fields.Has("merges");
  const std::string type = untyped ? "WordPiece" : fields.RequiredString("type");
  if (type == "Unigram") return ReadUnigram(fields, pipeline);
  if (type != "WordPiece" && type != "WordLevel") {
    return NotImplemented(fields, "type", "WordPiece, WordLevel, Unigram");
  }
  pipeline->vocabulary = ReadVocabulary(fields);
  const std::string unknown = fields.RequiredString("unk_token");
  const int32_t unknown_id = pipeline->vocabulary->Find(unknown);
  if (unknown_id == Vocabulary::kNone) return fields.FailValue("unk_token", "which is not in model.vocab");
  if (type == "WordLevel") {
    pipeline->model = std::make_unique<WordLevel>(pipeline->vocabulary.get(), unknown_id);
    return;
  }
  const std::string prefix = fields.String("continuing_subword_prefix", "##");
  const int64_t max_characters =
      fields.Integer("max_input_chars_per_word", 100, 0, std::numeric_limits<int32_t>::max());
  pipeline->model = std::make_unique<WordPiece>(*pipeline->vocabulary, unknown_id, prefix, max_characters);
}

void ReadAddedTokens(const JsonFields& root, Pipeline* pipeline) {
  absl::flat_hash_set<std::string> contents;
  absl::flat_hash_set<int32_t> ids;
  for (const JsonFields& fields : root.Objects("added_tokens")) {
    AddedToken token;
    token.content = fields.RequiredString("content");
    token.id = static_cast<int32_t>(fields.RequiredInteger("id", 0, Vocabulary::kMaxId));
    token.single_word = fields.Bool("single_word", false);
    token.lstrip = fields.Bool("lstrip", false);
    token.rstrip = fields.Bool("rstrip", false);
    token.normalized = fields.Bool("normalized", !fields.Bool("special", false));
    if (!root.ok()) return;
    if (token.content.size() > Vocabulary::kMaxPieceBytes) {
      return fields.FailValue("content", absl::StrCat("which is longer than ", Vocabulary::kMaxPieceBytes, " bytes"));
    }
    const int32_t known_id = pipeline->vocabulary->Find(token.content);
    if (known_id != Vocabulary::kNone && known_id != token.id) {
      return fields.FailValue("id", absl::StrCat("in model.vocab the token has ", known_id));
    }
    if (known_id == Vocabulary::kNone && !pipeline->vocabulary->Piece(token.id).empty()) {
      return fields.FailValue("id", "which another token of model.vocab has");
    }
    if (token.content.empty()) continue;  // the reference ignores them
    if (!ids.insert(token.id).second) return fields.FailValue("id", "which is there twice");
    if (!contents.insert(token.content).second) return fields.FailValue("content", "which is there twice");
    pipeline->added_tokens.push_back(std::move(token));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromJson(const JsonValue& json, bool lowercase_first) {
  absl::Status status;
  const JsonFields root(json, kFile, &status);
  Pipeline pipeline;
  pipeline.normalizer = ReadNormalizer(root);
  if (lowercase_first) pipeline.normalizer = LowercaseBefore(std::move(pipeline.normalizer));
  pipeline.pre_tokenizer = ReadPreTokenizer(root);
  if (status.ok()) ReadModel(root, &pipeline);
  if (status.ok()) ReadAddedTokens(root, &pipeline);
  if (status.ok()) ReadPostProcessor(root, &pipeline.prefix, &pipeline.suffix);
  if (!status.ok()) return status;
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(pipeline));
  for (const std::vector<int32_t>* ids : {&tokenizer->prefix(), &tokenizer->suffix()}) {
    for (const int32_t id : *ids) {
      if (id < tokenizer->vocabulary_size()) continue;
      root.Fail("post_processor",
                absl::StrCat("stands for id ", id, ", the vocabulary has ", tokenizer->vocabulary_size()));
    }
  }
  if (!status.ok()) return status;
  return tokenizer;
}

}  // namespace favor
