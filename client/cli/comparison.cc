#include "client/cli/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "client/cli/geometry.h"
#include "favor/format/half_float.h"

namespace favor::cli {
namespace {

double Element(const client::TensorView& tensor, int64_t index) {
  const std::byte* at = tensor.bytes.data() + index * SizeOf(tensor.type);
  if (tensor.type == DataType::kFloat32) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return tensor.type == DataType::kFloat16 ? Float32FromFloat16(bits) : Float32FromBFloat16(bits);
}

// Squares of a difference and of the exact rows, added up.
struct SquareSums {
  double difference = 0;
  double exact = 0;

  double Relative() const {
    if (difference == 0) return 0;
    return exact == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(difference / exact);
  }
};

// What one sequence may see.
struct Visibility {
  bool causal = false;
  int64_t num_queries = 0;  // valid ones
  int64_t num_keys = 0;     // valid ones

  // Keys that query `position` sees, from the first on.
  int64_t KeysOf(int64_t position) const {
    if (position >= num_queries) return 0;
    return causal ? std::min(position + 1, num_keys) : num_keys;
  }
};

Visibility VisibilityOf(const client::AttendOptions& options, int64_t batch, int64_t query_length, int64_t key_length) {
  const auto valid = [batch](const std::vector<int64_t>& lengths, int64_t all) {
    return static_cast<size_t>(batch) < lengths.size() ? lengths[batch] : all;
  };
  return {options.spec.causal, valid(options.query_lengths, query_length), valid(options.key_lengths, key_length)};
}

// Adds one query head: `exact` is the whole output, its rows are laid out as `rows` says.
void AddHead(const client::TensorView& values, const Geometry& value_rows, int64_t batch, int64_t key_head,
             const Visibility& visible, const float* exact, const Geometry& rows, int64_t head, SquareSums* sums) {
  std::vector<double> sum(rows.dim, 0.0);
  int64_t num_summed = 0;
  for (int64_t position = 0; position < rows.length; ++position) {
    const int64_t num_visible = visible.KeysOf(position);
    for (; num_summed < num_visible; ++num_summed) {
      const int64_t offset = value_rows.RowOffset(batch, key_head, num_summed);
      for (int64_t i = 0; i < rows.dim; ++i) sum[i] += Element(values, offset + i);
    }
    const float* exact_row = exact + rows.RowOffset(batch, head, position);
    for (int64_t i = 0; i < rows.dim; ++i) {
      const double mean = num_visible == 0 ? 0 : sum[i] / static_cast<double>(num_visible);
      sums->difference += (mean - exact_row[i]) * (mean - exact_row[i]);
      sums->exact += static_cast<double>(exact_row[i]) * exact_row[i];
    }
  }
}

}  // namespace

double RelativeError(absl::Span<const float> answer, absl::Span<const float> exact) {
  SquareSums sums;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double difference = static_cast<double>(answer[i]) - exact[i];
    sums.difference += difference * difference;
    sums.exact += static_cast<double>(exact[i]) * exact[i];
  }
  return sums.Relative();
}

double MeanOfValuesError(const client::TensorView& values, const client::AttendOptions& options,
                         const client::Tensor& exact) {
  const Geometry value_rows = GeometryOf(values.shape, options.spec.layout);
  const Geometry rows = GeometryOf(exact.shape(), options.spec.layout);
  const std::vector<float> exact_values = exact.ToFloat32();
  const int64_t queries_per_key_head =
      std::max<int64_t>(1, rows.num_heads / std::max<int64_t>(1, value_rows.num_heads));
  SquareSums sums;
  for (int64_t batch = 0; batch < rows.batch_size; ++batch) {
    const Visibility visible = VisibilityOf(options, batch, rows.length, value_rows.length);
    for (int64_t head = 0; head < rows.num_heads; ++head) {
      AddHead(values, value_rows, batch, head / queries_per_key_head, visible, exact_values.data(), rows, head, &sums);
    }
  }
  return sums.Relative();
}

absl::StatusOr<Comparison> Compare(const client::TensorView& values, const client::AttendOptions& options,
                                   const client::Tensor& answer, const client::Tensor& exact) {
  if (answer.shape() != exact.shape() || exact.shape().size() != 4) {
    return absl::InternalError("the exact answer has another shape than the answer to compare");
  }
  return Comparison{RelativeError(answer.ToFloat32(), exact.ToFloat32()), MeanOfValuesError(values, options, exact)};
}

client::AttendOptions ExactOptions(const client::AttendOptions& options) {
  client::AttendOptions exact = options;
  exact.spec.mode = client::ExactSpec();
  exact.spec.precision = client::Precision::kUnspecified;
  exact.output_type = DataType::kFloat32;
  exact.measure_error_rows = 0;
  return exact;
}

}  // namespace favor::cli
