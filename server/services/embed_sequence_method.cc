#include "server/services/embed_sequence_method.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/base/aligned_buffer.h"
#include "grpcpp/support/slice.h"
#include "server/convert/embed_sequence_conversion.h"
#include "server/convert/field_error.h"
#include "server/rpc/response_bytes.h"
#include "server/services/stream_turns.h"

namespace favor {
namespace {

using Kind = EmbedStreamMessage::Kind;

// Up to this size a message is read at once: some microseconds, less than a way through the pool.
constexpr int64_t kMaxInlineBytes = 4 << 10;
// Coordinates that a step of the pool writes.
constexpr int64_t kStepElements = int64_t{1} << 18;

// A message of the client, and what becomes of it.
struct Turn {
  Turn(std::shared_ptr<StreamCall> call, Admission::Reservation reservation)
      : work(std::move(call)), reservation(std::move(reservation)) {}

  std::optional<StreamCall::Work> work;  // until the answer is there
  Admission::Reservation reservation;
  grpc::Slice bytes;  // of the message
  Kind kind = Kind::kNone;
  std::vector<int32_t> ids;      // of `tokens`
  AlignedBuffer<float> vectors;  // [ids.size()][dimensions of the encoder]
  std::optional<SequenceVectors> answer;
  EncoderStateHeader header;  // of a state that is asked for
  std::string payload;
};
using TurnPointer = std::shared_ptr<Turn>;

class Sequence : public StreamTurns {
 public:
  Sequence(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call,
           Admission::Reservation reservation)
      : StreamTurns(std::move(call), std::move(reservation)), dependencies_(dependencies) {}

  using StreamTurns::BeginWith;

 private:
  std::shared_ptr<Sequence> Self() { return StreamTurns::Self<Sequence>(); }
  const Encoder& encoder() const { return *start_->settings.model.model->encoder; }

  // Runs a job on the pool, then `next`.
  template <typename Next>
  void Submit(Job job, Next next) {
    dependencies_.compute->Submit(std::move(job), call_->cancellation(),
                                  [self = Self(), next](const absl::Status& status, Timing timing) {
                                    if (!status.ok()) return self->call_->Finish(status);
                                    next(timing);
                                  });
  }
  template <typename Step, typename Next>
  void SubmitOnce(Step step, Next next) {
    Job job;
    job.phases.push_back({1, 1, [step](int64_t, int64_t) { return step(); }});
    Submit(std::move(job), [next](Timing) { next(); });
  }

  void Take(grpc::ByteBuffer message, Admission::Reservation reservation) override {
    const auto turn = std::make_shared<Turn>(call_, std::move(reservation));
    const int64_t bytes = static_cast<int64_t>(message.Length());
    const int64_t passing_bytes = bytes * (start_ ? kBytesPerTokenByte : 1);
    absl::Status admitted = turn->reservation.Grow(passing_bytes, "reading the message");
    if (!admitted.ok()) return call_->Finish(admitted);
    const auto read = [self = Self(), turn, message] { return self->Read(message, turn.get()); };
    const auto run = [self = Self(), turn] { self->Run(turn); };
    if (bytes > kMaxInlineBytes || !start_) return SubmitOnce(read, run);
    if (absl::Status status = read(); !status.ok()) return call_->Finish(status);
    run();
  }

  absl::Status Read(const grpc::ByteBuffer& message, Turn* turn) {
    if (!message.DumpToSingleSlice(&turn->bytes).ok()) return absl::InternalError("gRPC cannot read the message");
    const auto read = ReadEmbedStreamMessage({reinterpret_cast<const char*>(turn->bytes.begin()), turn->bytes.size()});
    if (!read.ok()) return read.status();
    turn->kind = read->kind;
    if (!start_) return ReadStart(*read);
    if (absl::Status status = CheckSequenceMessage(*read); !status.ok()) return status;
    if (read->kind == Kind::kGetState) return absl::OkStatus();
    absl::StatusOr<std::vector<int32_t>> ids = ReadTokens(*read);
    if (!ids.ok()) return ids.status();
    turn->ids = *std::move(ids);
    turn->bytes = {};
    const auto ids_bytes = static_cast<int64_t>(turn->ids.size() * sizeof(int32_t));
    turn->reservation.Shrink(static_cast<int64_t>(message.Length()) * kBytesPerTokenByte - ids_bytes);
    return AboutTokens(encoder().CheckChunk(turn->ids, *state_));
  }

  // Reads the first message and makes an empty state.
  absl::Status ReadStart(const EmbedStreamMessage& message) {
    absl::StatusOr<SequenceStart> start = ReadSequenceStart(message, *dependencies_.models);
    if (!start.ok()) return start.status();
    start_ = *std::move(start);
    absl::Status admitted = reservation_.Grow(EncoderState::Bytes(start_->description), "the state");
    if (!admitted.ok()) return admitted;
    absl::StatusOr<EncoderState> state = EncoderState::Create(start_->description);
    if (state.ok()) state_ = *std::move(state);
    return state.status();
  }

  void Run(TurnPointer turn) {
    if (turn->kind == Kind::kSequence) return Resume(std::move(turn));
    if (turn->kind == Kind::kGetState) return EncodeState(std::move(turn));
    RunTokens(std::move(turn));
  }

  // Goes on from the state of the first message, if it has one.
  void Resume(TurnPointer turn) {
    if (!start_->state) return EndTurn();
    absl::StatusOr<Job> job =
        PlanDecode(start_->state->header, start_->state->payload, start_->description, call_->cancellation(), &*state_);
    if (!job.ok()) return call_->Finish(job.status());
    dependencies_.compute->Submit(*std::move(job), call_->cancellation(),
                                  [self = Self(), turn](const absl::Status& status, Timing) {
                                    if (!status.ok()) return self->call_->Finish(AboutSequenceState(status));
                                    self->start_->state.reset();
                                    self->EndTurn();
                                  });
  }

  void RunTokens(TurnPointer turn) {
    const int64_t num_tokens = static_cast<int64_t>(turn->ids.size());
    if (absl::Status status = MakeRoom(num_tokens, turn.get()); !status.ok()) return call_->Finish(status);
    const uint64_t id = state_->num_tokens();
    absl::StatusOr<Job> job = encoder().PlanChunk(turn->ids, call_->cancellation(), turn->vectors.data(), &*state_);
    if (!job.ok()) return call_->Finish(job.status());
    const int64_t step = std::max<int64_t>(kStepElements / encoder().dimensions(), 1);
    job->phases.push_back(
        {(num_tokens + step - 1) / step, 1, [turn = turn.get(), step, num_tokens](int64_t i, int64_t) {
           turn->answer->Write(turn->vectors.data(), i * step, std::min((i + 1) * step, num_tokens));
           return absl::OkStatus();
         }});
    dependencies_.compute->Submit(*std::move(job), call_->cancellation(),
                                  [self = Self(), turn, id](const absl::Status& status, Timing timing) {
                                    self->call_->AddTiming(timing);
                                    if (!status.ok()) return self->call_->Finish(status);
                                    self->AnswerTokens(turn, id, timing);
                                  });
  }

  // Memory for the vectors of a turn, for their message and for the layers.
  absl::Status MakeRoom(int64_t num_tokens, Turn* turn) {
    const int64_t answer_bytes = SequenceVectors::MaxBytes(start_->settings, num_tokens);
    if (answer_bytes > dependencies_.max_message_bytes) {
      return FieldError("tokens.ids",
                        absl::StrCat("tokens.ids has ", num_tokens, " entries, whose vectors take ", answer_bytes,
                                     " bytes, a message has at most ", dependencies_.max_message_bytes));
    }
    const int64_t floats = num_tokens * encoder().dimensions();
    const int64_t scratch_bytes =
        encoder().ChunkScratchBytes(num_tokens, *state_, dependencies_.compute->num_threads());
    absl::Status admitted = turn->reservation.Grow(
        answer_bytes + floats * static_cast<int64_t>(sizeof(float)) + scratch_bytes, "the vectors and the layers");
    if (!admitted.ok()) return admitted;
    absl::StatusOr<AlignedBuffer<float>> vectors = AlignedBuffer<float>::Allocate(floats);
    if (!vectors.ok()) return vectors.status();
    turn->vectors = *std::move(vectors);
    turn->answer.emplace(&start_->settings, num_tokens);
    return turn->answer->Allocate();
  }

  void AnswerTokens(const TurnPointer& turn, uint64_t id, Timing timing) {
    dependencies_.metrics->RecordEmbed(timing, /*num_inputs=*/1, static_cast<int64_t>(turn->ids.size()));
    turn->vectors = {};
    turn->ids = {};
    const std::string header = turn->answer->Header(id);
    Send(turn, ResponseBytes(header, turn->answer->TakeData(), std::move(turn->reservation)));
  }

  void EncodeState(TurnPointer turn) {
    const int64_t bytes = EncoderStatePayloadBytes(start_->description);
    if (bytes + kMaxEncoderStateHeaderBytes > dependencies_.max_message_bytes) {
      return call_->Finish(FieldError(
          "get_state",
          absl::StrCat("the state takes ", bytes, " bytes, a message has at most ", dependencies_.max_message_bytes)));
    }
    absl::Status admitted = turn->reservation.Grow(bytes + kMaxEncoderStateHeaderBytes, "the state's message");
    if (!admitted.ok()) return call_->Finish(admitted);
    turn->payload.resize(static_cast<size_t>(bytes));
    absl::StatusOr<Job> job =
        PlanEncode(*state_, start_->description, start_->settings.model.model->id, call_->cancellation(), &turn->header,
                   absl::MakeSpan(turn->payload.data(), turn->payload.size()));
    if (!job.ok()) return call_->Finish(job.status());
    Submit(*std::move(job), [self = Self(), turn](Timing) {
      self->Send(turn, ResponseBytes(EncoderStateMessage(turn->header, std::move(turn->payload)),
                                     std::move(turn->reservation)));
    });
  }

  void Send(const TurnPointer& turn, const grpc::ByteBuffer& message) {
    turn->work.reset();  // from here on it is the client that is waited for
    AnswerTurn(message);
  }

  void End() override { call_->Finish(call_->cancellation()->Check()); }

  const EmbeddingDependencies& dependencies_;

  // Belong to the turn under way, as does reservation_, that of the state.
  std::optional<SequenceStart> start_;  // its state points into the first message
  std::optional<EncoderState> state_;
};

}  // namespace

void EmbedSequence(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call, grpc::ByteBuffer first,
                   Admission::Reservation reservation) {
  Admission::Reservation of_message = reservation.Beside();
  absl::Status admitted = of_message.Grow(static_cast<int64_t>(first.Length()), "the message");
  if (!admitted.ok()) return call->Finish(admitted);
  reservation.Shrink(reservation.bytes());
  std::make_shared<Sequence>(dependencies, std::move(call), std::move(reservation))
      ->BeginWith(std::move(first), std::move(of_message));
}

}  // namespace favor
