#ifndef FAVOR_TESTS_SUPPORT_LAWS_PROJECTION_H_
#define FAVOR_TESTS_SUPPORT_LAWS_PROJECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "favor/projection/projection.h"
#include "tests/support/laws/verdict.h"

namespace favor::testing {

// Something that draws projections: the library, or a double with a planted fault.
using ProjectionSource = std::function<std::shared_ptr<const Projection>(const ProjectionSpec&)>;
ProjectionSource LibraryDraws();

// Mean and variance of a number over many draws.
struct Moments {
  double mean = 0;
  double variance = 0;
  int64_t count = 0;

  double standard_error() const;
};
Moments MomentsOf(const std::vector<double>& samples);

// Estimates of the kernel of (x, y) over num_draws seeds of the spec.
std::vector<double> KernelEstimates(const ProjectionSource& source, ProjectionSpec projection_spec,
                                    const FeatureSpec& feature_spec, const std::vector<double>& x,
                                    const std::vector<double>& y, int64_t num_draws);

// The mean of the estimates is within 4 standard errors of `kernel`.
Verdict EstimatesAreUnbiased(const std::vector<double>& estimates, double kernel);

// An orthogonal block is Haar distributed: E[W_jj] = 0 for every j, within 4 standard errors. Raw Householder QR leaves
// a negative diagonal.
Verdict DiagonalAveragesToZero(const ProjectionSource& source, int64_t head_dim, int64_t num_draws);

// 1.5 factor (1, .., 1) / sqrt(d). Two such x and y with factors that add up to 1 show a draw that is not Haar: raw QR
// gives 0.785 of the kernel at d = 16.
std::vector<double> DiagonalPoint(int64_t head_dim, double factor);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_LAWS_PROJECTION_H_
