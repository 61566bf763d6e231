// The harness itself: what goes wrong in a child process after a test has looked at it must not stay unseen.
#include "tests/integration/harness/process.h"

#include <signal.h>

#include <cstdlib>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {
namespace {

// Runs a line of the shell in a Process that nobody waits for, and lets the object go once the line has printed "here".
void LeaveAlone(const std::string& line) {
  Process process({.arguments = {"/bin/sh", "-c", line}});
  const auto here = [](const std::string& text) {
    return text.find("here") == std::string::npos ? std::nullopt : std::optional<std::string>(text);
  };
  EXPECT_TRUE(process.out().Await(here, absl::Seconds(30)).has_value());
  if (line.find("sleep") == std::string::npos) {
    EXPECT_TRUE(process.AwaitExit(absl::Seconds(30)).has_value());
  }
}

TEST(Process, ThatCrashesUnnoticedFailsItsTest) {
  EXPECT_NONFATAL_FAILURE(LeaveAlone("echo here; kill -SEGV $$"), "ended by signal 11");
  EXPECT_NONFATAL_FAILURE(LeaveAlone("echo here; kill -ABRT $$"), "ended by signal 6");
}

TEST(Process, WhatASanitizerReportsFailsItsTest) {
  EXPECT_NONFATAL_FAILURE(LeaveAlone("echo 'SUMMARY: AddressSanitizer: heap-use-after-free x.cc:1' >&2; echo here"),
                          "heap-use-after-free");
  EXPECT_NONFATAL_FAILURE(LeaveAlone("echo 'SUMMARY: UndefinedBehaviorSanitizer: x.cc:1' >&2; echo here"), "x.cc:1");
}

TEST(Process, MayFailMayBeKilledAndMayEndByASignalThatOthersSend) {
  LeaveAlone("echo here; exit 3");
  LeaveAlone("echo here; kill -KILL $$");
  LeaveAlone("echo here; kill -TERM $$");
  LeaveAlone("echo here; exec sleep 60");
}

// Only a program that ends by itself looks for leaks, and a shell that traps SIGTERM says that it was told to.
TEST(Process, IsToldToEndUnderASanitizerBeforeItIsKilled) {
  if (!kSanitized) GTEST_SKIP() << "no sanitizer";
  const std::string report = "echo SUMMARY: LeakSanitizer: 8 bytes >&2; exit 23";
  EXPECT_NONFATAL_FAILURE(LeaveAlone("trap '" + report + "' TERM; echo here; while :; do sleep 0.1; done"), "8 bytes");
  EXPECT_NONFATAL_FAILURE(LeaveAlone("trap '" + report + "' TERM; echo here; kill -STOP $$; sleep 60"), "8 bytes");
}

TEST(Process, HasTheOptionsOfItsTestsSanitizer) {
  if (!kSanitized) GTEST_SKIP() << "no sanitizer";
  setenv("LSAN_OPTIONS", "report_objects=0", /*overwrite=*/1);
  const Finished finished = favor::testing::Run({.arguments = {"/bin/sh", "-c", "echo $LSAN_OPTIONS"}});
  unsetenv("LSAN_OPTIONS");
  EXPECT_EQ(finished.out, "report_objects=0\n");
}

}  // namespace
}  // namespace favor::testing
