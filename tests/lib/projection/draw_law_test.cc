// Statistical laws of the drawn projections. Every tolerance is a number of standard errors measured on the very
// sample; seeds are fixed, so a test that passes keeps passing until the draws change.
#include <gtest/gtest.h>

#include <Eigen/QR>
#include <cmath>
#include <functional>
#include <vector>

#include "favor/projection/projection.h"
#include "tests/lib/projection/sample.h"

namespace favor {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::shared_ptr<const Projection> Draw(const ProjectionSpec& spec) {
  auto projection = DrawProjection(spec);
  EXPECT_TRUE(projection.ok()) << projection.status();
  return *projection;
}

// All whole blocks of head_dim rows, of several seeds: independent matrices.
std::vector<RowMajor> DrawBlocks(RowNorms row_norms, int64_t head_dim, int64_t num_seeds) {
  std::vector<RowMajor> blocks;
  for (int64_t seed = 0; seed < num_seeds; ++seed) {
    const auto projection =
        Draw({ProjectionKind::kOrthogonal, row_norms, static_cast<uint64_t>(seed), 16384, head_dim});
    const float* rows = projection->Matrix(0).data();
    for (int64_t block = 0; block < 16384 / head_dim; ++block) {
      blocks.push_back(Eigen::Map<const Eigen::Matrix<float, -1, -1, Eigen::RowMajor>>(
                           rows + block * head_dim * head_dim, head_dim, head_dim)
                           .cast<double>());
    }
  }
  return blocks;
}

// Blocks as an implementation makes them that forgets the sign correction: Householder QR of Gaussian matrices, with
// the norms asked for.
std::vector<RowMajor> RawQrBlocks(RowNorms row_norms, int64_t head_dim, int64_t num_blocks) {
  const auto gaussians = Draw({ProjectionKind::kIid, RowNorms::kChi, 5, 16384, head_dim});
  const auto norms = Draw({ProjectionKind::kIid, RowNorms::kChi, 6, 16384, head_dim});
  std::vector<RowMajor> blocks;
  for (int64_t block = 0; block < num_blocks; ++block) {
    const int64_t begin = block * head_dim * head_dim;
    using FloatBlock = Eigen::Map<const Eigen::Matrix<float, -1, -1, Eigen::RowMajor>>;
    const Eigen::MatrixXd a = FloatBlock(gaussians->Matrix(0).data() + begin, head_dim, head_dim).cast<double>();
    RowMajor q = Eigen::HouseholderQR<Eigen::MatrixXd>(a).householderQ();
    q.transposeInPlace();
    for (int64_t r = 0; r < head_dim; ++r) {
      const double chi = FloatBlock(norms->Matrix(0).data() + begin, head_dim, head_dim).row(r).cast<double>().norm();
      q.row(r) *= row_norms == RowNorms::kChi ? chi : std::sqrt(head_dim);
    }
    blocks.push_back(q);
  }
  return blocks;
}

// Standard errors between the largest deviation of these blocks, of norms sqrt(d), from a Haar distributed matrix Q.
// Moments of Q from the orthogonal group's integrals (Collins and Sniady 2006).
double HaarDefect(const std::vector<RowMajor>& blocks) {
  Sample diagonal, trace_squared, q11_q22, q11_squared, q11_fourth, squares_11_22, cycle;
  const double d = blocks[0].rows();
  for (const RowMajor& block : blocks) {
    const RowMajor q = block / std::sqrt(d);
    diagonal.Add(q.trace() / d);
    trace_squared.Add(q.trace() * q.trace());
    q11_q22.Add(q(0, 0) * q(1, 1));
    q11_squared.Add(q(0, 0) * q(0, 0));
    q11_fourth.Add(std::pow(q(0, 0), 4));
    squares_11_22.Add(std::pow(q(0, 0) * q(1, 1), 2));
    cycle.Add(q(0, 0) * q(1, 1) * q(0, 1) * q(1, 0));
  }
  return std::max({diagonal.DistanceTo(0), trace_squared.DistanceTo(1), q11_q22.DistanceTo(0),
                   q11_squared.DistanceTo(1 / d), q11_fourth.DistanceTo(3 / (d * (d + 2))),
                   squares_11_22.DistanceTo((d + 1) / ((d - 1) * d * (d + 2))),
                   cycle.DistanceTo(-1 / ((d - 1) * d * (d + 2)))});
}

TEST(OrthogonalProjection, IsHaarDistributed) {
  EXPECT_LT(HaarDefect(DrawBlocks(RowNorms::kSqrtDim, 8, 10)), 4);
  EXPECT_LT(HaarDefect(DrawBlocks(RowNorms::kSqrtDim, 3, 4)), 4);
}

TEST(OrthogonalProjection, HaarTestCatchesARawQr) {
  EXPECT_GT(HaarDefect(RawQrBlocks(RowNorms::kSqrtDim, 8, 2000)), 20);
}

// E[W_jj] = 0: the diagonal is where a raw QR is biased.
double DiagonalDefect(const std::vector<RowMajor>& blocks) {
  Sample trace;
  for (const RowMajor& block : blocks) trace.Add(block.trace());
  return trace.DistanceTo(0);
}

TEST(OrthogonalProjection, HasAMeanDiagonalOfZero) {
  for (int64_t head_dim : {4, 16, 64}) {
    EXPECT_LT(DiagonalDefect(DrawBlocks(RowNorms::kChi, head_dim, 4)), 4) << "head_dim " << head_dim;
  }
}

TEST(OrthogonalProjection, DiagonalTestCatchesARawQr) {
  for (int64_t head_dim : {4, 16, 64}) {
    EXPECT_GT(DiagonalDefect(RawQrBlocks(RowNorms::kChi, head_dim, 16384 / head_dim)), 8) << "head_dim " << head_dim;
  }
}

// E[exp(w.z - |z|^2/2)] = 1 for z = 1.5 (1, ..., 1)/sqrt(d): what features are drawn for. A raw QR gives 0.785.
double KernelBias(const std::vector<RowMajor>& blocks, double* standard_errors) {
  Sample estimate;
  const double d = blocks[0].rows();
  const Eigen::VectorXd z = Eigen::VectorXd::Constant(blocks[0].rows(), 1.5 / std::sqrt(d));
  for (const RowMajor& block : blocks) estimate.Add((block * z).array().exp().mean() * std::exp(-1.5 * 1.5 / 2));
  *standard_errors = estimate.DistanceTo(1);
  return estimate.Mean();
}

TEST(OrthogonalProjection, EstimatesTheSoftmaxKernelWithoutBias) {
  double standard_errors = 0;
  KernelBias(DrawBlocks(RowNorms::kChi, 16, 8), &standard_errors);
  EXPECT_LT(standard_errors, 4);
}

TEST(OrthogonalProjection, KernelTestCatchesARawQr) {
  double standard_errors = 0;
  EXPECT_NEAR(KernelBias(RawQrBlocks(RowNorms::kChi, 16, 1024), &standard_errors), 0.785, 0.03);
  EXPECT_GT(standard_errors, 10);
}

TEST(OrthogonalProjection, HasOrthogonalRowsWithinABlock) {
  for (int64_t head_dim : {2, 16, 64}) {
    for (const RowMajor& block : DrawBlocks(RowNorms::kChi, head_dim, 1)) {
      const RowMajor unit = block.rowwise().normalized();
      const double worst = (unit * unit.transpose() - RowMajor::Identity(head_dim, head_dim)).cwiseAbs().maxCoeff();
      ASSERT_LT(worst, 1e-6);  // entries are rounded to float32: 6e-8 each
    }
  }
}

TEST(OrthogonalProjection, HasIndependentChiDistributedNorms) {
  constexpr double kDim = 16;
  Sample norm, square, fourth, neighbours, norm_and_direction;
  for (const RowMajor& block : DrawBlocks(RowNorms::kChi, kDim, 8)) {
    const Eigen::VectorXd norms = block.rowwise().norm();
    for (int64_t r = 0; r < kDim; ++r) {
      norm.Add(norms[r]);
      square.Add(norms[r] * norms[r]);
      fourth.Add(std::pow(norms[r], 4));
      norm_and_direction.Add((norms[r] * norms[r] - kDim) * std::pow(block(r, 0) / norms[r], 2));
      if (r > 0) neighbours.Add((norms[r] * norms[r] - kDim) * (norms[r - 1] * norms[r - 1] - kDim));
    }
  }
  EXPECT_LT(norm.DistanceTo(std::sqrt(2) * std::exp(std::lgamma((kDim + 1) / 2) - std::lgamma(kDim / 2))), 4);
  EXPECT_LT(square.DistanceTo(kDim), 4);
  EXPECT_LT(fourth.DistanceTo(kDim * (kDim + 2)), 4);
  EXPECT_LT(neighbours.DistanceTo(0), 4);
  EXPECT_LT(norm_and_direction.DistanceTo(0), 4);
}

TEST(OrthogonalProjection, HasNormsOfSqrtDimWhenAskedFor) {
  for (const RowMajor& block : DrawBlocks(RowNorms::kSqrtDim, 16, 1)) {
    ASSERT_LT((block.rowwise().norm().array() - 4).abs().maxCoeff(), 1e-6);
  }
}

TEST(IidProjection, HasIndependentStandardNormalEntries) {
  const auto projection = Draw({ProjectionKind::kIid, RowNorms::kChi, 11, 65536, 16});
  Sample mean, variance, kurtosis, between_rows, between_columns;
  const absl::Span<const float> rows = projection->Matrix(0);
  for (size_t i = 0; i < rows.size(); ++i) {
    const double w = rows[i];
    mean.Add(w);
    variance.Add(w * w);
    kurtosis.Add(w * w * w * w);
    if (i >= 16) between_rows.Add(w * rows[i - 16]);
    if (i >= 1) between_columns.Add(w * rows[i - 1]);
  }
  EXPECT_LT(mean.DistanceTo(0), 4);
  EXPECT_LT(variance.DistanceTo(1), 4);
  EXPECT_LT(kurtosis.DistanceTo(3), 4);
  EXPECT_LT(between_rows.DistanceTo(0), 4);
  EXPECT_LT(between_columns.DistanceTo(0), 4);
}

}  // namespace
}  // namespace favor
