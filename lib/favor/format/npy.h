#ifndef FAVOR_FORMAT_NPY_H_
#define FAVOR_FORMAT_NPY_H_

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "favor/format/file_io.h"
#include "favor/format/stored_tensor.h"

namespace favor {

// NumPy's .npy files, versions 1.0, 2.0 and 3.0 (NEP 1):
//
//   "\x93NUMPY"  major  minor  header length (little-endian; 2 bytes in version 1, else 4)
//   header: a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//   the elements
//
// We take little-endian floats ('<f2', '<f4', '<f8') in C order, and nothing after the elements.

// A mapped .npy file. Movable; the tensor's data live as long as it does.
class NpyFile {
 public:
  // InvalidArgumentError, naming the path and what is wrong, when it is not such a file.
  static absl::StatusOr<NpyFile> Open(const std::string& path);

  const StoredTensor& tensor() const { return tensor_; }

 private:
  NpyFile(MappedFile file, StoredTensor tensor) : file_(std::move(file)), tensor_(std::move(tensor)) {}

  MappedFile file_;
  StoredTensor tensor_;
};

// The tensor within the bytes of an .npy file. `file_name` is for errors.
absl::StatusOr<StoredTensor> ParseNpy(absl::Span<const std::byte> bytes, absl::string_view file_name);

// What stands before the elements of an .npy file that comes from a stream: type and shape; `data` is empty, and the
// elements are next in the stream. `start`, six bytes at most, are those of the file that were read from it already.
// InvalidArgumentError as ParseNpy.
absl::StatusOr<StoredTensor> ReadNpyHeader(absl::string_view start, std::istream* in, absl::string_view file_name);

// The first bytes of every .npy file.
constexpr absl::string_view kNpyMagic = "\x93NUMPY";

// Writes an F16, F32 or F64 tensor (the format knows no bfloat16) as version 1.0. InvalidArgumentError when dtype,
// shape and data do not fit together.
absl::Status WriteNpy(const std::string& path, const StoredTensor& tensor);

// What stands before the elements of such a file, for those who write them as they come: version 1.0, at least
// `min_bytes` long. InvalidArgumentError for another dtype, and for shapes StoredByteSize refuses.
absl::StatusOr<std::string> NpyHeaderBytes(absl::string_view dtype, absl::Span<const int64_t> shape,
                                           size_t min_bytes = 0);

}  // namespace favor

#endif  // FAVOR_FORMAT_NPY_H_
