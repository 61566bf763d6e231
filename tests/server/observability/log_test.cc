#include "server/observability/log.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(ends_), 0); }
  void TearDown() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  // What was written so far; at least one line must have been.
  std::string Read() {
    char text[4096];
    const ssize_t size = read(ends_[0], text, sizeof(text));
    return std::string(text, size > 0 ? size : 0);
  }
  int ends_[2];
};

TEST_F(LogTest, ALineIsOneJsonObject) {
  const Log log(ends_[1], LogLevel::kInfo);
  log.Write(LogLevel::kInfo, "call", {{"method", "Attend"}, {"queue_ms", 0.5}});
  const std::string text = Read();
  ASSERT_EQ(text.find('\n'), text.size() - 1);
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["event"], "call");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["method"], "Attend");
  EXPECT_EQ(line["queue_ms"], 0.5);
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
  const Log log(ends_[1], LogLevel::kWarning);
  log.Write(LogLevel::kInfo, "hidden");
  log.Write(LogLevel::kError, "shown");
  EXPECT_EQ(nlohmann::json::parse(Read())["event"], "shown");
}

TEST_F(LogTest, BytesThatAreNotUtf8DoNotBreakTheLine) {
  const Log log(ends_[1], LogLevel::kInfo);
  log.Write(LogLevel::kInfo, "call", {{"message", "\xff\xfe\n"}});
  EXPECT_TRUE(nlohmann::json::accept(Read()));
}

TEST_F(LogTest, LongTextsAreCutBetweenCharacters) {
  const Log log(ends_[1], LogLevel::kInfo);
  std::string name = "m";
  while (name.size() < 1'000'000) name += "\xc3\xa9";
  log.Write(LogLevel::kInfo, "call", {{"message", name}, {"method", "Embed"}});
  const auto line = nlohmann::json::parse(Read());
  EXPECT_EQ(line["message"], name.substr(0, 1023) + "... (1000001 bytes)");
  EXPECT_EQ(line["method"], "Embed");
}

TEST_F(LogTest, TellsOfLinesThatWereDropped) {
  const Log log(ends_[1], LogLevel::kInfo);
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 5; ++i) log.Write(LogLevel::kInfo, "call", {{"messages", {megabyte}}});
  EXPECT_GE(log.num_dropped(), 1);
  std::string text;
  while (text.find("lines_dropped") == std::string::npos) text += Read();
  EXPECT_NE(text.find(absl::StrCat(R"("level":"warning","event":"lines_dropped","number":)", log.num_dropped())),
            std::string::npos);
}

}  // namespace
}  // namespace favor
