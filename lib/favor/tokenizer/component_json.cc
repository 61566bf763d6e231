#include "favor/tokenizer/component_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "favor/tokenizer/bert_normalizer.h"
#include "favor/tokenizer/bert_pre_tokenizer.h"
#include "favor/tokenizer/byte_level.h"
#include "favor/tokenizer/class_pre_tokenizer.h"
#include "favor/tokenizer/metaspace.h"
#include "favor/tokenizer/normalizer_sequence.h"
#include "favor/tokenizer/pre_tokenizer_sequence.h"
#include "favor/tokenizer/precompiled_normalizer.h"
#include "favor/tokenizer/split_pre_tokenizer.h"
#include "favor/tokenizer/unicode_normalizer.h"
#include "favor/tokenizer/utf8.h"

namespace favor {
namespace {

constexpr size_t kMaxSteps = 16;  // of a sequence

std::unique_ptr<Normalizer> ReadBertNormalizer(const JsonFields& fields) {
  BertNormalizerOptions options;
  options.clean_text = fields.RequiredBool("clean_text");
  options.handle_chinese_chars = fields.RequiredBool("handle_chinese_chars");
  options.lowercase = fields.RequiredBool("lowercase");
  options.strip_accents = fields.Bool("strip_accents", options.lowercase);
  return std::make_unique<BertNormalizer>(options);
}

std::unique_ptr<Normalizer> ReadPrecompiled(const JsonFields& fields) {
  std::string bytes;
  if (!absl::Base64Unescape(fields.RequiredString("precompiled_charsmap"), &bytes)) {
    fields.Fail("precompiled_charsmap", "is not base64");
    return nullptr;
  }
  absl::StatusOr<CharacterMap> map = CharacterMap::Parse(bytes);
  if (!map.ok()) {
    fields.Fail("precompiled_charsmap", map.status().message());
    return nullptr;
  }
  return std::make_unique<PrecompiledNormalizer>(*std::move(map));
}

std::unique_ptr<Normalizer> ReadReplace(const JsonFields& fields) {
  const JsonFields pattern = fields.RequiredObject("pattern");
  if (pattern.Has("String")) {
    if (pattern.String("String", "").empty()) pattern.FailValue("String", "must not be empty");
    return std::make_unique<ReplaceText>(pattern.String("String", ""), fields.RequiredString("content"));
  }
  if (pattern.RequiredString("Regex") != " {2,}") NotImplemented(pattern, "Regex", "\" {2,}\"");
  return std::make_unique<ReplaceSpaces>(fields.RequiredString("content"));
}

std::unique_ptr<Normalizer> ReadNormalizerStep(const JsonFields& fields) {
  const std::string type = fields.RequiredString("type");
  if (type == "BertNormalizer") return ReadBertNormalizer(fields);
  if (type == "Lowercase") return MakeLowercase();
  if (type == "NFC") return std::make_unique<UnicodeNormalizer>(NormalForm::kC);
  if (type == "NFD") return std::make_unique<UnicodeNormalizer>(NormalForm::kD);
  if (type == "NFKC") return std::make_unique<UnicodeNormalizer>(NormalForm::kKc);
  if (type == "NFKD") return std::make_unique<UnicodeNormalizer>(NormalForm::kKd);
  if (type == "Precompiled") return ReadPrecompiled(fields);
  if (type == "Replace") return ReadReplace(fields);
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "Strip") {
    return std::make_unique<StripSpaces>(fields.RequiredBool("strip_left"), fields.RequiredBool("strip_right"));
  }
  NotImplemented(
      fields, "type",
      "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Replace, Strip, StripAccents, Sequence of these");
  return nullptr;
}

SplitBehavior ReadSplitBehavior(const JsonFields& fields) {
  const std::string behavior = fields.RequiredString("behavior");
  if (behavior == "Removed") return SplitBehavior::kRemoved;
  if (behavior == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (behavior == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (behavior == "Contiguous") return SplitBehavior::kContiguous;
  if (behavior != "Isolated") {
    NotImplemented(fields, "behavior", "Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
  }
  return SplitBehavior::kIsolated;
}

std::unique_ptr<PreTokenizer> ReadSplit(const JsonFields& fields) {
  const JsonFields pattern = fields.RequiredObject("pattern");
  const bool is_text = pattern.Has("String");
  const std::string regex = is_text ? RegexOfText(pattern.String("String", "")) : pattern.RequiredString("Regex");
  const SplitBehavior behavior = ReadSplitBehavior(fields);
  const bool inverts = fields.Bool("invert", false);
  if (!fields.ok()) return nullptr;
  if ((regex.empty() || regex == "(?m).") && behavior == SplitBehavior::kIsolated && !inverts) {
    return std::make_unique<CharacterPreTokenizer>();
  }
  absl::StatusOr<SplitPreTokenizer> split = SplitPreTokenizer::Make(regex, behavior, inverts);
  if (!split.ok()) {
    pattern.FailValue(is_text ? "String" : "Regex", split.status().message());
    return nullptr;
  }
  return std::make_unique<SplitPreTokenizer>(*std::move(split));
}

std::unique_ptr<PreTokenizer> ReadMetaspace(const JsonFields& fields, bool split_white_space) {
  MetaspaceOptions options;
  options.split_white_space = split_white_space;
  options.replacement = fields.RequiredString("replacement");
  if (fields.ok() && CountCharacters(options.replacement) != 1) fields.FailValue("replacement", "not one character");
  options.split = fields.Bool("split", true);
  // Older files have add_prefix_space instead.
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const std::string scheme = fields.String("prepend_scheme", add_prefix_space ? "always" : "never");
  if (scheme == "never") {
    options.prepend = MetaspaceOptions::Prepend::kNever;
  } else if (scheme == "first") {
    options.prepend = MetaspaceOptions::Prepend::kFirst;
  } else if (scheme != "always") {
    NotImplemented(fields, "prepend_scheme", "never, first, always");
  }
  return std::make_unique<Metaspace>(std::move(options));
}

std::unique_ptr<PreTokenizer> ReadByteLevel(const JsonFields& fields) {
  return std::make_unique<ByteLevel>(ByteLevelOptions{.add_prefix_space = fields.Bool("add_prefix_space", true),
                                                      .split = fields.Bool("use_regex", true)});
}

std::unique_ptr<PreTokenizer> ReadPunctuation(const JsonFields& fields) {
  const std::string behavior = fields.String("behavior", "Isolated");
  if (behavior == "Contiguous") return std::make_unique<ClassPreTokenizer>(WordClasses::kPunctuationRuns);
  if (behavior != "Isolated") NotImplemented(fields, "behavior", "Isolated, Contiguous");
  return std::make_unique<ClassPreTokenizer>(WordClasses::kPunctuation);
}

std::unique_ptr<PreTokenizer> ReadPreTokenizerStep(const JsonFields& fields) {
  const std::string type = fields.RequiredString("type");
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "WhitespaceSplit") return std::make_unique<BertPreTokenizer>(/*isolate_punctuation=*/false);
  if (type == "Whitespace") return std::make_unique<ClassPreTokenizer>(WordClasses::kWhitespace);
  if (type == "Digits") {
    return std::make_unique<ClassPreTokenizer>(fields.Bool("individual_digits", false) ? WordClasses::kIndividualDigits
                                                                                       : WordClasses::kDigits);
  }
  if (type == "Punctuation") return ReadPunctuation(fields);
  if (type == "Split") return ReadSplit(fields);
  if (type == "Metaspace") return ReadMetaspace(fields, /*split_white_space=*/false);
  if (type == "ByteLevel") return ReadByteLevel(fields);
  NotImplemented(
      fields, "type",
      "BertPreTokenizer, WhitespaceSplit, Whitespace, Digits, Punctuation, Split, Metaspace, ByteLevel, Sequence "
      "of these");
  return nullptr;
}

std::unique_ptr<PreTokenizer> ReadPreTokenizerSequence(const JsonFields& fields) {
  const std::vector<JsonFields> steps = fields.Objects("pretokenizers");
  // XLM-RoBERTa's, in one step.
  if (steps.size() == 2 && steps[0].String("type", "") == "WhitespaceSplit" &&
      steps[1].String("type", "") == "Metaspace") {
    return ReadMetaspace(steps[1], /*split_white_space=*/true);
  }
  if (steps.empty() || steps.size() > kMaxSteps) {
    fields.Fail("pretokenizers", absl::StrCat("has ", steps.size(), " steps, must have from 1 to ", kMaxSteps));
  }
  std::vector<std::unique_ptr<PreTokenizer>> read;
  for (const JsonFields& step : steps) {
    if (!fields.ok()) return nullptr;
    read.push_back(ReadPreTokenizerStep(step));
  }
  return std::make_unique<PreTokenizerSequence>(std::move(read));
}

}  // namespace

void NotImplemented(const JsonFields& fields, absl::string_view field, absl::string_view known) {
  fields.FailValue(field, absl::StrCat("which is not implemented; known: ", known));
}

std::unique_ptr<Normalizer> ReadNormalizer(const JsonFields& root) {
  if (!root.Has("normalizer")) return nullptr;
  const JsonFields fields = root.Object("normalizer");
  if (fields.String("type", "") != "Sequence") return ReadNormalizerStep(fields);
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const JsonFields& step : fields.Objects("normalizers")) {
    if (!root.ok()) return nullptr;
    if (steps.size() == kMaxSteps) fields.Fail("normalizers", absl::StrCat("has more than ", kMaxSteps, " steps"));
    steps.push_back(ReadNormalizerStep(step));
  }
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> ReadPreTokenizer(const JsonFields& root) {
  if (!root.Has("pre_tokenizer")) return nullptr;
  const JsonFields fields = root.Object("pre_tokenizer");
  if (fields.String("type", "") == "Sequence") return ReadPreTokenizerSequence(fields);
  return ReadPreTokenizerStep(fields);
}

}  // namespace favor
