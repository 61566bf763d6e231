#include "server/services/attend_stream_method.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "server/convert/attend_response_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/state_conversion.h"
#include "server/convert/state_request_conversion.h"
#include "server/convert/statistics_conversion.h"
#include "server/rpc/response_bytes.h"
#include "server/services/stream_turns.h"
#include "server/services/wire_reception.h"

namespace favor {
namespace {

using Message = v1::AttendStreamRequest::MessageCase;

// The report and the header of an output take some hundred bytes.
constexpr int64_t kMaxHeaderBytes = 4096;

// A message of the client, and what becomes of it.
struct Turn {
  Turn(std::shared_ptr<StreamCall> call, Admission::Reservation reservation)
      : work(std::move(call)), reservation(std::move(reservation)) {}

  std::optional<StreamCall::Work> work;  // until the answer is there
  Admission::Reservation reservation;
  Message kind = Message::MESSAGE_NOT_SET;
  std::optional<StreamStart> start;
  StreamChunk chunk;
  StateEncoding encoding = StateEncoding::kFloat32Compensated;  // of a state that is asked for
  AttendResult result;                                          // of a chunk
  struct {
    StateHeader header;
    std::string payload;
  } state;  // that is asked for
};
using TurnPointer = std::shared_ptr<Turn>;

// The spec was found to have a layout.
AxisOrder AxisOrderOf(const v1::AttentionSpec& spec) {
  return spec.layout() == v1::LAYOUT_BATCH_LENGTH_HEADS_DIM ? AxisOrder::kBatchLengthHeadsDim
                                                            : AxisOrder::kBatchHeadsLengthDim;
}

class Stream : public StreamTurns {
 public:
  Stream(const AttentionDependencies& dependencies, std::shared_ptr<StreamCall> call,
         Admission::Reservation reservation)
      : StreamTurns(std::move(call), std::move(reservation)), dependencies_(dependencies) {}

 private:
  std::shared_ptr<Stream> Self() { return StreamTurns::Self<Stream>(); }

  // Reads a message.
  void Take(grpc::ByteBuffer message, Admission::Reservation reservation) override {
    const auto turn = std::make_shared<Turn>(call_, std::move(reservation));
    ReceiveWire(std::move(message),
                {AttendWireReader::Root::kAttendStreamRequest,
                 [self = Self(), turn](AttendWireReader* reader) { return self->Convert(reader, *turn); },
                 [self = Self(), turn](const absl::Status& status) {
                   if (!status.ok()) return self->call_->Finish(status);
                   self->Run(turn);
                 }},
                dependencies_.compute, &turn->reservation, call_->cancellation());
  }

  absl::Status Convert(AttendWireReader* reader, Turn& turn) {
    v1::AttendStreamRequest request;
    LiftedData data;
    if (absl::Status status = reader->Finish(&request, &data); !status.ok()) return status;
    turn.kind = request.message_case();
    if (absl::Status status = CheckTurn(request); !status.ok()) return status;
    switch (turn.kind) {
      case Message::kStart: {
        absl::StatusOr<StreamStart> start = ToStreamStart(std::move(*request.mutable_start()), std::move(data));
        if (start.ok()) turn.start = *std::move(start);
        return start.status();
      }
      case Message::kChunk: {
        absl::StatusOr<StreamChunk> chunk = ToStreamChunk(request.chunk(), axis_order_, &data);
        if (!chunk.ok()) return chunk.status();
        turn.chunk = *std::move(chunk);
        return CheckChunk(turn.chunk);
      }
      case Message::kGetState: {
        const absl::StatusOr<StateEncoding> encoding = ReadStateEncoding(request.get_state(), "get_state");
        if (encoding.ok()) turn.encoding = *encoding;
        return encoding.status();
      }
      default:
        return absl::OkStatus();
    }
  }

  // Whether a message of this kind may come now.
  absl::Status CheckTurn(const v1::AttendStreamRequest& request) const {
    const Message kind = request.message_case();
    if (kind == Message::MESSAGE_NOT_SET) return FieldError("message", "the message has none of its fields set");
    if (started_ == (kind != Message::kStart)) {
      if (kind == Message::kEndOfKeys) return CheckEndOfKeys(request.end_of_keys());
      if (kind == Message::kGetState && !state_) {
        return FieldError("get_state", "get_state is set before the first chunk, which the state's sizes follow from");
      }
      return absl::OkStatus();
    }
    return FieldError("start", started_ ? "start is set a second time, a stream has one"
                                        : "start is not set, the first message must be a start");
  }

  absl::Status CheckEndOfKeys(bool value) const {
    if (causal_) return FieldError("end_of_keys", "end_of_keys is set, which causal attention has no use for");
    if (!value) return FieldError("end_of_keys", "end_of_keys is false, must be true");
    if (keys_ended_) return FieldError("end_of_keys", "end_of_keys is set a second time");
    return absl::OkStatus();
  }

  absl::Status CheckChunk(const StreamChunk& chunk) const {
    const bool wants_queries = causal_ || keys_ended_, wants_keys = causal_ || !keys_ended_;
    const char* when = causal_ ? "causal attention" : keys_ended_ ? "a chunk after end_of_keys" : "a chunk of keys";
    if (chunk.queries.has_value() != wants_queries) {
      return FieldError("chunk.queries", absl::StrCat("chunk.queries is ", chunk.queries ? "set" : "unset", ", ", when,
                                                      wants_queries ? " needs them" : " takes none"));
    }
    if (chunk.keys.has_value() != wants_keys) {
      return FieldError("chunk.keys", absl::StrCat("chunk.keys is ", chunk.keys ? "set" : "unset", ", ", when,
                                                   wants_keys ? " needs them" : " takes none"));
    }
    if (!state_ && !chunk.keys) {
      return FieldError("chunk.queries", "chunk.queries is set, no keys came before end_of_keys");
    }
    return absl::OkStatus();
  }

  void Run(TurnPointer turn) {
    switch (turn->kind) {
      case Message::kStart:
        return Start(std::move(turn));
      case Message::kChunk:
        return state_ ? RunChunk(std::move(turn)) : BeginState(std::move(turn));
      case Message::kGetState:
        return EncodeState(std::move(turn));
      default:
        keys_ended_ = true;
        return EndTurn();
    }
  }

  void Start(TurnPointer turn) {
    StreamStart& start = *turn->start;
    if (start.spec.has_exact()) {
      return call_->Finish(FieldError(
          "start.spec.exact", "start.spec.exact is set: exact attention needs all keys at once and cannot stream"));
    }
    if (start.spec.has_auto_()) {
      return call_->Finish(
          FieldError("start.spec.auto",
                     "start.spec.auto is set: it chooses by all queries and keys of a call, and cannot "
                     "stream"));
    }
    started_ = true;
    output_type_ = start.output_type;
    report_every_chunk_ = start.report_every_chunk;
    if (!start.state) {
      axis_order_ = AxisOrderOf(start.spec);
      causal_ = start.spec.causal();
      wire_spec_ = std::move(start.spec);
      spec_data_ = std::move(start.data);
      return EndTurn();
    }
    Resume(std::move(turn));
  }

  // Goes on from the state of the start.
  void Resume(TurnPointer turn) {
    StreamStart& start = *turn->start;
    const EncodedState& encoded = *start.state;
    spec_ = encoded;
    spec_owner_ = encoded.name;
    if (start.spec.ByteSizeLong() > 0) {
      const SpecSizes sizes{encoded.sizes().head_dim, encoded.sizes().num_key_heads};
      SpecWork asked;
      asked.axis_order = AxisOrderOf(start.spec);
      absl::Status status = ReadSpec(start.spec, sizes, &start.data, &asked);
      if (!status.ok()) return call_->Finish(InsideField(status, "start"));
      SettleForState(&asked.spec);
      spec_ = asked;
      spec_owner_ = "start";
    }
    axis_order_ = spec_.axis_order;
    causal_ = spec_.spec.causal;
    const StateSizes sizes = encoded.sizes();
    MakeState(sizes, [self = Self(), turn] { self->DecodeStart(turn); });
  }

  void DecodeStart(TurnPointer turn) {
    const EncodedState& encoded = *turn->start->state;
    absl::StatusOr<Job> job = PlanDecodeState(encoded.header, encoded.payload(), call_->cancellation(), &*state_);
    if (!job.ok()) return call_->Finish(AboutState(job.status(), encoded.name));
    dependencies_.compute->Submit(*std::move(job), call_->cancellation(),
                                  [self = Self(), turn](const absl::Status& status, Timing) {
                                    const std::string name = turn->start->state->name;
                                    if (!status.ok()) return self->call_->Finish(AboutState(status, name));
                                    turn->start.reset();
                                    self->EndTurn();
                                  });
  }

  // Begins an empty state of the sizes of the first chunk.
  void BeginState(TurnPointer turn) {
    const Shape& keys = turn->chunk.keys->shape;
    const StateSizes sizes{keys.batch_size, keys.num_heads, keys.dim, turn->chunk.values->shape.dim};
    absl::Status status = ReadSpec(wire_spec_, {sizes.head_dim, sizes.num_key_heads}, &spec_data_, &spec_);
    if (!status.ok()) return call_->Finish(InsideField(status, "start"));
    SettleForState(&spec_.spec);
    spec_.axis_order = axis_order_;
    MakeState(sizes, [self = Self(), turn] { self->RunChunk(turn); });
  }

  // Finds the projection of spec_, makes an empty state of it on the pool, goes on with `next`.
  template <typename Next>
  void MakeState(const StateSizes& sizes, Next next) {
    FindProjection(
        spec_, dependencies_.draws, &reservation_, call_->cancellation(),
        [self = Self(), sizes, next](auto projection, absl::Duration) {
          if (!projection.ok()) return self->call_->Finish(projection.status());
          self->projection_ = *std::move(projection);
          Job job;
          job.phases.push_back({1, 1, [self, sizes](int64_t, int64_t) { return self->CreateState(sizes); }});
          self->dependencies_.compute->Submit(std::move(job), self->call_->cancellation(),
                                              [self, next](const absl::Status& status, Timing) {
                                                if (!status.ok()) return self->call_->Finish(status);
                                                next();
                                              });
        },
        KeptProjection::kIsReserved);
  }

  absl::Status CreateState(const StateSizes& sizes) {
    const absl::StatusOr<StateDescription> description = DescribeState(spec_.spec, sizes, projection_);
    if (!description.ok()) {
      return InsideField(AboutField(AboutStatistics(description.status()), "spec"), spec_owner_);
    }
    absl::Status admitted = reservation_.Grow(AttentionState::Bytes(*description), "the state");
    if (!admitted.ok()) return admitted;
    absl::StatusOr<AttentionState> state = AttentionState::Create(*description, projection_);
    if (state.ok()) state_ = *std::move(state);
    return InsideField(AboutStatistics(state.status()), spec_owner_);
  }

  void RunChunk(TurnPointer turn) {
    const StreamChunk& chunk = turn->chunk;
    if (chunk.queries) {
      if (absl::Status status = MakeOutput(*turn); !status.ok()) return call_->Finish(status);
    }
    AttentionInputs inputs;
    if (chunk.queries) inputs.queries = chunk.queries->View(axis_order_);
    if (chunk.keys) inputs.keys = chunk.keys->View(axis_order_);
    if (chunk.values) inputs.values = chunk.values->View(axis_order_);
    absl::StatusOr<Job> job = Plan(inputs, *turn);
    if (!job.ok()) return call_->Finish(AboutChunk(job.status()));
    absl::Status admitted = turn->reservation.Grow(ScratchBytes(inputs), "the scratch memory of the kernels");
    if (!admitted.ok()) return call_->Finish(admitted);
    dependencies_.compute->Submit(*std::move(job), call_->cancellation(),
                                  [self = Self(), turn](const absl::Status& status, Timing timing) {
                                    self->call_->AddTiming(timing);
                                    if (!status.ok()) return self->call_->Finish(self->AboutChunk(status));
                                    self->AnswerChunk(turn, timing);
                                  });
  }

  // An error of the library about a tensor of the chunk that has its turn, said to be of that chunk.
  absl::Status AboutChunk(const absl::Status& status) const {
    if (!absl::IsInvalidArgument(status)) return status;
    const std::string field = FieldOf(status);
    std::string where = absl::StrCat("in chunk ", num_chunks_, " of the stream");
    // "keys[batch, head, row, coordinate] is nan": of the row in this chunk.
    const std::vector<absl::string_view> index = absl::StrSplit(status.message(), ", ");
    if (absl::StartsWith(status.message(), absl::StrCat(field, "[")) && index.size() >= 4) {
      absl::StrAppend(&where, ", row ", index[2]);
    }
    return FieldError(field.empty() ? "chunk" : absl::StrCat("chunk.", field),
                      absl::StrCat(where, ": ", status.message()));
  }

  absl::Status MakeOutput(Turn& turn) const {
    const OwnedTensor& queries = *turn.chunk.queries;
    OwnedTensor& output = turn.result.output;
    output.type = output_type_.value_or(queries.type);
    output.shape = {queries.shape.batch_size, queries.shape.num_heads, queries.shape.length,
                    state_->description().sizes.value_dim};
    const int64_t bytes = output.shape.num_elements() * SizeOf(output.type);
    if (bytes > dependencies_.max_message_bytes - kMaxHeaderBytes) {
      return FieldError("chunk.queries.shape",
                        absl::StrCat("chunk.queries ask for ", bytes, " bytes of output, a message has at most ",
                                     dependencies_.max_message_bytes));
    }
    if (absl::Status admitted = turn.reservation.Grow(bytes, "the output"); !admitted.ok()) return admitted;
    auto buffer = AlignedBuffer<std::byte>::Allocate(bytes);
    if (!buffer.ok()) return buffer.status();
    output.data = *std::move(buffer);
    turn.result.axis_order = axis_order_;
    return absl::OkStatus();
  }

  absl::StatusOr<Job> Plan(const AttentionInputs& inputs, Turn& turn) {
    const Cancellation* cancellation = call_->cancellation();
    if (!turn.chunk.queries) return PlanFold(inputs, cancellation, &*state_);
    const MutableTensorView output = turn.result.output.MutableView(axis_order_);
    AttentionReport* report = &turn.result.report;
    if (causal_) return PlanCausalChunk(inputs, output, cancellation, report, &*state_);
    return PlanRead(inputs, *state_, output, cancellation, report);
  }

  int64_t ScratchBytes(const AttentionInputs& inputs) const {
    const int num_threads = dependencies_.compute->num_threads();
    if (causal_) return CausalChunkScratchBytes(inputs, *state_, num_threads);
    return keys_ended_ ? ReadScratchBytes(inputs, *state_, num_threads)
                       : FoldScratchBytes(inputs, *state_, num_threads);
  }

  void AnswerChunk(const TurnPointer& turn, Timing timing) {
    const bool has_output = turn->chunk.queries.has_value();
    const Shape shape = turn->result.output.shape;
    turn->chunk = {};  // gives the inputs' memory back before the answer is sent
    turn->result.timing = timing;
    ++num_chunks_;
    dependencies_.metrics->RecordAttend(timing, has_output ? shape.batch_size * shape.length : 0,
                                        turn->result.report.degenerate_rows);
    AddToTotal(turn->result);
    std::optional<v1::AttendReport> report;
    if (report_every_chunk_) report = ReportOf(turn->result);
    if (has_output) {
      const std::string header = StreamOutputHeader(turn->result, report ? &*report : nullptr);
      Send(turn, ResponseBytes(header, std::move(turn->result.output.data), std::move(turn->reservation)));
    } else if (report) {
      Send(turn, MessageOf(StreamReport(*report)));
    } else {
      EndTurn();
    }
  }

  void AddToTotal(const AttendResult& result) {
    total_.report.degenerate_rows += result.report.degenerate_rows;
    total_.report.precision = result.report.precision;
    total_.timing.queue_time += result.timing.queue_time;
    total_.timing.compute_time += result.timing.compute_time;
  }

  v1::AttendReport ReportOf(AttendResult& result) const {
    result.report.num_features = state_->description().num_features;
    result.projection = projection_;
    result.statistics = spec_.spec.features.statistics;
    return ToReport(result, EffectiveSpec(spec_));
  }

  void EncodeState(TurnPointer turn) {
    const StateDescription& description = state_->description();
    const absl::StatusOr<int64_t> bytes = MaxStateBytes(description, turn->encoding, spec_);
    if (!bytes.ok()) return call_->Finish(bytes.status());
    if (*bytes > dependencies_.max_message_bytes) {
      return call_->Finish(
          FieldError("get_state", absl::StrCat("the state takes up to ", *bytes, " bytes, a message has at most ",
                                               dependencies_.max_message_bytes)));
    }
    absl::Status admitted = turn->reservation.Grow(*bytes, "the state's message");
    if (!admitted.ok()) return call_->Finish(admitted);
    std::string& payload = turn->state.payload;
    payload.resize(static_cast<size_t>(*StatePayloadBytes(description, turn->encoding)));
    absl::StatusOr<Job> job = PlanEncodeState(*state_, turn->encoding, LayoutCode(axis_order_), call_->cancellation(),
                                              &turn->state.header, absl::MakeSpan(&payload[0], payload.size()));
    if (!job.ok()) return call_->Finish(job.status());
    dependencies_.compute->Submit(
        *std::move(job), call_->cancellation(), [self = Self(), turn](const absl::Status& status, Timing) {
          if (!status.ok()) return self->call_->Finish(status);
          std::vector<std::string> parts = StateMessage(turn->state.header, self->spec_, std::move(turn->state.payload),
                                                        v1::AttendStreamResponse::kStateFieldNumber);
          self->Send(turn, ResponseBytes(std::move(parts), std::move(turn->reservation)));
        });
  }

  void Send(const TurnPointer& turn, const grpc::ByteBuffer& message) {
    turn->work.reset();  // from here on it is the client that is waited for
    AnswerTurn(message);
  }

  // The client sends no more: the last message is the report of the whole.
  void End() override {
    if (!started_) {
      const absl::Status status = call_->cancellation()->Check();
      return call_->Finish(status.ok() ? absl::InvalidArgumentError("the stream ended before its start") : status);
    }
    if (!state_) return call_->Finish(absl::OkStatus());
    call_->Write(MessageOf(StreamReport(ReportOf(total_))), [self = Self()](bool) {
      self->call_->Finish(absl::OkStatus());  // who is gone cannot take this either
    });
  }

  const AttentionDependencies& dependencies_;

  // Belong to the turn under way, as does reservation_, that of the projection and the state.
  bool started_ = false;
  bool causal_ = false;
  bool keys_ended_ = false;
  bool report_every_chunk_ = false;
  int64_t num_chunks_ = 0;  // that were computed
  AxisOrder axis_order_ = AxisOrder::kBatchHeadsLengthDim;
  std::optional<DataType> output_type_;  // unset: the queries'
  v1::AttentionSpec wire_spec_;          // until there is a state
  LiftedData spec_data_;
  SpecWork spec_;
  std::string spec_owner_ = "start";              // or the state that spec_ came with
  std::shared_ptr<const Projection> projection_;  // null where the spec takes none
  std::optional<AttentionState> state_;
  AttendResult total_;  // of all chunks
};

}  // namespace

void AttendStream(const AttentionDependencies& dependencies, std::shared_ptr<StreamCall> call) {
  auto admitted = dependencies.admission->Admit(0, "the stream", call->priority());
  if (!admitted.ok()) return call->Finish(admitted.status());
  std::make_shared<Stream>(dependencies, std::move(call), *std::move(admitted))->Advance();
}

}  // namespace favor
