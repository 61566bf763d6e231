// Memory of the server: what calls of ten thousand tokens take, and that it comes back.
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"

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
  // Until as much lies idle as the server keeps for the next calls (server/execution/heap_trim.h).
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

}  // namespace
}  // namespace favor::testing
