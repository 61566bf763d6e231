#ifndef FAVOR_SERVER_SERVICES_EMBED_SEQUENCE_METHOD_H_
#define FAVOR_SERVER_SERVICES_EMBED_SEQUENCE_METHOD_H_

#include <memory>

#include "grpcpp/support/byte_buffer.h"
#include "server/rpc/stream_call.h"
#include "server/services/embedding_service.h"

namespace favor {

// One stream of EmbeddingService.EmbedStream that is one sequence, from its first message to its end. Never blocks;
// tokens, states and vectors are touched on the compute pool, small messages aside.
//
// Messages take effect one after the other. While one is computed and its answer sent, the next is read, and no more:
// a stream holds its state, two messages and an answer, all of it in the memory budget.
//
// `first` is the message with `sequence`, `reservation` that of the stream.
void EmbedSequence(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call, grpc::ByteBuffer first,
                   Admission::Reservation reservation);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_EMBED_SEQUENCE_METHOD_H_
