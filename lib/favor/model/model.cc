#include "favor/model/model.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/base/hash128.h"
#include "favor/format/file_io.h"
#include "favor/format/json.h"
#include "favor/format/json_fields.h"
#include "favor/model/bert_config.h"
#include "favor/model/bert_encoder.h"
#include "favor/model/config_file.h"
#include "favor/model/performer_config.h"
#include "favor/model/performer_encoder.h"
#include "favor/model/rotary_config.h"
#include "favor/model/rotary_encoder.h"
#include "favor/model/sentence_config.h"
#include "favor/model/weight_files.h"
#include "favor/model/weights.h"

namespace favor {
namespace {

namespace fs = std::filesystem;

using EncoderConfig = std::variant<BertConfig, RotaryConfig, PerformerConfig>;

template <typename Config>
absl::StatusOr<EncoderConfig> AnyConfig(absl::StatusOr<Config> config) {
  if (!config.ok()) return config.status();
  return *std::move(config);
}

absl::StatusOr<EncoderConfig> ParseEncoderConfig(const JsonValue& config) {
  const JsonValue* type = config.Find("model_type");
  if (type == nullptr || type->string() == nullptr) {
    return absl::InvalidArgumentError("config.json: model_type is missing, it names the architecture");
  }
  const std::string& name = *type->string();
  for (const char* bert : {"bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet", "albert"}) {
    if (name == bert) return AnyConfig(ParseBertConfig(config));
  }
  for (const char* rotary :
       {"modernbert", "nomic_bert", "gte", "new", "eurobert", "qwen2", "qwen3", "mistral", "llama"}) {
    if (name == rotary) return AnyConfig(ParseRotaryConfig(config));
  }
  if (name == "performer-pytorch") return AnyConfig(ParsePerformerConfig(config));
  return absl::InvalidArgumentError(
      absl::StrCat("config.json: model_type is ", type->Description(),
                   ", must be bert, roberta, xlm-roberta, camembert, distilbert, "
                   "electra, mpnet, albert, modernbert, nomic_bert, gte, "
                   "new (GTE's own), eurobert, qwen2, qwen3, mistral, llama or performer-pytorch"));
}

absl::StatusOr<std::shared_ptr<const Encoder>> LoadEncoder(const EncoderConfig& config, Weights* weights) {
  if (const auto* bert = std::get_if<BertConfig>(&config)) return LoadBertEncoder(*bert, weights);
  if (const auto* rotary = std::get_if<RotaryConfig>(&config)) return LoadRotaryEncoder(*rotary, weights);
  return LoadPerformerEncoder(std::get<PerformerConfig>(config), weights);
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

// Each takes what stands before it makes.
absl::Status ReadDense(const std::string& folder, const std::vector<std::string>& paths, Model* model) {
  int64_t dimensions = model->encoder->dimensions() * model->pooling.size();
  FieldHasher id;
  id.AddBytes(model->id);
  for (const std::string& path : paths) {
    absl::StatusOr<DenseModule> module = DenseModule::Read(folder, path);
    if (!module.ok()) return module.status();
    if (module->in_features() != dimensions) {
      return absl::InvalidArgumentError(absl::StrCat((fs::path(path) / "config.json").string(), ": in_features is ",
                                                     module->in_features(), ", what stands before it makes ",
                                                     dimensions, " coordinates"));
    }
    dimensions = module->out_features();
    id.AddBytes(module->id());
    model->dense.push_back(std::make_shared<const DenseModule>(*std::move(module)));
  }
  if (!paths.empty()) model->id = id.HexDigest128();
  return absl::OkStatus();
}

}  // namespace

int64_t Model::num_parameters() const {
  int64_t sum = encoder->num_parameters();
  for (const auto& module : dense) sum += module->num_parameters();
  return sum;
}

int64_t Model::memory_bytes() const {
  int64_t sum = encoder->memory_bytes() + (tokenizer == nullptr ? 0 : tokenizer->num_bytes());
  for (const auto& module : dense) sum += module->num_bytes();
  return sum;
}

absl::StatusOr<std::shared_ptr<const Model>> LoadModel(const std::string& folder) {
  absl::StatusOr<SentenceConfig> sentence = ReadSentenceConfig(folder);
  // Where modules.json cannot be read, config.json may be elsewhere.
  if (!sentence.ok() && !EntryExists((fs::path(folder) / "config.json").string())) return sentence.status();
  const std::string inner = sentence.ok() ? sentence->transformer : "";
  const fs::path path = inner.empty() ? fs::path(folder) : fs::path(folder) / inner;
  absl::StatusOr<JsonValue> config = ReadConfigFile(folder, (fs::path(inner) / "config.json").string());
  if (!config.ok()) return config.status();
  // Before other errors: where the architecture is not known, nothing else that is missing matters.
  const absl::StatusOr<EncoderConfig> encoder_config = ParseEncoderConfig(*config);
  if (!encoder_config.ok()) return encoder_config.status();
  if (!sentence.ok()) return sentence.status();
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(path.string(), sentence->lowercases);
  if (!tokenizer.ok()) return tokenizer.status();
  absl::StatusOr<Weights> weights = OpenWeights(path.string());
  if (!weights.ok()) return weights.status();
  absl::StatusOr<std::shared_ptr<const Encoder>> encoder = LoadEncoder(*encoder_config, &*weights);
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
  if (absl::Status status = ReadDense(folder, sentence->dense, model.get()); !status.ok()) return status;
  return model;
}

}  // namespace favor
