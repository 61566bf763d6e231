#include "server/observability/protobuf_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "favor/v1/attention.pb.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

// A message with text that is not UTF-8, as anybody may send it.
bool ParseBadText() {
  v1::AttentionState state;
  const char bytes[] = {v1::AttentionState::kProjectionIdFieldNumber << 3 | 2, 1, '\xff'};
  return state.ParseFromArray(bytes, sizeof(bytes));
}

// What is written to standard error and to a log of this level meanwhile.
std::string LoggedAt(LogLevel level) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_NONBLOCK), 0);
  static Log* log = nullptr;  // whoever logs later finds it
  log = new Log(ends[1], level);
  SendProtobufLogTo(log);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(ParseBadText());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(log->Flush(absl::Seconds(60)));
  char text[4096];
  const ssize_t size = read(ends[0], text, sizeof(text));
  return std::string(text, size > 0 ? size : 0);
}

TEST(ProtobufLog, WhatAClientSentIsNoLineOfTheServersLog) { EXPECT_EQ(LoggedAt(LogLevel::kInfo), ""); }

#if GOOGLE_PROTOBUF_VERSION < 4022000  // later ones say nothing
TEST(ProtobufLog, DebugLinesAreJson) {
  const auto line = nlohmann::json::parse(LoggedAt(LogLevel::kDebug));
  EXPECT_EQ(line["event"], "protobuf");
  EXPECT_EQ(line["level"], "debug");
}
#endif

}  // namespace
}  // namespace favor
