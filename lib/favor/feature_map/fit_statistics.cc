#include "favor/feature_map/fit_statistics.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <Eigen/Dense>

namespace favor {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Covariances get this share of their mean diagonal on top: a direction in which a sample of a few hundred rows happens
// to vary little is not stretched without bound. On trained models' queries and keys anything from 0.001 to 0.1 does.
constexpr double kRegularisation = 1e-2;
// And this share of the mean square, against rows that are all the same.
constexpr double kFloor = 1e-6;

struct Spread {
  VectorXd mean;
  MatrixXd covariance;

  double mean_square() const { return mean.squaredNorm() + covariance.trace(); }
};

Spread SpreadOf(const RowMoments& moments) {
  const int64_t d = moments.sum.size();
  const double count = static_cast<double>(moments.count);
  const VectorXd offset = Eigen::Map<const VectorXd>(moments.sum.data(), d) / count;
  Spread spread;
  spread.mean = Eigen::Map<const VectorXd>(moments.origin.data(), d) + offset;
  spread.covariance = Eigen::Map<const MatrixXd>(moments.products.data(), d, d) / count - offset * offset.transpose();
  return spread;
}

MatrixXd Regularised(const Spread& spread) {
  const double d = static_cast<double>(spread.mean.size());
  const double share = (kRegularisation * spread.covariance.trace() + kFloor * spread.mean_square()) / d;
  MatrixXd regularised = spread.covariance;
  regularised.diagonal().array() += share;
  return regularised;
}

struct Preconditioner {
  MatrixXd g;
  VectorXd shift;
  VectorXd variances;  // of each coordinate of x, and of y
};

// Nothing where the numbers will not have it: all rows zero, say.
std::optional<Preconditioner> Precondition(const Spread& queries, const Spread& keys) {
  const Eigen::LLT<MatrixXd> cholesky(Regularised(queries));
  if (cholesky.info() != Eigen::Success) return std::nullopt;
  const MatrixXd l = cholesky.matrixL();
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(l.transpose() * Regularised(keys) * l);
  if (eigen.info() != Eigen::Success || !(eigen.eigenvalues()[0] > 0)) return std::nullopt;
  const VectorXd variances = eigen.eigenvalues().cwiseSqrt();
  MatrixXd basis = eigen.eigenvectors();
  cholesky.matrixU().solveInPlace(basis);  // L^-T V
  Preconditioner result;
  result.g = variances.cwiseSqrt().asDiagonal() * basis.transpose();
  result.shift = keys.mean + result.g.transpose() * (result.g * queries.mean);
  result.variances = variances;
  return result;
}

double OprfProposal(double phi, double d) {
  const double rho = 2 * d / (2 * phi + d + std::sqrt((2 * phi + d) * (2 * phi + d) + 8 * d * phi));
  return std::max((1 - 1 / rho) / 8, kMinProposal);
}

double SderfProposal(double lambda) {
  lambda = std::max(lambda, 0.0);  // rounding
  // The textbook denominator 1 - 2 lambda + sqrt(..) cancels for large lambda; times its conjugate it is this.
  const double root = std::sqrt((2 * lambda + 1) * (2 * lambda + 1) + 8 * lambda);
  return std::max((1 - 2 * lambda - root) / 16, kMinProposal);
}

// psi of kSaderf.
VectorXd Balance(const Spread& queries, const Spread& keys) {
  const VectorXd query_squares = queries.covariance.diagonal() + queries.mean.cwiseAbs2();
  const VectorXd key_squares = keys.covariance.diagonal() + keys.mean.cwiseAbs2();
  VectorXd psi = VectorXd::Ones(query_squares.size());
  constexpr double kLargest = 1e5;
  for (int64_t l = 0; l < psi.size(); ++l) {
    if (!(query_squares[l] > 0 && key_squares[l] > 0)) continue;
    psi[l] = std::clamp(std::pow(key_squares[l] / query_squares[l], 0.25), 1 / kLargest, kLargest);
  }
  return psi;
}

std::vector<double> ToVector(const Eigen::Ref<const VectorXd>& values) { return {values.begin(), values.end()}; }

void AppendRowMajor(const MatrixXd& matrix, std::vector<double>* to) {
  const RowMajor rows = matrix;
  to->insert(to->end(), rows.data(), rows.data() + rows.size());
}

// The proposal for coordinates that are independent, of these variances each, where the means cancel.
void ProposeForVariances(const FeatureSpec& spec, double scale, const VectorXd& variances, HeadStatistics* statistics) {
  if (spec.estimator == Estimator::kSderf) {
    for (const double variance : variances) statistics->proposal.push_back(SderfProposal(2 * scale * variance));
  } else if (UsesProposal(spec.estimator)) {
    statistics->proposal = {OprfProposal(2 * scale * variances.sum(), static_cast<double>(variances.size()))};
  }
}

bool Propose(const FeatureSpec& spec, double scale, const Spread& queries, const Spread& keys,
             HeadStatistics* statistics) {
  const double d = static_cast<double>(queries.mean.size());
  if (spec.estimator == Estimator::kSderf) {
    const VectorXd mean = queries.mean + keys.mean;
    const MatrixXd m = scale * (queries.covariance + keys.covariance + mean * mean.transpose());
    const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(m);
    if (eigen.info() != Eigen::Success) return false;
    for (const double lambda : eigen.eigenvalues()) statistics->proposal.push_back(SderfProposal(lambda));
    AppendRowMajor(eigen.eigenvectors(), &statistics->proposal);
    return true;
  }
  double squares = queries.mean_square() + keys.mean_square();
  if (spec.estimator == Estimator::kSaderf) {
    const VectorXd psi = Balance(queries, keys);
    statistics->query_transform = ToVector(psi);
    const VectorXd query_squares = queries.covariance.diagonal() + queries.mean.cwiseAbs2();
    const VectorXd key_squares = keys.covariance.diagonal() + keys.mean.cwiseAbs2();
    squares = psi.cwiseAbs2().dot(query_squares) + psi.cwiseAbs2().cwiseInverse().dot(key_squares);
  }
  const double phi = scale * (squares + 2 * queries.mean.dot(keys.mean));
  statistics->proposal = {OprfProposal(std::max(phi, 0.0), d)};
  return true;
}

bool IsWithin(const std::vector<double>& values, double bound) {
  return std::all_of(values.begin(), values.end(), [=](double value) { return std::abs(value) <= bound; });
}

}  // namespace

HeadStatistics NeutralStatistics(const FeatureSpec& spec, int64_t head_dim) {
  HeadStatistics neutral;
  if (spec.precondition) {
    neutral.key_shift.assign(head_dim, 0.0);
    neutral.query_transform.assign(head_dim * head_dim, 0.0);
    for (int64_t l = 0; l < head_dim; ++l) neutral.query_transform[l * head_dim + l] = 1;
  } else if (spec.estimator == Estimator::kSaderf) {
    neutral.query_transform.assign(head_dim, 1.0);
  }
  if (UsesProposal(spec.estimator)) neutral.proposal.assign(spec.estimator == Estimator::kSderf ? head_dim : 1, 0.0);
  return neutral;
}

HeadStatistics FitStatistics(const FeatureSpec& spec, double scale, const RowMoments& queries, const RowMoments& keys) {
  const int64_t d = queries.sum.size();
  if (queries.count == 0 || keys.count == 0) return NeutralStatistics(spec, d);
  const Spread query_spread = SpreadOf(queries), key_spread = SpreadOf(keys);
  HeadStatistics statistics;
  if (spec.precondition) {
    // kSaderf balances what is balanced already: its psi is 1.
    const std::optional<Preconditioner> preconditioner = Precondition(query_spread, key_spread);
    if (!preconditioner.has_value()) return NeutralStatistics(spec, d);
    statistics.key_shift = ToVector(preconditioner->shift);
    AppendRowMajor(preconditioner->g, &statistics.query_transform);
    ProposeForVariances(spec, scale, preconditioner->variances, &statistics);
  } else if (!Propose(spec, scale, query_spread, key_spread, &statistics)) {
    return NeutralStatistics(spec, d);
  }
  // Magnitudes near the ends of float32 make transforms that are beyond use.
  const bool usable = IsWithin(statistics.key_shift, kMaxKeyShift) &&
                      IsWithin(statistics.query_transform, kMaxTransformEntry) &&
                      IsWithin(statistics.proposal, -kMinProposal);
  return usable ? statistics : NeutralStatistics(spec, d);
}

}  // namespace favor
