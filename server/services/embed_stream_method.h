#ifndef FAVOR_SERVER_SERVICES_EMBED_STREAM_METHOD_H_
#define FAVOR_SERVER_SERVICES_EMBED_STREAM_METHOD_H_

#include <memory>

#include "server/rpc/stream_call.h"
#include "server/services/embedding_service.h"

namespace favor {

// One stream of EmbeddingService.EmbedStream, from its start to its end; one that is a sequence (its first message says
// so) goes on in embed_sequence_method.h. Never blocks; text and vectors are touched on
// the compute pool only.
//
// Messages are read while fewer than kMaxInputs are unanswered and less than kMaxBytesAhead of them is not tokenised.
// What has arrived is taken in groups of a batch of tokens or kMaxResultBytes of results; up to kMaxGroups are under
// way or wait for the client to take their results. So a client that stops reading holds that much, all of it in the
// memory budget, and its own stream.
void EmbedStream(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_EMBED_STREAM_METHOD_H_
