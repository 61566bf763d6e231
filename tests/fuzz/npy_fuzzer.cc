// Any bytes are an .npy file or an error; what is taken for a tensor lies within the bytes and can be converted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/format/npy.h"
#include "favor/format/stored_tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const absl::StatusOr<favor::StoredTensor> tensor = favor::ParseNpy(bytes, "input.npy");
  if (!tensor.ok()) {
    if (tensor.status().message().empty()) std::abort();
    return 0;
  }
  const absl::StatusOr<int64_t> expected_bytes = favor::StoredByteSize(tensor->dtype, tensor->shape);
  if (!expected_bytes.ok() || *expected_bytes != static_cast<int64_t>(tensor->data.size())) std::abort();
  if (!favor::ToFloat32(*tensor).ok()) std::abort();
  return 0;
}
