#ifndef FAVOR_TOKENIZER_BERT_NORMALIZER_H_
#define FAVOR_TOKENIZER_BERT_NORMALIZER_H_

#include <array>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

struct BertNormalizerOptions {
  bool clean_text = true;            // drop control characters, make every white space a space
  bool handle_chinese_chars = true;  // put spaces around Chinese characters
  bool strip_accents = true;         // decompose canonically and drop nonspacing marks
  bool lowercase = true;             // character by character
};

// `BertNormalizer` of Hugging Face: the four steps above, in this order.
class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options);

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;

 private:
  static constexpr char kDropped = -1;

  BertNormalizerOptions options_;
  std::array<char, 128> ascii_;  // what becomes of each ASCII character
};

// `Lowercase` of Hugging Face: character by character.
std::unique_ptr<Normalizer> MakeLowercase();

}  // namespace favor

#endif  // FAVOR_TOKENIZER_BERT_NORMALIZER_H_
