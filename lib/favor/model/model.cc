#include "favor/model/model.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/json.h"
#include "favor/format/json_fields.h"
#include "favor/model/bert_config.h"
#include "favor/model/bert_encoder.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_encoder.h"
#include "favor/model/sentence_config.h"
#include "favor/model/weights.h"

namespace favor {
namespace {

absl::StatusOr<std::shared_ptr<const Encoder>> LoadEncoder(const JsonValue& config, Weights* weights) {
  const JsonValue* type = config.Find("model_type");
  if (type == nullptr || type->string() == nullptr) {
    return absl::InvalidArgumentError("config.json: model_type is missing, it names the architecture");
  }
  const std::string& name = *type->string();
  if (name == "bert" || name == "roberta" || name == "xlm-roberta") {
    const absl::StatusOr<BertConfig> bert = ParseBertConfig(config);
    if (!bert.ok()) return bert.status();
    return LoadBertEncoder(*bert, weights);
  }
  if (name == "performer-pytorch") {
    const absl::StatusOr<PerformerConfig> performer = ParsePerformerConfig(config);
    if (!performer.ok()) return performer.status();
    return LoadPerformerEncoder(*performer, weights);
  }
  return absl::InvalidArgumentError(absl::StrCat("config.json: model_type is ", type->Description(),
                                                 ", must be bert, roberta, xlm-roberta or performer-pytorch"));
}

// Ids that the tokenizer gives must be rows of the encoder's table.
absl::Status CheckTokenizer(const Model& model) {
  if (model.tokenizer == nullptr) return absl::OkStatus();
  const int64_t ids = model.tokenizer->vocabulary_size(), rows = model.encoder->vocabulary_size();
  if (ids <= rows) return absl::OkStatus();
  const char* key = model.architecture == "performer-pytorch" ? "num_tokens" : "vocab_size";
  return absl::InvalidArgumentError(
      absl::StrCat("the tokenizer has ", ids, " ids, config.json allows for ", rows, " (", key, ")"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Model>> LoadModel(const std::string& folder) {
  const std::filesystem::path path(folder);
  absl::StatusOr<JsonValue> config = ReadJsonFile((path / "config.json").string(), kMaxConfigBytes);
  if (!config.ok()) return config.status();
  absl::StatusOr<SentenceConfig> sentence = ReadSentenceConfig(folder);
  if (!sentence.ok()) return sentence.status();
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder);
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<Weights> weights = Weights::Open((path / "model.safetensors").string());
  if (!weights.ok()) return weights.status();
  absl::StatusOr<std::shared_ptr<const Encoder>> encoder = LoadEncoder(*config, &*weights);
  if (!encoder.ok()) return encoder.status();

  auto model = std::make_shared<Model>();
  model->path = folder;
  model->id = weights->Id();
  model->architecture = *config->Find("model_type")->string();
  model->encoder = *std::move(encoder);
  model->tokenizer = *std::move(tokenizer);
  model->pooling = sentence->pooling;
  model->normalizes = sentence->normalizes;
  model->prompts = std::move(sentence->prompts);
  model->default_prompt = std::move(sentence->default_prompt);
  const int64_t encoders = model->encoder->max_tokens();
  model->max_tokens = sentence->max_tokens == 0 ? encoders : sentence->max_tokens;
  if (encoders > 0) model->max_tokens = std::min(model->max_tokens, encoders);
  if (absl::Status status = CheckTokenizer(*model); !status.ok()) return status;
  return model;
}

}  // namespace favor
