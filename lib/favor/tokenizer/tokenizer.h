#ifndef FAVOR_TOKENIZER_TOKENIZER_H_
#define FAVOR_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

// One token of a text, and the bytes [begin, end) of the text it stands for.
struct Token {
  int32_t id = 0;
  int64_t begin = 0;
  int64_t end = 0;
  friend bool operator==(const Token&, const Token&) = default;
};

// A text on its way to tokens, a piece of it at a time. Tokenizer and text must outlive it. Thread-compatible.
class Tokenization {
 public:
  virtual ~Tokenization() = default;

  // Goes on with the next piece and appends its tokens; true when that was the last one. Not to be called again then,
  // nor after an error. Errors are those of Tokenizer::Encode.
  virtual absl::StatusOr<bool> Step(std::vector<Token>* tokens) = 0;

  // Steps that a text of so many bytes takes, at most.
  static int64_t MaxSteps(int64_t text_bytes, int64_t step_bytes) { return 3 * (text_bytes / step_bytes + 1); }
};

// Bytes of a step that takes a millisecond or two.
constexpr int64_t kTokenizeStepBytes = 16 << 10;

// Turns text into the token ids that a model was trained on. Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The tokens of a text, without the special ones that stand around it. InvalidArgumentError for text that is not
  // UTF-8, naming the byte, for text of 2 GiB and more, and for text that a pattern of Split takes too long for
  // (split_pattern.h); time and memory linear in the text (BPE: n log n of a word).
  absl::StatusOr<std::vector<Token>> Encode(absl::string_view text) const;

  // The same in steps of some step_bytes >= 1, whose tokens together are the same. Pieces end where what stands before
  // and what stands behind cannot change each other's tokens; how far apart such places are depends on text and
  // tokenizer: with tokenizer.json and vocab.txt a piece ends before a space or a line's end between words, so that of
  // a text without any (Chinese, Thai) most of the work is one step.
  virtual std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const = 0;

  // Ids that the model expects in front of a text and behind it, as [CLS] and [SEP]. May be empty.
  virtual const std::vector<int32_t>& prefix() const = 0;
  virtual const std::vector<int32_t>& suffix() const = 0;

  // Ids are below this.
  virtual int64_t vocabulary_size() const = 0;

  // The text of a token as the vocabulary has it ("##ing"); empty for an id without one.
  virtual std::string Piece(int32_t id) const = 0;

  // Memory that its vocabulary takes, near enough to count with.
  virtual int64_t num_bytes() const = 0;
};

// The tokenizer of a model folder. Null when the folder holds none. InvalidArgumentError, naming file and component,
// for files that are malformed and for components that are not implemented. The first of these files that is there
// counts:
//
//   favor_tokenizer.json   our own, for bytes and single characters, see below
//   tokenizer.json         Hugging Face `tokenizers`: the normalizers BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD,
//                          StripAccents, Precompiled, Strip, Replace of texts and spaces; the pre-tokenizers
//                          BertPreTokenizer, WhitespaceSplit, Whitespace, Digits, Punctuation, Split (regex_syntax.h),
//                          Metaspace, ByteLevel; the models WordPiece, WordLevel, Unigram, BPE; TemplateProcessing,
//                          BertProcessing, RobertaProcessing, ByteLevel behind them; sequences; added tokens. What
//                          cuts, pads and decodes (truncation, padding, decoder) is not looked at. The files beside it
//                          must not contradict it (tokenizer_agreement.h).
//   vocab.txt              the older layout of BERT models, with tokenizer_config.json and its like (vocab_txt.h)
//
// favor_tokenizer.json is {"format_version": 1, "type": "bytes"}: ids are bytes, the vocabulary has 256, texts need not
// be UTF-8. Or
//
//   {"format_version": 1, "type": "characters",
//    "vocabulary": ["<pad>", "<cls>", "A", "C", ...],  // ids from 0; or with ids of their own: {"A": 5, "C": 6, ...}
//    "unknown": "X",         // what other characters are read as; null: they are errors, naming character and byte
//    "prefix": ["<cls>"],    // tokens around every text
//    "suffix": ["<eos>"],
//    "uppercase": true}      // a to z are read as A to Z
//
// where all but the vocabulary may be left out, and tokens of more than one character are never found in a text.
//
// lowercase_first: all but added tokens is made lower case before anything else, which favor_tokenizer.json does not
// have.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder, bool lowercase_first = false);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_TOKENIZER_H_
