#include "server/last_lines.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "gtest/gtest.h"
#include "tests/support/sanitizer.h"

namespace favor {
namespace {

// What was logged before a crash tells why.
TEST(LastLinesDeathTest, AreWrittenBeforeACrashEndsTheProcess) {
  const auto crash_with_lines = [](int signal) {
    const Log log(STDERR_FILENO, LogLevel::kInfo);
    WriteLastLinesOnCrash(&log);
    for (int i = 0; i < 1000; ++i) log.Write(LogLevel::kInfo, "step", {{"number", i}});
    signal == SIGABRT ? std::abort() : static_cast<void>(raise(signal));
  };
  EXPECT_EXIT(crash_with_lines(SIGABRT), ::testing::KilledBySignal(SIGABRT), "\"number\":999");
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer handles the others";
  EXPECT_EXIT(crash_with_lines(SIGSEGV), ::testing::KilledBySignal(SIGSEGV), "\"number\":999");
}

}  // namespace
}  // namespace favor
