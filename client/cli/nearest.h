#ifndef FAVOR_CLIENT_CLI_NEAREST_H_
#define FAVOR_CLIENT_CLI_NEAREST_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/embed.h"

namespace favor::cli {

struct Neighbour {
  int64_t index = 0;  // of the other input
  double cosine = 0;
};

// For every result the `count` others whose vectors have the greatest cosine with its own, nearest first, the earlier
// one where two are equal. A result without a vector has no neighbours and is nobody's; the cosine of a vector
// that is zero or not finite is 0. Time grows with the square of the number of results: InvalidArgumentError for more
// than kMaxNearest.
absl::StatusOr<std::vector<std::vector<Neighbour>>> Nearest(absl::Span<const client::EmbedResult> results,
                                                            int64_t count);

constexpr int64_t kMaxNearest = 10'000;

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_NEAREST_H_
