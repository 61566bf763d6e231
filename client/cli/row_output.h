#ifndef FAVOR_CLIENT_CLI_ROW_OUTPUT_H_
#define FAVOR_CLIENT_CLI_ROW_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/attention_spec.h"
#include "client/tensor.h"
#include "favor/tensor/data_type.h"

namespace favor::cli {

// Where the output of a long sequence goes, as it comes. Not thread-safe.
class RowOutput {
 public:
  struct Shape {
    client::Layout layout = client::Layout::kUnspecified;
    int64_t batch_size = 1;
    int64_t num_heads = 1;
    int64_t length = -1;  // -1: Finish tells; then batch_size is 1 and layout kBatchLengthHeadsDim
    int64_t value_dim = 0;
    DataType type = DataType::kFloat32;
    size_t rank = 4;  // of the file's shape: outer axes of size 1 may be missing
  };

  virtual ~RowOutput() = default;
  // Rows from token `begin` on, four axes of the layout.
  virtual absl::Status Put(int64_t begin, const client::Tensor& rows) = 0;
  // All `length` tokens were put.
  virtual absl::Status Finish(int64_t length) = 0;
};

// An .npy file of the whole output, which is written in place; bfloat16 becomes float32, exactly. Rows of tokens before
// `first_token` must stand in the file already, and stay there; FailedPreconditionError when they do not.
absl::StatusOr<std::unique_ptr<RowOutput>> NpyRows(const std::string& path, const RowOutput::Shape& shape,
                                                   int64_t first_token);

// Row after row of each token: [heads, value_dim], little-endian, nothing between. Takes tokens in their order, and one
// sequence alone. `out` must outlive it.
absl::StatusOr<std::unique_ptr<RowOutput>> PipedOutput(std::ostream* out, const RowOutput::Shape& shape);

// Drops everything.
std::unique_ptr<RowOutput> NoOutput();

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_ROW_OUTPUT_H_
