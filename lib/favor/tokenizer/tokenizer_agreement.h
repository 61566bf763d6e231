#ifndef FAVOR_TOKENIZER_TOKENIZER_AGREEMENT_H_
#define FAVOR_TOKENIZER_TOKENIZER_AGREEMENT_H_

#include "absl/status/status.h"
#include "favor/format/json.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/tokenizer_settings.h"

namespace favor {

// Whether the files beside a tokenizer.json say the same as it does: where they do not, transformers obeys them. Looked
// at are, for BERT's classes and MPNet's, do_lower_case, strip_accents, tokenize_chinese_chars, cls_token and
// sep_token; for RobertaTokenizer, add_prefix_space, cls_token and sep_token; for XLMRobertaTokenizer, bos_token and
// eos_token; for Qwen2Tokenizer, add_prefix_space, and that tokenizer.json has what the class makes by itself; for all,
// added tokens that tokenizer.json does not have, and split_special_tokens, which is not implemented. `tokenizer` is
// the one that `json` describes. InvalidArgumentError, naming both files and the field.
absl::Status CheckAgreement(const JsonValue& json, const Tokenizer& tokenizer, const TokenizerFiles& files);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_TOKENIZER_AGREEMENT_H_
