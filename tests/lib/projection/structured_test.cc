// Structured projections against the definition of their factors, the laws of these, and how far they are from
// unbiased.
#include "favor/projection/structured.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/lib/projection/sample.h"
#include "tests/support/oracle/projection_matrix.h"

namespace favor {
namespace {

constexpr auto kStructured = ProjectionKind::kStructured;

std::shared_ptr<const Projection> Draw(RowNorms row_norms, uint64_t seed, int64_t num_features, int64_t head_dim) {
  auto projection = DrawProjection({kStructured, row_norms, seed, num_features, head_dim});
  EXPECT_TRUE(projection.ok()) << projection.status();
  return *projection;
}

// Wanted norms of the rows before columns are dropped.
std::vector<double> NormsOf(const Projection& projection) {
  const StructuredFactors factors = *projection.Structured();
  std::vector<double> norms;
  for (int64_t r = 0; r < projection.num_features(); ++r) {
    norms.push_back(factors.row_scales[r] * std::pow(static_cast<double>(factors.size), 1.5));
  }
  return norms;
}

void ExpectProductOfItsFactors(const Projection& projection) {
  const absl::Span<const float> rows = projection.Matrix(0);
  const std::vector<double> expected = testing::MatrixOf(projection).rows;
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    // Rounded once to float32; the oracle's own sums err by some 1e-15 of the row's norm.
    ASSERT_NEAR(rows[i], expected[i], 6.0e-8 * std::abs(expected[i]) + 1e-13)
        << "row " << i / projection.head_dim() << " of " << projection.num_features() << ", column "
        << i % projection.head_dim() << " of " << projection.head_dim();
  }
}

TEST(StructuredProjection, IsTheProductOfItsFactors) {
  for (const RowNorms row_norms : {RowNorms::kChi, RowNorms::kSqrtDim}) {
    for (const int64_t head_dim : {1, 2, 31, 32, 33, 64, 128}) {
      const int64_t size = StructuredSize(head_dim);
      for (const int64_t num_features : {int64_t{1}, size - 1, size, size + 1, 2 * size + 5}) {
        ExpectProductOfItsFactors(*Draw(row_norms, 5, num_features, head_dim));
      }
    }
  }
  ExpectProductOfItsFactors(*Draw(RowNorms::kChi, 6, 20, 512));
}

TEST(StructuredProjection, IsTheProductOfItsFactorsForAnyShape) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 40; ++i) {
    const int64_t head_dim = std::uniform_int_distribution<int64_t>(1, kMaxHeadDim)(random);
    const int64_t num_features = std::uniform_int_distribution<int64_t>(1, head_dim > 100 ? 12 : 300)(random);
    ExpectProductOfItsFactors(*Draw(RowNorms::kChi, random(), num_features, head_dim));
  }
}

TEST(StructuredProjection, PadsHeadDimToAPowerOfTwoOf32AtLeast) {
  for (const auto& [head_dim, size] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 32}, {31, 32}, {32, 32}, {33, 64}, {64, 64}, {65, 128}, {256, 256}, {257, 512}, {512, 512}}) {
    EXPECT_EQ(StructuredSize(head_dim), size) << head_dim;
    EXPECT_EQ(Draw(RowNorms::kChi, 1, 5, head_dim)->Structured()->size, size) << head_dim;
  }
}

TEST(StructuredProjection, IsTheFirstColumnsOfTheOneOfThePaddedSize) {
  for (const int64_t head_dim : {3, 20, 37, 100}) {
    const int64_t size = StructuredSize(head_dim);
    const auto cut = Draw(RowNorms::kChi, 9, size + 3, head_dim);
    const auto whole = Draw(RowNorms::kChi, 9, size + 3, size);
    for (int64_t r = 0; r < size + 3; ++r) {
      const auto begin = whole->Matrix(0).begin() + r * size;
      EXPECT_TRUE(std::equal(begin, begin + head_dim, cut->Matrix(0).begin() + r * head_dim))
          << "row " << r << " of head_dim " << head_dim;
    }
  }
}

TEST(StructuredProjection, HoldsAlignedFactorsAndNoScaleForRowsItDoesNotHave) {
  const auto projection = Draw(RowNorms::kChi, 2, 70, 20);
  const StructuredFactors factors = *projection->Structured();
  EXPECT_EQ(factors.num_blocks, 3);
  for (const float* factor : {factors.signs, factors.signs + factors.size, factors.row_scales}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(factor) % 64, 0u);
  }
  for (int64_t i = 0; i < 3 * 3 * 32; ++i) EXPECT_EQ(std::abs(factors.signs[i]), 1) << i;
  for (int64_t r = 0; r < 3 * 32; ++r) EXPECT_EQ(factors.row_scales[r] > 0, r < 70) << r;
}

TEST(StructuredProjection, IsTheOnlyKindWithFactors) {
  for (const ProjectionKind kind : {ProjectionKind::kOrthogonal, ProjectionKind::kIid}) {
    EXPECT_FALSE((*DrawProjection({kind, RowNorms::kChi, 0, 4, 4}))->Structured().has_value());
  }
  EXPECT_FALSE((*SuppliedProjection({1.0f}, 1, 1, 1))->Structured().has_value());
}

TEST(StructuredProjection, KnowsItsBytesBeforeItIsDrawn) {
  for (const ProjectionKind kind : {ProjectionKind::kOrthogonal, ProjectionKind::kIid, kStructured}) {
    for (const int64_t num_features : {1, 32, 33, 100}) {
      const ProjectionSpec spec{kind, RowNorms::kChi, 0, num_features, 20};
      EXPECT_EQ((*DrawProjection(spec))->num_bytes(), DrawnProjectionBytes(spec));
    }
  }
  EXPECT_EQ(DrawnProjectionBytes({kStructured, RowNorms::kChi, 0, 33, 20}), 4 * (33 * 20 + 2 * 4 * 32));
}

TEST(StructuredProjection, HasOrthogonalRowsWithinABlock) {
  for (const int64_t size : {32, 64}) {
    const auto projection = Draw(RowNorms::kChi, 3, 2 * size, size);
    const absl::Span<const float> rows = projection->Matrix(0);
    const std::vector<double> norms = NormsOf(*projection);
    for (int64_t r = 0; r < 2 * size; ++r) {
      for (int64_t s = r / size * size; s <= r; ++s) {
        double dot = 0;
        for (int64_t c = 0; c < size; ++c) dot += static_cast<double>(rows[r * size + c]) * rows[s * size + c];
        ASSERT_NEAR(dot / (norms[r] * norms[s]), r == s, 1e-6);  // entries are rounded to float32: 6e-8 each
      }
    }
  }
}

TEST(StructuredProjection, HasIndependentChiDistributedNorms) {
  constexpr double kSize = 32;
  Sample norm, square, fourth, neighbours, blocks;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const std::vector<double> norms = NormsOf(*Draw(RowNorms::kChi, seed, 16384, 20));
    const auto centred = [&](size_t r) { return norms[r] * norms[r] - kSize; };
    for (size_t r = 0; r < norms.size(); ++r) {
      norm.Add(norms[r]);
      square.Add(norms[r] * norms[r]);
      fourth.Add(std::pow(norms[r], 4));
      if (r >= 1) neighbours.Add(centred(r) * centred(r - 1));
      if (r >= 32) blocks.Add(centred(r) * centred(r - 32));
    }
  }
  EXPECT_LT(norm.DistanceTo(std::sqrt(2) * std::exp(std::lgamma((kSize + 1) / 2) - std::lgamma(kSize / 2))), 4);
  EXPECT_LT(square.DistanceTo(kSize), 4);
  EXPECT_LT(fourth.DistanceTo(kSize * (kSize + 2)), 4);
  EXPECT_LT(neighbours.DistanceTo(0), 4);
  EXPECT_LT(blocks.DistanceTo(0), 4);
}

TEST(StructuredProjection, HasNormsOfSqrtOfThePaddedSizeWhenAskedFor) {
  for (const double norm : NormsOf(*Draw(RowNorms::kSqrtDim, 1, 100, 64))) EXPECT_EQ(norm, 8);
  // Columns dropped from a block leave the mean square of its norms at head_dim.
  const auto cut = Draw(RowNorms::kSqrtDim, 1, 64, 40);
  double squares = 0;
  for (const float w : cut->Matrix(0)) squares += static_cast<double>(w) * w;
  EXPECT_NEAR(squares / 64, 40, 1e-5);
}

TEST(StructuredProjection, HasFairSignsThatAreIndependentOfEachOther) {
  Sample mean, neighbours, matrices, blocks;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const auto projection = Draw(RowNorms::kSqrtDim, seed, 16384, 64);
    const StructuredFactors factors = *projection->Structured();
    for (int64_t i = 0; i < factors.num_blocks * 3 * 64; ++i) {
      mean.Add(factors.signs[i]);
      if (i >= 1) neighbours.Add(factors.signs[i] * factors.signs[i - 1]);
      if (i >= 64) matrices.Add(factors.signs[i] * factors.signs[i - 64]);
      if (i >= 192) blocks.Add(factors.signs[i] * factors.signs[i - 192]);
    }
  }
  EXPECT_LT(mean.DistanceTo(0), 4);
  EXPECT_LT(neighbours.DistanceTo(0), 4);
  EXPECT_LT(matrices.DistanceTo(0), 4);
  EXPECT_LT(blocks.DistanceTo(0), 4);
}

// E[exp(norm t)] over a chi distributed norm and both signs of t: 1F1(size / 2; 1/2; t^2 / 2), as
// E[norm^2k] = 2^k (size / 2)(size / 2 + 1)...(size / 2 + k - 1).
double MeanOverNorms(double t, double size) {
  double term = 1, sum = 1;
  for (int k = 0; term > 1e-9 * sum; ++k) {
    term *= (size / 2 + k) * t * t / 2 / ((0.5 + k) * (k + 1));
    sum += term;
  }
  return sum;
}

// E[exp(w.z - |z|^2/2)] - 1 over chi norms, by the directions of a quarter of a million rows drawn: nothing but
// their own spread is left of the variance.
double BiasAt(const std::vector<double>& z) {
  const int64_t head_dim = z.size();
  const double size = StructuredSize(head_dim);
  double square = 0;
  for (const double x : z) square += x * x;
  Sample estimate;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const auto projection = Draw(RowNorms::kSqrtDim, seed, 65536, head_dim);
    const float* w = projection->Matrix(0).data();
    for (int64_t r = 0; r < 65536; ++r, w += head_dim) {
      double dot = 0;
      for (int64_t c = 0; c < head_dim; ++c) dot += w[c] * z[c];
      estimate.Add(MeanOverNorms(dot / std::sqrt(size), size));
    }
  }
  return estimate.Mean() * std::exp(-square / 2) - 1;
}

// Along an axis, along the sum of a few, along all, and at random.
std::vector<std::vector<double>> Directions(int64_t head_dim) {
  std::vector<std::vector<double>> directions;
  for (const int64_t count : {int64_t{1}, int64_t{2}, int64_t{4}, head_dim}) {
    directions.emplace_back(head_dim);
    std::fill_n(directions.back().begin(), count, 1 / std::sqrt(static_cast<double>(count)));
  }
  std::mt19937_64 random(17);
  std::vector<double> gaussian(head_dim);
  double square = 0;
  for (double& x : gaussian) {
    x = std::normal_distribution<double>()(random);
    square += x * x;
  }
  for (double& x : gaussian) x /= std::sqrt(square);
  directions.push_back(gaussian);
  return directions;
}

TEST(StructuredProjection, EstimatesTheSoftmaxKernelWithALittleBiasAtMost) {
  for (const int64_t head_dim : {5, 48}) {
    for (const std::vector<double>& direction : Directions(head_dim)) {
      for (const double norm : {1.0, 1.5}) {
        std::vector<double> z = direction;
        for (double& x : z) x *= norm;
        // Standard errors are 0.04% and 0.1%; the bias along an axis 0.03% and 0.1% at the padded size 32. With two
        // factors instead of three it would be 0.3% and 0.9%.
        EXPECT_NEAR(BiasAt(z), 0, norm == 1 ? 0.002 : 0.007)
            << "head_dim " << head_dim << ", direction starts " << direction[0] << ", norm " << norm;
      }
    }
  }
}

}  // namespace
}  // namespace favor
