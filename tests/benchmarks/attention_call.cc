#include "tests/benchmarks/attention_call.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>

#include "favor/format/half_float.h"
#include "favor/kernels/bfloat16.h"

namespace favor {
namespace {

constexpr Variant kVariants[] = {
    {"bidirectional", [](CallSetup*) {}},
    {"causal", [](CallSetup* s) { s->attention.causal = true; }},
    {"exact", [](CallSetup* s) { s->attention.mode = AttentionMode::kExact; }},
    {"bidirectional_structured", [](CallSetup* s) { s->projection.kind = ProjectionKind::kStructured; }},
    {"causal_structured",
     [](CallSetup* s) {
       s->attention.causal = true;
       s->projection.kind = ProjectionKind::kStructured;
     }},
    {"bidirectional_bf16_tensors", [](CallSetup* s) { s->data_type = DataType::kBFloat16; }},
    {"bidirectional_parity", [](CallSetup* s) { s->attention.features.epsilon_parity.emplace(); }, true},
    {"causal_parity",
     [](CallSetup* s) {
       s->attention.causal = true;
       s->attention.features.epsilon_parity.emplace();
     },
     true},
    // The last one, so that it can be left out on CPUs without such products.
    {"bidirectional_bf16", [](CallSetup* s) { s->attention.precision = Precision::kBFloat16; }},
};

// A block of normals again and again: drawing each of a million tokens would take longer than the benchmark. The block
// is no multiple of a row, so rows differ.
std::vector<float> NormalBlock(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> block(1'048'573);
  for (float& value : block) value = normal(random);
  return block;
}

std::vector<std::byte> RandomTensor(DataType type, int64_t size, uint32_t seed) {
  const std::vector<float> block = NormalBlock(seed);
  std::vector<std::byte> tensor(size * SizeOf(type));
  for (int64_t i = 0, in_block = 0; i < size; ++i, ++in_block) {
    if (in_block == static_cast<int64_t>(block.size())) in_block = 0;
    if (type == DataType::kFloat32) {
      std::memcpy(&tensor[i * 4], &block[in_block], 4);
    } else {
      const uint16_t half =
          type == DataType::kBFloat16 ? BFloat16FromFloat32(block[in_block]) : Float16FromFloat32(block[in_block]);
      std::memcpy(&tensor[i * 2], &half, 2);
    }
  }
  return tensor;
}

template <typename Byte>
BasicTensorView<Byte> DenseView(Byte* data, DataType type, const Shape& shape) {
  return {data, type, shape, BatchHeadsLengthDim(shape)};
}

}  // namespace

absl::Span<const Variant> Variants() {
  const absl::Span<const Variant> all = kVariants;
  return kernels::HasBFloat16Products() ? all : all.first(all.size() - 1);
}

const Variant* FindVariant(absl::string_view name) {
  for (const Variant& variant : Variants()) {
    if (variant.name == name) return &variant;
  }
  return nullptr;
}

CallSetup SetUp(const Variant& variant) {
  CallSetup setup;
  setup.projection.num_features = kNumFeatures;
  setup.projection.head_dim = kHeadDim;
  variant.set_up(&setup);
  return setup;
}

RandomTensors::RandomTensors(DataType data_type, int64_t num_heads, int64_t length)
    : type(data_type),
      shape{1, num_heads, length, kHeadDim},
      queries(RandomTensor(type, shape.num_elements(), 1)),
      keys(RandomTensor(type, shape.num_elements(), 2)),
      values(RandomTensor(type, shape.num_elements(), 3)),
      output(queries.size()) {}

AttentionCall::AttentionCall(const Variant& variant, const Shape& shape, int num_threads, const std::byte* queries,
                             const std::byte* keys, const std::byte* values, std::byte* output,
                             std::shared_ptr<const Projection> projection)
    : setup_(SetUp(variant)), shape_(shape) {
  inputs_.queries = DenseView(queries, setup_.data_type, shape);
  inputs_.keys = DenseView(keys, setup_.data_type, shape);
  inputs_.values = DenseView(values, setup_.data_type, shape);
  output_ = DenseView(output, setup_.data_type, shape);
  if (num_threads > 0) pool_ = std::make_unique<ThreadPool>(num_threads);
  if (setup_.attention.mode == AttentionMode::kExact) return;
  if (projection == nullptr) {
    auto drawn = DrawProjection(setup_.projection);
    if (!drawn.ok()) {
      std::fprintf(stderr, "no projection for %s: %s\n", std::string(variant.name).c_str(),
                   drawn.status().ToString().c_str());
      std::exit(1);
    }
    projection = *std::move(drawn);
  }
  inputs_.projection = std::move(projection);
}

absl::Status AttentionCall::Run() {
  if (pool_ == nullptr) return Attend(setup_.attention, inputs_, output_);
  absl::StatusOr<Job> job = PlanAttention(setup_.attention, inputs_, output_, nullptr, nullptr);
  return job.ok() ? pool_->Run(*std::move(job)) : job.status();
}

double AttentionCall::flops() const {
  const double tokens = shape_.length * shape_.num_heads;
  if (setup_.attention.mode == AttentionMode::kExact) return 2.0 * shape_.length * 2 * kHeadDim * tokens;
  return 2.0 * kNumFeatures * 4 * kHeadDim * tokens;
}

}  // namespace favor
