#ifndef FAVOR_TOKENIZER_NORMALIZER_SEQUENCE_H_
#define FAVOR_TOKENIZER_NORMALIZER_SEQUENCE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "favor/tokenizer/pipeline.h"

namespace favor {

// One normalizer after the other.
class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;
  bool IsLocal() const override;

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

// Lowercase, and then what `next` does, which may be null.
std::unique_ptr<Normalizer> LowercaseBefore(std::unique_ptr<Normalizer> next);

// `Replace` of Hugging Face with the pattern " {2,}": two and more spaces become `content`.
class ReplaceSpaces : public Normalizer {
 public:
  explicit ReplaceSpaces(std::string content) : content_(std::move(content)) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;

 private:
  std::string content_;
};

// `Replace` of Hugging Face with a text, which is not empty: from left to right, whatever overlaps one before it stays.
class ReplaceText : public Normalizer {
 public:
  ReplaceText(std::string pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;
  // A pattern with white space in it may stand across a cut, and where it does depends on all matches before.
  bool IsLocal() const override;

 private:
  std::string pattern_;
  std::string content_;
};

// `Strip` of Hugging Face: drops the white space around a text.
class StripSpaces : public Normalizer {
 public:
  StripSpaces(bool left, bool right) : left_(left), right_(right) {}

  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;

 private:
  bool left_;
  bool right_;
};

// `StripAccents` of Hugging Face: drops marks, which a decomposition before it has set apart.
class StripAccents : public Normalizer {
 public:
  void Normalize(absl::string_view text, uint32_t offset, NormalizedText* normalized) const override;
};

}  // namespace favor

#endif  // FAVOR_TOKENIZER_NORMALIZER_SEQUENCE_H_
