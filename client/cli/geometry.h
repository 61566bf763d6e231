#ifndef FAVOR_CLIENT_CLI_GEOMETRY_H_
#define FAVOR_CLIENT_CLI_GEOMETRY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/attention_spec.h"

namespace favor::cli {

// A four-axis tensor of either layout, by the meaning of its axes.
struct Geometry {
  int64_t batch_size = 0;
  int64_t num_heads = 0;
  int64_t length = 0;
  int64_t dim = 0;
  client::Layout layout = client::Layout::kUnspecified;

  // Where row [batch, head, position] starts, in elements.
  int64_t RowOffset(int64_t batch, int64_t head, int64_t position) const {
    const bool heads_outside = layout != client::Layout::kBatchLengthHeadsDim;
    const int64_t row =
        heads_outside ? (batch * num_heads + head) * length + position : (batch * length + position) * num_heads + head;
    return row * dim;
  }
};

// `shape` must have four axes.
Geometry GeometryOf(const std::vector<int64_t>& shape, client::Layout layout);

// Gives a tensor its missing outer axes: [length, dim] becomes one head of one sequence, and three axes one sequence.
// InvalidArgumentError, naming the tensor, unless it has two to four axes.
absl::StatusOr<std::vector<int64_t>> PromoteShape(absl::string_view name, std::vector<int64_t> shape,
                                                  client::Layout layout);

// The reverse, for the output of queries that had `rank` axes.
std::vector<int64_t> DemoteShape(std::vector<int64_t> shape, size_t rank, client::Layout layout);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_GEOMETRY_H_
