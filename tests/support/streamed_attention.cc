#include "tests/support/streamed_attention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "favor/attention/attention_stream.h"
#include "tests/support/random.h"
#include "tests/support/strided_tensor.h"

namespace favor::testing {
namespace {

template <typename View>
View Slice(View view, int64_t begin, int64_t count) {
  view.data += begin * view.strides.length * SizeOf(view.type);
  view.shape.length = count;
  return view;
}

// How many of rows [begin, begin + count) are valid, by sequence.
std::vector<int64_t> LengthsOf(absl::Span<const int64_t> lengths, int64_t begin, int64_t count) {
  std::vector<int64_t> of_piece;
  for (const int64_t length : lengths) of_piece.push_back(std::clamp<int64_t>(length - begin, 0, count));
  return of_piece;
}

class Stream {
 public:
  Stream(const AttentionSpec& spec, const AttentionInputs& inputs, const Cuts& cuts)
      : spec_(spec), inputs_(inputs), cuts_(cuts), random_(cuts.seed) {}

  absl::StatusOr<AttentionResult> Run() {
    const Shape &queries = inputs_.queries.shape, &keys = inputs_.keys.shape;
    const StateSizes sizes{keys.batch_size, keys.num_heads, keys.dim, inputs_.values.shape.dim};
    const absl::StatusOr<StateDescription> description = DescribeState(spec_, sizes, inputs_.projection);
    if (!description.ok()) return description.status();
    description_ = *description;
    absl::StatusOr<AttentionState> state = AttentionState::Create(description_, inputs_.projection);
    if (!state.ok()) return state.status();
    const Shape shape{queries.batch_size, queries.num_heads, queries.length, inputs_.values.shape.dim};
    StridedTensor output(shape, DataType::kFloat32, BatchHeadsLengthDim(shape));
    absl::Status status = spec_.causal ? Causal(output.mutable_view(), &*state) : FoldAll(&*state);
    if (status.ok() && !spec_.causal) status = ReadAll(output.mutable_view(), &*state);
    if (!status.ok()) return status;
    if (!output.GuardsIntact()) return absl::InternalError("attention wrote outside its output");
    result_.output = Decode(output.view());
    return std::move(result_);
  }

 private:
  int64_t NextLength(int64_t left) { return std::min(left, random_.Integer(0, cuts_.max_length)); }

  absl::Status Finish(absl::StatusOr<Job> job, AttentionState* state) {
    if (!job.ok()) return job.status();
    absl::Status status = cuts_.pool == nullptr ? RunInline(*job) : cuts_.pool->Run(*std::move(job));
    if (status.ok() && cuts_.between) status = cuts_.between(state);
    return status;
  }

  void Count(const AttentionReport& report) {
    result_.report.degenerate_rows += report.degenerate_rows;
    result_.report.num_features = report.num_features;
  }

  AttentionInputs Piece(int64_t begin, int64_t count, std::vector<int64_t>* query_lengths,
                        std::vector<int64_t>* key_lengths) const {
    AttentionInputs piece;
    if (query_lengths != nullptr) {
      *query_lengths = LengthsOf(inputs_.query_lengths, begin, count);
      piece.queries = Slice(inputs_.queries, begin, count);
      piece.query_lengths = *query_lengths;
    }
    if (key_lengths != nullptr) {
      *key_lengths = LengthsOf(inputs_.key_lengths, begin, count);
      piece.keys = Slice(inputs_.keys, begin, count);
      piece.values = Slice(inputs_.values, begin, count);
      piece.key_lengths = *key_lengths;
    }
    return piece;
  }

  absl::Status Causal(const MutableTensorView& output, AttentionState* state) {
    for (int64_t begin = 0, count; begin < output.shape.length; begin += count) {
      count = NextLength(output.shape.length - begin);
      std::vector<int64_t> query_lengths, key_lengths;
      const AttentionInputs piece = Piece(begin, count, &query_lengths, &key_lengths);
      AttentionReport report;
      absl::Status status = Finish(PlanCausalChunk(piece, Slice(output, begin, count), nullptr, &report, state), state);
      if (!status.ok()) return status;
      Count(report);
    }
    return absl::OkStatus();
  }

  absl::Status FoldAll(AttentionState* state) {
    std::vector<AttentionState> shards;
    for (int64_t i = 1; i < cuts_.num_shards; ++i) {
      shards.push_back(*AttentionState::Create(description_, inputs_.projection));
    }
    for (int64_t begin = 0, count; begin < inputs_.keys.shape.length; begin += count) {
      count = NextLength(inputs_.keys.shape.length - begin);
      std::vector<int64_t> key_lengths;
      const AttentionInputs piece = Piece(begin, count, nullptr, &key_lengths);
      const int64_t shard = random_.Integer(0, shards.size());
      AttentionState* to = shard == 0 ? state : &shards[shard - 1];
      if (absl::Status status = Finish(PlanFold(piece, nullptr, to), to); !status.ok()) return status;
    }
    while (!shards.empty()) {
      AttentionState last = std::move(shards.back());
      shards.pop_back();
      const int64_t other = random_.Integer(0, shards.size());
      AttentionState* into = other == 0 ? state : &shards[other - 1];
      if (random_.OneIn(2)) std::swap(last, *into);
      if (absl::Status status = Finish(PlanMerge(last, nullptr, into), into); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ReadAll(const MutableTensorView& output, AttentionState* state) {
    for (int64_t begin = 0, count; begin < output.shape.length; begin += count) {
      count = NextLength(output.shape.length - begin);
      std::vector<int64_t> query_lengths;
      const AttentionInputs piece = Piece(begin, count, &query_lengths, nullptr);
      AttentionReport report;
      absl::Status status = Finish(PlanRead(piece, *state, Slice(output, begin, count), nullptr, &report), state);
      if (!status.ok()) return status;
      Count(report);
    }
    return absl::OkStatus();
  }

  const AttentionSpec& spec_;
  const AttentionInputs& inputs_;
  const Cuts& cuts_;
  Random random_;
  StateDescription description_;
  AttentionResult result_;
};

}  // namespace

TensorView SliceRows(TensorView view, int64_t begin, int64_t count) { return Slice(view, begin, count); }

AttentionImplementation StreamedAttention(Cuts cuts) {
  return [cuts = std::move(cuts)](const AttentionSpec& spec, const AttentionInputs& inputs) {
    return Stream(spec, inputs, cuts).Run();
  };
}

}  // namespace favor::testing
