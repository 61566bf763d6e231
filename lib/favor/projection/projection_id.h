#ifndef FAVOR_PROJECTION_PROJECTION_ID_H_
#define FAVOR_PROJECTION_PROJECTION_ID_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "favor/projection/projection.h"

namespace favor::internal {

// Version of the encoding below and of the draws themselves: whoever changes either must raise it.
constexpr uint8_t kProjectionIdVersion = 1;

// Identity of a drawn projection: XXH3-128 (seed 0) of these 35 bytes, integers little-endian, as 32 lower-case
// hexadecimal digits, most significant first:
//
//   offset  size  content
//        0     8  the text "favorprj"
//        8     1  version, 1
//        9     1  kind: 1 orthogonal, 2 iid, 4 structured, 5 simplex
//       10     1  row norms: 1 chi, 2 sqrt(head_dim); 0 for iid
//       11     8  seed
//       19     8  num_features
//       27     8  head_dim
std::string DrawnProjectionId(const ProjectionSpec& spec);

// Identity of a supplied projection, in the same manner over:
//
//        0     8  the text "favorprj"
//        8     1  version, 1
//        9     1  kind: 3 supplied
//       10     8  num_matrices
//       18     8  num_features
//       26     8  head_dim
//       34   4 n  the n = num_matrices * num_features * head_dim entries, row-major, IEEE 754 binary32 bits
std::string SuppliedProjectionId(absl::Span<const float> rows, int64_t num_matrices, int64_t num_features,
                                 int64_t head_dim);

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_PROJECTION_ID_H_
