#include "tests/support/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace favor::testing {
namespace {

int64_t RowOffset(const Shape& shape, int64_t batch, int64_t head, int64_t position) {
  return ((batch * shape.num_heads + head) * shape.length + position) * shape.dim;
}

// Value of a binary floating-point number given by its fields.
double FromFields(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>((bits >> mantissa_bits) & ((1u << exponent_bits) - 1));
  const double sign = (bits >> (mantissa_bits + exponent_bits)) & 1 ? -1.0 : 1.0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<double>(mantissa), 1 - bias - mantissa_bits);
  return sign * std::ldexp(1 + std::ldexp(static_cast<double>(mantissa), -mantissa_bits), exponent - bias);
}

double Load(const std::byte* address, DataType type) {
  if (type == DataType::kFloat32) {
    float value;
    std::memcpy(&value, address, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, address, sizeof(bits));
  return type == DataType::kFloat16 ? FromFields(bits, 5, 10) : FromFields(bits, 8, 7);
}

// A tensor whose row (batch, head, position) is a copy of source_row(batch, head, position).
template <typename SourceRow>
DoubleTensor GatherRows(const Shape& shape, SourceRow source_row) {
  DoubleTensor result(shape);
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t i = 0; i < shape.length; ++i) {
        const absl::Span<const double> row = source_row(b, h, i);
        std::copy(row.begin(), row.end(), result.Row(b, h, i).begin());
      }
    }
  }
  return result;
}

}  // namespace

absl::Span<double> DoubleTensor::Row(int64_t batch, int64_t head, int64_t position) {
  return absl::MakeSpan(values).subspan(RowOffset(shape, batch, head, position), shape.dim);
}

absl::Span<const double> DoubleTensor::Row(int64_t batch, int64_t head, int64_t position) const {
  return absl::MakeConstSpan(values).subspan(RowOffset(shape, batch, head, position), shape.dim);
}

DoubleTensor Decode(const TensorView& view) {
  DoubleTensor result(view.shape);
  for (int64_t b = 0; b < view.shape.batch_size; ++b) {
    for (int64_t h = 0; h < view.shape.num_heads; ++h) {
      for (int64_t i = 0; i < view.shape.length; ++i) {
        const absl::Span<double> row = result.Row(b, h, i);
        for (int64_t c = 0; c < view.shape.dim; ++c) {
          row[c] = Load(view.Row(b, h, i) + SizeOf(view.type) * c * view.strides.dim, view.type);
        }
      }
    }
  }
  return result;
}

DoubleTensor Decode(const MutableTensorView& view) {
  return Decode(TensorView{view.data, view.type, view.shape, view.strides});
}

double RoundTo(DataType type, double value) {
  if (type == DataType::kFloat32) return static_cast<float>(value);
  if (value == 0 || !std::isfinite(value)) return value;
  const int mantissa_bits = type == DataType::kFloat16 ? 10 : 7;
  const int min_exponent = type == DataType::kFloat16 ? -14 : -126;
  const double largest = type == DataType::kFloat16 ? 65504 : std::ldexp(2 - std::ldexp(1, -7), 127);
  const int exponent = std::max(std::ilogb(value), min_exponent);
  const double unit = std::ldexp(1, exponent - mantissa_bits);
  const double rounded = std::nearbyint(value / unit) * unit;
  return std::abs(rounded) > largest ? std::copysign(INFINITY, value) : rounded;
}

DoubleTensor SliceBatch(const DoubleTensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape;
  shape.batch_size = count;
  return GatherRows(shape, [&](int64_t b, int64_t h, int64_t i) { return tensor.Row(begin + b, h, i); });
}

DoubleTensor SliceHeads(const DoubleTensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape;
  shape.num_heads = count;
  return GatherRows(shape, [&](int64_t b, int64_t h, int64_t i) { return tensor.Row(b, begin + h, i); });
}

DoubleTensor SliceLength(const DoubleTensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape;
  shape.length = count;
  return GatherRows(shape, [&](int64_t b, int64_t h, int64_t i) { return tensor.Row(b, h, begin + i); });
}

DoubleTensor ReorderLength(const DoubleTensor& tensor, absl::Span<const int64_t> order) {
  Shape shape = tensor.shape;
  shape.length = order.size();
  return GatherRows(shape, [&](int64_t b, int64_t h, int64_t i) { return tensor.Row(b, h, order[i]); });
}

}  // namespace favor::testing
