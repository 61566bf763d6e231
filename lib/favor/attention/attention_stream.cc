#include "favor/attention/attention_stream.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/attention/linear_attention.h"
#include "favor/attention/linear_phases.h"
#include "favor/attention/plan_sizes.h"
#include "favor/attention/validate.h"
#include "favor/kernels/tile.h"

namespace favor {
namespace {

using internal::LinearAttention;
using internal::LinearCall;
using internal::LinearPartition;
using internal::StateOwner;

// A call on a state: what of it goes in and comes out.
struct Call {
  AttentionSpec spec;
  AttentionInputs inputs;
  MutableTensorView output;
  std::shared_ptr<const HeadTransforms> transforms;
};

absl::Status Fits(absl::string_view field, int64_t value, int64_t of_state) {
  if (value == of_state) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", the state's is ", of_state));
}

absl::Status CheckKeysFit(const AttentionInputs& inputs, const StateSizes& sizes) {
  const Shape &keys = inputs.keys.shape, &values = inputs.values.shape;
  absl::Status status = Fits("keys.batch_size", keys.batch_size, sizes.batch_size);
  status.Update(Fits("keys.num_heads", keys.num_heads, sizes.num_key_heads));
  status.Update(Fits("keys.head_dim", keys.dim, sizes.head_dim));
  status.Update(Fits("values.value_dim", values.dim, sizes.value_dim));
  return status;
}

absl::Status CheckQueriesFit(const AttentionInputs& inputs, const StateSizes& sizes) {
  absl::Status status = Fits("queries.batch_size", inputs.queries.shape.batch_size, sizes.batch_size);
  status.Update(Fits("queries.head_dim", inputs.queries.shape.dim, sizes.head_dim));
  return status;
}

absl::Status CheckUsable(const AttentionState& state) {
  if (state.usable()) return absl::OkStatus();
  return absl::FailedPreconditionError("the state is not usable: a job that changes it has not ended, or has failed");
}

absl::Status CheckRoom(const AttentionState& state, int64_t num_keys) {
  for (int64_t sequence = 0; sequence < state.description().sizes.batch_size; ++sequence) {
    if (num_keys <= kMaxStateKeys - state.num_keys(sequence)) continue;
    return absl::InvalidArgumentError(absl::StrCat("the state has ", state.num_keys(sequence), " keys of sequence ",
                                                   sequence, ", ", num_keys, " more are more than ", kMaxStateKeys));
  }
  return absl::OkStatus();
}

absl::Status CheckNoProjection(const AttentionInputs& inputs) {
  if (inputs.projection == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError("projection is set, but the state has its own");
}

// The queries, keys and values of a call that has none.
TensorView Nothing(const StateSizes& sizes, int64_t dim) {
  TensorView view;
  view.shape = {sizes.batch_size, sizes.num_key_heads, 0, dim};
  view.strides = BatchHeadsLengthDim(view.shape);
  return view;
}

// How a state's own spec folds: sums are the same for causal attention and bidirectional, and the latter's keys can be
// taken in any order.
Call FoldCall(const AttentionInputs& inputs, const AttentionState& state) {
  const StateSizes& sizes = state.description().sizes;
  Call call{state.description().spec, inputs, {}, nullptr};
  call.spec.causal = false;
  call.inputs.queries = Nothing(sizes, sizes.head_dim);
  call.inputs.query_lengths = {};
  call.inputs.projection = state.projection();
  call.output.shape = {sizes.batch_size, sizes.num_key_heads, 0, sizes.value_dim};
  call.transforms = state.transforms();
  return call;
}

Call ReadCall(const AttentionInputs& inputs, const AttentionState& state, const MutableTensorView& output) {
  const StateSizes& sizes = state.description().sizes;
  Call call{state.description().spec, inputs, output, nullptr};
  call.inputs.keys = Nothing(sizes, sizes.head_dim);
  call.inputs.values = Nothing(sizes, sizes.value_dim);
  call.inputs.key_lengths = {};
  call.inputs.projection = state.projection();
  call.transforms = state.transforms();
  return call;
}

Call ChunkCall(const AttentionInputs& inputs, const AttentionState& state, const MutableTensorView& output) {
  Call call{state.description().spec, inputs, output, state.transforms()};
  call.inputs.projection = state.projection();
  return call;
}

absl::StatusOr<LinearCall> MakeLinear(const Call& call, AttentionReport* report) {
  if (report != nullptr) *report = {};
  absl::StatusOr<LinearAttention> linear =
      LinearAttention::Create(call.spec, call.inputs, call.output, report, StateOwner::kCaller, call.transforms);
  if (!linear.ok()) return linear.status();
  return std::make_shared<const LinearAttention>(*std::move(linear));
}

Job FoldJob(const LinearCall& call, const Cancellation* cancellation, AttentionState* state) {
  const LinearPartition shape(*call);
  Job job;
  if (shape.key_tiles == 0) return job;
  if (shape.segments == 1) {
    job.phases = {internal::WholeHeadPhase(call, shape, cancellation, state)};
  } else {
    auto works = internal::MakeWorkspaces(call, shape.num_states * shape.segments);
    job.phases = {internal::FoldSegmentsPhase(call, shape, works, cancellation, state),
                  internal::MergeSegmentsPhase(call, shape, works, state)};
  }
  return job;
}

// What a bidirectional no_projection call reads are averages, made of a copy: the state may get more keys.
const HeadState* Averages(const LinearAttention& call, const HeadState& head, bool first,
                          LinearAttention::Workspace* work) {
  if (first) {
    work->state.CopyFeatures(head, 0, head.num_features(), 0);
    work->state.CopyTotals(head);
    call.FinishKeys(&work->state);
  }
  return &work->state;
}

Job ReadJob(const LinearCall& call, const Cancellation* cancellation, const AttentionState& state) {
  const LinearPartition shape(*call);
  Job job;
  if (shape.query_tiles == 0) return job;
  const bool averages = call->ReadsAverages();
  job.phases = {internal::ReadersPhase(
      call, shape, cancellation,
      [=, heads = &state](int64_t index, LinearAttention::Workspace* work, bool first) -> const HeadState* {
        return averages ? Averages(*call, heads->head(index), first, work) : &heads->head(index);
      })};
  return job;
}

Job ChunkJob(const LinearCall& call, const Cancellation* cancellation, AttentionState* state) {
  const LinearPartition shape(*call);
  Job job;
  if (shape.query_tiles == 0) return job;
  if (call->num_parts() > 1) {
    job.phases = internal::CausalPartPhases(call, shape, cancellation, state);
  } else {
    job.phases = {internal::CausalPhase(call, shape, cancellation, state)};
  }
  return job;
}

}  // namespace

absl::StatusOr<Job> PlanFold(const AttentionInputs& inputs, const Cancellation* cancellation, AttentionState* state) {
  absl::Status status = CheckUsable(*state);
  status.Update(CheckNoProjection(inputs));
  status.Update(CheckKeysFit(inputs, state->description().sizes));
  if (!status.ok()) return status;
  const Call call = FoldCall(inputs, *state);
  status.Update(internal::ValidateAttention(call.spec, call.inputs, call.output));
  status.Update(CheckRoom(*state, inputs.keys.shape.length));
  if (!status.ok()) return status;
  const absl::StatusOr<LinearCall> linear = MakeLinear(call, nullptr);
  if (!linear.ok()) return linear.status();
  return internal::UsableAfter(FoldJob(*linear, cancellation, state), state);
}

absl::StatusOr<Job> PlanRead(const AttentionInputs& inputs, const AttentionState& state,
                             const MutableTensorView& output, const Cancellation* cancellation,
                             AttentionReport* report) {
  absl::Status status = CheckUsable(state);
  status.Update(CheckNoProjection(inputs));
  status.Update(CheckQueriesFit(inputs, state.description().sizes));
  if (!status.ok()) return status;
  const Call call = ReadCall(inputs, state, output);
  AttentionSpec lengths_apart = call.spec;
  lengths_apart.causal = false;
  status.Update(internal::ValidateAttention(lengths_apart, call.inputs, output));
  if (!status.ok()) return status;
  const absl::StatusOr<LinearCall> linear = MakeLinear(call, report);
  if (!linear.ok()) return linear.status();
  return ReadJob(*linear, cancellation, state);
}

absl::StatusOr<Job> PlanCausalChunk(const AttentionInputs& inputs, const MutableTensorView& output,
                                    const Cancellation* cancellation, AttentionReport* report, AttentionState* state) {
  if (!state->description().spec.causal) {
    return absl::InvalidArgumentError("the state's spec is not causal: fold its keys, then read");
  }
  absl::Status status = CheckUsable(*state);
  status.Update(CheckNoProjection(inputs));
  status.Update(CheckQueriesFit(inputs, state->description().sizes));
  status.Update(CheckKeysFit(inputs, state->description().sizes));
  if (!status.ok()) return status;
  const Call call = ChunkCall(inputs, *state, output);
  status.Update(internal::ValidateAttention(call.spec, call.inputs, output));
  status.Update(CheckRoom(*state, inputs.keys.shape.length));
  if (!status.ok()) return status;
  const absl::StatusOr<LinearCall> linear = MakeLinear(call, report);
  if (!linear.ok()) return linear.status();
  return internal::UsableAfter(ChunkJob(*linear, cancellation, state), state);
}

absl::StatusOr<Job> PlanMerge(const AttentionState& from, const Cancellation* cancellation, AttentionState* into) {
  if (&from == into) return absl::InvalidArgumentError("a state cannot be merged with itself");
  absl::Status status = CheckUsable(from);
  status.Update(CheckUsable(*into));
  status.Update(CheckSameDescription("state", from.description(), into->description()));
  if (!status.ok()) return status;
  for (int64_t sequence = 0; sequence < from.description().sizes.batch_size; ++sequence) {
    status.Update(CheckRoom(*into, from.num_keys(sequence)));
  }
  if (!status.ok()) return status;

  constexpr int64_t kFloatsPerStep = int64_t{1} << 18;
  const int64_t num_features = into->description().num_features;
  const int64_t rows_per_step = std::max<int64_t>(1, kFloatsPerStep / into->head(0).value_stride());
  Phase phase;
  phase.num_chains = into->num_heads();
  phase.steps_per_chain = internal::CeilDiv(num_features, rows_per_step) + 1;
  phase.run_step = [=, from = &from](int64_t index, int64_t step) -> absl::Status {
    if (cancellation != nullptr) {
      if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    }
    const int64_t begin = step * rows_per_step;
    if (begin < num_features) {
      into->head(index).MergeFeatures(from->head(index), begin, std::min(begin + rows_per_step, num_features));
    } else {
      into->head(index).MergeTotals(from->head(index));
    }
    return absl::OkStatus();
  };
  Job job;
  job.phases.push_back(std::move(phase));
  return internal::UsableAfter(std::move(job), into);
}

int64_t FoldScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads) {
  const absl::StatusOr<LinearCall> call = MakeLinear(FoldCall(inputs, state), nullptr);
  if (!call.ok()) return 0;
  const LinearPartition shape(**call);
  const int64_t num_chains = shape.num_states * shape.segments;
  // Segments keep their states until they are merged.
  return (shape.segments > 1 ? num_chains : std::min<int64_t>(num_threads, num_chains)) * (*call)->WorkspaceBytes();
}

int64_t ReadScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads) {
  const absl::StatusOr<LinearCall> call = MakeLinear(ReadCall(inputs, state, {}), nullptr);
  if (!call.ok()) return 0;
  const LinearPartition shape(**call);
  return std::min<int64_t>(num_threads, internal::NumReaderChains(shape)) * (*call)->WorkspaceBytes();
}

int64_t CausalChunkScratchBytes(const AttentionInputs& inputs, const AttentionState& state, int num_threads) {
  const absl::StatusOr<LinearCall> call = MakeLinear(ChunkCall(inputs, state, {}), nullptr);
  if (!call.ok()) return 0;
  const LinearPartition shape(**call);
  if ((*call)->num_parts() > 1) return internal::CausalPartBytes(**call, shape);
  return std::min<int64_t>(num_threads, shape.num_states) * (*call)->WorkspaceBytes();
}

}  // namespace favor
