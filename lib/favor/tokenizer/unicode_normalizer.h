#ifndef FAVOR_TOKENIZER_UNICODE_NORMALIZER_H_
#define FAVOR_TOKENIZER_UNICODE_NORMALIZER_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

enum class NormalForm : uint8_t { kC, kD, kKc, kKd };

// `NFC`, `NFD`, `NFKC` and `NFKD` of Hugging Face: the normal forms of Unicode 9 (UAX #15).
class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(NormalForm form) : form_(form) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;

 private:
  NormalForm form_;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_UNICODE_NORMALIZER_H_
