#include "server/config/machine.h"

#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(CpusOfQuota, RoundsUpAndKnowsNoLimit) {
  EXPECT_EQ(internal::CpusOfQuota("200000 100000"), 2);
  EXPECT_EQ(internal::CpusOfQuota("150000 100000"), 2);
  EXPECT_EQ(internal::CpusOfQuota("50000 100000"), 1);
  for (const char* unlimited : {"max 100000", "-1 100000", "", "100000", "1 0"}) {
    EXPECT_EQ(internal::CpusOfQuota(unlimited), 0) << unlimited;
  }
}

TEST(BytesOfLimit, KnowsNoLimit) {
  EXPECT_EQ(internal::BytesOfLimit("1073741824"), 1 << 30);
  EXPECT_EQ(internal::BytesOfLimit("max"), 0);
  EXPECT_EQ(internal::BytesOfLimit(""), 0);
}

TEST(Machine, HasACpuAndMemory) {
  EXPECT_GE(UsableCpus(), 1);
  EXPECT_GT(UsableMemoryBytes(), int64_t{1} << 20);
}

}  // namespace
}  // namespace favor
