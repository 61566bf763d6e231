#ifndef FAVOR_CLIENT_CLI_TENSOR_FILES_H_
#define FAVOR_CLIENT_CLI_TENSOR_FILES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/attend.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {

struct InputFiles {
  // One .npy file each; or `combined`, a .safetensors file with tensors of these names.
  std::string queries = "", keys = "", values = "", projection_matrix = "";
  std::string combined = "";
  bool needs_values = true;  // without it they are neither looked for nor there
};

// The tensors of a call, four axes each, and what they lie in. Movable.
struct LoadedInputs {
  client::AttendInputs tensors;
  std::optional<client::TensorView> projection_matrix;
  size_t queries_rank = 0;         // axes of the queries in their file
  std::vector<std::string> notes;  // what was changed on the way in
  std::vector<std::shared_ptr<const void>> memory;
};

// Files are mapped, not read: a tensor goes from the disk's cache to the socket. Only float64 tensors, which no server
// takes, are converted, to float32. Errors name the file and the tensor.
absl::StatusOr<LoadedInputs> LoadInputs(const InputFiles& files, client::Layout layout);

// "npy" or "safetensors", by the end of the name; InvalidArgumentError for anything else.
absl::StatusOr<std::string> OutputFormat(const std::string& path);

// Writes tensors, of which an .npy file takes the first alone. The file appears, or replaces another, all at once: it
// may be one that is an input.
absl::Status SaveTensors(const std::string& path, absl::Span<const StoredTensor> tensors,
                         const std::map<std::string, std::string>& metadata);

// Writes a tensor as `shape`; in a .safetensors file it is called "output". An .npy file knows no bfloat16: there it
// becomes float32, exactly.
absl::Status SaveOutput(const std::string& path, const client::Tensor& output, const std::vector<int64_t>& shape,
                        const std::map<std::string, std::string>& metadata);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_TENSOR_FILES_H_
