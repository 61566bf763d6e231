#ifndef FAVOR_TOKENIZER_CHARACTER_TOKENIZER_H_
#define FAVOR_TOKENIZER_CHARACTER_TOKENIZER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/format/json.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {

// The tokenizer that a favor_tokenizer.json describes (tokenizer.h). InvalidArgumentError, naming file and field.
absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromFavorJson(const JsonValue& json);

// Every byte is a token, its value the id. Takes texts of any bytes.
class ByteTokenizer : public Tokenizer {
 public:
  std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const override;
  const std::vector<int32_t>& prefix() const override { return none_; }
  const std::vector<int32_t>& suffix() const override { return none_; }
  int64_t vocabulary_size() const override { return 256; }
  // A byte that is no character of its own in UTF-8 as "<0xC3>".
  std::string Piece(int32_t id) const override;
  int64_t num_bytes() const override { return 0; }

 private:
  std::vector<int32_t> none_;
};

struct CharacterTokenizerOptions {
  Vocabulary vocabulary;                   // tokens of more than one character are never found in a text
  int32_t unknown_id = Vocabulary::kNone;  // kNone: unknown characters are errors
  bool uppercase = false;                  // a to z are read as A to Z
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};

// Every character is a token: residues, bases, letters.
class CharacterTokenizer : public Tokenizer {
 public:
  explicit CharacterTokenizer(CharacterTokenizerOptions options);

  std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const override;
  const std::vector<int32_t>& prefix() const override { return options_.prefix; }
  const std::vector<int32_t>& suffix() const override { return options_.suffix; }
  int64_t vocabulary_size() const override { return options_.vocabulary.size(); }
  std::string Piece(int32_t id) const override { return options_.vocabulary.Piece(id); }
  int64_t num_bytes() const override { return options_.vocabulary.num_bytes(); }

 private:
  class Run;

  // kNone where the character has none.
  int32_t IdOf(char32_t c) const;

  CharacterTokenizerOptions options_;
  std::array<int32_t, 128> ascii_;
  absl::flat_hash_map<char32_t, int32_t> others_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_CHARACTER_TOKENIZER_H_
