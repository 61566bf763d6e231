// The bound on the server's memory at its full size: a message of 614 MB.
#include <string>

#include "gtest/gtest.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/large_call.h"

namespace favor::testing {
namespace {

TEST(LongMemory, CausalCallOfAHundredThousandTokensTakesLittleMoreThanItsTensors) {
  if (!MemoryIsMeasurable()) GTEST_SKIP() << "under a sanitizer";
  Favord favord({.flags = {"--max-message-size", "1GiB", "--memory-budget", "2GiB"}});
  const LargeCall call = CallWithTokens(favord, 100'000);
  EXPECT_LE(call.peak_resident_bytes, 1.5 * (614.4e6 + 204.8e6) + 100e6);
  RecordProperty("peak_resident_mb", std::to_string(call.peak_resident_bytes / 1'000'000));
}

}  // namespace
}  // namespace favor::testing
