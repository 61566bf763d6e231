#include "server/observability/grpc_log.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "gtest/gtest.h"
#include "server/observability/log_limit.h"

namespace favor {
namespace {

TEST(LogLimit, LetsOneThroughASecondAndCountsTheOthers) {
  LogLimit limit;
  const absl::Time start = absl::UnixEpoch();
  EXPECT_EQ(limit.Next(start), 0);
  EXPECT_EQ(limit.Next(start), std::nullopt);
  EXPECT_EQ(limit.Next(start + absl::Milliseconds(999)), std::nullopt);
  EXPECT_EQ(limit.Next(start + absl::Seconds(1)), 2);
  EXPECT_EQ(limit.Next(start + absl::Seconds(2)), 0);
}

TEST(GrpcLog, OfErrorsOfOnePlaceOneASecondIsWritten) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  static const Log& log = *new Log(ends[1], LogLevel::kInfo);  // whoever logs later finds it
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  SendGrpcLogTo(&log);
  for (int i = 0; i < 100; ++i) gpr_log(GPR_ERROR, "Handshake failed: %d", i);
  gpr_log(GPR_ERROR, "something else");
  SendGrpcLogTo(nullptr);
  EXPECT_TRUE(log.Flush(absl::Seconds(60)));
  close(ends[1]);
  std::string text(65536, '\0');
  text.resize(static_cast<size_t>(read(ends[0], text.data(), text.size())));
  close(ends[0]);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_FALSE(lines.empty());
  EXPECT_LE(lines.size(), 4) << text;  // on a machine that takes a second for a loop
  EXPECT_EQ(nlohmann::json::parse(lines.front())["message"], "Handshake failed: 0");
  EXPECT_EQ(nlohmann::json::parse(lines.back())["message"], "something else");
}

}  // namespace
}  // namespace favor
