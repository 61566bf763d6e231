#include "favor/attention/linear_attention.h"

#include <algorithm>
#include <utility>

#include "favor/attention/rows.h"
#include "favor/attention/statistics_phases.h"
#include "favor/kernels/bfloat16.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {

using kernels::kTile;

namespace {

// Parts of the features are worth their overhead from these sizes on.
constexpr int64_t kMinPartLength = 960;
constexpr int64_t kMinPartRows = 64;
// As many states as keep two threads busy evenly by themselves.
constexpr int64_t kManyStates = 8;

}  // namespace

LinearAttention::Workspace::Workspace(const LinearAttention& call, int64_t part, bool jackknife, ScratchLayout layout)
    : state(call.NumOwnFeatures(part), call.multiplies_keys_ ? 0 : call.inputs_.values.shape.dim, &layout),
      keys(&call.parts_[part], call.inputs_.keys.shape.dim, call.inputs_.values.shape.dim,
           {.width = call.fold_width_,
            .fused = call.FusesKeys(),
            .all_features = call.spec_.causal || call.multiplies_keys_,
            .bfloat16 = call.bfloat16()},
           &layout),
      queries(&call.parts_[part], call.spec_.features,
              {.causal = call.spec_.causal,
               .scores = call.multiplies_keys_,
               .bfloat16 = call.bfloat16(),
               .jackknife = jackknife},
              call.inputs_.queries.shape.dim, call.inputs_.values.shape.dim, &layout),
      size(layout.size()) {}

LinearAttention::LinearAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                                 const MutableTensorView& output, AttentionReport* report, StateOwner owner,
                                 FeatureMap map)
    : spec_(spec),
      inputs_(inputs),
      output_(output),
      report_(report),
      owner_(owner),
      map_(std::move(map)),
      fold_width_(kTile),
      multiplies_keys_(FewKeys()) {
  if (!spec.causal && FusesKeys()) {
    const int64_t length = std::clamp<int64_t>(inputs.keys.shape.length, 1, kernels::kFoldTile);
    fold_width_ = (length + kTile - 1) / kTile * kTile;
  }
  SplitFeatures();
}

void LinearAttention::SplitFeatures() {
  const int64_t num_states = inputs_.keys.shape.batch_size * num_key_heads();
  // Every part packs all inputs again, and multiplies its scores with the values: two cost a tenth more than one, four
  // cost half as much again.
  int64_t num_parts = num_states >= kManyStates ? 1 : 2;
  const bool parity = spec_.features.epsilon_parity.has_value();
  if (!spec_.causal || parity || map_.num_rows() == 0 || inputs_.keys.shape.length < kMinPartLength) num_parts = 1;
  num_parts = std::clamp<int64_t>(map_.num_rows() / kMinPartRows, 1, num_parts);
  if (num_parts == 1) {
    parts_ = {map_};
    return;
  }
  const int64_t grain = map_.projector(0).grain();
  const int64_t rows = ((map_.num_rows() + num_parts - 1) / num_parts + grain - 1) / grain * grain;
  for (int64_t begin = 0; begin < map_.num_rows(); begin += rows) {
    parts_.push_back(map_.Slice(begin, std::min(begin + rows, map_.num_rows())));
  }
}

int64_t LinearAttention::NumOwnFeatures(int64_t part) const {
  // Parts and segments have states of their own also where the caller's are to be carried on; so have averages.
  const bool folds = !spec_.causal && inputs_.keys.shape.length > 0;
  const bool needed = owner_ == StateOwner::kCall || num_parts() > 1 || folds || ReadsAverages();
  return needed ? parts_[part].num_features() : 0;
}

// A row of the projection makes one feature, or two, the second behind the first ones of all rows.
void LinearAttention::TakePart(const HeadState& whole, int64_t part, HeadState* state) const {
  const FeatureMap& map = parts_[part];
  for (int64_t to = 0, first = map.first_row(); to < map.num_features(); to += map.num_rows()) {
    state->CopyFeatures(whole, first, map.num_rows(), to);
    first += map_.num_rows();
  }
  state->CopyTotals(whole);
}

void LinearAttention::PutPart(const HeadState& state, int64_t part, HeadState* whole) const {
  const FeatureMap& map = parts_[part];
  for (int64_t from = 0, first = map.first_row(); from < map.num_features(); from += map.num_rows()) {
    whole->CopyFeatures(state, from, map.num_rows(), first);
    first += map_.num_rows();
  }
  whole->CopyTotals(state);
}

bool LinearAttention::FusesKeys() const {
  // The key stabiliser of epsilon parity is found among plain log-features.
  return map_.fused() && !HasStabiliser();
}

// By multiply-adds: a key with a query and its value by it, against both with the state.
bool LinearAttention::FewKeys() const {
  const bool has_state = owner_ == StateOwner::kCaller || ReadsAverages();
  if (spec_.causal || has_state || bfloat16() || spec_.features.epsilon_parity.has_value()) return false;
  const int64_t num_keys = inputs_.keys.shape.length, num_queries = inputs_.queries.shape.length * group_size();
  const int64_t num_features = map_.num_features(), value_dim = inputs_.values.shape.dim;
  if (num_keys == 0 || num_keys > kTile) return false;
  return num_keys * num_queries * (num_features + value_dim) <= (num_keys + num_queries) * num_features * value_dim;
}

absl::StatusOr<LinearAttention> LinearAttention::Create(const AttentionSpec& spec, const AttentionInputs& inputs,
                                                        const MutableTensorView& output, AttentionReport* report,
                                                        StateOwner owner,
                                                        std::shared_ptr<const HeadTransforms> transforms) {
  const int64_t head_dim = inputs.queries.shape.dim, key_heads = inputs.keys.shape.num_heads;
  const double scale = spec.scale.value_or(DefaultScale(spec.features.kernel, head_dim));
  AttentionSpec effective = spec;
  effective.features = FeaturesThatRun(spec);
  if (!kernels::HasBFloat16Products()) effective.precision = Precision::kFloat32;
  const bool bfloat16 = effective.precision == Precision::kBFloat16;
  if (absl::Status status = CheckFeatures(spec.features, scale, head_dim, inputs.projection.get()); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckStatistics(effective.features, head_dim, key_heads); !status.ok()) return status;
  std::shared_ptr<HeadTransforms> own;
  if (UsesStatistics(effective.features) && transforms == nullptr) {
    own = std::make_shared<HeadTransforms>(effective.features, scale, head_dim, key_heads, inputs.projection);
    transforms = own;
  }
  absl::StatusOr<FeatureMap> map =
      FeatureMap::Create(effective.features, scale, head_dim, inputs.projection, bfloat16, std::move(transforms));
  if (!map.ok()) return map.status();
  if (report != nullptr) {
    report->num_features = map->num_features();
    report->precision = effective.precision;
  }
  LinearAttention call(effective, inputs, output, report, owner, *std::move(map));
  call.scale_ = scale;
  call.transforms_ = std::move(own);
  if (call.transforms_ != nullptr && effective.features.statistics == nullptr && inputs.queries.shape.length > 0) {
    call.measured_ = std::make_shared<Statistics>();
    call.measured_->heads.resize(key_heads);
    if (report != nullptr) report->statistics = call.measured_;
  }
  return call;
}

std::vector<Phase> LinearAttention::StatisticsPhases(const Cancellation* cancellation) const {
  if (transforms_ == nullptr) return {};
  const UseHead use = [transforms = transforms_](int64_t head, const HeadStatistics& statistics) {
    return transforms->Set(head, statistics);
  };
  if (measured_ == nullptr) return {UsePhase(spec_.features.statistics, use, cancellation)};
  return MeasurementPhases(spec_.features, scale_, inputs_, cancellation, measured_, use);
}

int64_t LinearAttention::StatisticsBytes() const {
  if (transforms_ == nullptr) return 0;
  const int64_t bytes = HeadTransforms::Bytes(spec_.features, inputs_.keys.shape.dim, num_key_heads(), map_.num_rows());
  return bytes + (measured_ == nullptr ? 0 : MeasurementBytes(spec_.features, inputs_));
}

absl::StatusOr<std::unique_ptr<LinearAttention::Workspace>> LinearAttention::MakeWorkspace(
    int64_t part, std::unique_ptr<Workspace> used) const {
  const int64_t floats = WorkspaceBytes() / static_cast<int64_t>(sizeof(float));
  AlignedBuffer<float> memory;
  if (used != nullptr) memory = std::move(used->memory);
  if (memory.size() < floats) {
    memory = {};  // first, so that no more exist than chains run at once
    absl::StatusOr<AlignedBuffer<float>> allocated = AlignedBuffer<float>::Allocate(floats);
    if (!allocated.ok()) return allocated.status();
    memory = *std::move(allocated);
  }
  auto work = std::make_unique<Workspace>(*this, part, WantsMoments(), ScratchLayout(memory.data()));
  work->memory = std::move(memory);
  return work;
}

int64_t LinearAttention::WorkspaceBytes() const {
  return Workspace(*this, /*part=*/0, WantsMoments(), ScratchLayout()).size * sizeof(float);
}

int64_t LinearAttention::PlainWorkspaceBytes() const {
  return Workspace(*this, /*part=*/0, /*jackknife=*/false, ScratchLayout()).size * sizeof(float);
}

int64_t LinearAttention::FlopsPerTile() const {
  return kTile * 2 * parts_[0].num_features() * (inputs_.queries.shape.dim + inputs_.values.shape.dim);
}

absl::Status LinearAttention::LoadKeys(int64_t batch, int64_t key_head, int64_t begin, int64_t count,
                                       Workspace* work) const {
  const int64_t next = std::min(count, inputs_.NumKeys(batch) - begin - count);
  kernels::Prefetch(kernels::RowsOf(inputs_.keys, batch, key_head, begin + count, next));
  kernels::Prefetch(kernels::RowsOf(inputs_.values, batch, key_head, begin + count, next));
  return work->keys.Load(kernels::RowsOf(inputs_.keys, batch, key_head, begin, count),
                         kernels::RowsOf(inputs_.values, batch, key_head, begin, count), {batch, key_head, begin});
}

absl::Status LinearAttention::LoadQueries(int64_t batch, int64_t head, int64_t tile, int64_t count,
                                          Workspace* work) const {
  const int64_t begin = tile * kTile;
  const int64_t next = std::min(count, inputs_.NumQueries(batch) - begin - count);
  kernels::Prefetch(kernels::RowsOf(inputs_.queries, batch, head, begin + count, next));
  return work->queries.Load(kernels::RowsOf(inputs_.queries, batch, head, begin, count),
                            {batch, head, head / group_size(), begin});
}

void LinearAttention::StoreOutputs(int64_t batch, int64_t head, int64_t tile, int64_t begin, int64_t end,
                                   const Aside& aside, Workspace* work) const {
  if (aside.outputs != nullptr) {
    const int64_t reader = batch * inputs_.queries.shape.num_heads + head;
    return aside.outputs->Put(reader, aside.part, tile - aside.first_tile, begin, end, work->queries);
  }
  const auto rows = kernels::RowsOf(output_, batch, head, tile * kTile + begin, end - begin);
  CountDegenerate(work->queries.Store(begin, rows), report_);
}

void LinearAttention::NoteMoments(int64_t batch, int64_t head, int64_t tile, int64_t begin, int64_t end,
                                  const Aside& aside, const HeadState& state, Workspace* work) const {
  // Parts are about equally wrong: one tells which rows are the worst.
  if (!WantsMoments() || aside.part != 0) return;
  const Shape& shape = inputs_.queries.shape;
  const int64_t first_row = (batch * shape.num_heads + head) * shape.length + tile * kTile;
  work->queries.Moments(state, begin, end, report_->row_moments + first_row);
}

void LinearAttention::Clear(HeadState* state) const { state->Clear(map_.has_exponent()); }

absl::Status LinearAttention::FoldTile(int64_t batch, int64_t key_head, int64_t tile, HeadState* state,
                                       Workspace* work) const {
  const int64_t begin = tile * fold_width_;
  const int64_t count = std::min(fold_width_, inputs_.NumKeys(batch) - begin);
  if (count <= 0) return absl::OkStatus();
  if (absl::Status status = LoadKeys(batch, key_head, begin, count, work); !status.ok()) return status;
  if (HasStabiliser()) work->keys.RaiseStabiliser(state);
  multiplies_keys_ ? work->keys.WeighInto(state) : work->keys.FoldInto(state);
  return absl::OkStatus();
}

void LinearAttention::FinishKeys(HeadState* state) const {
  if (ReadsAverages()) state->Normalise();
}

absl::Status LinearAttention::ReadTile(int64_t batch, int64_t head, int64_t tile, const HeadState& state,
                                       const Aside& aside, Workspace* work) const {
  const int64_t rows = std::min(kTile, inputs_.queries.shape.length - tile * kTile);
  const int64_t count = std::clamp<int64_t>(inputs_.NumQueries(batch) - tile * kTile, 0, rows);
  if (aside.outputs == nullptr) ZeroRows(kernels::RowsOf(output_, batch, head, tile * kTile + count, rows - count));
  if (count == 0) return absl::OkStatus();
  if (absl::Status status = LoadQueries(batch, head, tile, count, work); !status.ok()) return status;
  // Without keys the workspace holds none of this call.
  multiplies_keys_&& state.count > 0 ? work->queries.ReadKeys(state, work->keys) : work->queries.Read(state);
  NoteMoments(batch, head, tile, 0, count, aside, state, work);
  StoreOutputs(batch, head, tile, 0, count, aside, work);
  return absl::OkStatus();
}

void LinearAttention::StoreAside(int64_t batch, int64_t head, int64_t tile, const Aside& aside) const {
  const int64_t rows = std::min(kTile, inputs_.queries.shape.length - tile * kTile);
  const int64_t count = std::clamp<int64_t>(inputs_.NumQueries(batch) - tile * kTile, 0, rows);
  ZeroRows(kernels::RowsOf(output_, batch, head, tile * kTile + count, rows - count));
  if (count == 0) return;
  const int64_t reader = batch * inputs_.queries.shape.num_heads + head;
  CountDegenerate(
      aside.outputs->Store(reader, tile - aside.first_tile, kernels::RowsOf(output_, batch, head, tile * kTile, count)),
      report_);
}

bool LinearAttention::HasStabiliser() const {
  return spec_.features.epsilon_parity.has_value() &&
         (spec_.features.kernel == Kernel::kSoftmax || spec_.features.kernel == Kernel::kSoftmaxRegularized);
}

bool LinearAttention::NeedsStabiliserFirst() const {
  return HasStabiliser() && !spec_.features.epsilon_parity->prefix_stabiliser;
}

absl::Status LinearAttention::StabiliserTile(int64_t batch, int64_t key_head, int64_t tile, HeadState* state,
                                             Workspace* work) const {
  const int64_t count = std::min(kTile, inputs_.NumKeys(batch) - tile * kTile);
  if (count <= 0) return absl::OkStatus();
  if (absl::Status status = LoadKeys(batch, key_head, tile * kTile, count, work); !status.ok()) return status;
  work->keys.RaiseStabiliser(state);
  return absl::OkStatus();
}

bool LinearAttention::FoldIsRead(int64_t tile) const {
  return owner_ == StateOwner::kCaller || (tile + 1) * kTile < inputs_.queries.shape.length;
}

absl::Status LinearAttention::CausalTile(int64_t batch, int64_t key_head, int64_t tile, const Aside& aside,
                                         HeadState* state, Workspace* work) const {
  const int64_t num_keys = std::clamp<int64_t>(inputs_.NumKeys(batch) - tile * kTile, 0, kTile);
  if (num_keys == 0) {  // past the last key: every query sees them all
    for (int64_t head = key_head * group_size(); head < (key_head + 1) * group_size(); ++head) {
      if (absl::Status status = ReadTile(batch, head, tile, *state, aside, work); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  KeyTile& keys = work->keys;
  if (absl::Status status = LoadKeys(batch, key_head, tile * kTile, num_keys, work); !status.ok()) return status;
  if (HasStabiliser() && !NeedsStabiliserFirst()) keys.RaiseStabiliser(state);
  if (keys.WeighAll(state)) {  // no key is loud: one block
    absl::Status status = CausalBlock(batch, key_head, tile, 0, kTile, num_keys, aside, *state, work);
    if (status.ok() && FoldIsRead(tile)) keys.Fold(0, num_keys, state);
    return status;
  }
  keys.Weigh(*state);
  // A block ends before a token that is loud against the maxima of the tokens before it, and then starts anew with that
  // token's maxima. So no output depends on a later key, not even by rounding; and no weight underflows early ones.
  for (int64_t begin = 0; begin < num_keys;) {
    if (keys.LoudToken(begin) == begin) {
      keys.RaiseMaxima(begin, begin + 1, kernels::kMaxRise, state);
      keys.Weigh(*state);
    }
    const int64_t key_end = std::max(keys.LoudToken(begin), begin + 1);  // whatever comes, go on
    const int64_t end = key_end == num_keys ? kTile : key_end;
    if (absl::Status status = CausalBlock(batch, key_head, tile, begin, end, key_end, aside, *state, work);
        !status.ok()) {
      return status;
    }
    if (key_end < num_keys || FoldIsRead(tile)) keys.Fold(begin, key_end, state);
    begin = key_end;
  }
  return absl::OkStatus();
}

absl::Status LinearAttention::CausalBlock(int64_t batch, int64_t key_head, int64_t tile, int64_t begin, int64_t end,
                                          int64_t key_end, const Aside& aside, const HeadState& state,
                                          Workspace* work) const {
  const int64_t rows = std::min(kTile, inputs_.queries.shape.length - tile * kTile);
  const int64_t count = std::clamp<int64_t>(inputs_.NumQueries(batch) - tile * kTile, 0, rows);
  const int64_t last = std::min(end, count);
  for (int64_t head = key_head * group_size(); head < (key_head + 1) * group_size(); ++head) {
    if (aside.outputs == nullptr) ZeroRows(kernels::RowsOf(output_, batch, head, tile * kTile + count, rows - count));
    if (last <= begin) continue;
    if (absl::Status status = LoadQueries(batch, head, tile, count, work); !status.ok()) return status;
    work->queries.ReadCausal(state, work->keys, begin, last, std::min(key_end, last));
    NoteMoments(batch, head, tile, begin, last, aside, state, work);
    StoreOutputs(batch, head, tile, begin, last, aside, work);
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
