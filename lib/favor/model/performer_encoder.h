#ifndef FAVOR_MODEL_PERFORMER_ENCODER_H_
#define FAVOR_MODEL_PERFORMER_ENCODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "favor/model/encoder.h"
#include "favor/model/performer_config.h"
#include "favor/model/weights.h"

namespace favor {

// A PerformerLM of performer-pytorch 1.1.4 (Choromanski et al. 2021) up to its last norm, what the package calls
// return_encodings; or a Performer over the words of token_emb.weight. Norms stand before the layers:
//
//   x = words[id] + positions[t]; each layer: x = x + attention(norm(x)), then x = x + W_2 gelu(W_1 norm(x)); norm(x)
//
// Its features define its attention, epsilons included, so no other attention can be asked for. Local heads attend
// exactly within windows; as in the package, and without a mask, the zeros that fill the last window up are seen by the
// queries of the last two windows of a bidirectional model. Tensors have the names of the package's state_dict; its
// aliases of the same tensors are ignored.
//
// A causal one without local heads takes a sequence piece by piece. With the softmax kernel its vectors then differ
// from those of the whole sequence: EpsilonParity::prefix_stabiliser.
absl::StatusOr<std::shared_ptr<const Encoder>> LoadPerformerEncoder(const PerformerConfig& config, Weights* weights);

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_ENCODER_H_
