#include "tests/support/strided_tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace favor::testing {
namespace {

constexpr int64_t kGuardBytes = 192;
constexpr std::byte kGuard{0xFF};

// Calls visit(byte offset from element 0) for every element, in [batch, heads, length, dim] order.
template <typename Visit>
void ForEachElement(const Shape& shape, const Strides& strides, DataType type, Visit visit) {
  for (int64_t b = 0; b < shape.batch_size; ++b) {
    for (int64_t h = 0; h < shape.num_heads; ++h) {
      for (int64_t i = 0; i < shape.length; ++i) {
        for (int64_t c = 0; c < shape.dim; ++c) {
          visit(SizeOf(type) * (b * strides.batch + h * strides.head + i * strides.length + c * strides.dim));
        }
      }
    }
  }
}

uint16_t HalfBits(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::abs(value);
  if (std::isnan(value)) return 0x7E00;
  if (std::isinf(value)) return sign | 0x7C00;
  const int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
  // Mantissa with its leading one; a subnormal has none, and then the exponent field below comes out as 0.
  const auto mantissa = static_cast<int>(std::ldexp(magnitude, 10 - exponent));
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + mantissa);
}

void Store(std::byte* address, DataType type, double value) {
  const double rounded = RoundTo(type, value);
  if (type == DataType::kFloat16) {
    const uint16_t bits = HalfBits(rounded);
    std::memcpy(address, &bits, sizeof(bits));
    return;
  }
  const auto single = static_cast<float>(rounded);
  if (type == DataType::kFloat32) {
    std::memcpy(address, &single, sizeof(single));
  } else {
    const auto bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(single) >> 16);
    std::memcpy(address, &bits, sizeof(bits));
  }
}

}  // namespace

StridedTensor::StridedTensor(const Shape& shape, DataType type, const Strides& strides, int64_t misalignment)
    : shape_(shape), type_(type), strides_(strides), origin_(kGuardBytes + misalignment) {
  int64_t end = 0;
  ForEachElement(shape, strides, type, [&](int64_t offset) { end = std::max(end, offset + SizeOf(type)); });
  bytes_.assign(origin_ + end + kGuardBytes, kGuard);
}

void StridedTensor::Fill(const DoubleTensor& tensor) {
  auto value = tensor.values.begin();
  ForEachElement(shape_, strides_, type_,
                 [&](int64_t offset) { Store(bytes_.data() + origin_ + offset, type_, *value++); });
}

bool StridedTensor::GuardsIntact() const {
  std::vector<bool> owned(bytes_.size(), false);
  ForEachElement(shape_, strides_, type_,
                 [&](int64_t offset) { std::fill_n(owned.begin() + origin_ + offset, SizeOf(type_), true); });
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (!owned[i] && bytes_[i] != kGuard) return false;
  }
  return true;
}

Strides RandomStrides(Random& random, const Shape& shape) {
  std::array<int64_t, 4> sizes = {shape.batch_size, shape.num_heads, shape.length, shape.dim};
  std::array<int, 4> axes = {0, 1, 2, 3};
  for (int i = 3; i > 0; --i) std::swap(axes[i], axes[random.Integer(0, i)]);
  std::array<int64_t, 4> strides{};
  int64_t stride = random.Integer(1, 3);
  for (const int axis : axes) {
    strides[axis] = stride;
    stride = stride * std::max<int64_t>(sizes[axis], 1) + random.Integer(0, 3);
  }
  return {strides[0], strides[1], strides[2], strides[3]};
}

}  // namespace favor::testing
