#ifndef FAVOR_CLIENT_EMBED_ALL_H_
#define FAVOR_CLIENT_EMBED_ALL_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/client.h"
#include "client/embed.h"

namespace favor::client {

// What servers take, by favor/v1/embedding.proto.
inline constexpr int64_t kMaxInputsPerRequest = 65536;

struct EmbedAllOptions {
  EmbedOptions embed = {};  // of every request; so is its deadline
  // Bounds of a request; an input beyond max_bytes goes alone. Bytes are those of texts, and 4 for an id.
  int64_t max_inputs = 64;
  int64_t max_bytes = 256 * 1024;
  int max_in_flight = 4;  // requests; each takes a thread
  // Told after every request how many inputs are done, and of how many. One call at a time, from any thread.
  std::function<void(int64_t num_done, int64_t num_inputs)> on_progress = nullptr;
};

// Embeds any number of inputs by several requests, a few of them in flight; results come in the order of the inputs.
// In the report and beside it numbers and times are summed over the requests; round_trip is the time of it all.
//
// A request that fails ends it: no more are sent, those in flight are awaited, and the first one's error is returned.
// AbortedError when the model was replaced meanwhile, since vectors of two models cannot be compared.
// InvalidArgumentError for bounds below 1, and for max_inputs above kMaxInputsPerRequest.
absl::StatusOr<Embeddings> EmbedAll(const Client& client, absl::Span<const EmbedInput> inputs,
                                    const EmbedAllOptions& options = {});

}  // namespace favor::client

#endif  // FAVOR_CLIENT_EMBED_ALL_H_
