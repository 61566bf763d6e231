#include "tests/support/laws/projection.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/support/oracle/features.h"

namespace favor::testing {

ProjectionSource LibraryDraws() {
  return [](const ProjectionSpec& spec) { return DrawProjection(spec).value(); };
}

double Moments::standard_error() const { return std::sqrt(variance / static_cast<double>(count)); }

Moments MomentsOf(const std::vector<double>& samples) {
  Moments moments;
  moments.count = samples.size();
  for (const double sample : samples) moments.mean += sample / static_cast<double>(samples.size());
  for (const double sample : samples) {
    moments.variance += (sample - moments.mean) * (sample - moments.mean) / static_cast<double>(samples.size() - 1);
  }
  return moments;
}

std::vector<double> KernelEstimates(const ProjectionSource& source, ProjectionSpec projection_spec,
                                    const FeatureSpec& feature_spec, const std::vector<double>& x,
                                    const std::vector<double>& y, int64_t num_draws) {
  projection_spec.head_dim = x.size();
  std::vector<double> estimates;
  for (int64_t draw = 0; draw < num_draws; ++draw) {
    projection_spec.seed = draw;
    const std::shared_ptr<const Projection> projection = source(projection_spec);
    const absl::Span<const float> rows = projection->Matrix(0);
    estimates.push_back(KernelEstimate(feature_spec, x, y, {{rows.begin(), rows.end()}, projection->num_features()}));
  }
  return estimates;
}

Verdict EstimatesAreUnbiased(const std::vector<double>& estimates, double kernel) {
  const Moments moments = MomentsOf(estimates);
  const double sigmas = (moments.mean - kernel) / moments.standard_error();
  // A tiny variance leaves float32 rows of the projection as the only error.
  if (std::abs(sigmas) <= 4 || std::abs(moments.mean - kernel) <= 1e-6 * std::abs(kernel)) return {};
  return Verdict::Broken(absl::StrCat("the mean of ", moments.count, " estimates is ", moments.mean, ", ", sigmas,
                                      " standard errors from ", kernel));
}

Verdict DiagonalAveragesToZero(const ProjectionSource& source, int64_t head_dim, int64_t num_draws) {
  std::vector<std::vector<double>> diagonals(head_dim);
  ProjectionSpec spec;
  spec.num_features = spec.head_dim = head_dim;
  for (int64_t draw = 0; draw < num_draws; ++draw) {
    spec.seed = draw;
    const std::shared_ptr<const Projection> projection = source(spec);
    for (int64_t j = 0; j < head_dim; ++j) diagonals[j].push_back(projection->Matrix(0)[j * head_dim + j]);
  }
  for (int64_t j = 0; j < head_dim; ++j) {
    const Verdict verdict = EstimatesAreUnbiased(diagonals[j], 0);
    if (!verdict.holds) return Verdict::Broken(absl::StrCat("W[", j, ",", j, "]: ", verdict.reason));
  }
  return {};
}

std::vector<double> DiagonalPoint(int64_t head_dim, double factor) {
  return std::vector<double>(head_dim, 1.5 * factor / std::sqrt(static_cast<double>(head_dim)));
}

}  // namespace favor::testing
