#ifndef FAVOR_FORMAT_NPY_HEADER_H_
#define FAVOR_FORMAT_NPY_HEADER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor::internal {

// What an .npy file says of its array.
struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// Reads the dictionary: each of the three keys once, in any order, and no others. InvalidArgumentError says what was
// expected, and where.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text);

}  // namespace favor::internal

#endif  // FAVOR_FORMAT_NPY_HEADER_H_
