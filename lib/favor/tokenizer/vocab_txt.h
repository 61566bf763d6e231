#ifndef FAVOR_TOKENIZER_VOCAB_TXT_H_
#define FAVOR_TOKENIZER_VOCAB_TXT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/tokenizer/tokenizer.h"
#include "favor/tokenizer/tokenizer_settings.h"

namespace favor {

// The tokenizer of the older layout of BERT models: `vocabulary` is the text of vocab.txt, one token a line, ids from
// 0; of two equal lines the later one counts. Of the files beside it:
//   do_lower_case (true), strip_accents (as do_lower_case), tokenize_chinese_chars (true),
//   unk_token, cls_token, sep_token, pad_token, mask_token ("[UNK]", ...), additional_special_tokens or
//     extra_special_tokens: texts or objects {"content": "[MASK]", "lstrip": true, ...},
//   added_tokens_decoder: {"103": {"content": "[MASK]", ...}, ...}, or added_tokens.json: {"[NEW]": 30522, ...}; how
//   these
//     describe a token counts more than how the former do.
// lowercase_first: Lowercase comes before all of them. Special tokens are recognised in texts. InvalidArgumentError,
// naming file and field, for what is malformed, and for classes of tokenizers that are not BERT's.
absl::StatusOr<std::unique_ptr<Tokenizer>> TokenizerFromVocabTxt(absl::string_view vocabulary,
                                                                 const TokenizerFiles& files,
                                                                 bool lowercase_first = false);

}  // namespace favor

#endif  // FAVOR_TOKENIZER_VOCAB_TXT_H_
