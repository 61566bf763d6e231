#ifndef FAVOR_TOKENIZER_TOKENIZER_JSON_H_
#define FAVOR_TOKENIZER_TOKENIZER_JSON_H_

#include <memory>

#include "absl/status/statusor.h"
#include "favor/format/json.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor {

// The tokenizer that a tokenizer.json of Hugging Face describes. InvalidArgumentError, naming file and field, for what
// is malformed or not implemented. Of the fields, `truncation`, `padding` and `decoder` are not looked at.
// lowercase_first: with Lowercase in front of its normalizer.
absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromJson(const JsonValue& json, bool lowercase_first = false);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_TOKENIZER_JSON_H_
