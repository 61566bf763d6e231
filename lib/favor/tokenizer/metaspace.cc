#include "favor/tokenizer/metaspace.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/bert_pre_tokenizer.h"
#include "favor/tokenizer/utf8.h"

namespace favor {

absl::Status Metaspace::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  if (text->text.empty()) return absl::OkStatus();
  NormalizedText out;
  out.begin = text->begin;
  if (!options_.split_white_space) {
    AppendPiece(*text, {0, static_cast<uint32_t>(text->text.size())}, text->begin == 0, &out, words);
  } else {
    std::vector<TextRange> pieces;
    absl::Status status = BertPreTokenizer(/*isolate_punctuation=*/false).Split(text, &pieces);
    if (!status.ok()) return status;
    for (const TextRange& piece : pieces) {
      AppendPiece(*text, piece, text->sources[piece.begin].begin == 0, &out, words);
    }
  }
  *text = std::move(out);
  return absl::OkStatus();
}

void Metaspace::AppendPiece(const NormalizedText& text, TextRange range, bool first, NormalizedText* out,
                            std::vector<TextRange>* words) const {
  const absl::string_view piece = absl::string_view(text.text).substr(range.begin, range.end - range.begin);
  const absl::string_view replacement = options_.replacement;
  const bool starts_with_it = piece.front() == ' ' || absl::StartsWith(piece, replacement);
  const bool wanted = options_.prepend == MetaspaceOptions::Prepend::kAlways ||
                      (options_.prepend == MetaspaceOptions::Prepend::kFirst && first);
  auto word_begin = static_cast<uint32_t>(out->text.size());
  if (wanted && !starts_with_it) {
    out->text.append(replacement.data(), replacement.size());
    out->FillSources(text.sources[range.begin]);
  }
  for (size_t i = 0; i < piece.size();) {
    const size_t begin = i;
    NextCharacter(piece, &i);
    absl::string_view character = piece.substr(begin, i - begin);
    const TextRange source = text.sources[range.begin + begin];
    if (character == " ") character = replacement;
    const auto position = static_cast<uint32_t>(out->text.size());
    if (options_.split && character == replacement && word_begin < position) {
      words->push_back({word_begin, position});
      word_begin = position;
    }
    out->text.append(character.data(), character.size());
    out->FillSources(source);
  }
  words->push_back({word_begin, static_cast<uint32_t>(out->text.size())});
}

}  // namespace favor
