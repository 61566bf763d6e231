#ifndef FAVOR_MODEL_TRANSFORMER_MODULE_H_
#define FAVOR_MODEL_TRANSFORMER_MODULE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace favor {

// What sentence-transformers' module Transformer is told beside the model: sentence_bert_config.json or one of its
// older names, and model_max_length of tokenizer_config.json.
struct TransformerModule {
  int64_t max_tokens = 0;   // 0: not said
  bool lowercases = false;  // texts, before they reach the tokenizer
};

// Reads them from `transformer`, a path inside of `folder`, "" for the folder itself. What would make other vectors and
// is not supported (other outputs than the last layer's, texts that become messages of a chat, arguments for
// transformers) is an InvalidArgumentError naming file, key and value; what only chooses precision or speed is not
// looked at. Where modality_config is not said, texts are no messages, as in the versions that knew none: a chat
// template alone does not count.
absl::StatusOr<TransformerModule> ReadTransformerModule(const std::string& folder, const std::string& transformer);

}  // namespace favor

#endif  // FAVOR_MODEL_TRANSFORMER_MODULE_H_
