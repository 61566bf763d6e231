// Attention states that arrive inside requests: any bytes of a FoldRequest, MergeRequest, ReadRequest or
// AttendStreamRequest are work or an error; a state that is taken for one folds, merges, reads and goes on, its outputs
// finite, and the state of an answer can be sent again.
//
// Of the first byte, the lowest two bits say which message the rest is. The next one says whether the states of the
// message are put right before it is read (small_state.h). Projection ids and checksums are always put right, which no
// fuzzer guesses.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "favor/attention/attention_stream.h"
#include "favor/attention/state_codec.h"
#include "server/convert/spec_conversion.h"
#include "server/convert/state_conversion.h"
#include "server/convert/state_request_conversion.h"
#include "tests/fuzz/small_state.h"
#include "tests/server/convert/pieces.h"

namespace favor {
namespace {

using testing::SmallState;
using testing::Tokens;
using Root = AttendWireReader::Root;

void Check(bool holds) {
  if (!holds) std::abort();
}
absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename Value>
absl::Status StatusOf(const absl::StatusOr<Value>& value) {
  return value.status();
}
template <typename Result>
bool OkOrNamed(const Result& result) {
  const absl::Status status = StatusOf(result);
  Check(status.ok() || !status.message().empty());
  return status.ok();
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// The state of a message, of which `empty` is one too. With the checksum that it should have, unless it `is_signed`.
absl::StatusOr<AttentionState> Decode(EncodedState encoded, const absl::StatusOr<AttentionState>& empty,
                                      bool is_signed = false) {
  if (!OkOrNamed(empty)) return empty.status();
  if (!is_signed) {
    encoded.header.description.projection_id = empty->description().projection_id;
    encoded.header.checksum = StateChecksum(encoded.header, encoded.payload());
  }
  absl::StatusOr<AttentionState> state = SmallState(empty->description(), empty->projection());
  if (!state.ok()) return state;
  const absl::StatusOr<Job> job = PlanDecodeState(encoded.header, encoded.payload(), nullptr, &*state);
  if (!job.ok()) return AboutState(job.status(), encoded.name);
  const absl::Status status = RunInline(*job);
  Check(status.ok() == state->usable());
  if (!status.ok()) return AboutState(status, encoded.name);
  return state;
}

// A state that stands alone.
absl::StatusOr<AttentionState> DecodeAlone(EncodedState encoded, bool is_signed = false) {
  const auto projection = testing::SmallProjection(encoded);
  if (!projection.ok()) return projection.status();
  const auto empty = SmallState(encoded, encoded.sizes());
  if (!is_signed && empty.ok()) encoded.header.description.projection_id = empty->description().projection_id;
  const absl::StatusOr<StateDescription> description = DescribeEncoded(encoded, *projection);
  if (!OkOrNamed(description)) return description.status();
  return Decode(std::move(encoded), empty, is_signed);
}

// The message that answers with a state, which is also one of a Merge, is taken.
void Answer(const AttentionState& state, const SpecWork& spec, StateEncoding encoding) {
  const absl::StatusOr<int64_t> bytes = StatePayloadBytes(state.description(), encoding);
  Check(bytes.ok());
  StateHeader header;
  std::string payload(*bytes, '\0');
  const absl::StatusOr<Job> job =
      PlanEncodeState(state, encoding, LayoutCode(spec.axis_order), nullptr, &header, absl::MakeSpan(payload));
  Check(job.ok());
  // Sums may have grown beyond float32, which makes no message.
  if (!OkOrNamed(RunInline(*job))) return;
  const std::string message = absl::StrJoin(StateMessage(header, spec, payload, 1), "");
  Check(static_cast<int64_t>(message.size()) <= *MaxStateBytes(state.description(), encoding, spec));
  v1::MergeRequest request;
  LiftedData data;
  Check(ReadMessage(message, Root::kMergeRequest, {}, &request, &data).ok());
  absl::StatusOr<MergeWork> merge = ToMergeWork(request, &data);
  Check(merge.ok());
  Check(DecodeAlone(std::move(merge->states[0]), /*is_signed=*/true).ok());
}

// Reads, then takes more keys.
void Use(AttentionState* state, const SpecWork& spec) {
  Tokens tokens(state->description().sizes);
  const absl::StatusOr<Job> read = PlanRead(tokens.Inputs(), *state, tokens.Output(), nullptr, nullptr);
  Check(read.ok());
  if (OkOrNamed(RunInline(*read))) Check(AllFinite(tokens.output));
  const bool causal = state->description().spec.causal;
  const absl::StatusOr<Job> more = causal ? PlanCausalChunk(tokens.Inputs(), tokens.Output(), nullptr, nullptr, state)
                                          : PlanFold(tokens.Inputs(), nullptr, state);
  if (!OkOrNamed(more) || !OkOrNamed(RunInline(*more))) return;
  if (causal) Check(AllFinite(tokens.output));
  Answer(*state, spec, StateEncoding::kFloat32Compensated);
}

void Fold(v1::FoldRequest request, LiftedData data) {
  absl::StatusOr<FoldWork> work = ToFoldWork(request, &data);
  if (!OkOrNamed(work)) return;
  const Shape& keys = work->keys.shape;
  auto state = SmallState(*work, {keys.batch_size, keys.num_heads, keys.dim, work->values.shape.dim});
  if (!OkOrNamed(state)) return;
  if (work->state) state = Decode(*std::move(work->state), state);
  if (!OkOrNamed(state)) return;
  AttentionInputs inputs;
  inputs.keys = work->keys.View(work->axis_order);
  inputs.values = work->values.View(work->axis_order);
  inputs.key_lengths = work->key_lengths;
  const absl::StatusOr<Job> job = PlanFold(inputs, nullptr, &*state);
  if (OkOrNamed(job) && OkOrNamed(RunInline(*job))) Answer(*state, *work, work->encoding);
}

void Merge(v1::MergeRequest request, LiftedData data) {
  absl::StatusOr<MergeWork> work = ToMergeWork(request, &data);
  if (!OkOrNamed(work)) return;
  const SpecWork spec = work->states[0];
  absl::StatusOr<AttentionState> state = DecodeAlone(std::move(work->states[0]));
  if (!OkOrNamed(state)) return;
  for (size_t i = 1; i < work->states.size(); ++i) {
    const absl::StatusOr<AttentionState> other = Decode(std::move(work->states[i]), state);
    if (!OkOrNamed(other)) return;
    const absl::StatusOr<Job> job = PlanMerge(*other, nullptr, &*state);
    if (!OkOrNamed(job)) return;
    Check(RunInline(*job).ok());
  }
  Answer(*state, spec, work->encoding);
  Use(&*state, spec);
}

void Read(v1::ReadRequest request, LiftedData data) {
  absl::StatusOr<ReadWork> work = ToReadWork(request, &data);
  if (!OkOrNamed(work)) return;
  const SpecWork spec = work->state;
  absl::StatusOr<AttentionState> state = DecodeAlone(std::move(work->state));
  if (!OkOrNamed(state)) return;
  const Shape& queries = work->queries.shape;
  const Shape shape{queries.batch_size, queries.num_heads, queries.length, state->description().sizes.value_dim};
  if (shape.num_elements() > 1 << 18) return;  // a run must be quick
  std::vector<float> output(shape.num_elements());
  AttentionInputs inputs;
  inputs.queries = work->queries.View(spec.axis_order);
  const MutableTensorView out{reinterpret_cast<std::byte*>(output.data()), DataType::kFloat32, shape,
                              StridesOf(spec.axis_order, shape)};
  const absl::StatusOr<Job> job = PlanRead(inputs, *state, out, nullptr, nullptr);
  if (OkOrNamed(job) && OkOrNamed(RunInline(*job))) Check(AllFinite(output));
  Use(&*state, spec);
}

// Goes on from the state of a start, as the stream does.
void Resume(StreamStart start) {
  if (!start.state) return;
  SpecWork spec = *start.state;
  const StateSizes sizes = start.state->sizes();
  if (start.spec.ByteSizeLong() > 0) {
    SpecWork asked;
    asked.axis_order = spec.axis_order;
    if (!OkOrNamed(ReadSpec(start.spec, {sizes.head_dim, sizes.num_key_heads}, &start.data, &asked))) return;
    SettleForState(&asked.spec);
    spec = asked;
  }
  absl::StatusOr<AttentionState> state = Decode(*std::move(start.state), SmallState(spec, sizes));
  if (OkOrNamed(state)) Use(&*state, spec);
}

void Stream(v1::AttendStreamRequest request, LiftedData data) {
  if (request.has_start()) {
    absl::StatusOr<StreamStart> start = ToStreamStart(std::move(*request.mutable_start()), std::move(data));
    if (OkOrNamed(start)) Resume(*std::move(start));
  } else if (request.has_chunk()) {
    (void)OkOrNamed(ToStreamChunk(request.chunk(), AxisOrder::kBatchHeadsLengthDim, &data));
  }
}

v1::AttentionState* StateOf(v1::FoldRequest* request) {
  return request->has_state() ? request->mutable_state() : nullptr;
}
v1::AttentionState* StateOf(v1::ReadRequest* request) {
  return request->has_state() ? request->mutable_state() : nullptr;
}
v1::AttentionState* StateOf(v1::AttendStreamRequest* request) {
  return request->start().has_state() ? request->mutable_start()->mutable_state() : nullptr;
}
template <typename Message>
void PutStatesRight(Message* message) {
  if (v1::AttentionState* state = StateOf(message)) testing::PutRight(state);
}
void PutStatesRight(v1::MergeRequest* message) {
  for (v1::AttentionState& state : *message->mutable_states()) testing::PutRight(&state);
}

template <typename Message>
void Run(std::string bytes, size_t piece_size, bool put_right, Root root, void (*use)(Message, LiftedData)) {
  Message message;
  if (put_right && message.ParseFromString(bytes)) {
    PutStatesRight(&message);
    bytes = message.SerializeAsString();
  }
  std::vector<size_t> cuts;
  for (size_t cut = piece_size; cut < bytes.size(); cut += piece_size) cuts.push_back(cut);
  LiftedData data;
  if (OkOrNamed(ReadMessage(bytes, root, cuts, &message, &data))) use(std::move(message), std::move(data));
}

}  // namespace
}  // namespace favor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const bool put_right = (data[0] & 4) != 0;
  const size_t piece_size = 1 + 4 * (data[0] >> 3);
  using favor::Run;
  switch (data[0] & 3) {
    case 0:
      Run(bytes, piece_size, put_right, favor::Root::kFoldRequest, favor::Fold);
      break;
    case 1:
      Run(bytes, piece_size, put_right, favor::Root::kMergeRequest, favor::Merge);
      break;
    case 2:
      Run(bytes, piece_size, put_right, favor::Root::kReadRequest, favor::Read);
      break;
    default:
      Run(bytes, piece_size, put_right, favor::Root::kAttendStreamRequest, favor::Stream);
  }
  return 0;
}
