#ifndef FAVOR_SERVER_SERVICES_STREAM_TURNS_H_
#define FAVOR_SERVER_SERVICES_STREAM_TURNS_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/execution/admission.h"
#include "server/rpc/stream_call.h"

namespace favor {

// A stream whose messages take effect one after the other. While one has its turn and its answer is sent, the next is
// read, and no more; so a stream holds two messages and an answer. Whoever runs a step of the stream holds Self().
class StreamTurns : public std::enable_shared_from_this<StreamTurns> {
 public:
  virtual ~StreamTurns() = default;

  // Starts whatever may start now. To be called once; then it goes on by itself.
  void Advance();

 protected:
  // reservation: what the stream holds for as long as it lives.
  StreamTurns(std::shared_ptr<StreamCall> call, Admission::Reservation reservation)
      : call_(std::move(call)), reservation_(std::move(reservation)) {}

  // A message has its turn, which ends with EndTurn(); its bytes are in `reservation`.
  virtual void Take(grpc::ByteBuffer message, Admission::Reservation reservation) = 0;
  void EndTurn();
  // The client sends no more, and the last turn has ended.
  virtual void End() = 0;

  // In the place of the first Advance(): for a message that was read already.
  void BeginWith(grpc::ByteBuffer message, Admission::Reservation reservation);
  // Sends the answer of a turn, and ends it when the client has taken it.
  void AnswerTurn(const grpc::ByteBuffer& message);

  template <typename Stream>
  std::shared_ptr<Stream> Self() {
    return std::static_pointer_cast<Stream>(shared_from_this());
  }

  const std::shared_ptr<StreamCall> call_;
  Admission::Reservation reservation_;  // belongs to the turn under way

 private:
  void OnMessage(std::optional<grpc::ByteBuffer> message);

  absl::Mutex mutex_;
  std::optional<grpc::ByteBuffer> next_ ABSL_GUARDED_BY(mutex_);  // read while a turn is under way
  Admission::Reservation next_reservation_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;     // a turn is under way
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;  // messages will come
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_STREAM_TURNS_H_
