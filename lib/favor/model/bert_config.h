#ifndef FAVOR_MODEL_BERT_CONFIG_H_
#define FAVOR_MODEL_BERT_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "favor/format/json.h"
#include "favor/kernels/dense.h"
#include "favor/model/transformer_sizes.h"

namespace favor {

// The sizes of a BERT (Devlin et al. 2018) and of its relatives with the same layers: RoBERTa, XLM-RoBERTa, CamemBERT,
// DistilBERT, ELECTRA, MPNet (Song et al. 2020) and ALBERT (Lan et al. 2020).
struct BertConfig {
  std::string model_type;  // "bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet", "albert"
  TransformerSizes sizes;
  int64_t embedding_size = 0;  // of the tables' rows; ELECTRA's and ALBERT's may differ from sizes.hidden_size
  // ALBERT's layers come from fewer trained ones: `num_groups` groups of `layers_per_group`, each group applied as
  // often as the others, sizes.num_layers / layers_per_group times in all.
  int64_t num_groups = 0;
  int64_t layers_per_group = 1;
  int64_t num_positions = 0;   // rows of the table of positions
  int64_t first_position = 0;  // row of the first token; RoBERTa starts behind that of its padding token
  // The id whose row of positions is its own number and which does not advance those of others; none: -1.
  int64_t padding_id = -1;
  int64_t num_token_types = 0;  // DistilBERT and MPNet have none
  double epsilon = 0;           // of the layer norms
  kernels::Activation activation = kernels::Activation::kGelu;

  bool is_distilbert() const { return model_type == "distilbert"; }
  bool is_mpnet() const { return model_type == "mpnet"; }
  bool is_albert() const { return model_type == "albert"; }
};

// Reads a config.json of Hugging Face. InvalidArgumentError, naming the key, for what is missing, out of bounds or not
// supported: relative positions but MPNet's, decoders, cross attention, activations that are not of DenseLayer.
absl::StatusOr<BertConfig> ParseBertConfig(const JsonValue& config);

}  // namespace favor

#endif  // FAVOR_MODEL_BERT_CONFIG_H_
