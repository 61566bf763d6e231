// The same seed gives the same bits with every compiler, at every optimisation level, on every machine, in every
// release: a stored projection id promises it. If one of these fails, either the build breaks IEEE 754 (fused or
// reassociated operations) or the draw was changed, which needs a new kProjectionIdVersion.
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "favor/base/hash128.h"
#include "favor/projection/gaussian.h"
#include "favor/projection/orthonormal.h"
#include "favor/projection/projection.h"

namespace favor {
namespace {

struct Golden {
  ProjectionSpec spec;
  std::string rows_hash;  // XXH3-128 of the matrix, little-endian
  std::string id;
};

constexpr auto kOrthogonal = ProjectionKind::kOrthogonal;
constexpr auto kIid = ProjectionKind::kIid;
constexpr auto kStructured = ProjectionKind::kStructured;

const Golden kGoldens[] = {
    {{kOrthogonal, RowNorms::kChi, 0, 256, 64}, "87cb4d9ee5fbcbd24dddd0eacd7830b2", "47a54e88af0c26d4a1d2a5b9dc49c851"},
    {{kOrthogonal, RowNorms::kSqrtDim, 0, 256, 64},
     "913bfe4663977b26f84750a47bf228d4",
     "208a56dea6b22ab38134ea6decd8db86"},
    {{kIid, RowNorms::kChi, 0, 256, 64}, "ba689215bb80f244f9246cd13baa0238", "8ba6fb63d725306d6998f0facf8a833f"},
    {{kOrthogonal, RowNorms::kChi, 0x123456789abcdef0, 100, 37},
     "a1cb396e4d7f7bc25255ee47c02b943c",
     "08c486f69052ee099b36c77e03bf1b03"},
    {{kOrthogonal, RowNorms::kChi, ~uint64_t{0}, 3, 1},
     "f3cc2775d7f87b404f71879bf50622e9",
     "71e28f41dd95c6766025e5dd5242ab50"},
    {{kOrthogonal, RowNorms::kChi, 7, 700, 512},
     "448cfc274a3ddab8e257050faf4de73d",
     "53b743d72cfdef18737455b9eab95a4c"},
    {{kIid, RowNorms::kChi, 42, 65, 7}, "5d562fba0896d7f00c69682ce28c8a4f", "d871fca19739904edb0277930688b692"},
    {{kStructured, RowNorms::kChi, 0, 256, 64}, "5d646607351dbc7441700224a8eb18bd", "8a6b0c8005ad6b826944ac09d98b6c5f"},
    {{kStructured, RowNorms::kSqrtDim, 0, 256, 64},
     "237d2647b6af675135d3bf47d4c33bff",
     "30da4c343d58af7ac58a8979557b6a77"},
    {{kStructured, RowNorms::kChi, 0x123456789abcdef0, 100, 37},
     "2c1738e19aaf22d8da5d2bcfd7e8dbcb",
     "e433a8604297074351d4eee609f5ea2c"},
    {{kStructured, RowNorms::kChi, ~uint64_t{0}, 3, 1},
     "60c4e3f409bc2dda4836001d6b8b0eb1",
     "ee05492e6d48d8aef72489fdc8676685"},
    {{kStructured, RowNorms::kChi, 7, 700, 512},
     "50dd6eedba834586bbec61fd23006339",
     "4cc83c56a8521d708c39919a899d24b5"},
};

TEST(ProjectionBits, EqualTheGoldensOfVersionOne) {
  for (const Golden& golden : kGoldens) {
    SCOPED_TRACE(testing::Message() << "head_dim " << golden.spec.head_dim << ", seed " << golden.spec.seed);
    const auto projection = DrawProjection(golden.spec);
    ASSERT_TRUE(projection.ok()) << projection.status();
    EXPECT_EQ(FieldHasher().AddFloats((*projection)->Matrix(0)).HexDigest128(), golden.rows_hash);
    EXPECT_EQ((*projection)->id(), golden.id);
  }
}

TEST(ProjectionBits, OfTheFactorsEqualTheGoldensOfVersionOne) {
  const auto projection = DrawProjection({kStructured, RowNorms::kChi, 0x123456789abcdef0, 200, 67});
  ASSERT_TRUE(projection.ok()) << projection.status();
  const auto factors = (*projection)->Structured();
  ASSERT_TRUE(factors.has_value());
  EXPECT_EQ(FieldHasher().AddFloats(absl::MakeConstSpan(factors->signs, 2 * 3 * 128)).HexDigest128(),
            "cd14b3e9cc40a654f21e103c6fde9689");
  EXPECT_EQ(FieldHasher().AddFloats(absl::MakeConstSpan(factors->row_scales, 2 * 128)).HexDigest128(),
            "e069b78595944c540ab5f09063daf34a");
}

std::string HashOfDoubles(absl::Span<const double> values) {
  FieldHasher hasher;
  for (double value : values) hasher.AddUint64(std::bit_cast<uint64_t>(value));
  return hasher.HexDigest128();
}

// Rounding to float32 hides all but one in 10^8 of the last bits that a fused or reordered operation changes. So look
// at the doubles too, at a width that fills no whole vector.
TEST(ProjectionBits, EqualTheGoldensBeforeTheyAreRoundedToFloat32) {
  constexpr int64_t kHeadDim = 37;
  constexpr int64_t kStride = internal::RowStride(kHeadDim);
  std::vector<double> rows(kHeadDim * kStride);
  for (int64_t r = 0; r < kHeadDim; ++r) {
    internal::DrawGaussianRow({123, internal::GaussianStream::kDirections, kHeadDim, 4}, r,
                              absl::MakeSpan(rows).subspan(r * kStride, kHeadDim));
  }
  EXPECT_EQ(HashOfDoubles(rows), "b8eb8b5d7bfb825ce95ab9a7de45733f");
  for (int64_t r = 0; r < kHeadDim; ++r) internal::OrthonormalizeRow(rows.data(), r, kStride);
  EXPECT_EQ(HashOfDoubles(rows), "5a3715182c042c2f7da1a4a039d7ae80");
}

std::string HexHash(absl::string_view bytes) { return FieldHasher().AddBytes(bytes).HexDigest128(); }

TEST(ProjectionId, OfADrawnProjectionHashesTheDocumentedBytes) {
  const auto orthogonal = DrawProjection({kOrthogonal, RowNorms::kSqrtDim, 0x0102030405060708, 0x0201, 5});
  ASSERT_TRUE(orthogonal.ok());
  EXPECT_EQ((*orthogonal)->id(), HexHash(absl::string_view("favorprj\x01\x01\x02"
                                                           "\x08\x07\x06\x05\x04\x03\x02\x01"
                                                           "\x01\x02\0\0\0\0\0\0"
                                                           "\x05\0\0\0\0\0\0\0",
                                                           35)));
  const auto structured = DrawProjection({kStructured, RowNorms::kChi, 1, 2, 3});
  ASSERT_TRUE(structured.ok());
  EXPECT_EQ((*structured)->id(), HexHash(absl::string_view("favorprj\x01\x04\x01"
                                                           "\x01\0\0\0\0\0\0\0"
                                                           "\x02\0\0\0\0\0\0\0"
                                                           "\x03\0\0\0\0\0\0\0",
                                                           35)));
  // iid projections have no norms to choose: the setting does not make another projection.
  for (RowNorms ignored : {RowNorms::kChi, RowNorms::kSqrtDim}) {
    const auto iid = DrawProjection({kIid, ignored, 1, 2, 3});
    ASSERT_TRUE(iid.ok());
    EXPECT_EQ((*iid)->id(), HexHash(absl::string_view("favorprj\x01\x02\0"
                                                      "\x01\0\0\0\0\0\0\0"
                                                      "\x02\0\0\0\0\0\0\0"
                                                      "\x03\0\0\0\0\0\0\0",
                                                      35)));
  }
}

TEST(ProjectionId, OfASuppliedProjectionHashesTheDocumentedBytes) {
  const auto supplied = SuppliedProjection({1.0f, -2.0f}, 1, 2, 1);
  ASSERT_TRUE(supplied.ok());
  EXPECT_EQ((*supplied)->id(), HexHash(absl::string_view("favorprj\x01\x03"
                                                         "\x01\0\0\0\0\0\0\0"
                                                         "\x02\0\0\0\0\0\0\0"
                                                         "\x01\0\0\0\0\0\0\0"
                                                         "\0\0\x80\x3f"
                                                         "\0\0\0\xc0",
                                                         42)));
}

}  // namespace
}  // namespace favor
