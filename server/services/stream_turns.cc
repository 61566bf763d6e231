#include "server/services/stream_turns.h"

#include <cstdint>
#include <utility>

namespace favor {

void StreamTurns::Advance() {
  bool read = false, end = false;
  std::optional<grpc::ByteBuffer> message;
  Admission::Reservation reservation;
  {
    absl::MutexLock lock(&mutex_);
    if (!busy_ && next_) {
      message = std::exchange(next_, std::nullopt);
      reservation = std::move(next_reservation_);
      busy_ = true;
    }
    read = !reading_ && !next_ && !no_more_;
    reading_ = reading_ || read;
    end = no_more_ && !busy_ && !next_;
    busy_ = busy_ || end;
  }
  if (message) Take(*std::move(message), std::move(reservation));
  if (read) call_->Read([self = shared_from_this()](auto message) { self->OnMessage(std::move(message)); });
  if (end) End();
}

void StreamTurns::BeginWith(grpc::ByteBuffer message, Admission::Reservation reservation) {
  {
    absl::MutexLock lock(&mutex_);
    next_ = std::move(message);
    next_reservation_ = std::move(reservation);
  }
  Advance();
}

void StreamTurns::OnMessage(std::optional<grpc::ByteBuffer> message) {
  Admission::Reservation reservation;
  if (message) {
    // The stream's own may be changed by the turn under way; this one only asks it whose it is.
    reservation = reservation_.Beside();
    absl::Status admitted = reservation.Grow(static_cast<int64_t>(message->Length()), "the message");
    if (!admitted.ok()) return call_->Finish(admitted);
  }
  {
    absl::MutexLock lock(&mutex_);
    reading_ = false;
    no_more_ = !message.has_value();
    next_ = std::move(message);
    next_reservation_ = std::move(reservation);
  }
  Advance();
}

void StreamTurns::EndTurn() {
  {
    absl::MutexLock lock(&mutex_);
    busy_ = false;
  }
  Advance();
}

void StreamTurns::AnswerTurn(const grpc::ByteBuffer& message) {
  call_->Write(message, [self = shared_from_this()](bool sent) {
    if (!sent) return self->call_->Finish(self->call_->WhyGone());
    self->EndTurn();
  });
}

}  // namespace favor
