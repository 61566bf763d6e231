#ifndef FAVOR_MODEL_PERFORMER_LAYER_H_
#define FAVOR_MODEL_PERFORMER_LAYER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "favor/base/aligned_buffer.h"
#include "favor/model/dense_layer.h"
#include "favor/model/norm.h"
#include "favor/model/performer_config.h"
#include "favor/model/weights.h"
#include "favor/projection/projection.h"

namespace favor {

// The trained parts of one layer of a Performer: attention and feed-forward. The factors of ReZero are multiplied into
// the last product of each.
struct PerformerLayer {
  int64_t index = 0;  // in the model

  Norm attention_norm;
  DenseLayer queries_keys_values;  // one below the other, each [heads * head_dim]
  DenseLayer attention_output;
  std::shared_ptr<const Projection> projection;  // null where there is none
  int64_t num_local_heads = 0;                   // the last ones
  AlignedBuffer<float> local_frequencies;        // [head_dim / 2], by which local heads are turned

  Norm feed_forward_norm;
  DenseLayer gate;  // of no rows without GLU
  DenseLayer up, down;

  int64_t num_bytes() const;

  // What the names of its tensors begin with: "performer.net.layers.3.".
  static std::string Prefix(const PerformerConfig& config, int64_t index);
  // Layer `index`, under the names of the state_dict; errors go to the weights' status.
  static PerformerLayer Read(const PerformerConfig& config, int64_t index, Weights* weights);
};

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_LAYER_H_
