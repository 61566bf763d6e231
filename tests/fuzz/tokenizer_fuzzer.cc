// Any bytes are a tokenizer or an error, and a tokenizer makes tokens of any text: in order of their beginnings, but
// for those of no character (a prefix space that is trimmed stands behind the next one, as in the reference), within
// the text, with ids below its vocabulary size, and the same ones in steps.
//
// The first byte says which file of a model folder the bytes are up to the first NUL; the rest is the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/format/json.h"
#include "favor/tokenizer/character_tokenizer.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/tokenizer_json.h"
#include "favor/tokenizer/vocab_txt.h"

namespace favor {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> Read(char kind, absl::string_view file) {
  if (kind == 'v') return TokenizerFromVocabTxt(file, TokenizerFiles());
  const absl::StatusOr<JsonValue> json = ParseJson(file, "input.json");
  if (!json.ok()) return json.status();
  constexpr char kVocabulary[] = "[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";
  if (kind == 'c') return TokenizerFromVocabTxt(kVocabulary, {.config = *json});
  if (kind == 'm') return TokenizerFromVocabTxt(kVocabulary, {.special_tokens = *json});
  if (kind == 'a') return TokenizerFromVocabTxt(kVocabulary, {.added_tokens = *json});
  return kind == 'f' ? TokenizerFromFavorJson(*json) : TokenizerFromJson(*json);
}

void CheckSteps(const Tokenizer& tokenizer, absl::string_view text, const absl::StatusOr<std::vector<Token>>& at_once) {
  for (const int64_t step_bytes : {1, 9}) {
    const std::unique_ptr<Tokenization> run = tokenizer.Begin(text, step_bytes);
    std::vector<Token> tokens;
    absl::StatusOr<bool> done = false;
    while (done.ok() && !*done) done = run->Step(&tokens);
    if (done.ok() != at_once.ok() || (done.ok() && tokens != *at_once)) std::abort();
  }
}

void CheckTokens(const Tokenizer& tokenizer, absl::string_view text) {
  const absl::StatusOr<std::vector<Token>> tokens = tokenizer.Encode(text);
  CheckSteps(tokenizer, text, tokens);
  if (!tokens.ok()) {
    if (tokens.status().message().empty()) std::abort();
    return;
  }
  int64_t begin = 0;
  for (const Token& token : *tokens) {
    if (token.id < 0 || token.id >= tokenizer.vocabulary_size()) std::abort();
    if (token.end < token.begin || token.end > static_cast<int64_t>(text.size())) std::abort();
    if (token.end > token.begin) {
      if (token.begin < begin) std::abort();
      begin = token.begin;
    }
    tokenizer.Piece(token.id);
  }
}

}  // namespace
}  // namespace favor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t split = input.find('\0');
  const absl::string_view text = split == absl::string_view::npos ? "" : input.substr(split + 1);
  const absl::StatusOr<std::unique_ptr<favor::Tokenizer>> tokenizer =
      favor::Read(static_cast<char>(data[0]), input.substr(0, split));
  if (tokenizer.ok()) {
    favor::CheckTokens(**tokenizer, text);
  } else if (tokenizer.status().message().empty()) {
    std::abort();
  }
  return 0;
}
