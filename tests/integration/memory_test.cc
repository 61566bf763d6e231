// Memory of the server: what calls of ten thousand tokens take, and that it comes back.
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor::testing {
namespace {

constexpr int64_t kMB = 1'000'000;

TEST(Memory, CausalCallTakesLittleMoreThanItsTensors) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "under a sanitizer";
  Favord favord;
  const LargeCall call = CallWithTokens(favord, 10'000);
  EXPECT_GE(call.request_bytes, 61'440'000);
  EXPECT_GE(call.response_bytes, 20'480'000);
  // The bound of the call of 100,000 tokens, in proportion; a program, its libraries and pools are the 100 MB.
  EXPECT_LE(call.peak_resident_bytes, 1.5 * static_cast<double>(call.request_bytes + call.response_bytes) + 100 * kMB);
  RecordProperty("peak_resident_mb", std::to_string(call.peak_resident_bytes / kMB));
}

TEST(Memory, DoesNotGrowFromCallToCall) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "under a sanitizer";
  Favord favord;
  // Until as much lies idle as the server keeps for the next calls (server/rpc/heap_trim.h).
  for (int i = 0; i < 16; ++i) CallWithTokens(favord, 5'000);
  const double settled = static_cast<double>(favord.PeakResidentBytes());
  LargeCall call;
  for (int i = 0; i < 20; ++i) call = CallWithTokens(favord, 5'000);
  // Twenty calls more take what sixteen took, give or take how the holes in the heap happen to lie.
  EXPECT_LE(favord.PeakResidentBytes(), 1.15 * settled + 10 * kMB);
  EXPECT_LE(favord.PeakResidentBytes(),
            1.5 * static_cast<double>(call.request_bytes + call.response_bytes) + 100 * kMB);
  EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
}

// Pages that process `pid` has taken from the system so far without a disk: field 10 of /proc/PID/stat, counted from
// the closing bracket of field 2, which may hold anything.
int64_t PagesTaken(pid_t pid) {
  const std::string stat = ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(stat.rfind(')') + 2), ' ');
  return std::stoll(fields.at(10 - 3));
}

TEST(Memory, IsUsedAgainByTheNextCallNotTakenFromTheSystemAnew) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "under a sanitizer";
  Favord favord;
  LargeCall call;
  for (int i = 0; i < 4; ++i) call = CallWithTokens(favord, 5'000);
  const int64_t before = PagesTaken(favord.process().pid());
  for (int i = 0; i < 8; ++i) CallWithTokens(favord, 5'000);
  const int64_t taken = (PagesTaken(favord.process().pid()) - before) / 8;
  const int64_t pages = (2 * call.request_bytes + call.response_bytes) / 4096;
  // The message, the tensors and the output are of so many pages; given back after every call, two thirds of them would
  // be taken anew.
  EXPECT_LE(taken, pages / 2);
  RecordProperty("pages_taken_per_call", std::to_string(taken));
}

}  // namespace
}  // namespace favor::testing
