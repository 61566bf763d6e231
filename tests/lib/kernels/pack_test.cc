#include "favor/kernels/pack.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "favor/format/half_float.h"
#include "favor/kernels/tile.h"
#include "tests/lib/kernels/every_target.h"

namespace favor::kernels {
namespace {

class PackTest : public EveryTarget {};
FAVOR_ON_EVERY_TARGET(PackTest);

// Rows of any type at an odd address, `stride` elements apart, `gap` elements between neighbours in a row.
struct Source {
  Source(DataType type, int64_t count, int64_t dim, int64_t gap, std::vector<float> values)
      : bytes(count * dim * gap * SizeOf(type) + 1),
        rows{bytes.data() + 1, type, dim * gap, gap, count, dim},
        exact(std::move(values)) {
    for (int64_t i = 0; i < count * dim; ++i) {
      std::byte* at = bytes.data() + 1 + i * gap * SizeOf(type);
      const uint16_t bits = type == DataType::kFloat16 ? Float16FromFloat32(exact[i]) : BFloat16FromFloat32(exact[i]);
      if (type == DataType::kFloat32) {
        std::memcpy(at, &exact[i], 4);
      } else {
        exact[i] = type == DataType::kFloat16 ? Float32FromFloat16(bits) : Float32FromBFloat16(bits);
        std::memcpy(at, &bits, 2);
      }
    }
  }
  std::vector<std::byte> bytes;
  Rows rows;
  std::vector<float> exact;
};

TEST_P(PackTest, RowsOfAnyTypeStrideAndAddressArriveScaledAndPadded) {
  for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    for (const int64_t gap : {1, 3}) {
      for (const int64_t dim : {1, 15, 16, 17, 64, 100}) {
        const int64_t count = Integer(1, kTile), stride = Padded(dim);
        const Source source(type, count, dim, gap, Normal(count * dim));
        std::vector<float> out(count * stride, -7.0f), tile(dim * kTile, -7.0f);
        ASSERT_EQ(PackRows(source.rows, 0.5f, true, out.data(), stride), count);
        Transpose(out.data(), stride, count, dim, tile.data(), kTile);
        for (int64_t t = 0; t < count; ++t) {
          for (int64_t l = 0; l < stride; ++l) {
            ASSERT_EQ(out[t * stride + l], l < dim ? 0.5f * source.exact[t * dim + l] : 0.0f);
          }
        }
        for (int64_t l = 0; l < dim; ++l) {
          for (int64_t t = 0; t < kTile; ++t) {
            ASSERT_EQ(tile[l * kTile + t], t < count ? out[t * stride + l] : 0.0f);
          }
        }
      }
    }
  }
}

TEST_P(PackTest, TheFirstRowThatIsNotFiniteIsFound) {
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity()}) {
    for (int trial = 0; trial < 30; ++trial) {
      const int64_t dim = Integer(1, 40), count = Integer(2, kTile), row = Integer(0, count - 1);
      Source source(DataType::kFloat32, count, dim, 1, Normal(count * dim));
      std::memcpy(source.bytes.data() + 1 + (row * dim + Integer(0, dim - 1)) * 4, &poison, 4);
      std::vector<float> out(count * Padded(dim));
      EXPECT_EQ(PackRows(source.rows, 1, true, out.data(), Padded(dim)), row);
    }
  }
}

TEST_P(PackTest, HugeMagnitudesAreBroughtDownOnlyWhenAsked) {
  const Source source(DataType::kFloat32, 1, 2, 1, {3e38f, -3e38f});
  std::vector<float> out(kPad);
  PackRows(source.rows, 10, true, out.data(), kPad);
  EXPECT_EQ(out[0], kMaxMagnitude);
  EXPECT_EQ(out[1], -kMaxMagnitude);
  PackRows(source.rows, 1, false, out.data(), kPad);
  EXPECT_EQ(out[0], 3e38f);
}

TEST_P(PackTest, NormsAreSumsOfSquares) {
  const std::vector<float> tile = Normal(33 * kTile);
  std::vector<float> norms(kTile);
  SquaredNorms(tile.data(), 33, kTile, norms.data());
  for (int64_t t = 0; t < kTile; ++t) {
    double exact = 0;
    for (int64_t l = 0; l < 33; ++l) exact += std::pow(static_cast<double>(tile[l * kTile + t]), 2);
    EXPECT_NEAR(norms[t] / exact, 1, 2e-6);
  }
}

TEST_P(PackTest, DegenerateRowsBecomeZerosAndAreCounted) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> denominators = {2, 0, -1, nan, infinity, 1};
  for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16}) {
    std::vector<float> sums(6 * kPad, 3.0f);
    sums[5 * kPad + 2] = infinity;
    std::vector<std::byte> bytes(6 * 3 * 2 * SizeOf(type) + 1, std::byte{0xAB});
    const MutableRows out{bytes.data() + 1, type, 6, 2, 6, 3};
    EXPECT_EQ(StoreNormalised(sums.data(), kPad, denominators.data(), out), 5);
    for (int64_t t = 0; t < 6; ++t) {
      for (int64_t n = 0; n < 3; ++n) {
        const std::byte* at = bytes.data() + 1 + (t * 6 + n * 2) * SizeOf(type);
        EXPECT_EQ(LoadValue(at, type), t == 0 ? 1.5f : 0.0f);
        if (t * 3 + n < 17) {
          EXPECT_EQ(at[SizeOf(type)], std::byte{0xAB}) << "wrote between the elements";
        }
      }
    }
  }
}

TEST_P(PackTest, DenominatorsOfEitherSignDivideWhereTheyAreAllowed) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> denominators = {2, -2, 0, -infinity};
  const std::vector<float> sums(4 * kPad, 3.0f);
  std::vector<float> row(4);
  const MutableRows out{reinterpret_cast<std::byte*>(row.data()), DataType::kFloat32, 1, 1, 4, 1};
  EXPECT_EQ(StoreNormalised(sums.data(), kPad, denominators.data(), out, Denominators::kOfEitherSign), 2);
  EXPECT_EQ(row, (std::vector<float>{1.5f, -1.5f, 0, 0}));
}

// What rounds to a type's largest value fits it, and what would round to infinity does not.
TEST_P(PackTest, ResultsBeyondTheTypeOfTheOutputAreCounted) {
  const struct {
    DataType type;
    float fits, largest, beyond;
  } cases[] = {{DataType::kFloat16, 65519.996f, 65504.0f, 65520.0f},
               {DataType::kBFloat16, 0x1.FEFFFEp127f, 0x1.FEp127f, 0x1.FFp127f}};
  for (const auto& [type, fits, largest, beyond] : cases) {
    std::vector<float> sums(2 * kPad, 1.0f);
    sums[1] = -fits;
    sums[kPad + 1] = -beyond;
    const float denominators[] = {1, 1};
    std::vector<std::byte> bytes(2 * 3 * 2);
    const MutableRows out{bytes.data(), type, 3, 1, 2, 3};
    EXPECT_EQ(StoreNormalised(sums.data(), kPad, denominators, out), 1);
    EXPECT_EQ(LoadValue(bytes.data(), type), 1.0f);
    EXPECT_EQ(LoadValue(bytes.data() + 2, type), -largest);
    for (int64_t n = 0; n < 3; ++n) EXPECT_EQ(LoadValue(bytes.data() + (3 + n) * 2, type), 0.0f);
  }
}

}  // namespace
}  // namespace favor::kernels
