#ifndef FAVOR_SERVER_EXECUTION_ATTEND_WORK_H_
#define FAVOR_SERVER_EXECUTION_ATTEND_WORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/attention/auto_spec.h"
#include "favor/attention/error_estimate.h"
#include "favor/base/aligned_buffer.h"
#include "favor/projection/projection.h"
#include "favor/tensor/data_type.h"
#include "favor/tensor/tensor_view.h"
#include "server/execution/compute.h"

namespace favor {

// The order of a call's tensors in memory.
enum class AxisOrder : uint8_t { kBatchHeadsLengthDim, kBatchLengthHeadsDim };

Strides StridesOf(AxisOrder order, const Shape& shape);

// A dense tensor in memory of its own.
struct OwnedTensor {
  AlignedBuffer<std::byte> data;
  DataType type = DataType::kFloat32;
  Shape shape;  // [batch, heads, length, dim], whatever the order in memory

  TensorView View(AxisOrder order) const { return {data.data(), type, shape, StridesOf(order, shape)}; }
  MutableTensorView MutableView(AxisOrder order) { return {data.data(), type, shape, StridesOf(order, shape)}; }
};

// What is to be computed.
struct SpecWork {
  AttentionSpec spec;
  AxisOrder axis_order = AxisOrder::kBatchHeadsLengthDim;  // of all tensors
  // At most one of the two is set; neither in exact mode and for maps without a projection.
  std::optional<ProjectionSpec> drawn_projection;
  std::shared_ptr<const Projection> supplied_projection;
};

// One Attend call, checked and typed.
struct AttendWork : SpecWork {
  OwnedTensor queries;                 // [batch, heads, query_length, head_dim]
  OwnedTensor keys;                    // [batch, key_heads, key_length, head_dim]
  OwnedTensor values;                  // [batch, key_heads, key_length, value_dim]
  std::vector<int64_t> query_lengths;  // [batch] or empty
  std::vector<int64_t> key_lengths;    // [batch] or empty
  DataType output_type = DataType::kFloat32;
  int64_t measure_error_rows = 0;  // to be computed exactly too; 0: none
  // Set: whatever keeps its bound is computed, and `spec` is only its scale and whether it is causal.
  std::optional<AutoSpec> automatic;

  // [batch, heads, query_length, value_dim]
  Shape OutputShape() const {
    return {queries.shape.batch_size, queries.shape.num_heads, queries.shape.length, values.shape.dim};
  }
};

struct AttendResult {
  OwnedTensor output;
  AxisOrder axis_order = AxisOrder::kBatchHeadsLengthDim;
  AttentionReport report;
  std::optional<ErrorEstimate> predicted_error;
  std::optional<ErrorEstimate> measured_error;
  std::optional<AutoOutcome> automatic;          // where AttendWork::automatic was set
  std::shared_ptr<const Projection> projection;  // null when none took part
  std::shared_ptr<const Statistics> statistics;  // that were given; those that were measured are the report's
  Timing timing;
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_ATTEND_WORK_H_
