#include "favor/format/stored_tensor.h"

#include <bit>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "favor/format/half_float.h"

namespace favor {
namespace {

struct NamedSize {
  absl::string_view name;
  int64_t size;
};

constexpr NamedSize kElementSizes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
    {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"I32", 4},
    {"F32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8},     {"C64", 8},
};

// Compilers make one plain load of this on little-endian machines.
template <typename Unsigned>
Unsigned LoadLittleEndian(const std::byte* bytes) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(Unsigned); ++i)
    value |= static_cast<Unsigned>(std::to_integer<Unsigned>(bytes[i]) << (8 * i));
  return value;
}

template <typename Unsigned, typename Convert>
void ConvertAll(absl::Span<const std::byte> data, absl::Span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = convert(LoadLittleEndian<Unsigned>(data.data() + i * sizeof(Unsigned)));
  }
}

}  // namespace

int64_t StoredElementSize(absl::string_view dtype) {
  for (const NamedSize& each : kElementSizes) {
    if (each.name == dtype) return each.size;
  }
  return 0;
}

std::string ShapeString(absl::Span<const int64_t> shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

absl::StatusOr<int64_t> StoredByteSize(absl::string_view dtype, absl::Span<const int64_t> shape) {
  int64_t bytes = StoredElementSize(dtype);
  if (bytes == 0) return absl::InvalidArgumentError(absl::StrCat("dtype \"", dtype, "\" is not known"));
  if (shape.size() > kMaxStoredRank) {
    return absl::InvalidArgumentError(absl::StrCat("shape has ", shape.size(), " sizes, at most ", kMaxStoredRank));
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0) {
      return absl::InvalidArgumentError(absl::StrCat("shape[", axis, "] is ", shape[axis], ", at least 0"));
    }
  }
  // Also where a size is 0, as readers multiply some of the sizes without it.
  for (int64_t size : shape) {
    if (size != 0 && __builtin_mul_overflow(bytes, size, &bytes)) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape ", ShapeString(shape), " has more bytes than an int64 can count"));
    }
  }
  return absl::c_linear_search(shape, 0) ? 0 : bytes;
}

absl::StatusOr<DataType> DataTypeOf(const StoredTensor& tensor) {
  for (DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    if (NameOf(type) == tensor.dtype) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tensor \"", tensor.name, "\" has dtype ", tensor.dtype, ", must be F32, F16 or BF16"));
}

absl::StatusOr<AlignedBuffer<float>> ToFloat32(const StoredTensor& tensor) {
  const absl::StatusOr<int64_t> num_bytes = StoredByteSize(tensor.dtype, tensor.shape);
  if (!num_bytes.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor.name, "\": ", num_bytes.status().message()));
  }
  if (*num_bytes != static_cast<int64_t>(tensor.data.size())) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor.name, "\" has ", tensor.data.size(),
                                                   " bytes of data, shape ", ShapeString(tensor.shape), " of ",
                                                   tensor.dtype, " needs ", *num_bytes));
  }
  absl::StatusOr<AlignedBuffer<float>> floats =
      AlignedBuffer<float>::Allocate(*num_bytes / StoredElementSize(tensor.dtype));
  if (!floats.ok()) return floats.status();
  if (tensor.dtype == "F32") {
    ConvertAll<uint32_t>(tensor.data, floats->span(), [](uint32_t bits) { return std::bit_cast<float>(bits); });
  } else if (tensor.dtype == "F64") {
    ConvertAll<uint64_t>(tensor.data, floats->span(),
                         [](uint64_t bits) { return static_cast<float>(std::bit_cast<double>(bits)); });
  } else if (tensor.dtype == "F16") {
    ConvertAll<uint16_t>(tensor.data, floats->span(), Float32FromFloat16);
  } else if (tensor.dtype == "BF16") {
    ConvertAll<uint16_t>(tensor.data, floats->span(), Float32FromBFloat16);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", tensor.name, "\" has dtype ", tensor.dtype, ", must be F64, F32, F16 or BF16"));
  }
  return floats;
}

}  // namespace favor
