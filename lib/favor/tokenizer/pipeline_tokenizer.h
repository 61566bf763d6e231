#ifndef FAVOR_TOKENIZER_PIPELINE_TOKENIZER_H_
#define FAVOR_TOKENIZER_PIPELINE_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/added_tokens.h"
#include "favor/tokenizer/pipeline.h"
#include "favor/tokenizer/text_cuts.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/vocabulary.h"

namespace favor {

// Which white space a token that begins or ends with it does not stand for (`trim_offsets`).
enum class SpaceTrim : uint8_t {
  kNone,
  kAll,
  kAllButFirst,  // one in front of a token at the start of the text does, as of a space that was put there
};

// What a tokenizer of Hugging Face consists of.
struct Pipeline {
  std::unique_ptr<Normalizer> normalizer;       // null: the text stays as it is
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: all of the text is one word
  std::unique_ptr<Vocabulary> vocabulary;
  std::unique_ptr<WordModel> model;      // may refer to the vocabulary
  std::vector<AddedToken> added_tokens;  // contents are unique; ids may lie beyond the vocabulary's
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
  SpaceTrim trim = SpaceTrim::kNone;
};

// Added tokens are cut out of the text; what lies between is normalised; added tokens of normalised text are cut out;
// what lies between is split into words; the model makes tokens of each.
class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(Pipeline pipeline);

  std::unique_ptr<Tokenization> Begin(absl::string_view text, int64_t step_bytes) const override;
  const std::vector<int32_t>& prefix() const override { return pipeline_.prefix; }
  const std::vector<int32_t>& suffix() const override { return pipeline_.suffix; }
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::string Piece(int32_t id) const override;
  int64_t num_bytes() const override { return pipeline_.vocabulary->num_bytes() + pipeline_.model->num_bytes(); }

 private:
  class Run;

  // What a call reuses from part to part.
  struct Scratch {
    NormalizedText normalized;
    std::vector<AddedTokens::Part> parts;
    std::vector<TextRange> words;
    std::vector<WordPart> word_parts;
  };

  absl::Status EncodeText(absl::string_view text, uint32_t offset, Scratch* scratch, std::vector<Token>* tokens) const;
  absl::Status EncodeNormalized(NormalizedText* text, Scratch* scratch, std::vector<Token>* tokens) const;
  // The original bytes that a token stands for, which is a range of `text` and not empty. spelling: what it is in the
  // vocabulary.
  TextRange SourceOf(const NormalizedText& text, TextRange token, absl::string_view spelling) const;
  // A token, a range of `text`, without what pipeline_.trim takes off it: as many characters as its spelling begins and
  // ends with white space. first: at the start of the original text.
  TextRange Trim(absl::string_view text, TextRange token, absl::string_view spelling, bool first) const;

  Pipeline pipeline_;
  AddedTokens raw_tokens_;
  AddedTokens normalized_tokens_;
  TextCuts cuts_;
  absl::flat_hash_map<int32_t, std::string> added_pieces_;
  int64_t vocabulary_size_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_PIPELINE_TOKENIZER_H_
