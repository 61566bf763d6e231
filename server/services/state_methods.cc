#include "server/services/state_methods.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "server/convert/attend_response_conversion.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/state_conversion.h"
#include "server/convert/state_request_conversion.h"
#include "server/convert/statistics_conversion.h"
#include "server/execution/queue_wait.h"
#include "server/rpc/response_bytes.h"
#include "server/services/wire_reception.h"

namespace favor {
namespace {

// The report and the header of an output take some hundred bytes.
constexpr int64_t kMaxHeaderBytes = 4096;

// A call under way, whatever its method. Its stages run one after the other, each on the thread that ended the one
// before.
template <typename Work>
struct StateCall : std::enable_shared_from_this<StateCall<Work>> {
  StateCall(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call,
            Admission::Reservation reservation)
      : dependencies(dependencies), call(std::move(call)), reservation(std::move(reservation)) {}

  const AttentionDependencies& dependencies;
  const std::shared_ptr<UnaryCall> call;
  Admission::Reservation reservation;
  Work work;
  std::shared_ptr<const Projection> projection;  // null where the spec takes none
  std::optional<AttentionState> state;
  std::optional<AttentionState> other;  // of a merge, the one that is added
  struct {
    StateHeader header;
    std::string payload;
  } encoded;  // the answer
  Timing timing;

  void Fail(const absl::Status& status) const {
    if (const auto wait = QueueWaitOf(status)) dependencies.metrics->RecordAttendGivenUp(*wait);
    call->Fail(status);
  }
  // Goes on with `next` once the step has ended well; ends the call otherwise.
  template <typename Next>
  std::function<void(absl::Status, Timing)> Then(Next next) {
    return [self = this->shared_from_this(), next](const absl::Status& status, Timing timing) {
      self->timing.queue_time += timing.queue_time;
      self->timing.compute_time += timing.compute_time;
      if (!status.ok()) return self->Fail(status);
      next(self);
    };
  }
  template <typename Step, typename Next>
  void RunStep(Step step, Next next) {
    Job job;
    job.phases.push_back({1, 1, [self = this->shared_from_this(), step](int64_t, int64_t) { return step(self); }});
    dependencies.compute->Submit(std::move(job), call->cancellation(), Then(next));
  }
  template <typename Next>
  void RunJob(absl::StatusOr<Job> job, int64_t scratch_bytes, Next next) {
    if (!job.ok()) return call->Fail(job.status());
    absl::Status admitted = reservation.Grow(scratch_bytes, "the scratch memory of the kernels");
    if (!admitted.ok()) return call->Fail(admitted);
    dependencies.compute->Submit(*std::move(job), call->cancellation(), Then(next));
  }
  template <typename Next>
  void FindProjectionOf(const SpecWork& spec, Next next) {
    FindProjection(spec, dependencies.draws, &reservation, call->cancellation(),
                   [self = this->shared_from_this(), next](auto found, absl::Duration waited) {
                     if (!found.ok()) return self->call->Fail(found.status());
                     self->projection = *std::move(found);
                     self->timing.queue_time += waited;
                     next(self);
                   });
  }
  absl::Status AdmitState(const StateDescription& description) {
    return reservation.Grow(AttentionState::Bytes(description), "the state");
  }

  // Encodes the state and answers with it. The answer's field of the state is 1 in all messages.
  void ReplyWithState(const SpecWork& spec, StateEncoding encoding) {
    const absl::StatusOr<int64_t> bytes = MaxStateBytes(state->description(), encoding, spec);
    if (!bytes.ok()) return call->Fail(bytes.status());
    if (*bytes > dependencies.max_message_bytes) {
      return call->Fail(
          FieldError("encoding", absl::StrCat("the state takes up to ", *bytes, " bytes, a message has at most ",
                                              dependencies.max_message_bytes)));
    }
    absl::Status admitted = reservation.Grow(*bytes, "the response");
    if (!admitted.ok()) return call->Fail(admitted);
    encoded.payload.resize(static_cast<size_t>(*StatePayloadBytes(state->description(), encoding)));
    absl::StatusOr<Job> job =
        PlanEncodeState(*state, encoding, LayoutCode(spec.axis_order), call->cancellation(), &encoded.header,
                        absl::MakeSpan(&encoded.payload[0], encoded.payload.size()));
    RunJob(std::move(job), 0, [spec](const auto& self) {
      std::vector<std::string> parts = StateMessage(self->encoded.header, spec, std::move(self->encoded.payload),
                                                    v1::FoldResponse::kStateFieldNumber);
      self->state.reset();
      self->other.reset();
      self->work = {};
      self->call->set_timing(self->timing);
      self->call->Reply(ResponseBytes(std::move(parts), std::move(self->reservation)));
    });
  }

  // Makes an empty state and, where there is one, decodes a state into it.
  template <typename Next>
  void MakeState(const StateDescription& description, const EncodedState* from, std::optional<AttentionState>* into,
                 Next next) {
    RunStep(
        [description, into](const auto& self) {
          if (absl::Status status = self->AdmitState(description); !status.ok()) return status;
          absl::StatusOr<AttentionState> made = AttentionState::Create(description, self->projection);
          if (made.ok()) *into = *std::move(made);
          return AboutStatistics(made.status());
        },
        [from, into, next](const auto& self) {
          if (from == nullptr) return next(self);
          self->Decode(*from, into, next);
        });
  }
  // `from` must live until `next` is called.
  template <typename Next>
  void Decode(const EncodedState& from, std::optional<AttentionState>* into, Next next) {
    absl::StatusOr<Job> job = PlanDecodeState(from.header, from.payload(), call->cancellation(), &**into);
    if (!job.ok()) return call->Fail(AboutState(job.status(), from.name));
    dependencies.compute->Submit(
        *std::move(job), call->cancellation(),
        [self = this->shared_from_this(), name = from.name, next](const absl::Status& status, Timing timing) {
          self->Then(next)(AboutState(status, name), timing);
        });
  }
};

// Admits the request of a call, reads it by `convert` and goes on with `next`.
template <typename Work, typename Message, typename Convert, typename Next>
void Receive(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call, AttendWireReader::Root root,
             Convert convert, Next next) {
  auto admitted = dependencies.admission->Admit(call->request_bytes(), "the request", call->priority());
  if (!admitted.ok()) return call->Fail(admitted.status());
  auto state_call = std::make_shared<StateCall<Work>>(dependencies, call, *std::move(admitted));
  ReceiveWire(call->TakeRequest(),
              {root,
               [state_call, convert](AttendWireReader* reader) {
                 Message message;
                 LiftedData data;
                 if (absl::Status status = reader->Finish(&message, &data); !status.ok()) return status;
                 absl::StatusOr<Work> work = convert(message, &data);
                 if (work.ok()) state_call->work = *std::move(work);
                 return work.status();
               },
               [state_call, next](const absl::Status& status) {
                 if (!status.ok()) return state_call->call->Fail(status);
                 next(state_call);
               }},
              dependencies.compute, &state_call->reservation, call->cancellation());
}

using FoldCall = StateCall<FoldWork>;
using MergeCall = StateCall<MergeWork>;
using ReadCall = StateCall<ReadWork>;

// Makes the state to fold into: an empty one, or the request's.
template <typename Next>
void MakeFoldState(const std::shared_ptr<FoldCall>& fold, Next next) {
  const FoldWork& work = fold->work;
  const Shape& keys = work.keys.shape;
  const StateSizes sizes{keys.batch_size, keys.num_heads, keys.dim, work.values.shape.dim};
  const absl::StatusOr<StateDescription> description = DescribeState(work.spec, sizes, fold->projection);
  if (!description.ok()) return fold->call->Fail(AboutField(AboutStatistics(description.status()), "spec"));
  fold->MakeState(*description, work.state ? &*work.state : nullptr, &fold->state, next);
}

void FoldKeys(const std::shared_ptr<FoldCall>& fold) {
  FoldWork& work = fold->work;
  AttentionInputs inputs;
  inputs.keys = work.keys.View(work.axis_order);
  inputs.values = work.values.View(work.axis_order);
  inputs.key_lengths = work.key_lengths;
  const int num_threads = fold->dependencies.compute->num_threads();
  absl::StatusOr<Job> job = PlanFold(inputs, fold->call->cancellation(), &*fold->state);
  const int64_t scratch_bytes = job.ok() ? FoldScratchBytes(inputs, *fold->state, num_threads) : 0;
  fold->RunJob(std::move(job), scratch_bytes, [](const std::shared_ptr<FoldCall>& fold) {
    const SpecWork spec = fold->work;
    fold->dependencies.metrics->RecordAttend(fold->timing, 0, 0);
    const StateEncoding encoding = fold->work.encoding;
    fold->ReplyWithState(spec, encoding);
  });
}

// Decodes the next state and adds it to those before.
void MergeNext(const std::shared_ptr<MergeCall>& merge, size_t next) {
  if (next == merge->work.states.size()) {
    const SpecWork spec = merge->work.states[0];
    return merge->ReplyWithState(spec, merge->work.encoding);
  }
  const auto add = [next](const std::shared_ptr<MergeCall>& merge) {
    merge->work.states[next].bytes = {};
    merge->RunJob(PlanMerge(*merge->other, merge->call->cancellation(), &*merge->state), 0,
                  [next](const std::shared_ptr<MergeCall>& merge) { MergeNext(merge, next + 1); });
  };
  const EncodedState& encoded = merge->work.states[next];
  // All further states take the same memory in turn.
  if (merge->other) return merge->Decode(encoded, &merge->other, add);
  merge->MakeState(merge->state->description(), &encoded, &merge->other, add);
}

// Makes the state of a call that has just one, or its first.
template <typename Call, typename Next>
void MakeFirstState(const std::shared_ptr<Call>& call, const EncodedState& encoded, Next next) {
  const absl::StatusOr<StateDescription> description = DescribeEncoded(encoded, call->projection);
  if (!description.ok()) return call->call->Fail(description.status());
  call->MakeState(*description, &encoded, &call->state, next);
}

void ReadQueries(const std::shared_ptr<ReadCall>& read) {
  const ReadWork& work = read->work;
  auto result = std::make_shared<AttendResult>();
  result->axis_order = work.state.axis_order;
  result->projection = read->projection;
  result->statistics = work.state.spec.features.statistics;
  const Shape& queries = work.queries.shape;
  OwnedTensor& output = result->output;
  output.type = work.output_type;
  output.shape = {queries.batch_size, queries.num_heads, queries.length, work.state.sizes().value_dim};
  const int64_t bytes = output.shape.num_elements() * SizeOf(output.type);
  if (bytes > read->dependencies.max_message_bytes - kMaxHeaderBytes) {
    return read->call->Fail(
        FieldError("queries.shape", absl::StrCat("queries ask for ", bytes, " bytes of output, a message has at most ",
                                                 read->dependencies.max_message_bytes)));
  }
  absl::Status admitted = read->reservation.Grow(bytes, "the output");
  if (!admitted.ok()) return read->call->Fail(admitted);
  auto buffer = AlignedBuffer<std::byte>::Allocate(bytes);
  if (!buffer.ok()) return read->call->Fail(buffer.status());
  output.data = *std::move(buffer);

  AttentionInputs inputs;
  inputs.queries = work.queries.View(work.state.axis_order);
  absl::StatusOr<Job> job = PlanRead(inputs, *read->state, output.MutableView(work.state.axis_order),
                                     read->call->cancellation(), &result->report);
  const int64_t scratch_bytes =
      job.ok() ? ReadScratchBytes(inputs, *read->state, read->dependencies.compute->num_threads()) : 0;
  read->RunJob(std::move(job), scratch_bytes, [result](const std::shared_ptr<ReadCall>& read) {
    result->timing = read->timing;
    const Shape& shape = result->output.shape;
    read->dependencies.metrics->RecordAttend(read->timing, shape.batch_size * shape.length,
                                             result->report.degenerate_rows);
    const std::string header = ResponseHeader(*result, ToReport(*result, EffectiveSpec(read->work.state)));
    read->state.reset();
    read->work = {};
    read->call->set_timing(read->timing);
    read->call->Reply(ResponseBytes(header, std::move(result->output.data), std::move(read->reservation)));
  });
}

}  // namespace

void Fold(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  Receive<FoldWork, v1::FoldRequest>(
      dependencies, std::move(call), AttendWireReader::Root::kFoldRequest, ToFoldWork,
      [](const std::shared_ptr<FoldCall>& fold) {
        const SpecWork spec = fold->work;
        fold->FindProjectionOf(spec, [](const std::shared_ptr<FoldCall>& fold) { MakeFoldState(fold, FoldKeys); });
      });
}

void Merge(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  Receive<MergeWork, v1::MergeRequest>(dependencies, std::move(call), AttendWireReader::Root::kMergeRequest,
                                       ToMergeWork, [](const std::shared_ptr<MergeCall>& merge) {
                                         const SpecWork spec = merge->work.states[0];
                                         merge->FindProjectionOf(spec, [](const std::shared_ptr<MergeCall>& merge) {
                                           MakeFirstState(
                                               merge, merge->work.states[0],
                                               [](const std::shared_ptr<MergeCall>& merge) { MergeNext(merge, 1); });
                                         });
                                       });
}

void Read(const AttentionDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  Receive<ReadWork, v1::ReadRequest>(dependencies, std::move(call), AttendWireReader::Root::kReadRequest, ToReadWork,
                                     [](const std::shared_ptr<ReadCall>& read) {
                                       const SpecWork spec = read->work.state;
                                       read->FindProjectionOf(spec, [](const std::shared_ptr<ReadCall>& read) {
                                         MakeFirstState(read, read->work.state, ReadQueries);
                                       });
                                     });
}

}  // namespace favor
