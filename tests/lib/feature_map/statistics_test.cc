#include "favor/feature_map/statistics.h"

#include <cmath>
#include <set>

#include "favor/feature_map/fit_statistics.h"
#include "favor/feature_map/head_transforms.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/attention_case.h"
#include "tests/support/oracle/fitted.h"
#include "tests/support/random.h"

namespace favor {
namespace {

using ::favor::testing::Dot;
using ::favor::testing::Random;
using ::favor::testing::Side;
using ::favor::testing::SquaredNorm;
using ::favor::testing::Transformed;
using ::testing::HasSubstr;
using Rows = std::vector<std::vector<double>>;

constexpr int64_t kDim = 5;
constexpr double kScale = 0.7;

FeatureSpec Spec(Estimator estimator, bool precondition = false) {
  FeatureSpec spec;
  spec.estimator = estimator;
  spec.precondition = precondition;
  return spec;
}

// Correlated rows with a mean and a spread of their own in every coordinate.
Rows RowsAbout(double mean, double spread, int64_t count, Random& random) {
  Rows rows;
  const std::vector<double> mix = random.GaussianVector(kDim * kDim);
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<double> raw = random.GaussianVector(kDim);
    std::vector<double> row(kDim);
    for (int64_t k = 0; k < kDim; ++k) {
      row[k] = mean * (1 + 0.3 * static_cast<double>(k)) + spread * raw[k];
      for (int64_t l = 0; l < kDim; ++l) row[k] += 0.25 * spread * mix[k * kDim + l] * raw[l];
    }
    rows.push_back(row);
  }
  return rows;
}

RowMoments MomentsOf(const Rows& rows) {
  RowMoments moments{static_cast<int64_t>(rows.size()), rows[0], std::vector<double>(kDim),
                     std::vector<double>(kDim * kDim)};
  for (const std::vector<double>& row : rows) {
    for (int64_t k = 0; k < kDim; ++k) {
      moments.sum[k] += row[k] - rows[0][k];
      for (int64_t l = 0; l < kDim; ++l) {
        moments.products[k * kDim + l] += (row[k] - rows[0][k]) * (row[l] - rows[0][l]);
      }
    }
  }
  return moments;
}

Rows All(const Rows& rows, const HeadStatistics& statistics, Side side) {
  Rows transformed;
  for (const std::vector<double>& row : rows) transformed.push_back(Transformed(statistics, row, side));
  return transformed;
}

double MeanSquareOfSums(const Rows& xs, const Rows& ys) {
  double sum = 0;
  for (const auto& x : xs) {
    for (const auto& y : ys) sum += SquaredNorm(x) + SquaredNorm(y) + 2 * Dot(x, y);
  }
  return kScale * sum / static_cast<double>(xs.size() * ys.size());
}

double OprfOf(double phi) {
  const double d = kDim;
  const double rho = (std::sqrt((2 * phi + d) * (2 * phi + d) + 8 * d * phi) - 2 * phi - d) / (4 * phi);
  return (1 - 1 / rho) / 8;
}

class Fit : public ::testing::Test {
 protected:
  HeadStatistics Of(const FeatureSpec& spec) {
    return FitStatistics(spec, kScale, MomentsOf(queries_), MomentsOf(keys_));
  }

  Random random_{5};
  Rows queries_ = RowsAbout(0.4, 0.5, 40, random_);
  Rows keys_ = RowsAbout(-0.9, 1.5, 30, random_);
};

TEST_F(Fit, OfOprfIsThatOfTheMeanSquareOverAllPairs) {
  const HeadStatistics fit = Of(Spec(Estimator::kOprf));
  ASSERT_EQ(fit.proposal.size(), 1u);
  // The textbook form of rho, which is good enough for a phi that is not small.
  EXPECT_NEAR(fit.proposal[0], OprfOf(MeanSquareOfSums(queries_, keys_)), 1e-9);
  EXPECT_LT(fit.proposal[0], 0);
  EXPECT_TRUE(fit.key_shift.empty());
  EXPECT_TRUE(fit.query_transform.empty());
}

TEST_F(Fit, OfSaderfBalancesEveryCoordinateFirst) {
  const HeadStatistics fit = Of(Spec(Estimator::kSaderf));
  const Rows xs = All(queries_, fit, Side::kQuery), ys = All(keys_, fit, Side::kKey);
  for (int64_t l = 0; l < kDim; ++l) {
    double x_square = 0, y_square = 0;
    for (const auto& x : xs) x_square += x[l] * x[l] / static_cast<double>(xs.size());
    for (const auto& y : ys) y_square += y[l] * y[l] / static_cast<double>(ys.size());
    EXPECT_NEAR(x_square, y_square, 1e-9 * x_square);
  }
  EXPECT_NEAR(fit.proposal[0], OprfOf(MeanSquareOfSums(xs, ys)), 1e-9);
  EXPECT_LT(MeanSquareOfSums(xs, ys), MeanSquareOfSums(queries_, keys_));
}

TEST_F(Fit, OfSderfDiagonalisesTheMeanOfAllPairs) {
  const HeadStatistics fit = Of(Spec(Estimator::kSderf));
  ASSERT_EQ(fit.proposal.size(), static_cast<size_t>(kDim + kDim * kDim));
  const auto u = [&](int64_t row, int64_t column) { return fit.proposal[kDim + row * kDim + column]; };
  // U' M U, M the mean of (x + y)(x + y)'.
  for (int64_t a = 0; a < kDim; ++a) {
    for (int64_t b = 0; b < kDim; ++b) {
      double mean = 0;
      for (const auto& x : queries_) {
        for (const auto& y : keys_) {
          double along_a = 0, along_b = 0;
          for (int64_t l = 0; l < kDim; ++l) {
            along_a += u(l, a) * (x[l] + y[l]);
            along_b += u(l, b) * (x[l] + y[l]);
          }
          mean += kScale * along_a * along_b / static_cast<double>(queries_.size() * keys_.size());
        }
      }
      if (a != b) {
        EXPECT_NEAR(mean, 0, 1e-9);
        continue;
      }
      const double root = std::sqrt((2 * mean + 1) * (2 * mean + 1) + 8 * mean);
      EXPECT_NEAR(fit.proposal[a], -mean / (1 - 2 * mean + root), 1e-9);
    }
  }
}

// Covariances with a share of their mean diagonal on top, as preconditioning sees them.
std::vector<double> RegularisedCovariance(const Rows& rows) {
  const double count = static_cast<double>(rows.size());
  std::vector<double> mean(kDim), covariance(kDim * kDim);
  double mean_square = 0, trace = 0;
  for (const auto& row : rows) {
    mean_square += SquaredNorm(row) / count;
    for (int64_t l = 0; l < kDim; ++l) mean[l] += row[l] / count;
  }
  for (const auto& row : rows) {
    for (int64_t k = 0; k < kDim; ++k) {
      for (int64_t l = 0; l < kDim; ++l) covariance[k * kDim + l] += (row[k] - mean[k]) * (row[l] - mean[l]) / count;
    }
  }
  for (int64_t l = 0; l < kDim; ++l) trace += covariance[l * kDim + l];
  for (int64_t l = 0; l < kDim; ++l) covariance[l * kDim + l] += (0.01 * trace + 1e-6 * mean_square) / kDim;
  return covariance;
}

// T C T' for the transformation T of queries or of keys.
std::vector<double> TransformedCovariance(std::vector<double> covariance, HeadStatistics statistics, Side side) {
  statistics.key_shift.clear();
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<double> result(kDim * kDim);
    for (int64_t k = 0; k < kDim; ++k) {
      const std::vector<double> row(covariance.begin() + k * kDim, covariance.begin() + (k + 1) * kDim);
      const std::vector<double> transformed = Transformed(statistics, row, side);
      for (int64_t l = 0; l < kDim; ++l) result[l * kDim + k] = transformed[l];
    }
    covariance = result;
  }
  return covariance;
}

TEST_F(Fit, OfAPreconditionerMakesQueriesAndKeysAlike) {
  const HeadStatistics fit = Of(Spec(Estimator::kSderf, /*precondition=*/true));
  const auto of_queries = TransformedCovariance(RegularisedCovariance(queries_), fit, Side::kQuery);
  const auto of_keys = TransformedCovariance(RegularisedCovariance(keys_), fit, Side::kKey);
  for (int64_t k = 0; k < kDim; ++k) {
    for (int64_t l = 0; l < kDim; ++l) {
      EXPECT_NEAR(of_queries[k * kDim + l], of_keys[k * kDim + l], 1e-9);
      EXPECT_TRUE(k == l || std::abs(of_queries[k * kDim + l]) < 1e-9) << "the basis is the identity";
    }
    const double lambda = 2 * kScale * of_queries[k * kDim + k];
    const double root = std::sqrt((2 * lambda + 1) * (2 * lambda + 1) + 8 * lambda);
    EXPECT_NEAR(fit.proposal[k], -lambda / (1 - 2 * lambda + root), 1e-9);
  }
  EXPECT_EQ(fit.proposal.size(), static_cast<size_t>(kDim));
  const Rows xs = All(queries_, fit, Side::kQuery), ys = All(keys_, fit, Side::kKey);
  for (int64_t l = 0; l < kDim; ++l) {
    double x_mean = 0, y_mean = 0;
    for (const auto& x : xs) x_mean += x[l] / static_cast<double>(xs.size());
    for (const auto& y : ys) y_mean += y[l] / static_cast<double>(ys.size());
    EXPECT_NEAR(x_mean, -y_mean, 1e-9);
  }
  EXPECT_LT(MeanSquareOfSums(xs, ys), 0.8 * MeanSquareOfSums(queries_, keys_));
}

TEST_F(Fit, OfRowsThatSayNothingChangesNothing) {
  const RowMoments none{0, std::vector<double>(kDim), std::vector<double>(kDim), std::vector<double>(kDim * kDim)};
  const RowMoments zeros{7, std::vector<double>(kDim), std::vector<double>(kDim), std::vector<double>(kDim * kDim)};
  for (const Estimator estimator : {Estimator::kPositive, Estimator::kOprf, Estimator::kSderf, Estimator::kSaderf}) {
    for (const bool precondition : {false, true}) {
      const FeatureSpec spec = Spec(estimator, precondition);
      EXPECT_EQ(FitStatistics(spec, kScale, none, MomentsOf(keys_)), NeutralStatistics(spec, kDim));
      const HeadStatistics fit = FitStatistics(spec, kScale, zeros, zeros);
      for (const double a : fit.proposal) EXPECT_TRUE(std::isfinite(a));
      EXPECT_TRUE(!precondition || fit == NeutralStatistics(spec, kDim));
    }
  }
}

TEST_F(Fit, PassesItsOwnChecks) {
  for (const Estimator estimator : {Estimator::kPositive, Estimator::kOprf, Estimator::kSderf, Estimator::kSaderf}) {
    for (const bool precondition : {false, true}) {
      FeatureSpec spec = Spec(estimator, precondition);
      if (!UsesStatistics(spec)) continue;
      spec.statistics = std::make_shared<const Statistics>(Statistics{{Of(spec)}});
      EXPECT_EQ(CheckStatistics(spec, kDim, 1), absl::OkStatus());
      HeadTransforms transforms(spec, kScale, kDim, 1, favor::testing::TestProjection(6, kDim, 1));
      EXPECT_EQ(transforms.Set(0, spec.statistics->heads[0]), absl::OkStatus());
    }
  }
}

class Checks : public ::testing::Test {
 protected:
  std::string Refusal(FeatureSpec spec, Statistics statistics, int64_t num_key_heads = 1) {
    spec.statistics = std::make_shared<const Statistics>(std::move(statistics));
    absl::Status status = CheckStatistics(spec, 2, num_key_heads);
    if (status.ok() && UsesStatistics(spec)) {
      HeadTransforms transforms(spec, 1, 2, 1, favor::testing::TestProjection(6, 2, 1));
      status = transforms.Set(0, spec.statistics->heads[0]);
    }
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status));
    return std::string(status.message());
  }
};

TEST_F(Checks, NameFieldValueAndBound) {
  const FeatureSpec oprf = Spec(Estimator::kOprf), sderf = Spec(Estimator::kSderf), saderf = Spec(Estimator::kSaderf);
  const FeatureSpec conditioned = Spec(Estimator::kPositive, true);
  EXPECT_EQ(Refusal(oprf, {{{{}, {}, {-0.1}}}}), "");
  EXPECT_THAT(Refusal(oprf, {{{{}, {}, {-0.1}}}}, 2), HasSubstr("statistics.heads has 1 entries, must have one per"));
  EXPECT_THAT(Refusal(oprf, {{{{}, {}, {0.25}}}}),
              HasSubstr("statistics.heads[0].proposal[0] is 0.25, must be from -1e+06 to 0.249"));
  EXPECT_THAT(Refusal(oprf, {{{{}, {}, {NAN}}}}), HasSubstr("statistics.heads[0].proposal[0] is nan"));
  EXPECT_THAT(Refusal(oprf, {{{{}, {}, {}}}}), HasSubstr("statistics.heads[0].proposal has 0 entries, must have 1"));
  EXPECT_THAT(Refusal(oprf, {{{{1, 1}, {}, {-0.1}}}}), HasSubstr("key_shift has 2 entries, must have 0"));
  EXPECT_THAT(Refusal(sderf, {{{{}, {}, {-0.1, -0.1, 1}}}}), HasSubstr("proposal has 3 entries, must have 2 or 6"));
  EXPECT_THAT(Refusal(sderf, {{{{}, {}, {-0.1, -0.1, 1, 0, 1, 0}}}}), HasSubstr("basis U with |U'U - I| up to 1"));
  EXPECT_THAT(Refusal(saderf, {{{{}, {1, 0}, {-0.1}}}}), HasSubstr("statistics.heads[0].query_transform is singular"));
  EXPECT_EQ(Refusal(conditioned, {{{{0, 0}, {1, 2, 3, 4}, {}}}}), "");
  EXPECT_THAT(Refusal(conditioned, {{{{0, 0}, {1, 2, 2, 4}, {}}}}),
              HasSubstr("statistics.heads[0].query_transform is singular"));
  EXPECT_THAT(Refusal(conditioned, {{{{0, 1e14}, {1, 2, 3, 4}, {}}}}), HasSubstr("key_shift[1] is 1e+14"));
  EXPECT_THAT(Refusal(Spec(Estimator::kPositive), {{{{}, {}, {}}}}), HasSubstr("takes none"));
}

TEST(FeaturesId, IsTheProjectionsWithoutStatisticsAndCoversEveryNumberOfThem) {
  EXPECT_EQ(FeaturesId("abc", nullptr), "abc");
  std::set<std::string> ids;
  for (const Statistics& statistics : {Statistics{{{{1, 2}, {3}, {4}}}}, Statistics{{{{1}, {2, 3}, {4}}}},
                                       Statistics{{{{1, 2}, {3}, {5}}}}, Statistics{{{{1, 2}, {3}, {4}}, {}}}}) {
    ids.insert(FeaturesId("abc", &statistics));
    ids.insert(FeaturesId("abd", &statistics));
  }
  EXPECT_EQ(ids.size(), 8u);
  // The encoding is documented, so it must not change.
  const Statistics statistics{{{{1, 2}, {3}, {4}}}};
  EXPECT_EQ(FeaturesId("0123456789abcdef0123456789abcdef", &statistics), "4a8fd4dc86d025a7dd4870521ff2cf41");
}

}  // namespace
}  // namespace favor
