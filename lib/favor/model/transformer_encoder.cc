#include "favor/model/transformer_encoder.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "favor/model/token_vectors.h"

namespace favor {

AttentionSpec TransformerEncoder::attention() const {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  spec.causal = sizes_.causal;
  return spec;
}

absl::Status TransformerEncoder::CheckAttention(const AttentionSpec& spec) const {
  if (spec.causal != sizes_.causal) {
    return absl::InvalidArgumentError(absl::StrCat("attention.causal is ", spec.causal ? "true" : "false",
                                                   ", the model was trained ", sizes_.causal ? "with" : "without"));
  }
  if (spec.causal && spec.mode == AttentionMode::kFeatures && UsesAnchors(spec.features)) {
    return absl::InvalidArgumentError(
        "attention.features.estimator is anchors, which read all keys, in the model a token reads those up to its own");
  }
  if (spec.scale) return absl::InvalidArgumentError("attention.scale is set, it is the model's own");
  return absl::OkStatus();
}

absl::StatusOr<EncoderStateDescription> TransformerEncoder::DescribeState() const {
  if (!sizes_.causal) return Encoder::DescribeState();
  return absl::InvalidArgumentError("its attention is exact: a state would hold the keys and values of every token");
}

void TransformerEncoder::AppendPositions(const PackedSequences& sequences, std::vector<int32_t>* positions) const {
  for (int64_t s = 0; s < sequences.num_sequences(); ++s) {
    const int64_t length = sequences.offsets[s + 1] - sequences.offsets[s];
    for (int64_t t = 0; t < length; ++t) positions->push_back(static_cast<int32_t>(t));
  }
}

void TransformerEncoder::StoreVectors(Batch& batch, int64_t block, float* scratch) const {
  const int64_t hidden = sizes_.hidden_size;
  StoreTokenVectors(batch.stream.Block(block), hidden, scratch, batch.vectors + batch.blocks.First(block) * hidden);
}

TransformerEncoder::Batch TransformerEncoder::MakeBatch(const PackedSequences& sequences, float* vectors) const {
  const int64_t num_tokens = sequences.offsets.back();
  const TokenBlocks blocks = Blocks(num_tokens);
  return {sequences,
          blocks,
          vectors,
          {},
          BlockStream(blocks, sizes_.hidden_size),
          BlockStream(blocks, num_angles()),
          PackedHeads(num_tokens, sizes_.num_input_heads(), sizes_.head_dim),
          PackedHeads(num_tokens, sizes_.num_heads, sizes_.head_dim)};
}

absl::Status TransformerEncoder::Allocate(Batch* batch) const {
  const int64_t num_tokens = batch->blocks.num_tokens();
  auto inputs = PackedHeads::Allocate(num_tokens, sizes_.num_input_heads(), sizes_.head_dim);
  auto context = PackedHeads::Allocate(num_tokens, sizes_.num_heads, sizes_.head_dim);
  for (const absl::Status& status :
       {batch->stream.Allocate(), batch->angles.Allocate(), inputs.status(), context.status()}) {
    if (!status.ok()) return status;
  }
  batch->queries_keys_values = *std::move(inputs);
  batch->context = *std::move(context);
  AppendPositions(batch->sequences, &batch->positions);
  return absl::OkStatus();
}

EncoderAttention TransformerEncoder::AttentionOf(bool is_local, const EncoderAttention& chosen) const {
  if (!is_local) return chosen;
  EncoderAttention local{attention(), nullptr};
  local.spec.window = sizes_.window;
  return local;
}

std::vector<AttentionOperands> TransformerEncoder::OperandsOf(const Batch& batch,
                                                              const EncoderAttention& attention) const {
  const PackedHeads& inputs = batch.queries_keys_values;
  const absl::Span<const int64_t> offsets = batch.sequences.offsets;
  const int64_t num_heads = sizes_.num_heads, num_key_heads = sizes_.num_key_heads;
  std::vector<AttentionOperands> calls;
  for (int64_t s = 0; s < batch.sequences.num_sequences(); ++s) {
    const int64_t first = offsets[s], length = offsets[s + 1] - first;
    AttentionOperands call;
    call.inputs.queries = inputs.View(0, num_heads, first, length);
    call.inputs.keys = inputs.View(num_heads, num_key_heads, first, length);
    call.inputs.values = inputs.View(num_heads + num_key_heads, num_key_heads, first, length);
    call.inputs.projection = attention.projection;
    call.inputs.relative_bias = bias();
    call.output = batch.context.View(0, num_heads, first, length);
    calls.push_back(std::move(call));
  }
  // Long ones first, so that no thread is left alone with one of them at the end.
  std::stable_sort(calls.begin(), calls.end(), [](const AttentionOperands& a, const AttentionOperands& b) {
    return a.inputs.queries.shape.length > b.inputs.queries.shape.length;
  });
  return calls;
}

void TransformerEncoder::LoadContext(int64_t, Batch& batch, int64_t block, float* scratch) const {
  batch.context.Load(batch.blocks.First(block), Context(batch, block, scratch));
}

BlockStage TransformerEncoder::Whole(WholeStage run, int64_t layer, BatchPointer batch) const {
  return {[this, batch, run, layer](int64_t block, RowPart, float* scratch) {
    (this->*run)(layer, *batch, block, scratch);
  }};
}

BlockStage TransformerEncoder::ByRows(RowsStage run, int64_t layer, BatchPointer batch) const {
  BlockStage stage;
  stage.run = [this, batch, run, layer](int64_t block, RowPart rows, float* scratch) {
    (this->*run)(layer, *batch, block, rows, scratch);
  };
  stage.by_rows = true;
  return stage;
}

std::vector<BlockStage> TransformerEncoder::StagesBeforeAttention(int64_t layer, const BatchPointer& batch) const {
  return {Whole(&TransformerEncoder::NormInputs, layer, batch),
          ByRows(&TransformerEncoder::ProjectInputs, layer, batch),
          Whole(&TransformerEncoder::StoreInputs, layer, batch)};
}

std::vector<BlockStage> TransformerEncoder::StagesBehindAttention(int64_t layer, const BatchPointer& batch) const {
  return {Whole(&TransformerEncoder::LoadContext, layer, batch),
          ByRows(&TransformerEncoder::AddAttention, layer, batch),
          Whole(&TransformerEncoder::NormAttention, layer, batch),
          ByRows(&TransformerEncoder::FeedForwardUp, layer, batch),
          ByRows(&TransformerEncoder::FeedForwardDown, layer, batch),
          Whole(&TransformerEncoder::NormOutputs, layer, batch)};
}

absl::StatusOr<Job> TransformerEncoder::Plan(const PackedSequences& sequences, const EncoderAttention* attention,
                                             const Cancellation* cancellation, float* vectors) const {
  if (sequences.num_tokens() == 0) return Job();
  const EncoderAttention chosen = attention == nullptr ? EncoderAttention{this->attention(), nullptr} : *attention;
  const auto batch = std::make_shared<Batch>(MakeBatch(sequences, vectors));
  if (absl::Status status = Allocate(batch.get()); !status.ok()) return status;

  const absl::StatusOr<BlockStages> per_block =
      BlockStages::Create(batch->blocks, ScratchFloats(batch->blocks.tiles_per_block()), cancellation);
  if (!per_block.ok()) return per_block.status();
  Job job;
  std::vector<BlockStage> stages = {
      {[this, batch](int64_t block, RowPart, float* scratch) { EmbedTokens(*batch, block, scratch); }}};
  for (int64_t layer = 0; layer < sizes_.num_layers; ++layer) {
    Append(StagesBeforeAttention(layer, batch), &stages);
    per_block->AppendTo(std::exchange(stages, {}), &job);
    const EncoderAttention of_layer = AttentionOf(sizes_.IsLocal(layer), chosen);
    absl::StatusOr<Job> planned =
        PlanAttention(of_layer.spec, OperandsOf(*batch, of_layer), cancellation, /*report=*/nullptr);
    if (!planned.ok()) return planned.status();
    std::move(planned->phases.begin(), planned->phases.end(), std::back_inserter(job.phases));
    Append(StagesBehindAttention(layer, batch), &stages);
  }
  stages.push_back({[this, batch](int64_t block, RowPart, float* scratch) { StoreVectors(*batch, block, scratch); }});
  per_block->AppendTo(std::move(stages), &job);
  return job;
}

int64_t TransformerEncoder::AttentionBytes(const Batch& batch, const EncoderAttention& chosen, int num_threads) const {
  const auto of_a_layer = [&](bool is_local) {
    const EncoderAttention attention = AttentionOf(is_local, chosen);
    return AttentionScratchBytes(attention.spec, OperandsOf(batch, attention), num_threads);
  };
  const int64_t num_local = std::count(sizes_.is_local.begin(), sizes_.is_local.end(), true);
  const int64_t num_global = sizes_.num_layers - num_local;
  const int64_t local = num_local == 0 ? 0 : of_a_layer(true), global = num_global == 0 ? 0 : of_a_layer(false);
  // What a layer's features are fitted with is there until the job ends.
  const bool keeps = chosen.spec.mode == AttentionMode::kFeatures && UsesStatistics(FeaturesThatRun(chosen.spec));
  return keeps ? local + num_global * global : std::max(local, global);
}

int64_t TransformerEncoder::ScratchBytes(absl::Span<const int64_t> lengths, const EncoderAttention* attention,
                                         int num_threads) const {
  const EncoderAttention chosen = attention == nullptr ? EncoderAttention{this->attention(), nullptr} : *attention;
  const std::vector<int64_t> offsets = OffsetsOf(lengths);
  const Batch batch = MakeBatch({{}, offsets}, nullptr);
  const int64_t floats = batch.stream.MostFloats() + batch.angles.MostFloats() + batch.queries_keys_values.Floats() +
                         batch.context.Floats() +
                         std::max(num_threads * ScratchFloats(TokenBlocks::kMostTiles),
                                  ScratchFloats(TokenBlocks::kMostSharedTiles)) +
                         2 * offsets.back();  // positions, in a vector that grows
  return floats * static_cast<int64_t>(sizeof(float)) + AttentionBytes(batch, chosen, num_threads) +
         kPlanBytes * static_cast<int64_t>(lengths.size()) * sizes_.num_layers;
}

}  // namespace favor
