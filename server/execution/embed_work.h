#ifndef FAVOR_SERVER_EXECUTION_EMBED_WORK_H_
#define FAVOR_SERVER_EXECUTION_EMBED_WORK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "favor/base/aligned_buffer.h"
#include "favor/model/embedder.h"
#include "favor/model/model.h"
#include "server/execution/compute.h"

namespace favor {

// One Embed call, checked and tokenised.
struct EmbedWork {
  std::shared_ptr<const Model> model;
  std::optional<EncoderAttention> attention;  // unset: the model's own
  PoolOptions options;
  // In the order of the request. One without windows is an input that had an error: it gets no vector.
  std::vector<EmbedInput> inputs;
  absl::Time arrival;  // of the call
};

// What became of an Embed call.
struct EmbedOutcome {
  std::vector<EmbedInput> inputs;  // those of the work
  int64_t dimensions = 0;
  AlignedBuffer<float> vectors;  // [rows of all inputs][dimensions]
  std::vector<int64_t> rows;     // input i has rows [rows[i], rows[i + 1])
  // [num_inputs] Why an input has no vectors though its windows were fit to be embedded; its rows mean nothing then.
  std::vector<absl::Status> errors;
  int64_t num_tokens = 0;  // that the encoder ran over
  Timing timing;           // queue_time counts from the arrival
};

// Whether two calls may share a batch, as far as attention goes.
bool SameAttention(const std::optional<EncoderAttention>& a, const std::optional<EncoderAttention>& b);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_EMBED_WORK_H_
