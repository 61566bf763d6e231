#ifndef FAVOR_FORMAT_SAFETENSORS_H_
#define FAVOR_FORMAT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/format/file_io.h"
#include "favor/format/stored_tensor.h"

namespace favor {

// The safetensors format:
//
//   8 bytes        n, the length of the header, little-endian
//   n bytes        JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...,
//                  "__metadata__": {"key": "text", ...}}, padded with spaces
//   rest           the data; offsets count from here; tensors cover it without overlap and without holes

// More than any model needs; also the bound of the reference implementation.
constexpr int64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsContents {
  std::vector<StoredTensor> tensors;            // in the order of their data
  std::map<std::string, std::string> metadata;  // __metadata__

  // Null when there is no tensor of this name. Linear in the number of tensors.
  const StoredTensor* Find(absl::string_view name) const;
};

// A mapped file. Movable; the tensors' data live as long as it does.
class SafetensorsFile {
 public:
  // InvalidArgumentError, naming the path, the tensor and the bound, for anything that is not as above.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const SafetensorsContents& contents() const { return contents_; }
  const StoredTensor* Find(absl::string_view name) const { return contents_.Find(name); }

 private:
  SafetensorsFile(MappedFile file, SafetensorsContents contents)
      : file_(std::move(file)), contents_(std::move(contents)) {}

  MappedFile file_;
  SafetensorsContents contents_;
};

// The tensors within the bytes of a file. `file_name` is for errors.
absl::StatusOr<SafetensorsContents> ParseSafetensors(absl::Span<const std::byte> bytes, absl::string_view file_name);

// Writes the tensors, those of wide elements first, so that each one's data are aligned to its elements in the file.
// InvalidArgumentError when names are not unique UTF-8, or when dtype, shape and data do not fit together.
absl::Status WriteSafetensors(const std::string& path, absl::Span<const StoredTensor> tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace favor

#endif  // FAVOR_FORMAT_SAFETENSORS_H_
