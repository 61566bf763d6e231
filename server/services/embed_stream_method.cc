#include "server/services/embed_stream_method.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "favor/tokenizer/tokenizer.h"
#include "grpcpp/support/slice.h"
#include "server/convert/embed_stream_conversion.h"
#include "server/rpc/response_bytes.h"
#include "server/services/embed_sequence_method.h"
#include "server/services/embed_stream_group.h"

namespace favor {
namespace {

// As favor/v1/embedding.proto states them.
constexpr int64_t kMaxInputs = 512;
constexpr int64_t kMaxBytesAhead = 1 << 20;
constexpr int64_t kMaxResultBytes = 1 << 20;
constexpr size_t kMaxGroups = 3;
// Of these, in the hands of the batcher, which gives each its own turn.
constexpr int kMaxGroupsUnderWay = 2;

// A step of the pool.
constexpr int64_t kStepBytes = 64 << 10;
constexpr int64_t kStepInputs = 256;

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call,
         Admission::Reservation reservation)
      : dependencies_(dependencies), call_(std::move(call)), ahead_(std::move(reservation)) {}

  // Reads the start and what follows from it, then goes on with Advance().
  void Begin() {
    call_->Read([self = shared_from_this()](std::optional<grpc::ByteBuffer> message) {
      if (!message) return self->EndBeforeStart();
      self->ReadStart(*std::move(message));
    });
  }

 private:
  // A group of inputs under way.
  struct Flight {
    Flight(std::shared_ptr<StreamCall> call, EmbedStreamGroup group) : work(std::move(call)), group(std::move(group)) {}

    std::optional<StreamCall::Work> work;  // until the results are ready
    EmbedStreamGroup group;
    bool ready = false;  // guarded by the stream's mutex_
  };
  using FlightPointer = std::shared_ptr<Flight>;

  void EndBeforeStart() {
    absl::Status status = call_->cancellation()->Check();
    call_->Finish(status.ok() ? absl::InvalidArgumentError("the stream ended before its start") : status);
  }

  void ReadStart(grpc::ByteBuffer message) {
    // Twice: once as it came, once as it is kept.
    absl::Status admitted = Grow(2 * static_cast<int64_t>(message.Length()), "the start");
    if (!admitted.ok()) return call_->Finish(admitted);
    auto work = std::make_shared<StreamCall::Work>(call_);
    Job job;
    job.phases.push_back({1, 1, [self = shared_from_this(), message](int64_t, int64_t) {
                            grpc::Slice slice;
                            if (!message.DumpToSingleSlice(&slice).ok()) {
                              return absl::InternalError("gRPC cannot read the message");
                            }
                            return self->ReadSettings({reinterpret_cast<const char*>(slice.begin()), slice.size()});
                          }});
    dependencies_.compute->Submit(std::move(job), call_->cancellation(),
                                  [self = shared_from_this(), work, message](const absl::Status& status, Timing) {
                                    if (!status.ok()) return self->call_->Finish(status);
                                    if (self->is_sequence_) return self->BecomeSequence(message);
                                    self->FindProjection();
                                  });
  }

  absl::Status ReadSettings(absl::string_view bytes) {
    const absl::StatusOr<EmbedStreamMessage> message = ReadEmbedStreamMessage(bytes);
    if (!message.ok()) return message.status();
    is_sequence_ = message->kind == EmbedStreamMessage::Kind::kSequence;
    if (is_sequence_) return absl::OkStatus();
    absl::StatusOr<EmbedSettings> settings = ReadEmbedStreamStart(*message, *dependencies_.models);
    if (settings.ok()) settings_ = *std::move(settings);
    return settings.status();
  }

  void BecomeSequence(grpc::ByteBuffer first) {
    Admission::Reservation reservation;
    {
      absl::MutexLock lock(&mutex_);
      reservation = std::move(ahead_);
    }
    EmbedSequence(dependencies_, call_, std::move(first), std::move(reservation));
  }

  // Finds or draws the projection, if there is to be one.
  void FindProjection() {
    const std::optional<ProjectionSpec>& spec = settings_.projection;
    if (!spec) return Advance();
    // One that is kept, too: the stream holds on to it, whatever takes its place there.
    absl::Status admitted = Grow(DrawnProjectionBytes(*spec), "the projection");
    if (!admitted.ok()) return call_->Finish(admitted);
    projection_ = dependencies_.draws->Find(*spec);
    if (projection_ != nullptr) return Advance();
    auto work = std::make_shared<StreamCall::Work>(call_);
    dependencies_.draws->Draw(*spec, call_->cancellation(),
                              [self = shared_from_this(), work](auto projection, absl::Duration) {
                                if (!projection.ok()) return self->call_->Finish(projection.status());
                                self->projection_ = *std::move(projection);
                                self->Advance();
                              });
  }

  // Starts whatever may start now. To be called after everything that ends.
  void Advance() {
    bool read = false, end = false;
    FlightPointer to_prepare, to_send;
    {
      absl::MutexLock lock(&mutex_);
      read = !reading_ && !no_more_ && num_unanswered_ < kMaxInputs && bytes_ahead_ < kMaxBytesAhead;
      reading_ = reading_ || read;
      if (!preparing_ && !arrived_.empty() && groups_.size() < kMaxGroups && num_under_way_ < kMaxGroupsUnderWay) {
        to_prepare = BeginGroup();
      }
      if (!sending_ && !groups_.empty() && groups_.front()->ready) {
        to_send = groups_.front();
        sending_ = true;
      }
      end = !ended_ && no_more_ && arrived_.empty() && groups_.empty();
      ended_ = ended_ || end;
    }
    if (read) call_->Read([self = shared_from_this()](auto message) { self->OnMessage(std::move(message)); });
    if (to_prepare != nullptr) Prepare(std::move(to_prepare));
    if (to_send != nullptr) Send(std::move(to_send));
    if (end) call_->Finish(absl::OkStatus());
  }

  void OnMessage(std::optional<grpc::ByteBuffer> message) {
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      no_more_ = !message.has_value();
      if (message) Arrive(*std::move(message));
    }
    Advance();
  }

  void Arrive(grpc::ByteBuffer message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ArrivedInput arrived{std::move(message), absl::OkStatus(), absl::Now()};
    arrived.admitted = ahead_.Grow(arrived.bytes(), "the message");
    // One that found no room is the last until its turn comes.
    bytes_ahead_ += arrived.admitted.ok() ? arrived.bytes() : kMaxBytesAhead;
    ++num_unanswered_;
    arrived_.push_back(std::move(arrived));
  }

  FlightPointer BeginGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    preparing_ = true;
    ++num_under_way_;
    const EmbedStreamGroup::Limits limits{dependencies_.batcher->batch_tokens(), kMaxResultBytes,
                                          dependencies_.max_message_bytes};
    auto flight = std::make_shared<Flight>(call_, EmbedStreamGroup(&settings_, limits, ahead_.Beside()));
    groups_.push_back(flight);
    return flight;
  }

  std::optional<ArrivedInput> TakeArrived() {
    absl::MutexLock lock(&mutex_);
    if (arrived_.empty()) return std::nullopt;
    ArrivedInput arrived = std::move(arrived_.front());
    arrived_.pop_front();
    return arrived;
  }
  void ForgetBytes(const ArrivedInput& arrived) {
    absl::MutexLock lock(&mutex_);
    bytes_ahead_ -= arrived.admitted.ok() ? arrived.bytes() : kMaxBytesAhead;
    if (arrived.admitted.ok()) ahead_.Shrink(arrived.bytes());
  }
  absl::Status Grow(int64_t bytes, absl::string_view what) {
    absl::MutexLock lock(&mutex_);
    return ahead_.Grow(bytes, what);
  }

  // Reads and tokenises what has arrived.
  void Prepare(FlightPointer flight) {
    int64_t num_steps = 1;
    {
      absl::MutexLock lock(&mutex_);
      const int64_t num_inputs = static_cast<int64_t>(arrived_.size());
      const int64_t prompt_bytes = static_cast<int64_t>(settings_.prompt.size());
      int64_t bytes = num_inputs * prompt_bytes;
      for (const ArrivedInput& arrived : arrived_) bytes += arrived.bytes();
      num_steps += bytes / kStepBytes + num_inputs / kStepInputs + Tokenization::MaxSteps(bytes, kTokenizeStepBytes);
    }
    Job job;
    job.phases.push_back(
        {1, num_steps, [self = shared_from_this(), flight](int64_t, int64_t) { return self->TakeSome(flight.get()); }});
    dependencies_.compute->Submit(std::move(job), call_->cancellation(),
                                  [self = shared_from_this(), flight](const absl::Status& status, Timing timing) {
                                    if (!status.ok()) return self->call_->Finish(status);
                                    self->dependencies_.metrics->RecordTokenize(timing.compute_time);
                                    if (flight->group.is_within_input()) return self->Prepare(flight);
                                    self->Embed(flight);
                                  });
  }

  absl::Status TakeSome(Flight* flight) {
    if (absl::Status status = call_->cancellation()->Check(); !status.ok()) return status;
    if (flight->group.is_within_input()) {
      flight->group.GoOn();
      return absl::OkStatus();
    }
    int64_t bytes = 0;
    for (int64_t count = 0; count < kStepInputs && bytes < kStepBytes && !flight->group.full(); ++count) {
      if (absl::Status status = call_->cancellation()->Check(); !status.ok()) return status;
      std::optional<ArrivedInput> arrived = TakeArrived();
      if (!arrived) break;
      if (absl::Status status = flight->group.Take(*arrived); !status.ok()) return status;
      bytes += arrived->bytes() + static_cast<int64_t>(settings_.prompt.size());
      ForgetBytes(*arrived);
      if (flight->group.is_within_input()) break;
    }
    return absl::OkStatus();
  }

  void Embed(FlightPointer flight) {
    {
      absl::MutexLock lock(&mutex_);
      preparing_ = false;
    }
    Advance();  // the next group may be prepared while this one is embedded
    EmbedStreamGroup& group = flight->group;
    dependencies_.batcher->Start(
        group.TakeWork(projection_), group.reservation(), call_->cancellation(),
        [self = shared_from_this(), flight](absl::StatusOr<EmbedOutcome> outcome) {
          self->OnEmbedded(flight, std::move(outcome));
        },
        EmbedBatcher::WhenFull::kHold);
  }

  void OnEmbedded(FlightPointer flight, absl::StatusOr<EmbedOutcome> outcome) {
    if (outcome.ok()) call_->AddTiming(outcome->timing);
    if (absl::Status status = call_->cancellation()->Check(); !status.ok()) return call_->Finish(status);
    if (outcome.ok()) {
      dependencies_.metrics->RecordEmbed(outcome->timing, flight->group.num_inputs(), outcome->num_tokens);
    }
    flight->group.SetOutcome(std::move(outcome));
    const int64_t num_parts = flight->group.PlanParts();
    if (num_parts == 1) {
      flight->group.MakePart(0);
      return BeReady(std::move(flight));
    }
    Job job;
    job.phases.push_back({num_parts, 1, [flight](int64_t part, int64_t) {
                            flight->group.MakePart(part);
                            return absl::OkStatus();
                          }});
    dependencies_.compute->Submit(std::move(job), call_->cancellation(),
                                  [self = shared_from_this(), flight](const absl::Status& status, Timing) {
                                    if (!status.ok()) return self->call_->Finish(status);
                                    self->BeReady(flight);
                                  });
  }

  void BeReady(FlightPointer flight) {
    flight->group.KeepResults();
    flight->work.reset();
    {
      absl::MutexLock lock(&mutex_);
      flight->ready = true;
      --num_under_way_;
    }
    Advance();
  }

  // Sends the next result of the first group.
  void Send(FlightPointer flight) {
    const grpc::ByteBuffer message = MessageOf(flight->group.TakeResult());
    call_->Write(message, [self = shared_from_this(), flight](bool sent) { self->OnSent(flight, sent); });
  }

  void OnSent(const FlightPointer& flight, bool sent) {
    if (!sent) return call_->Finish(call_->WhyGone());
    {
      absl::MutexLock lock(&mutex_);
      sending_ = false;
      --num_unanswered_;
      if (!flight->group.HasResult()) groups_.pop_front();
    }
    Advance();
  }

  const EmbeddingDependencies& dependencies_;
  const std::shared_ptr<StreamCall> call_;
  // Constant once the stream has begun.
  EmbedSettings settings_;
  bool is_sequence_ = false;
  std::shared_ptr<const Projection> projection_;  // null where attention takes none

  absl::Mutex mutex_;
  // Of the start and of messages that are not tokenised.
  Admission::Reservation ahead_ ABSL_GUARDED_BY(mutex_);
  std::deque<ArrivedInput> arrived_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ahead_ ABSL_GUARDED_BY(mutex_) = 0;           // of arrived_ and of the input that is being taken
  int64_t num_unanswered_ ABSL_GUARDED_BY(mutex_) = 0;        // inputs
  std::deque<FlightPointer> groups_ ABSL_GUARDED_BY(mutex_);  // in the order of their inputs
  int num_under_way_ ABSL_GUARDED_BY(mutex_) = 0;             // of these, not ready
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;    // messages will come
  bool preparing_ ABSL_GUARDED_BY(mutex_) = false;  // the last group
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;    // a result of the first group
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

void EmbedStream(const EmbeddingDependencies& dependencies, std::shared_ptr<StreamCall> call) {
  auto admitted = dependencies.admission->Admit(0, "the stream", call->priority());
  if (!admitted.ok()) return call->Finish(admitted.status());
  std::make_shared<Stream>(dependencies, std::move(call), *std::move(admitted))->Begin();
}

}  // namespace favor
