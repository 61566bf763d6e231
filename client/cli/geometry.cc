#include "client/cli/geometry.h"

#include "absl/strings/str_cat.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

// Where the axis of heads stands among the four.
int HeadAxis(client::Layout layout) { return layout == client::Layout::kBatchLengthHeadsDim ? 2 : 1; }

}  // namespace

Geometry GeometryOf(const std::vector<int64_t>& shape, client::Layout layout) {
  const int head_axis = HeadAxis(layout);
  return {shape[0], shape[head_axis], shape[3 - head_axis], shape[3], layout};
}

absl::StatusOr<std::vector<int64_t>> PromoteShape(absl::string_view name, std::vector<int64_t> shape,
                                                  client::Layout layout) {
  if (shape.size() < 2 || shape.size() > 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has the shape ", ShapeString(shape), ", it must have 2 to 4 axes"));
  }
  if (shape.size() == 2) shape.insert(shape.begin() + HeadAxis(layout) - 1, 1);
  if (shape.size() == 3) shape.insert(shape.begin(), 1);
  return shape;
}

std::vector<int64_t> DemoteShape(std::vector<int64_t> shape, size_t rank, client::Layout layout) {
  if (rank <= 2) shape.erase(shape.begin() + HeadAxis(layout));
  if (rank <= 3) shape.erase(shape.begin());
  return shape;
}

}  // namespace favor::cli
