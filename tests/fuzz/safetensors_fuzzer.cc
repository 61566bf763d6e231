// Any bytes are a safetensors file or an error; the tensors of a file lie within it and fill their shapes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/format/safetensors.h"
#include "favor/format/stored_tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const absl::StatusOr<favor::SafetensorsContents> contents = favor::ParseSafetensors(bytes, "input.safetensors");
  if (!contents.ok()) {
    if (contents.status().message().empty()) std::abort();
    return 0;
  }
  for (const favor::StoredTensor& tensor : contents->tensors) {
    const absl::StatusOr<int64_t> expected_bytes = favor::StoredByteSize(tensor.dtype, tensor.shape);
    if (!expected_bytes.ok() || *expected_bytes != static_cast<int64_t>(tensor.data.size())) std::abort();
    if (contents->Find(tensor.name) == nullptr) std::abort();
    // Types that are no floats are refused; either way every byte that is looked at is within the file.
    (void)favor::ToFloat32(tensor);
  }
  return 0;
}
