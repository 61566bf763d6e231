#include "favor/tokenizer/model_json.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/byte_pair.h"
#include "favor/tokenizer/component_json.h"
#include "favor/tokenizer/unigram.h"
#include "favor/tokenizer/word_piece.h"

namespace favor {
namespace {

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

int32_t ReadUnknownId(const JsonFields& model, const Vocabulary& vocabulary) {
  if (!model.Has("unk_token")) return Vocabulary::kNone;
  const int32_t id = vocabulary.Find(model.RequiredString("unk_token"));
  if (id == Vocabulary::kNone) model.FailValue("unk_token", "which is not in model.vocab");
  return id;
}

// "left right", or ["left", "right"]; false for what is neither.
bool ParseMerge(const JsonValue& entry, std::pair<absl::string_view, absl::string_view>* merge) {
  if (const std::string* text = entry.string()) {
    const size_t space = text->find(' ');
    if (space == std::string::npos || text->find(' ', space + 1) != std::string::npos) return false;
    *merge = {absl::string_view(*text).substr(0, space), absl::string_view(*text).substr(space + 1)};
    return true;
  }
  const JsonValue::Array* pair = entry.array();
  if (pair == nullptr || pair->size() != 2 || (*pair)[0].string() == nullptr || (*pair)[1].string() == nullptr) {
    return false;
  }
  *merge = {*(*pair)[0].string(), *(*pair)[1].string()};
  return true;
}

void ReadMerges(const JsonFields& model, BytePair* byte_pair) {
  size_t index = 0;
  for (const JsonValue& entry : model.RequiredArray("merges")) {
    const std::string name = absl::StrCat("merges[", index++, "]");
    if (entry.string() != nullptr && absl::StartsWith(*entry.string(), "#version")) continue;  // the head of merges.txt
    std::pair<absl::string_view, absl::string_view> merge;
    if (!ParseMerge(entry, &merge))
      return model.Fail(name, absl::StrCat("is ", entry.Description(), ", not two tokens"));
    if (const absl::Status status = byte_pair->AddMerge(merge.first, merge.second); !status.ok()) {
      return model.Fail(name, status.message());
    }
  }
}

// Tokens of bytes. Where some are missing, the reference holds unknown characters back behind those that are not.
int64_t CountBytes(const Vocabulary& vocabulary) {
  const auto ids = vocabulary.FindBytes();
  return std::count_if(ids.begin(), ids.end(), [](int32_t id) { return id != Vocabulary::kNone; });
}

void ReadBytePair(const JsonFields& fields, Pipeline* pipeline) {
  BytePairOptions options;
  options.unknown_id = ReadUnknownId(fields, *pipeline->vocabulary);
  options.fuse_unknown = fields.Bool("fuse_unk", false);
  options.byte_fallback = fields.Bool("byte_fallback", false);
  options.whole_words = fields.Bool("ignore_merges", false);
  options.continuing_prefix = fields.String("continuing_subword_prefix", "");
  options.end_suffix = fields.String("end_of_word_suffix", "");
  if (options.byte_fallback && !(options.continuing_prefix.empty() && options.end_suffix.empty())) {
    NotImplemented(fields, "byte_fallback", "true without continuing_subword_prefix and end_of_word_suffix");
  }
  const int64_t num_bytes = CountBytes(*pipeline->vocabulary);
  if (options.byte_fallback && options.unknown_id != Vocabulary::kNone && num_bytes > 0 && num_bytes < 256) {
    fields.FailValue("byte_fallback",
                     absl::StrCat("of the tokens <0x00> to <0xFF> there are ", num_bytes, ", must be all or none"));
  }
  if (fields.Number("dropout", 0) != 0) NotImplemented(fields, "dropout", "null, 0");
  if (!fields.ok()) return;
  auto byte_pair = std::make_unique<BytePair>(pipeline->vocabulary.get(), std::move(options));
  ReadMerges(fields, byte_pair.get());
  pipeline->model = std::move(byte_pair);
}

// Files of 2020 do not name it. Then only Unigram's vocabulary is a list, only BPE has merges, and this prefix is left
// to WordPiece.
std::string TypeOf(const JsonFields& model) {
  const JsonValue* vocabulary = model.Find("vocab");
  if (!model.Has("type") && vocabulary != nullptr) {
    if (vocabulary->array() != nullptr) return "Unigram";
    if (model.Has("merges")) return "BPE";
    if (model.Has("continuing_subword_prefix")) return "WordPiece";
  }
  return model.RequiredString("type");
}

}  // namespace

void ReadModel(const JsonFields& root, Pipeline* pipeline) {
  const JsonFields fields = root.RequiredObject("model");
  const std::string type = TypeOf(fields);
  if (type == "Unigram") return ReadUnigram(fields, pipeline);
  if (type != "BPE" && type != "WordPiece" && type != "WordLevel") {
    return NotImplemented(fields, "type", "BPE, WordPiece, WordLevel, Unigram");
  }
  pipeline->vocabulary = ReadVocabulary(fields);
  if (type == "BPE") return ReadBytePair(fields, pipeline);
  fields.RequiredString("unk_token");
  const int32_t unknown_id = ReadUnknownId(fields, *pipeline->vocabulary);
  if (!fields.ok()) return;
  if (type == "WordLevel") {
    pipeline->model = std::make_unique<WordLevel>(pipeline->vocabulary.get(), unknown_id);
    return;
  }
  const std::string prefix = fields.String("continuing_subword_prefix", "##");
  const int64_t max_characters =
      fields.Integer("max_input_chars_per_word", 100, 0, std::numeric_limits<int32_t>::max());
  pipeline->model = std::make_unique<WordPiece>(*pipeline->vocabulary, unknown_id, prefix, max_characters);
}

}  // namespace favor
