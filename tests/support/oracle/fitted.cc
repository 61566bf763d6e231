#include "tests/support/oracle/fitted.h"

#include <cmath>
#include <utility>

#include "tests/support/random.h"

namespace favor::testing {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix Square(const std::vector<double>& values, int64_t dim) {
  Matrix matrix(dim, std::vector<double>(dim));
  for (int64_t k = 0; k < dim; ++k) {
    for (int64_t l = 0; l < dim; ++l) matrix[k][l] = values[k * dim + l];
  }
  return matrix;
}

Matrix Transpose(const Matrix& matrix) {
  Matrix result = matrix;
  for (size_t k = 0; k < matrix.size(); ++k) {
    for (size_t l = 0; l < matrix.size(); ++l) result[l][k] = matrix[k][l];
  }
  return result;
}

std::vector<double> Times(const Matrix& matrix, absl::Span<const double> x) {
  std::vector<double> result;
  for (const std::vector<double>& row : matrix) result.push_back(Dot(row, x));
  return result;
}

// The solution of matrix y = x, by Gaussian elimination with pivots.
std::vector<double> Solve(Matrix matrix, std::vector<double> x) {
  const size_t dim = x.size();
  for (size_t k = 0; k < dim; ++k) {
    size_t pivot = k;
    for (size_t i = k; i < dim; ++i) {
      if (std::abs(matrix[i][k]) > std::abs(matrix[pivot][k])) pivot = i;
    }
    std::swap(matrix[k], matrix[pivot]);
    std::swap(x[k], x[pivot]);
    for (size_t i = k + 1; i < dim; ++i) {
      const double factor = matrix[i][k] / matrix[k][k];
      for (size_t l = k; l < dim; ++l) matrix[i][l] -= factor * matrix[k][l];
      x[i] -= factor * x[k];
    }
  }
  for (size_t k = dim; k-- > 0;) {
    for (size_t l = k + 1; l < dim; ++l) x[k] -= matrix[k][l] * x[l];
    x[k] /= matrix[k][k];
  }
  return x;
}

// Columns made orthonormal one after the other.
Matrix RandomBasis(int64_t dim, Random& random) {
  Matrix rows;
  for (int64_t k = 0; k < dim; ++k) {
    std::vector<double> row = random.GaussianVector(dim);
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (const std::vector<double>& other : rows) {
        const double part = Dot(row, other);
        for (int64_t l = 0; l < dim; ++l) row[l] -= part * other[l];
      }
    }
    const double norm = std::sqrt(SquaredNorm(row));
    for (double& value : row) value /= norm;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::vector<double> Transformed(const HeadStatistics& statistics, absl::Span<const double> row, Side side) {
  const int64_t dim = row.size();
  std::vector<double> x(row.begin(), row.end());
  if (side == Side::kKey && !statistics.key_shift.empty()) {
    for (int64_t l = 0; l < dim; ++l) x[l] -= statistics.key_shift[l];
  }
  const std::vector<double>& g = statistics.query_transform;
  if (g.empty()) return x;
  if (static_cast<int64_t>(g.size()) == dim) {  // a diagonal
    for (int64_t l = 0; l < dim; ++l) x[l] *= side == Side::kQuery ? g[l] : 1 / g[l];
    return x;
  }
  const Matrix matrix = Square(g, dim);
  return side == Side::kQuery ? Times(matrix, x) : Solve(Transpose(matrix), x);
}

LogFeatures FittedFeatures(const FeatureSpec& spec, const HeadStatistics& statistics, absl::Span<const double> x,
                           const ProjectionMatrix& projection) {
  const int64_t dim = x.size();
  std::vector<double> a(dim), turned(x.begin(), x.end());
  const std::vector<double>& proposal = statistics.proposal;
  if (spec.estimator == Estimator::kSderf) {
    a.assign(proposal.begin(), proposal.begin() + dim);
    if (static_cast<int64_t>(proposal.size()) > dim) {
      const Matrix u = Square({proposal.begin() + dim, proposal.end()}, dim);
      turned = Times(Transpose(u), x);
    }
  } else if (!proposal.empty()) {
    a.assign(dim, proposal[0]);
  }
  const bool pairs = spec.antithetic || spec.estimator == Estimator::kHyperbolic;
  double offset = -0.5 * SquaredNorm(x) - 0.5 * std::log(static_cast<double>(projection.num_rows) * (pairs ? 2 : 1));
  for (int64_t l = 0; l < dim; ++l) {
    offset += 0.25 * std::log(1 - 4 * a[l]);
    turned[l] *= std::sqrt(1 - 4 * a[l]);
  }
  LogFeatures features;
  for (const double sign : {1.0, -1.0}) {
    if (sign < 0 && !pairs) break;
    for (int64_t r = 0; r < projection.num_rows; ++r) {
      double square = 0;
      for (int64_t l = 0; l < dim; ++l) square += a[l] * projection.rows[r * dim + l] * projection.rows[r * dim + l];
      features.Push(square + sign * projection.Dot(r, turned) + offset);
    }
  }
  return features;
}

double RelativeVarianceOfOprf(int64_t head_dim, double proposal, double s, int64_t num_rows) {
  const double rho = 1 / (1 - 8 * proposal), d = static_cast<double>(head_dim);
  return (std::pow((1 + rho) / 2, d) * std::pow(rho, -d / 2) * std::exp(rho * s) - 1) / static_cast<double>(num_rows);
}

std::shared_ptr<const Statistics> RandomStatistics(const FeatureSpec& spec, int64_t head_dim, int64_t num_key_heads,
                                                   uint64_t seed) {
  if (!UsesStatistics(spec)) return nullptr;
  Random random(seed);
  auto statistics = std::make_shared<Statistics>();
  for (int64_t h = 0; h < num_key_heads; ++h) {
    HeadStatistics head;
    if (spec.precondition) {
      head.key_shift = random.GaussianVector(head_dim, 0.3);
      // A rotation, stretched a little: well conditioned in any dimension.
      for (const std::vector<double>& row : RandomBasis(head_dim, random)) {
        const double stretch = 0.8 + 0.4 * random.Uniform();
        for (const double value : row) head.query_transform.push_back(stretch * value);
      }
    } else if (spec.estimator == Estimator::kSaderf) {
      for (int64_t l = 0; l < head_dim; ++l) head.query_transform.push_back(0.8 + 0.4 * random.Uniform());
    }
    if (UsesProposal(spec.estimator)) {
      for (int64_t l = 0; l < (spec.estimator == Estimator::kSderf ? head_dim : 1); ++l) {
        head.proposal.push_back(-0.02 - 0.1 * random.Uniform());
      }
    }
    // With and without a basis.
    if (spec.estimator == Estimator::kSderf && !spec.precondition) {
      for (const std::vector<double>& row : RandomBasis(head_dim, random)) {
        head.proposal.insert(head.proposal.end(), row.begin(), row.end());
      }
    }
    statistics->heads.push_back(std::move(head));
  }
  return statistics;
}

}  // namespace favor::testing
