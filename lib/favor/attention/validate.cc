#include "favor/attention/validate.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace favor::internal {
namespace {

absl::Status Within(absl::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", must be from ", low, " to ", high));
}

absl::Status Equal(absl::string_view name, int64_t value, absl::string_view other_name, int64_t other) {
  if (value == other) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, ", ", other_name, " is ", other));
}

constexpr int64_t kMaxAxis = int64_t{1} << 40;

// Sizes are multiplied freely once they have passed this.
absl::Status NotTooLarge(absl::string_view name, const Shape& shape) {
  constexpr double kMaxElements = 1e18;                       // below 2^60
  const int64_t length = std::max<int64_t>(shape.length, 1);  // heads are counted without their tokens too
  const double elements = static_cast<double>(shape.batch_size) * shape.num_heads * length * shape.dim;
  if (elements <= kMaxElements) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " has ", elements, " elements, at most ", kMaxElements));
}

absl::Status ValidateSizes(const AttentionInputs& inputs) {
  const Shape& queries = inputs.queries.shape;
  const Shape& keys = inputs.keys.shape;
  const Shape& values = inputs.values.shape;
  for (const absl::Status& status : {
           Within("queries.batch_size", queries.batch_size, 1, kMaxAxis),
           Within("queries.num_heads", queries.num_heads, 1, kMaxAxis),
           Within("queries.length", queries.length, 0, kMaxAxis),
           Within("queries.head_dim", queries.dim, 1, kMaxHeadDim),
           Within("keys.num_heads", keys.num_heads, 1, queries.num_heads),
           Within("keys.length", keys.length, 0, kMaxAxis),
           Within("values.value_dim", values.dim, 1, kMaxValueDim),
           Equal("keys.batch_size", keys.batch_size, "queries.batch_size", queries.batch_size),
           Equal("values.batch_size", values.batch_size, "queries.batch_size", queries.batch_size),
           Equal("values.num_heads", values.num_heads, "keys.num_heads", keys.num_heads),
           Equal("values.length", values.length, "keys.length", keys.length),
           Equal("keys.head_dim", keys.dim, "queries.head_dim", queries.dim),
           NotTooLarge("queries", {queries.batch_size, queries.num_heads, queries.length, kMaxHeadDim}),
           NotTooLarge("keys", {keys.batch_size, keys.num_heads, keys.length, kMaxHeadDim}),
       }) {
    if (!status.ok()) return status;
  }
  if (queries.num_heads % keys.num_heads != 0) {
    return absl::InvalidArgumentError(absl::StrCat("keys.num_heads is ", keys.num_heads,
                                                   ", must divide queries.num_heads, which is ", queries.num_heads));
  }
  return absl::OkStatus();
}

absl::Status ValidateLengths(absl::string_view name, absl::Span<const int64_t> lengths, int64_t batch_size,
                             int64_t bound) {
  if (lengths.empty()) return absl::OkStatus();
  if (static_cast<int64_t>(lengths.size()) != batch_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", lengths.size(), " entries, queries.batch_size is ", batch_size));
  }
  for (int64_t i = 0; i < batch_size; ++i) {
    if (absl::Status status = Within(absl::StrCat(name, "[", i, "]"), lengths[i], 0, bound); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateOutput(const AttentionInputs& inputs, const Shape& output) {
  const Shape& queries = inputs.queries.shape;
  for (const absl::Status& status : {
           Equal("output.batch_size", output.batch_size, "queries.batch_size", queries.batch_size),
           Equal("output.num_heads", output.num_heads, "queries.num_heads", queries.num_heads),
           Equal("output.length", output.length, "queries.length", queries.length),
           Equal("output.value_dim", output.dim, "values.value_dim", inputs.values.shape.dim),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ValidateProjection(const AttentionSpec& spec, const AttentionInputs& inputs) {
  if (inputs.projection == nullptr) return absl::OkStatus();
  if (spec.mode == AttentionMode::kExact) {
    return absl::InvalidArgumentError("projection is set, but exact mode takes none");
  }
  const int64_t matrices = inputs.projection->num_matrices(), key_heads = inputs.keys.shape.num_heads;
  if (matrices == 1 || matrices == key_heads) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("projection.num_matrices is ", matrices, ", must be 1 or keys.num_heads, which is ", key_heads));
}

absl::Status ValidateWindow(const AttentionSpec& spec) {
  if (!spec.window) return absl::OkStatus();
  if (spec.mode != AttentionMode::kExact) {
    return absl::InvalidArgumentError("window is set, but only exact mode has one");
  }
  if (*spec.window >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("window is ", *spec.window, ", must be >= 0"));
}

absl::Status ValidateRelativeBias(const AttentionSpec& spec, const AttentionInputs& inputs) {
  const RelativeBias* bias = inputs.relative_bias;
  if (bias == nullptr) return absl::OkStatus();
  if (spec.mode != AttentionMode::kExact) {
    return absl::InvalidArgumentError("relative_bias is set, but only exact mode adds it to scores");
  }
  const int64_t num_heads = inputs.queries.shape.num_heads;
  if (absl::Status status = Equal("relative_bias.num_heads", bias->num_heads(), "queries.num_heads", num_heads);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = Within("queries.length", inputs.queries.shape.length, 0, bias->max_length());
      !status.ok()) {
    return status;
  }
  return Within("keys.length", inputs.keys.shape.length, 0, bias->max_length());
}

}  // namespace

absl::Status ValidateAttention(const AttentionSpec& spec, const AttentionInputs& inputs,
                               const MutableTensorView& output) {
  if (absl::Status status = ValidateSizes(inputs); !status.ok()) return status;
  const int64_t batch_size = inputs.queries.shape.batch_size;
  const int64_t query_length = inputs.queries.shape.length, key_length = inputs.keys.shape.length;
  const int64_t earlier = inputs.num_earlier_keys;
  if (earlier < 0 || (earlier > 0 && (!spec.causal || spec.mode != AttentionMode::kExact))) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_earlier_keys is ", earlier, ", must be 0 but in causal exact attention, >= 0 there"));
  }
  if (spec.causal && spec.mode == AttentionMode::kFeatures && UsesAnchors(spec.features)) {
    return absl::InvalidArgumentError(
        "causal is true, but estimator is anchors, which are fitted to all queries and read all keys");
  }
  if (spec.causal && query_length + earlier != key_length) {
    return absl::InvalidArgumentError(
        absl::StrCat("causal needs equal lengths: queries.length is ", query_length, ", keys.length is ", key_length));
  }
  for (const absl::Status& status : {
           ValidateLengths("query_lengths", inputs.query_lengths, batch_size, query_length),
           ValidateLengths("key_lengths", inputs.key_lengths, batch_size, key_length),
           ValidateOutput(inputs, output.shape),
           ValidateProjection(spec, inputs),
           ValidateRelativeBias(spec, inputs),
           ValidateWindow(spec),
           spec.scale.has_value() ? CheckScale(*spec.scale) : absl::OkStatus(),
       }) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace favor::internal
