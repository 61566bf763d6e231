#include "favor/attention/exact_attention.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "favor/attention/chain_workspaces.h"
#include "favor/attention/not_finite.h"
#include "favor/attention/plan_sizes.h"
#include "favor/attention/rows.h"
#include "favor/attention/scratch.h"
#include "favor/base/aligned_buffer.h"
#include "favor/kernels/elementwise.h"
#include "favor/kernels/exponential.h"
#include "favor/kernels/fused_weights.h"
#include "favor/kernels/matmul.h"
#include "favor/kernels/pack.h"
#include "favor/kernels/sums.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

using kernels::kPanel;

// Queries of a chain, which share one packing of every tile of keys: fewer where that would leave too few chains for
// the cores of one socket.
constexpr int64_t kMostQueries = 384;
// Queries whose weights against one tile of keys are in the caches at a time.
constexpr int64_t kBlock = 8 * kPanel;
constexpr int64_t kKeys = kernels::kFoldTile;
constexpr double kLog2E = 1.4426950408889634;

// Queries are the rows and keys the columns, so that a query's weights are those of a feature and its sums those of a
// state: exact attention is the fold of linear attention with the queries in the place of the projection.
struct Workspace {
  Workspace(int64_t num_queries, int64_t head_dim, int64_t value_dim, ScratchLayout layout)
      : row_stride(kernels::Padded(head_dim)),
        value_stride(kernels::Padded(value_dim)),
        rows(layout.Take(std::max(num_queries, kKeys) * row_stride)),
        queries(layout.Take(num_queries * head_dim)),
        sums(layout.Take(num_queries * value_stride)),
        compensation(layout.Take(num_queries * value_stride)),
        maxima(layout.Take(num_queries)),
        denominators(layout.Take(num_queries)),
        denominator_compensation(layout.Take(num_queries)),
        keys(layout.Take(head_dim * kKeys)),
        values(layout.Take(kKeys * value_stride)),
        weights(layout.Take(kBlock * kKeys)),
        row_sums(layout.Take(kBlock)),
        shift(layout.Take(kBlock)),
        excess(layout.Take(kKeys)),
        zeros(layout.Take(kKeys)),
        visible(layout.Take(kKeys)),
        size(layout.size()) {}

  int64_t row_stride, value_stride;
  float* rows;                      // [num_queries or kKeys][row_stride], token-major
  float* queries;                   // panels of num_queries rows
  float* sums;                      // [num_queries][value_stride]
  float* compensation;              // [num_queries][value_stride]
  float* maxima;                    // [num_queries] mu
  float* denominators;              // [num_queries]
  float* denominator_compensation;  // [num_queries]
  float* keys;                      // [head_dim][kKeys]
  float* values;                    // [kKeys][value_stride]
  float* weights;                   // [kBlock][kKeys] as [query][key]
  float* row_sums;                  // [kBlock]
  float* shift;                     // [kBlock]
  float* excess;                    // [kKeys]
  float* zeros;                     // [kKeys]
  float* visible;                   // [kKeys] 0, or kNoExponent past the last key
  int64_t size;                     // floats
  AlignedBuffer<float> memory;
};

class ExactAttention {
 public:
  // A chain takes num_queries queries at most.
  ExactAttention(const AttentionSpec& spec, const AttentionOperands& call, int64_t num_queries, AttentionReport* report)
      : inputs_(call.inputs),
        output_(call.output),
        report_(report),
        causal_(spec.causal),
        // A longer one is as good as none.
        reach_(std::min(spec.window.value_or(std::numeric_limits<int64_t>::max()),
                        inputs_.queries.shape.length + inputs_.keys.shape.length)),
        num_queries_(num_queries),
        multiplier_(spec.scale.value_or(DefaultScale(Kernel::kSoftmax, call.inputs.queries.shape.dim)) * kLog2E) {}

  int64_t WorkspaceBytes() const {
    return Workspace(num_queries_, inputs_.queries.shape.dim, inputs_.values.shape.dim, ScratchLayout()).size *
           sizeof(float);
  }

  // Any call's of a batch does for all.
  absl::StatusOr<std::unique_ptr<Workspace>> MakeWorkspace() const {
    absl::StatusOr<AlignedBuffer<float>> memory = AlignedBuffer<float>::Allocate(WorkspaceBytes() / sizeof(float));
    if (!memory.ok()) return memory.status();
    auto work = std::make_unique<Workspace>(num_queries_, inputs_.queries.shape.dim, inputs_.values.shape.dim,
                                            ScratchLayout(memory->data()));
    work->memory = *std::move(memory);
    return work;
  }

  int64_t num_chains() const {
    return inputs_.queries.shape.batch_size * inputs_.queries.shape.num_heads * query_groups();
  }
  // Tiles of keys that a chain walks, which are neighbours.
  struct Tiles {
    int64_t first, end;
  };
  Tiles TilesOf(int64_t chain) const;
  int64_t MostTiles() const {
    const int64_t all = CeilDiv(inputs_.keys.shape.length, kKeys);
    return std::min(all, CeilDiv(num_queries_ + 2 * reach_, kKeys) + 1);
  }
  int64_t FlopsPerKeyTile() const {
    return num_queries_ * kKeys * 2 * (inputs_.queries.shape.dim + inputs_.values.shape.dim);
  }

  absl::Status LoadQueries(int64_t chain, Workspace* work) const;
  absl::Status AddKeyTile(int64_t chain, int64_t tile, Workspace* work) const;
  void StoreOutputs(int64_t chain, const Workspace& work) const;

 private:
  struct Position {
    int64_t batch, head, first_query;
  };
  int64_t query_groups() const { return CeilDiv(inputs_.queries.shape.length, num_queries_); }
  Position At(int64_t chain) const {
    const int64_t heads = inputs_.queries.shape.num_heads, groups = query_groups();
    return {chain / groups / heads, chain / groups % heads, chain % groups * num_queries_};
  }
  // Queries of a chain that exist, and those of them that are valid.
  int64_t NumRows(const Position& at) const {
    return std::min(inputs_.queries.shape.length - at.first_query, num_queries_);
  }
  int64_t NumQueries(const Position& at) const {
    return std::clamp<int64_t>(inputs_.NumQueries(at.batch) - at.first_query, 0, num_queries_);
  }
  absl::Status LoadKeys(const Position& at, int64_t first_key, int64_t count, Workspace* work) const;
  // Queries [begin, begin + rows) of a chain against keys [first_key, first_key + num_keys) of the loaded ones.
  struct Block {
    int64_t begin, rows;
    int64_t first_key, num_keys;
    int64_t lowest, diagonal;  // query begin + i sees keys first_key + i + lowest to first_key + i + diagonal
    const float* bias;  // of the first query and key, or null; the next keys' stand behind it, the next queries' before
  };
  // Of so many loaded keys those that one of the queries sees, in whole registers from the first on. The first key
  // stands `distance` behind the first query.
  Block BlockOf(int64_t begin, int64_t rows, int64_t distance, int64_t num_loaded) const;
  // Weights of a block, added to the queries' denominators.
  void Weigh(const Block& block, Workspace* work) const;
  void WeighGeneral(const Block& block, Workspace* work) const;

  const AttentionInputs inputs_;
  const MutableTensorView output_;
  AttentionReport* const report_;
  const bool causal_;
  const int64_t reach_;  // how far from its query a key may be
  const int64_t num_queries_;
  const float multiplier_;
};

absl::Status ExactAttention::LoadQueries(int64_t chain, Workspace* work) const {
  const Position at = At(chain);
  const int64_t count = NumQueries(at);
  // Rows that fill a panel up are written too.
  const int64_t cleared = std::min(num_queries_, kernels::PanelRowCount(count));
  std::fill_n(work->sums, cleared * work->value_stride, 0.0f);
  std::fill_n(work->compensation, cleared * work->value_stride, 0.0f);
  std::fill_n(work->maxima, cleared, kernels::kNoExponent);
  std::fill_n(work->denominators, cleared, 0.0f);
  std::fill_n(work->denominator_compensation, cleared, 0.0f);
  std::fill_n(work->zeros, kKeys, 0.0f);
  const kernels::Rows rows = kernels::RowsOf(inputs_.queries, at.batch, at.head, at.first_query, count);
  const int64_t finite = kernels::PackRows(rows, multiplier_, /*clamp=*/true, work->rows, work->row_stride);
  if (finite < count) return NotFiniteError("queries", rows, finite, at.batch, at.head, at.first_query);
  kernels::PackPanels(work->rows, work->row_stride, count, inputs_.queries.shape.dim, work->queries);
  return absl::OkStatus();
}

absl::Status ExactAttention::LoadKeys(const Position& at, int64_t first_key, int64_t count, Workspace* work) const {
  const int64_t key_head = at.head / (inputs_.queries.shape.num_heads / inputs_.keys.shape.num_heads);
  const int64_t next = std::clamp<int64_t>(inputs_.keys.shape.length - first_key - count, 0, kKeys);
  kernels::Prefetch(kernels::RowsOf(inputs_.keys, at.batch, key_head, first_key + count, next));
  kernels::Prefetch(kernels::RowsOf(inputs_.values, at.batch, key_head, first_key + count, next));
  const kernels::Rows keys = kernels::RowsOf(inputs_.keys, at.batch, key_head, first_key, count);
  int64_t finite = kernels::PackRows(keys, 1.0f, /*clamp=*/true, work->rows, work->row_stride);
  if (finite < count) return NotFiniteError("keys", keys, finite, at.batch, key_head, first_key);
  kernels::Transpose(work->rows, work->row_stride, count, inputs_.keys.shape.dim, work->keys, kKeys);
  const kernels::Rows values = kernels::RowsOf(inputs_.values, at.batch, key_head, first_key, count);
  finite = kernels::PackRows(values, 1.0f, /*clamp=*/false, work->values, work->value_stride);
  if (finite < count) return NotFiniteError("values", values, finite, at.batch, key_head, first_key);
  std::fill_n(work->visible, count, 0.0f);
  std::fill(work->visible + count, work->visible + kKeys, kernels::kNoExponent);
  return absl::OkStatus();
}

ExactAttention::Tiles ExactAttention::TilesOf(int64_t chain) const {
  const int64_t first_query = inputs_.num_earlier_keys + At(chain).first_query, length = inputs_.keys.shape.length;
  const int64_t behind = causal_ ? 0 : reach_;
  return {std::clamp<int64_t>(first_query - reach_, 0, length) / kKeys,
          CeilDiv(std::min(length, first_query + num_queries_ + behind), kKeys)};
}

absl::Status ExactAttention::AddKeyTile(int64_t chain, int64_t tile, Workspace* work) const {
  const Position at = At(chain);
  const int64_t first_key = tile * kKeys, num_queries = NumQueries(at);
  const int64_t count = std::clamp<int64_t>(inputs_.NumKeys(at.batch) - first_key, 0, kKeys);
  if (count == 0 || num_queries == 0) return absl::OkStatus();
  if (absl::Status status = LoadKeys(at, first_key, count, work); !status.ok()) return status;
  for (int64_t begin = 0; begin < num_queries; begin += kBlock) {
    const int64_t distance = first_key - inputs_.num_earlier_keys - at.first_query - begin;
    Block block = BlockOf(begin, std::min(kBlock, num_queries - begin), distance, count);
    if (block.num_keys <= 0) continue;
    if (const RelativeBias* bias = inputs_.relative_bias; bias != nullptr) {
      block.bias = bias->At(at.head, distance + block.first_key);
    }
    Weigh(block, work);
    kernels::CompensatedMatMul({work->weights, kKeys, 1},
                               {work->values + block.first_key * work->value_stride, work->value_stride},
                               work->sums + begin * work->value_stride, work->compensation + begin * work->value_stride,
                               work->value_stride, block.rows, block.num_keys, work->value_stride);
  }
  return absl::OkStatus();
}

ExactAttention::Block ExactAttention::BlockOf(int64_t begin, int64_t rows, int64_t distance, int64_t num_loaded) const {
  const int64_t lowest = -reach_ - distance, diagonal = (causal_ ? 0 : reach_) - distance;
  const int64_t first_key = std::max<int64_t>(0, lowest) / kernels::kPad * kernels::kPad;
  const int64_t num_keys = std::min(num_loaded, rows + diagonal) - first_key;
  return {begin, rows, first_key, num_keys, lowest - first_key, diagonal - first_key, /*bias=*/nullptr};
}

void ExactAttention::Weigh(const Block& block, Workspace* work) const {
  const int64_t begin = block.begin, rows = block.rows;
  const kernels::Panels queries{work->queries, num_queries_, inputs_.queries.shape.dim};
  const bool masked = block.diagonal < block.num_keys - 1 || block.lowest + rows - 1 > 0;
  if (!masked && block.bias == nullptr &&
      kernels::ProjectKeyWeights(queries.Slice(begin, rows), work->keys + block.first_key, kKeys,
                                 kernels::Padded(block.num_keys), work->zeros, work->visible + block.first_key,
                                 work->maxima + begin, work->weights, work->row_sums)) {
    kernels::AddCompensated(work->row_sums, rows, work->denominators + begin, work->denominator_compensation + begin);
    return;
  }
  WeighGeneral(block, work);
}

void ExactAttention::WeighGeneral(const Block& block, Workspace* work) const {
  const auto& [begin, rows, first_key, num_keys, lowest, diagonal, bias] = block;
  const kernels::Panels queries{work->queries, num_queries_, inputs_.queries.shape.dim};
  const float* visible = work->visible + first_key;
  kernels::Project(queries.Slice(begin, rows), work->keys + first_key, kKeys, kernels::Padded(num_keys), nullptr,
                   work->weights);
  for (int64_t i = 0; i < rows && bias != nullptr; ++i) {
    kernels::AddTo(bias - i, kernels::Padded(num_keys), work->weights + i * kKeys);
  }
  for (int64_t i = 0; i < rows; ++i) {
    float* weights = work->weights + i * kKeys;
    std::fill_n(weights, std::clamp<int64_t>(i + lowest, 0, num_keys), kernels::kMaskedExponent);
    std::fill(weights + std::clamp<int64_t>(i + diagonal + 1, 0, num_keys), weights + num_keys,
              kernels::kMaskedExponent);
  }
  float* maxima = work->maxima + begin;
  kernels::RaiseMaxima(work->weights, rows, kKeys, 0, num_keys, work->zeros, visible, kernels::kMaxRise, maxima,
                       work->shift);
  for (int64_t i = 0; i < rows; ++i) {
    if (work->shift[i] == 0) continue;
    kernels::ScaleRow(work->sums + (begin + i) * work->value_stride, work->value_stride, work->shift[i]);
    kernels::ScaleRow(work->compensation + (begin + i) * work->value_stride, work->value_stride, work->shift[i]);
    alignas(64) float pair[kernels::kPad] = {work->denominators[begin + i], work->denominator_compensation[begin + i]};
    kernels::ScaleRow(pair, kernels::kPad, work->shift[i]);
    work->denominators[begin + i] = pair[0];
    work->denominator_compensation[begin + i] = pair[1];
  }
  kernels::KeyWeights(work->weights, rows, kKeys, kernels::Padded(num_keys), work->zeros, visible, maxima,
                      work->excess);
  kernels::AddRowSums(work->weights, rows, kKeys, 0, num_keys, work->denominators + begin,
                      work->denominator_compensation + begin);
}

void ExactAttention::StoreOutputs(int64_t chain, const Workspace& work) const {
  const Position at = At(chain);
  const int64_t count = NumQueries(at);
  ZeroRows(kernels::RowsOf(output_, at.batch, at.head, at.first_query + count, NumRows(at) - count));
  CountDegenerate(kernels::StoreNormalised(work.sums, work.value_stride, work.denominators,
                                           kernels::RowsOf(output_, at.batch, at.head, at.first_query, count)),
                  report_);
}

// Calls that are computed together, their chains one after the other. Their workspaces are of one size.
struct ExactBatch {
  ExactBatch(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls, AttentionReport* report) {
    const int64_t num_queries = QueriesPerChain(calls);
    for (const AttentionOperands& call : calls) {
      exact.emplace_back(spec, call, num_queries, report);
      first_chains.push_back(num_chains);
      num_chains += exact.back().num_chains();
      most_tiles = std::max(most_tiles, exact.back().MostTiles());
    }
  }

  // Queries of a chain: as many as the longest call has use for, fewer where chains would be too few.
  static int64_t QueriesPerChain(absl::Span<const AttentionOperands> calls) {
    int64_t queries = MostQueries(calls);
    const auto too_few = [&] {
      int64_t chains = 0;
      for (const AttentionOperands& call : calls) {
        const Shape& shape = call.inputs.queries.shape;
        chains += shape.batch_size * shape.num_heads * CeilDiv(shape.length, queries);
      }
      return chains < kTargetChains;
    };
    while (queries > kBlock && too_few()) queries = CeilDiv(queries / 2, kBlock) * kBlock;
    return queries;
  }

  static int64_t MostQueries(absl::Span<const AttentionOperands> calls) {
    int64_t longest = 0;
    for (const AttentionOperands& call : calls) longest = std::max(longest, call.inputs.queries.shape.length);
    return std::min(kMostQueries, std::max<int64_t>(CeilDiv(longest, kBlock), 1) * kBlock);
  }

  // The call of a chain, and the chain's number in it.
  std::pair<const ExactAttention*, int64_t> At(int64_t chain) const {
    const auto next = std::upper_bound(first_chains.begin(), first_chains.end(), chain);
    const int64_t index = next - first_chains.begin() - 1;
    return {&exact[index], chain - first_chains[index]};
  }

  std::vector<ExactAttention> exact;
  std::vector<int64_t> first_chains;
  int64_t num_chains = 0;
  int64_t most_tiles = 0;  // of keys, of any chain
};

}  // namespace

Job PlanExactAttention(const AttentionSpec& spec, absl::Span<const AttentionOperands> calls,
                       const Cancellation* cancellation, AttentionReport* report) {
  if (calls.empty()) return {};
  auto batch = std::make_shared<const ExactBatch>(spec, calls, report);
  const ExactAttention& any = batch->exact.front();
  const int64_t tiles_per_step = std::max<int64_t>(1, kStepFlops / any.FlopsPerKeyTile());
  Phase phase;
  phase.num_chains = batch->num_chains;
  phase.steps_per_chain = std::max<int64_t>(1, CeilDiv(batch->most_tiles, tiles_per_step));
  using Workspaces = ChainWorkspaces<Workspace>;
  auto workspaces = std::make_shared<Workspaces>(
      phase.num_chains, Workspaces::OfAnyChain([batch] { return batch->exact.front().MakeWorkspace(); }));
  phase.run_step = [=](int64_t chain, int64_t step) -> absl::Status {
    const auto [call, call_chain] = batch->At(chain);
    const auto [first_tile, end_tile] = call->TilesOf(call_chain);
    const int64_t last_step = std::max<int64_t>(1, CeilDiv(end_tile - first_tile, tiles_per_step)) - 1;
    if (step > last_step) return absl::OkStatus();  // another chain's keys are more
    absl::StatusOr<Workspace*> work = workspaces->Get(chain);
    if (!work.ok()) return work.status();
    if (step == 0) {
      if (absl::Status status = call->LoadQueries(call_chain, *work); !status.ok()) return status;
    }
    const int64_t first = first_tile + step * tiles_per_step, end = std::min(end_tile, first + tiles_per_step);
    for (int64_t tile = first; tile < end; ++tile) {
      if (cancellation != nullptr) {
        if (absl::Status status = cancellation->Check(); !status.ok()) return status;
      }
      if (absl::Status status = call->AddKeyTile(call_chain, tile, *work); !status.ok()) return status;
    }
    if (step == last_step) {
      call->StoreOutputs(call_chain, **work);
      workspaces->Release(chain);
    }
    return absl::OkStatus();
  };
  Job job;
  job.phases.push_back(std::move(phase));
  return job;
}

int64_t ExactScratchBytes(absl::Span<const AttentionOperands> calls, int num_threads) {
  if (calls.empty()) return 0;
  // Whatever else is in the batch: chains take fewer queries only where they would be too few.
  const int64_t most_queries = ExactBatch::MostQueries(calls);
  return num_threads * ExactAttention(AttentionSpec(), calls.front(), most_queries, nullptr).WorkspaceBytes();
}

}  // namespace favor::internal
