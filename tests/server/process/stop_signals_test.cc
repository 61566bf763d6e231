#include "server/stop_signals.h"

#include "gtest/gtest.h"

namespace favor {
namespace {

TEST(StopSignals, AHangupDuringAWaitForTheEndIsLeftToTheNext) {
  StopSignals signals;
  raise(SIGHUP);
  EXPECT_FALSE(signals.WaitFor(absl::Milliseconds(1)));
  raise(SIGTERM);
  EXPECT_TRUE(signals.WaitFor(absl::Seconds(60)));
  EXPECT_EQ(signals.Wait(absl::ZeroDuration()), SIGHUP);
  EXPECT_EQ(signals.Wait(absl::Milliseconds(1)), 0);
}

}  // namespace
}  // namespace favor
