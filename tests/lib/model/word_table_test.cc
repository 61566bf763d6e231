#include "favor/model/word_table.h"

#include <random>
#include <vector>

#include "favor/format/half_float.h"
#include "favor/format/safetensors.h"
#include "favor/kernels/cpu_target.h"
#include "favor/kernels/tile.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

template <typename Element>
StoredTensor Stored(const std::string& dtype, int64_t rows, int64_t dim, const std::vector<Element>& values) {
  return {"words",
          dtype,
          {rows, dim},
          {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(Element)}};
}

// Rows of a head have at most 512 values, those of a vocabulary may have thousands.
TEST(WordTable, ReadsWideRowsOfEveryTypeOnEveryCpuTarget) {
  const int64_t rows = 3, dim = 1100;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> half(rows * dim), bfloat(rows * dim);
  std::vector<float> single(rows * dim);
  for (int64_t i = 0; i < rows * dim; ++i) {
    half[i] = Float16FromFloat32(normal(random));
    bfloat[i] = BFloat16FromFloat32(normal(random));
    single[i] = normal(random);
  }
  const std::string path = ::testing::TempDir() + "/word_table.safetensors";
  for (const StoredTensor& stored :
       {Stored("F16", rows, dim, half), Stored("BF16", rows, dim, bfloat), Stored("F32", rows, dim, single)}) {
    ASSERT_TRUE(WriteSafetensors(path, {stored}).ok());
    Weights weights = Weights::Open(path).value();
    const WordTable table = WordTable::Load("words", rows, dim, &weights);
    ASSERT_TRUE(weights.status().ok()) << weights.status();
    EXPECT_EQ(table.num_bytes(), static_cast<int64_t>(stored.data.size())) << "kept in its own type";
    for (const std::string& target : SupportedCpuTargets()) {
      ASSERT_TRUE(ForceCpuTargetForTest(target));
      for (int64_t row = 0; row < rows; ++row) {
        std::vector<float> read(kernels::Padded(dim), 1e9f);
        table.Read(row, read.data());
        for (int64_t l = 0; l < dim; ++l) {
          const int64_t at = row * dim + l;
          const float want = stored.dtype == "F16"    ? Float32FromFloat16(half[at])
                             : stored.dtype == "BF16" ? Float32FromBFloat16(bfloat[at])
                                                      : single[at];
          ASSERT_EQ(read[l], want) << stored.dtype << " on " << target << ", value " << l;
        }
      }
    }
    ForceCpuTargetForTest("");
  }
}

}  // namespace
}  // namespace favor
