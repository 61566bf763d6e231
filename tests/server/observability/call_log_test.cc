#include "server/observability/call_log.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class CallLogTest : public ::testing::Test {
 protected:
  CallLogTest() { EXPECT_EQ(pipe(ends_), 0); }
  ~CallLogTest() override { close(ends_[0]); }

  void End(const CallLog& log, const absl::Status& status, absl::Duration total = absl::Milliseconds(1)) {
    log.Write({"service",
               "Method",
               status,
               "ipv4:127.0.0.1:1",
               key_,
               trace_,
               {1, 10},
               {1, 20},
               {absl::Milliseconds(2), absl::Milliseconds(3)},
               total,
               true});
  }
  // All lines; to be called once, at the end.
  std::vector<std::string> Lines(const Log& log) {
    EXPECT_TRUE(log.Flush(absl::Seconds(60)));
    close(ends_[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(ends_[0], buffer, sizeof buffer)) > 0;) text.append(buffer, count);
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
  Log To(LogLevel level) const { return Log(ends_[1], level); }

  int ends_[2] = {-1, -1};
  std::string key_;
  TraceContext trace_;
};

TEST_F(CallLogTest, ALineTellsSizesTimesKeyAndTrace) {
  const Log log = To(LogLevel::kInfo);
  key_ = "alice";
  trace_ = {"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", true};
  End(CallLog(&log, {}), absl::OkStatus());
  const auto lines = Lines(log);
  ASSERT_THAT(lines, SizeIs(1));
  for (const char* part :
       {R"("level":"info")", R"("event":"call")", R"("method":"Method")", R"("code":"OK")", R"("request_bytes":10)",
        R"("response_bytes":20)", R"("queue_ms":2.0)", R"("compute_ms":3.0)", R"("peer":"ipv4:127.0.0.1:1")",
        R"("key":"alice")", R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736")"}) {
    EXPECT_THAT(lines[0], HasSubstr(part));
  }
  EXPECT_THAT(lines[0], Not(HasSubstr("slow")));
}

TEST_F(CallLogTest, OfOrdinaryCallsASampleIsWritten) {
  const Log log = To(LogLevel::kInfo);
  const CallLog calls(&log, {.log_every = 10});
  for (int i = 0; i < 20; ++i) End(calls, absl::OkStatus());
  for (int i = 0; i < 20; ++i) End(calls, absl::ResourceExhaustedError("full"));
  EXPECT_THAT(Lines(log), SizeIs(4));
}

TEST_F(CallLogTest, ErrorsAndSlowCallsAreWrittenWhateverTheSample) {
  const Log log = To(LogLevel::kInfo);
  const CallLog calls(&log, {.log_every = 0, .slow_call = absl::Seconds(2)});
  End(calls, absl::OkStatus(), absl::Seconds(1.9));
  End(calls, absl::OkStatus(), absl::Seconds(2));
  End(calls, absl::InvalidArgumentError("keys.shape"));
  End(calls, absl::InternalError("ours"));
  const auto lines = Lines(log);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0], HasSubstr(R"("level":"warning")"));
  EXPECT_THAT(lines[0], HasSubstr(R"("slow":true)"));
  EXPECT_THAT(lines[1], HasSubstr("keys.shape"));
  EXPECT_THAT(lines[2], HasSubstr(R"("level":"error")"));
}

TEST_F(CallLogTest, BelowInfoOnlyIncidentsAreLeft) {
  const Log log = To(LogLevel::kError);
  const CallLog calls(&log, {.slow_call = absl::Seconds(1)});
  End(calls, absl::OkStatus(), absl::Seconds(3));
  End(calls, absl::NotFoundError("model"));
  End(calls, absl::DataLossError("checksum"));
  EXPECT_THAT(Lines(log), SizeIs(1));
}

}  // namespace
}  // namespace favor
