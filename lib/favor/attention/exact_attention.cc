#include "favor/attention/exact_attention.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/attention/not_finite.h"
#include "favor/attention/rows.h"
#include "favor/attention/scratch.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using kernels::kTile;

// Tiles of queries that share one packing of a tile of keys.
constexpr int64_t kQueryTiles = 4;
constexpr int64_t kStepFlops = 64'000'000;
constexpr double kLog2E = 1.4426950408889634;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Queries of one tile with their sums so far.
struct QuerySums {
  QuerySums(int64_t head_dim, int64_t value_stride, ScratchLayout* layout)
      : x(layout->Take(head_dim * kTile)),
        sums(layout->Take(kTile * value_stride)),
        maximum(layout->Take(kTile)),
        denominator(layout->Take(kTile)) {}
  float* x;            // [head_dim][kTile]
  float* sums;         // [kTile][value_stride]
  float* maximum;      // [kTile] mu
  float* denominator;  // [kTile]
};

struct Workspace {
  Workspace(int64_t head_dim, int64_t value_dim, ScratchLayout layout)
      : key_stride(kernels::Padded(head_dim)),
        value_stride(kernels::Padded(value_dim)),
        keys(layout.Take(kTile * key_stride)),
        values(layout.Take(kTile * value_stride)),
        scores(layout.Take(kTile * kTile)),
        factor(layout.Take(kTile)),
        queries{{head_dim, value_stride, &layout},
                {head_dim, value_stride, &layout},
                {head_dim, value_stride, &layout},
                {head_dim, value_stride, &layout}},
        size(layout.size()) {}

  int64_t key_stride, value_stride;
  float* keys;    // [kTile][key_stride], token-major
  float* values;  // [kTile][value_stride]
  float* scores;  // [kTile][kTile] as [key][query]
  float* factor;  // [kTile]
  QuerySums queries[kQueryTiles];
  int64_t size;  // floats
  AlignedBuffer<float> memory;
};

class ExactAttention {
 public:
  ExactAttention(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                 AttentionReport* report)
      : inputs_(inputs),
        output_(output),
        report_(report),
        causal_(spec.causal),
        multiplier_(spec.scale.value_or(DefaultScale(Kernel::kSoftmax, inputs.queries.shape.dim)) * kLog2E) {}

  static int64_t WorkspaceBytes(const AttentionInputs& inputs) {
    return Workspace(inputs.queries.shape.dim, inputs.values.shape.dim, ScratchLayout()).size * sizeof(float);
  }

  absl::StatusOr<std::unique_ptr<Workspace>> MakeWorkspace() const {
    absl::StatusOr<AlignedBuffer<float>> memory =
        AlignedBuffer<float>::Allocate(WorkspaceBytes(inputs_) / sizeof(float));
    if (!memory.ok()) return memory.status();
    auto work =
        std::make_unique<Workspace>(inputs_.queries.shape.dim, inputs_.values.shape.dim, ScratchLayout(memory->data()));
    work->memory = *std::move(memory);
    return work;
  }

  int64_t query_groups() const { return CeilDiv(inputs_.queries.shape.length, kTile * kQueryTiles); }
  int64_t key_tiles() const { return CeilDiv(inputs_.keys.shape.length, kTile); }
  int64_t FlopsPerKeyTile() const {
    return kQueryTiles * kTile * kTile * 2 * (inputs_.queries.shape.dim + inputs_.values.shape.dim);
  }

  absl::Status LoadQueries(int64_t chain, Workspace* work) const;
  absl::Status AddKeyTile(int64_t chain, int64_t tile, Workspace* work) const;
  void StoreOutputs(int64_t chain, const Workspace& work) const;

 private:
  struct Position {
    int64_t batch, head, first_query;
  };
  Position At(int64_t chain) const {
    const int64_t heads = inputs_.queries.shape.num_heads, groups = query_groups();
    return {chain / groups / heads, chain / groups % heads, chain % groups * kTile * kQueryTiles};
  }
  // Rows of query tile i of a chain that exist, and those of them that are valid.
  int64_t NumRows(const Position& at, int64_t i) const {
    return std::clamp<int64_t>(inputs_.queries.shape.length - at.first_query - i * kTile, 0, kTile);
  }
  int64_t NumQueries(const Position& at, int64_t i) const {
    const int64_t valid =
        inputs_.query_lengths.empty() ? inputs_.queries.shape.length : inputs_.query_lengths[at.batch];
    return std::clamp<int64_t>(valid - at.first_query - i * kTile, 0, kTile);
  }
  void AddScores(int64_t num_keys, int64_t num_queries, int64_t diagonal, Workspace* work, QuerySums* queries) const;

  const AttentionInputs inputs_;
  const MutableTensorView output_;
  AttentionReport* const report_;
  const bool causal_;
  const float multiplier_;
};

absl::Status ExactAttention::LoadQueries(int64_t chain, Workspace* work) const {
  const Position at = At(chain);
  for (int64_t i = 0; i < kQueryTiles; ++i) {
    QuerySums& queries = work->queries[i];
    std::fill_n(queries.sums, kTile * work->value_stride, 0.0f);
    std::fill_n(queries.maximum, kTile, kernels::kNoExponent);
    std::fill_n(queries.denominator, kTile, 0.0f);
    const int64_t count = NumQueries(at, i);
    const kernels::Rows rows = kernels::RowsOf(inputs_.queries, at.batch, at.head, at.first_query + i * kTile, count);
    // The keys' rows are free until the first key tile: pack the queries there.
    const int64_t finite = kernels::PackRows(rows, multiplier_, /*clamp=*/true, work->keys, work->key_stride);
    if (finite < count) {
      return NotFiniteError("queries", rows, finite, at.batch, at.head, at.first_query + i * kTile);
    }
    kernels::Transpose(work->keys, work->key_stride, count, inputs_.queries.shape.dim, queries.x);
  }
  return absl::OkStatus();
}

absl::Status ExactAttention::AddKeyTile(int64_t chain, int64_t tile, Workspace* work) const {
  const Position at = At(chain);
  const int64_t first_key = tile * kTile;
  const int64_t valid = inputs_.key_lengths.empty() ? inputs_.keys.shape.length : inputs_.key_lengths[at.batch];
  const int64_t count = std::clamp<int64_t>(valid - first_key, 0, kTile);
  if (count == 0 || (causal_ && first_key >= at.first_query + kQueryTiles * kTile)) return absl::OkStatus();

  const int64_t key_head = at.head / (inputs_.queries.shape.num_heads / inputs_.keys.shape.num_heads);
  const kernels::Rows keys = kernels::RowsOf(inputs_.keys, at.batch, key_head, first_key, count);
  int64_t finite = kernels::PackRows(keys, 1.0f, /*clamp=*/true, work->keys, work->key_stride);
  if (finite < count) return NotFiniteError("keys", keys, finite, at.batch, key_head, first_key);
  const kernels::Rows values = kernels::RowsOf(inputs_.values, at.batch, key_head, first_key, count);
  finite = kernels::PackRows(values, 1.0f, /*clamp=*/false, work->values, work->value_stride);
  if (finite < count) return NotFiniteError("values", values, finite, at.batch, key_head, first_key);

  for (int64_t i = 0; i < kQueryTiles; ++i) {
    const int64_t num_queries = NumQueries(at, i);
    // Query t of the tile sees keys up to t + diagonal.
    const int64_t diagonal = causal_ ? at.first_query + i * kTile - first_key : kTile;
    if (num_queries > 0 && diagonal >= 0) AddScores(count, num_queries, diagonal, work, &work->queries[i]);
  }
  return absl::OkStatus();
}

void ExactAttention::AddScores(int64_t num_keys, int64_t num_queries, int64_t diagonal, Workspace* work,
                               QuerySums* queries) const {
  kernels::MatMul({work->keys, work->key_stride, 1}, {queries->x, kTile}, work->scores, kTile, num_keys,
                  inputs_.queries.shape.dim, kTile, /*accumulate=*/false);
  for (int64_t j = diagonal + 1; j < num_keys; ++j) {
    std::fill_n(work->scores + j * kTile, j - diagonal, kernels::kMaskedExponent);
  }
  if (kernels::ScoreWeights(work->scores, num_keys, queries->maximum, queries->denominator, work->factor)) {
    for (int64_t t = 0; t < num_queries; ++t) {
      float* sums = queries->sums + t * work->value_stride;
      for (int64_t n = 0; n < work->value_stride; ++n) sums[n] *= work->factor[t];
    }
  }
  kernels::MatMul({work->scores, 1, kTile}, {work->values, work->value_stride}, queries->sums, work->value_stride,
                  num_queries, num_keys, work->value_stride, /*accumulate=*/true);
}

void ExactAttention::StoreOutputs(int64_t chain, const Workspace& work) const {
  const Position at = At(chain);
  for (int64_t i = 0; i < kQueryTiles; ++i) {
    const int64_t count = NumQueries(at, i), first = at.first_query + i * kTile;
    ZeroRows(kernels::RowsOf(output_, at.batch, at.head, first + count, NumRows(at, i) - count));
    const QuerySums& queries = work.queries[i];
    CountDegenerate(kernels::StoreNormalised(queries.sums, work.value_stride, queries.denominator,
                                             kernels::RowsOf(output_, at.batch, at.head, first, count)),
                    report_);
  }
}

}  // namespace

Job PlanExactAttention(const AttentionSpec& spec, const AttentionInputs& inputs, const MutableTensorView& output,
                       const Cancellation* cancellation, AttentionReport* report) {
  auto call = std::make_shared<const ExactAttention>(spec, inputs, output, report);
  const int64_t key_tiles = call->key_tiles();
  const int64_t tiles_per_step = std::max<int64_t>(1, kStepFlops / call->FlopsPerKeyTile());
  Phase phase;
  phase.num_chains = inputs.queries.shape.batch_size * inputs.queries.shape.num_heads * call->query_groups();
  phase.steps_per_chain = std::max<int64_t>(1, CeilDiv(key_tiles, tiles_per_step));
  auto workspaces =
      std::make_shared<ChainWorkspaces<Workspace>>(phase.num_chains, [call] { return call->MakeWorkspace(); });
  const int64_t last_step = phase.steps_per_chain - 1;
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    absl::StatusOr<Workspace*> work = workspaces->Get(chain);
    if (!work.ok()) return work.status();
    if (step == 0) {
      if (absl::Status status = call->LoadQueries(chain, *work); !status.ok()) return status;
    }
    const int64_t end = std::min(key_tiles, (step + 1) * tiles_per_step);
    for (int64_t tile = step * tiles_per_step; tile < end; ++tile) {
      if (cancellation != nullptr) {
        if (absl::Status status = cancellation->Check(); !status.ok()) return status;
      }
      if (absl::Status status = call->AddKeyTile(chain, tile, *work); !status.ok()) return status;
    }
    if (step == last_step) {
      call->StoreOutputs(chain, **work);
      workspaces->Release(chain);
    }
    return absl::OkStatus();
  };
  Job job;
  job.phases.push_back(std::move(phase));
  return job;
}

int64_t ExactScratchBytes(const AttentionInputs& inputs, int num_threads) {
  return num_threads * ExactAttention::WorkspaceBytes(inputs);
}

}  // namespace favor::internal
