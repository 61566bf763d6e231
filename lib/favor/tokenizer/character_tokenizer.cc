#include "favor/tokenizer/character_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "favor/format/json_fields.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

constexpr char kFile[] = "favor_tokenizer.json";

// A list of tokens, whose ids count from 0, or an object of tokens and ids.
void ReadVocabulary(const JsonFields& fields, Vocabulary* vocabulary) {
  const auto add = [&](const std::string& piece, int64_t id) {
    const absl::Status status = vocabulary->Add(piece, id);
    if (!status.ok()) fields.Fail("vocabulary", absl::StrCat("is wrong: ", status.message()));
    return status.ok();
  };
  const JsonValue* value = fields.Find("vocabulary");
  if (value != nullptr && value->array() != nullptr) {
    int64_t id = 0;
    for (const std::string& piece : fields.Strings("vocabulary")) {
      if (!add(piece, id++)) return;
    }
  } else {
    const JsonFields members = fields.RequiredObject("vocabulary");
    for (const JsonMember& member : *members.object().object()) {
      const int64_t id = members.RequiredInteger(member.name, 0, Vocabulary::kMaxId);
      if (!fields.ok() || !add(member.name, id)) return;
    }
  }
  if (!fields.ok()) return;
  if (vocabulary->size() == 0) fields.Fail("vocabulary", "is empty");
  if (const absl::Status status = vocabulary->CheckGaps(); !status.ok()) {
    fields.Fail("vocabulary", absl::StrCat("is wrong: ", status.message()));
  }
}

std::vector<int32_t> ReadTokens(const JsonFields& fields, absl::string_view field, const Vocabulary& vocabulary) {
  std::vector<int32_t> ids;
  for (const std::string& piece : fields.Strings(field)) {
    ids.push_back(vocabulary.Find(piece));
    if (ids.back() == Vocabulary::kNone) {
      fields.Fail(absl::StrCat(field, "[", ids.size() - 1, "]"), "is not in vocabulary");
    }
  }
  return ids;
}

void RefuseOtherFields(const JsonFields& fields, std::initializer_list<absl::string_view> known) {
  for (const JsonMember& member : *fields.object().object()) {
    bool found = false;
    for (const absl::string_view name : known) found |= member.name == name;
    if (!found) fields.Fail(member.name, "is not a field of this type");
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromFavorJson(const JsonValue& json) {
  absl::Status status;
  const JsonFields fields(json, kFile, &status);
  fields.RequiredInteger("format_version", 1, 1);
  const std::string type = fields.RequiredString("type");
  if (type == "bytes") {
    RefuseOtherFields(fields, {"format_version", "type"});
    if (!status.ok()) return status;
    return std::make_unique<ByteTokenizer>();
  }
  if (type != "characters") fields.FailValue("type", "which is not implemented; known: bytes, characters");
  RefuseOtherFields(fields, {"format_version", "type", "vocabulary", "unknown", "prefix", "suffix", "uppercase"});
  if (!status.ok()) return status;
  CharacterTokenizerOptions options;
  ReadVocabulary(fields, &options.vocabulary);
  options.uppercase = fields.Bool("uppercase", false);
  options.prefix = ReadTokens(fields, "prefix", options.vocabulary);
  options.suffix = ReadTokens(fields, "suffix", options.vocabulary);
  if (fields.Has("unknown")) {
    options.unknown_id = options.vocabulary.Find(fields.String("unknown", ""));
    if (options.unknown_id == Vocabulary::kNone) fields.FailValue("unknown", "which is not in vocabulary");
  }
  if (!status.ok()) return status;
  return std::make_unique<CharacterTokenizer>(std::move(options));
}

std::unique_ptr<Tokenization> ByteTokenizer::Begin(absl::string_view text, int64_t step_bytes) const {
  class Run : public Tokenization {
   public:
    Run(absl::string_view text, int64_t step_bytes) : text_(text), step_bytes_(step_bytes) {}

    absl::StatusOr<bool> Step(std::vector<Token>* tokens) override {
      const auto size = static_cast<int64_t>(text_.size());
      const int64_t end = std::min(size, position_ + step_bytes_);
      if (position_ == 0) tokens->reserve(text_.size());
      for (; position_ < end; ++position_) {
        tokens->push_back({static_cast<unsigned char>(text_[position_]), position_, position_ + 1});
      }
      return end == size;
    }

   private:
    absl::string_view text_;
    int64_t step_bytes_;
    int64_t position_ = 0;
  };
  return std::make_unique<Run>(text, step_bytes);
}

std::string ByteTokenizer::Piece(int32_t id) const {
  if (id < 0 || id > 255) return std::string();
  if (id < 0x80) return std::string(1, static_cast<char>(id));
  return absl::StrFormat("<0x%02X>", id);
}

CharacterTokenizer::CharacterTokenizer(CharacterTokenizerOptions options) : options_(std::move(options)) {
  ascii_.fill(Vocabulary::kNone);
  for (const auto& [piece, id] : options_.vocabulary.ids()) {
    if (piece.empty()) continue;
    size_t position = 0;
    const char32_t c = NextCharacter(piece, &position);
    if (position != piece.size()) continue;
    if (c < ascii_.size()) {
      ascii_[c] = id;
    } else {
      others_.emplace(c, id);
    }
  }
  if (!options_.uppercase) return;
  for (char32_t c = 'a'; c <= 'z'; ++c) ascii_[c] = ascii_[c - 'a' + 'A'];
}

int32_t CharacterTokenizer::IdOf(char32_t c) const {
  int32_t id = Vocabulary::kNone;
  if (c < ascii_.size()) {
    id = ascii_[c];
  } else if (const auto found = others_.find(c); found != others_.end()) {
    id = found->second;
  }
  return id == Vocabulary::kNone ? options_.unknown_id : id;
}

// First all of the text is checked: what is not UTF-8 is named before what is not in the vocabulary.
class CharacterTokenizer::Run : public Tokenization {
 public:
  Run(const CharacterTokenizer& tokenizer, absl::string_view text, int64_t step_bytes)
      : tokenizer_(tokenizer), text_(text), step_bytes_(static_cast<size_t>(step_bytes)) {}

  absl::StatusOr<bool> Step(std::vector<Token>* tokens) override {
    const auto stop = [this](size_t from) { return std::min(text_.size(), from + step_bytes_); };
    if (checked_ < text_.size()) {
      if (absl::Status status = CheckUtf8(text_, stop(checked_), &checked_); !status.ok()) return status;
      if (checked_ < text_.size()) return false;
    }
    if (position_ == 0) tokens->reserve(text_.size());
    for (const size_t end = stop(position_); position_ < end;) {
      const size_t begin = position_;
      const char32_t c = NextCharacter(text_, &position_);
      const int32_t id = tokenizer_.IdOf(c);
      if (id == Vocabulary::kNone) {
        return absl::InvalidArgumentError(
            absl::StrCat("text: character ", CharacterName(c), " at byte ", begin, " is not in the vocabulary"));
      }
      tokens->push_back({id, static_cast<int64_t>(begin), static_cast<int64_t>(position_)});
    }
    return position_ == text_.size();
  }

 private:
  const CharacterTokenizer& tokenizer_;
  absl::string_view text_;
  size_t step_bytes_;
  size_t checked_ = 0;
  size_t position_ = 0;
};

std::unique_ptr<Tokenization> CharacterTokenizer::Begin(absl::string_view text, int64_t step_bytes) const {
  return std::make_unique<Run>(*this, text, step_bytes);
}

}  // namespace favor
