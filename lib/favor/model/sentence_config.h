#ifndef FAVOR_MODEL_SENTENCE_CONFIG_H_
#define FAVOR_MODEL_SENTENCE_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/model/pooling.h"

namespace favor {

// How the token vectors of a model become an embedding, as the files of sentence-transformers say beside the model:
// modules.json (Transformer, Pooling, any number of Dense, and Normalize are known), 1_Pooling/config.json,
// config_sentence_transformers.json, and those of transformer_module.h. 1_Pooling counts where there is no
// modules.json, too, which sentence-transformers takes for a model without it. A folder without them: the mean, not
// normalised.
struct SentenceConfig {
  std::string transformer;  // the path of configuration, weights and tokenizer in the folder; empty: the folder itself
  int64_t max_tokens = 0;   // 0: not said
  Poolings pooling = Pooling::kMean;
  std::vector<std::string> dense;  // paths of the modules Dense in the folder
  bool normalizes = false;
  bool lowercases = false;  // texts, before they reach the tokenizer
  std::map<std::string, std::string> prompts;
  std::string default_prompt;
};

// InvalidArgumentError, naming file and key, for what is malformed or not supported.
absl::StatusOr<SentenceConfig> ReadSentenceConfig(const std::string& folder);

}  // namespace favor

#endif  // FAVOR_MODEL_SENTENCE_CONFIG_H_
