#include "favor/tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/tokenizer/bert_characters.h"
#include "favor/tokenizer/utf8.h"
#include "favor/tokenizer/white_space.h"

namespace favor {
namespace {

// What ByteLevel makes of a space.
constexpr char32_t kVisibleSpace = 0x120;

constexpr size_t kMaxTextBytes = std::numeric_limits<int32_t>::max();

// The added tokens of one kind; those of normalised text with their contents normalised.
std::vector<AddedToken> TokensOfKind(const Pipeline& pipeline, bool normalized) {
  std::vector<AddedToken> tokens;
  absl::flat_hash_set<std::string> known;
  for (AddedToken token : pipeline.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized && pipeline.normalizer != nullptr) {
      NormalizedText content;
      pipeline.normalizer->Normalize(token.content, 0, &content);
      token.content = std::move(content.text);
    }
    // Two may become the same; as in the reference, the first one counts. Of some, nothing is left.
    if (!token.content.empty() && known.insert(token.content).second) tokens.push_back(std::move(token));
  }
  return tokens;
}

// White space, or what ByteLevel makes of a space.
bool IsSpace(absl::string_view text, size_t at) {
  const char32_t c = NextCharacter(text, &at);
  return c == kVisibleSpace || IsWhitespace(c);
}

int64_t CountLeadingSpaces(absl::string_view text) {
  int64_t count = 0;
  for (size_t i = 0; i < text.size() && IsSpace(text, i); ++count) NextCharacter(text, &i);
  return count;
}

int64_t CountTrailingSpaces(absl::string_view text) {
  int64_t count = 0;
  for (; !text.empty() && IsSpace(text, LastCharacter(text)); ++count) text = text.substr(0, LastCharacter(text));
  return count;
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(Pipeline pipeline)
    : pipeline_(std::move(pipeline)),
      raw_tokens_(TokensOfKind(pipeline_, false)),
      normalized_tokens_(TokensOfKind(pipeline_, true)),
      cuts_(pipeline_.normalizer.get(), pipeline_.pre_tokenizer.get(), TokensOfKind(pipeline_, true)),
      vocabulary_size_(pipeline_.vocabulary->size()) {
  for (const AddedToken& token : pipeline_.added_tokens) {
    added_pieces_.emplace(token.id, token.content);
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, int64_t{token.id} + 1);
  }
}

// Three passes, of which the last one is the work: the text is checked, added tokens are looked for, and what lies
// between them is encoded.
class PipelineTokenizer::Run : public Tokenization {
 public:
  Run(const PipelineTokenizer& tokenizer, absl::string_view text, int64_t step_bytes)
      : tokenizer_(tokenizer), text_(text), step_bytes_(static_cast<size_t>(step_bytes)) {}

  absl::StatusOr<bool> Step(std::vector<Token>* tokens) override {
    if (text_.size() > kMaxTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("text has ", text_.size(), " bytes, at most ", kMaxTextBytes));
    }
    const auto stop = [this](size_t from) { return std::min(text_.size(), from + step_bytes_); };
    if (checked_ < text_.size()) {
      if (absl::Status status = CheckUtf8(text_, stop(checked_), &checked_); !status.ok()) return status;
      if (checked_ < text_.size()) return false;
    }
    if (search_.next < text_.size()) {
      tokenizer_.raw_tokens_.Split(text_, static_cast<uint32_t>(stop(search_.next)), &search_, &parts_);
      if (search_.next < text_.size()) return false;
    }
    for (size_t num_bytes = 0; num_bytes < step_bytes_ && part_ < parts_.size();) {
      const absl::StatusOr<size_t> encoded = EncodePiece(tokens);
      if (!encoded.ok()) return encoded.status();
      num_bytes += *encoded;
    }
    return part_ == parts_.size();
  }

 private:
  // Of the next part. Returns its size.
  absl::StatusOr<size_t> EncodePiece(std::vector<Token>* tokens) {
    const AddedTokens::Part& part = parts_[part_];
    if (part.id != AddedTokens::kText) {
      const absl::string_view spelling = text_.substr(part.range.begin, part.range.end - part.range.begin);
      const TextRange kept = tokenizer_.Trim(text_, part.range, spelling, part.range.begin == 0);
      tokens->push_back({part.id, kept.begin, kept.end});
      ++part_;
      return part.range.end - part.range.begin;
    }
    const absl::string_view text = text_.substr(part.range.begin, part.range.end - part.range.begin);
    if (done_of_part_ == 0) may_cut_ = text.size() > step_bytes_ && tokenizer_.cuts_.MayCut(text);
    const size_t begin = done_of_part_;
    const size_t end = may_cut_ ? tokenizer_.cuts_.Next(text, begin, step_bytes_) : text.size();
    const uint32_t offset = part.range.begin + static_cast<uint32_t>(begin);
    absl::Status status = tokenizer_.EncodeText(text.substr(begin, end - begin), offset, &scratch_, tokens);
    if (!status.ok()) return status;
    done_of_part_ = end;
    if (end == text.size()) {
      done_of_part_ = 0;
      ++part_;
    }
    return end - begin;
  }

  const PipelineTokenizer& tokenizer_;
  absl::string_view text_;
  size_t step_bytes_;
  size_t checked_ = 0;
  AddedTokens::Search search_;
  std::vector<AddedTokens::Part> parts_;
  size_t part_ = 0;  // of parts_, the next one
  size_t done_of_part_ = 0;
  bool may_cut_ = false;  // the part
  Scratch scratch_;
};

std::unique_ptr<Tokenization> PipelineTokenizer::Begin(absl::string_view text, int64_t step_bytes) const {
  return std::make_unique<Run>(*this, text, step_bytes);
}

absl::Status PipelineTokenizer::EncodeText(absl::string_view text, uint32_t offset, Scratch* scratch,
                                           std::vector<Token>* tokens) const {
  NormalizedText& normalized = scratch->normalized;
  normalized.clear();
  normalized.begin = offset;
  if (pipeline_.normalizer != nullptr) {
    pipeline_.normalizer->Normalize(text, offset, &normalized);
  } else {
    for (size_t i = 0; i < text.size();) {
      const size_t begin = i;
      NextCharacter(text, &i);
      normalized.text.append(text.data() + begin, i - begin);
      normalized.FillSources({offset + static_cast<uint32_t>(begin), offset + static_cast<uint32_t>(i)});
    }
  }
  if (!normalized.text.empty()) normalized.begin = normalized.sources.front().begin;
  if (normalized_tokens_.empty()) return EncodeNormalized(&normalized, scratch, tokens);
  scratch->parts.clear();
  normalized_tokens_.Split(normalized.text, &scratch->parts);
  for (const AddedTokens::Part& part : scratch->parts) {
    if (part.id == AddedTokens::kText) {
      NormalizedText slice = normalized.Slice(part.range);
      if (absl::Status status = EncodeNormalized(&slice, scratch, tokens); !status.ok()) return status;
    } else {
      const absl::string_view spelling =
          absl::string_view(normalized.text).substr(part.range.begin, part.range.end - part.range.begin);
      const TextRange source = SourceOf(normalized, part.range, spelling);
      tokens->push_back({part.id, source.begin, source.end});
    }
  }
  return absl::OkStatus();
}

absl::Status PipelineTokenizer::EncodeNormalized(NormalizedText* text, Scratch* scratch,
                                                 std::vector<Token>* tokens) const {
  scratch->words.clear();
  if (pipeline_.pre_tokenizer != nullptr) {
    if (absl::Status status = pipeline_.pre_tokenizer->Split(text, &scratch->words); !status.ok()) return status;
  } else if (!text->text.empty()) {
    scratch->words.push_back({0, static_cast<uint32_t>(text->text.size())});
  }
  const absl::string_view bytes = text->text;
  const bool trims = pipeline_.trim != SpaceTrim::kNone;  // else no token is looked up to be spelled
  for (const TextRange& word : scratch->words) {
    scratch->word_parts.clear();
    pipeline_.model->Encode(bytes.substr(word.begin, word.end - word.begin), &scratch->word_parts);
    for (const WordPart& part : scratch->word_parts) {
      const absl::string_view spelling = trims ? pipeline_.vocabulary->Piece(part.id) : absl::string_view();
      const TextRange source = SourceOf(*text, {word.begin + part.range.begin, word.begin + part.range.end}, spelling);
      tokens->push_back({part.id, source.begin, source.end});
    }
  }
  return absl::OkStatus();
}

TextRange PipelineTokenizer::SourceOf(const NormalizedText& text, TextRange token, absl::string_view spelling) const {
  const TextRange source = text.Source(token.begin, token.end);
  if (pipeline_.trim == SpaceTrim::kNone) return source;
  const TextRange kept = Trim(text.text, token, spelling, source.begin == 0);
  const uint32_t begin = kept.begin < token.end ? text.sources[kept.begin].begin : source.end;
  return {begin, kept.begin < kept.end ? text.sources[kept.end - 1].end : begin};
}

TextRange PipelineTokenizer::Trim(absl::string_view text, TextRange token, absl::string_view spelling,
                                  bool first) const {
  if (pipeline_.trim == SpaceTrim::kNone) return token;
  // A token that begins or ends within a character is spelled otherwise there: as a byte.
  int64_t leading = CountLeadingSpaces(spelling), trailing = CountTrailingSpaces(spelling);
  if (first && leading > 0 && pipeline_.trim == SpaceTrim::kAllButFirst) --leading;
  TextRange kept = token;
  for (size_t next = kept.begin; leading > 0 && kept.begin < kept.end; --leading) {
    NextCharacter(text, &next);
    kept.begin = static_cast<uint32_t>(next);
  }
  for (; trailing > 0 && kept.begin < kept.end; --trailing) {
    kept.end = static_cast<uint32_t>(LastCharacter(text.substr(0, kept.end)));
  }
  return kept;
}

std::string PipelineTokenizer::Piece(int32_t id) const {
  const auto found = added_pieces_.find(id);
  return found == added_pieces_.end() ? pipeline_.vocabulary->Piece(id) : found->second;
}

}  // namespace favor
