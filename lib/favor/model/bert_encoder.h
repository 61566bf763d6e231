#ifndef FAVOR_MODEL_BERT_ENCODER_H_
#define FAVOR_MODEL_BERT_ENCODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "favor/model/bert_config.h"
#include "favor/model/encoder.h"
#include "favor/model/weights.h"

namespace favor {

// A BERT encoder (Devlin et al. 2018), layer norms behind the residuals:
//
//   x = norm(words[id] + positions[row] + types[0])
//   each layer: x = norm(x + W_o attention(x)), then x = norm(x + W_2 f(W_1 x))
//
// where row is a token's place; in RoBERTa and MPNet, first_position more than the number of tokens before it that are
// not padding, and for padding itself first_position - 1. DistilBERT and MPNet have no types; where ELECTRA's tables
// have another width, and in ALBERT, a dense layer makes x of them; MPNet adds a bias of distances to its scores
// (mpnet_bias.h). Padding is attended to as any token is: no input is padded here.
//
// Attention is exact; FAVOR+ on request approximates it, but not MPNet's. Tensors have the names of Hugging Face's
// BertModel, DistilBertModel or MPNetModel, with or without the prefix of the model around it ("bert.", "roberta.").
absl::StatusOr<std::shared_ptr<const Encoder>> LoadBertEncoder(const BertConfig& config, Weights* weights);

}  // namespace favor

#endif  // FAVOR_MODEL_BERT_ENCODER_H_
