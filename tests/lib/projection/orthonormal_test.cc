#include "favor/projection/orthonormal.h"

#include <gtest/gtest.h>

#include <Eigen/QR>
#include <vector>

#include "favor/projection/gaussian.h"

namespace favor::internal {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

RowMajor GaussianMatrix(int64_t num_rows, int64_t head_dim, int64_t block = 0) {
  RowMajor rows(num_rows, head_dim);
  for (int64_t r = 0; r < num_rows; ++r) {
    DrawGaussianRow({99, GaussianStream::kDirections, head_dim, block}, r,
                    absl::MakeSpan(rows.row(r).data(), head_dim));
  }
  return rows;
}

RowMajor Orthonormalized(const RowMajor& rows) {
  RowMajor padded = RowMajor::Zero(rows.rows(), RowStride(rows.cols()));
  padded.leftCols(rows.cols()) = rows;
  for (int64_t r = 0; r < rows.rows(); ++r) OrthonormalizeRow(padded.data(), r, padded.cols());
  EXPECT_EQ(padded.rightCols(padded.cols() - rows.cols()).cwiseAbs().sum(), 0) << "the padding must stay zero";
  return padded.leftCols(rows.cols());
}

// The factor Q of A' = Q R with a positive diagonal of R, rows of Q' given back.
RowMajor SignCorrectedQr(const RowMajor& rows) {
  const Eigen::MatrixXd a = rows.transpose();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(a);
  Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(a.rows(), a.cols());
  for (int64_t j = 0; j < a.cols(); ++j) {
    if (qr.matrixQR()(j, j) < 0) q.col(j) *= -1;
  }
  return q.transpose();
}

TEST(OrthonormalizeRow, EqualsTheSignCorrectedHouseholderQr) {
  for (int64_t head_dim : {1, 2, 3, 5, 16, 37, 64, 128}) {
    const RowMajor rows = GaussianMatrix(head_dim, head_dim);
    const double difference = (Orthonormalized(rows) - SignCorrectedQr(rows)).cwiseAbs().maxCoeff();
    // Both are backward stable: they differ by a few epsilons times the condition number, some 1e3 for these.
    EXPECT_LT(difference, 1e-11) << "head_dim " << head_dim;
  }
}

TEST(OrthonormalizeRow, LeavesOrthonormalRows) {
  for (int64_t head_dim : {2, 7, 64, 256}) {
    const RowMajor q = Orthonormalized(GaussianMatrix(head_dim, head_dim));
    const RowMajor error = q * q.transpose() - RowMajor::Identity(head_dim, head_dim);
    EXPECT_LT(error.cwiseAbs().maxCoeff(), 2e-15) << "head_dim " << head_dim;
  }
}

// One pass alone would leave errors of the size of epsilon / 1e-8 here.
TEST(OrthonormalizeRow, LeavesOrthonormalRowsEvenOfAlmostDependentOnes) {
  constexpr int64_t kHeadDim = 32;
  RowMajor rows = GaussianMatrix(kHeadDim, kHeadDim);
  for (int64_t r = 1; r < kHeadDim; ++r) rows.row(r) = rows.row(0) + 1e-8 * rows.row(r);
  const RowMajor q = Orthonormalized(rows);
  EXPECT_LT((q * q.transpose() - RowMajor::Identity(kHeadDim, kHeadDim)).cwiseAbs().maxCoeff(), 2e-15);
}

TEST(OrthonormalizeRow, DoesNotDependOnTheRowsThatFollow) {
  const RowMajor rows = GaussianMatrix(37, 37);
  const RowMajor all = Orthonormalized(rows);
  for (int64_t count : {1, 4, 5, 20, 36}) {
    EXPECT_TRUE(Orthonormalized(rows.topRows(count)) == all.topRows(count)) << count << " rows";
  }
}

}  // namespace
}  // namespace favor::internal
