#include "client/cli/nearest.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace favor::cli {
namespace {

double Dot(absl::Span<const float> a, absl::Span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

bool HasVector(const client::EmbedResult& result) { return result.status.ok() && result.num_vectors > 0; }

}  // namespace

absl::StatusOr<std::vector<std::vector<Neighbour>>> Nearest(absl::Span<const client::EmbedResult> results,
                                                            int64_t count) {
  const int64_t num_results = static_cast<int64_t>(results.size());
  if (num_results > kMaxNearest) {
    return absl::InvalidArgumentError(
        absl::StrCat("--nearest compares all pairs of at most ", kMaxNearest, " inputs, there are ", num_results));
  }
  std::vector<double> lengths(results.size());
  for (int64_t i = 0; i < num_results; ++i) {
    if (HasVector(results[i])) lengths[i] = std::sqrt(Dot(results[i].vector(), results[i].vector()));
  }
  std::vector<std::vector<Neighbour>> nearest(results.size());
  for (int64_t i = 0; i < num_results; ++i) {
    if (!HasVector(results[i])) continue;
    std::vector<Neighbour>& others = nearest[i];
    for (int64_t j = 0; j < num_results; ++j) {
      if (j == i || !HasVector(results[j]) || results[j].dimensions != results[i].dimensions) continue;
      const double cosine = Dot(results[i].vector(), results[j].vector()) / (lengths[i] * lengths[j]);
      others.push_back({j, std::isfinite(cosine) ? cosine : 0});  // a NaN could not be sorted
    }
    const int64_t kept = std::min(count, static_cast<int64_t>(others.size()));
    std::partial_sort(others.begin(), others.begin() + kept, others.end(), [](const Neighbour& a, const Neighbour& b) {
      return a.cosine > b.cosine || (a.cosine == b.cosine && a.index < b.index);
    });
    others.resize(kept);
  }
  return nearest;
}

}  // namespace favor::cli
