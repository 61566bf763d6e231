#ifndef FAVOR_MODEL_MODEL_H_
#define FAVOR_MODEL_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/model/dense_module.h"
#include "favor/model/encoder.h"
#include "favor/model/pooling.h"
#include "favor/tokenizer/tokenizer.h"

namespace favor {

// A model as it stands on disk, loaded: tokenizer, encoder, and how its token vectors become an embedding. Immutable
// and thread-safe once loaded.
struct Model {
  std::string path;
  std::string id;            // XXH3-128 of the weights, 32 hexadecimal digits
  std::string architecture;  // "bert", "performer-pytorch", ...
  // Tokens of one input at most, special ones included; 0: any number. At most the encoder's.
  int64_t max_tokens = 0;
  Poolings pooling = Pooling::kMean;
  std::vector<std::shared_ptr<const DenseModule>> dense;  // behind the pooling, in their order
  bool normalizes = false;
  std::map<std::string, std::string> prompts;  // by name
  std::string default_prompt;                  // name of the one used when none is asked for; empty: none
  std::shared_ptr<const Tokenizer> tokenizer;  // null: the model takes ids alone
  std::shared_ptr<const Encoder> encoder;

  int64_t num_parameters() const;
  int64_t memory_bytes() const;  // of all weights, as they are kept, and of the vocabulary
};

// Loads a folder in the layout of Hugging Face and sentence-transformers: config.json, model.safetensors or its shards
// (F32, F16 or BF16; weight_files.h), the tokenizer's files, and where they exist modules.json, which may name a folder
// inside of it for the former ("0_Transformer"), 1_Pooling/config.json, 2_Dense,
// sentence_bert_config.json and config_sentence_transformers.json. Or one of performer-pytorch (performer_config.h).
// InvalidArgumentError, naming file and key, for what is malformed or not supported; NotFoundError for a missing file.
absl::StatusOr<std::shared_ptr<const Model>> LoadModel(const std::string& folder);

}  // namespace favor

#endif  // FAVOR_MODEL_MODEL_H_
