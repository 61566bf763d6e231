#include "favor/model/word_table.h"

#include <random>
#include <vector>

#include "favor/format/half_float.h"
#include "favor/format/safetensors.h"
#include "favor/kernels/cpu_target.h"
#include "favor/kernels/tile.h"
#include "gtest/gtest.h"
#include "tests/support/little_memory.h"

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

// The table of a multilingual model has a gigabyte; nothing but its own copy is to stand beside the file.
TEST(WordTable, IsNotWidenedToBeChecked) {
  const int64_t rows = 1 << 14, dim = 1 << 10;  // 32 MiB as F16, 64 MiB as F32
  const std::string path = ::testing::TempDir() + "/large_word_table.safetensors";
  {
    const std::vector<uint16_t> half(rows * dim, Float16FromFloat32(0.5f));
    ASSERT_TRUE(WriteSafetensors(path, {Stored("F16", rows, dim, half)}).ok());
  }
  Weights weights = Weights::Open(path).value();
  const testing::LittleMemory memory(/*megabytes=*/56);
  EXPECT_EQ(WordTable::Load("words", rows, dim, &weights).num_bytes(), rows * dim * 2);
  EXPECT_TRUE(weights.status().ok()) << weights.status();
  EXPECT_EQ(weights.num_read(), rows * dim);
}

TEST(WordTable, NamesAValueThatIsNotFiniteWhereverItStands) {
  const int64_t rows = 3, dim = 60'000;  // more than is looked at at a time
  const std::string path = ::testing::TempDir() + "/infinite_word_table.safetensors";
  std::vector<uint16_t> bfloat(rows * dim, BFloat16FromFloat32(1.0f));
  bfloat[150'000] = 0x7F80;
  std::vector<double> wide(rows * dim, 1.0);
  wide[150'000] = 1e300;
  for (const StoredTensor& stored : {Stored("BF16", rows, dim, bfloat), Stored("F64", rows, dim, wide)}) {
    ASSERT_TRUE(WriteSafetensors(path, {stored}).ok());
    Weights weights = Weights::Open(path).value();
    WordTable::Load("words", rows, dim, &weights);
    EXPECT_EQ(weights.status().message(),
              "infinite_word_table.safetensors: words holds inf at position 150000, weights must be finite");
  }
}

}  // namespace
}  // namespace favor
