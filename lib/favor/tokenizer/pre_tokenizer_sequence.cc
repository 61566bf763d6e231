#include "favor/tokenizer/pre_tokenizer_sequence.h"

#include <cstdint>

namespace favor {
namespace {

// Splits each of the words of `text`, which the step may rewrite.
absl::Status SplitWords(const PreTokenizer& step, NormalizedText* text, std::vector<TextRange>* words) {
  NormalizedText out;
  out.begin = text->begin;
  std::vector<TextRange> parts, all;
  for (const TextRange& word : *words) {
    NormalizedText slice = text->Slice(word);
    parts.clear();
    if (absl::Status status = step.Split(&slice, &parts); !status.ok()) return status;
    const auto shift = static_cast<uint32_t>(out.text.size());
    for (const TextRange& part : parts) all.push_back({part.begin + shift, part.end + shift});
    out.text += slice.text;
    out.sources.insert(out.sources.end(), slice.sources.begin(), slice.sources.end());
  }
  *text = std::move(out);
  *words = std::move(all);
  return absl::OkStatus();
}

}  // namespace

absl::Status PreTokenizerSequence::Split(NormalizedText* text, std::vector<TextRange>* words) const {
  std::vector<TextRange> split;
  absl::Status status = steps_.front()->Split(text, &split);
  for (size_t i = 1; i < steps_.size() && status.ok(); ++i) status = SplitWords(*steps_[i], text, &split);
  words->insert(words->end(), split.begin(), split.end());
  return status;
}

}  // namespace favor
