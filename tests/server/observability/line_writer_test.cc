#include "server/observability/line_writer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/temp_dir.h"

namespace favor {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

LineWriter::Options Room(size_t max_bytes) {
  return {max_bytes, absl::Milliseconds(1), [](int64_t number) { return absl::StrCat(number, " dropped\n"); }};
}

// A pipe that takes 4 KiB before somebody reads.
class LineWriterTest : public ::testing::Test {
 protected:
  LineWriterTest() {
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe(ends_), 0);
    EXPECT_EQ(fcntl(ends_[1], F_SETPIPE_SZ, 4096), 4096);
  }
  ~LineWriterTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  // All lines up to `last`, once that has been written.
  std::vector<std::string> ReadUntil(const std::string& last) const {
    std::string text;
    while (!absl::EndsWith(text, last + "\n")) {
      char buffer[1024];
      const ssize_t count = read(ends_[0], buffer, sizeof buffer);
      if (count <= 0) break;
      text.append(buffer, static_cast<size_t>(count));
    }
    return absl::StrSplit(text, '\n', absl::SkipEmpty());
  }

  int ends_[2] = {-1, -1};
};

TEST_F(LineWriterTest, WritesLinesInTheirOrder) {
  LineWriter writer(ends_[1], Room(1 << 20));
  for (int i = 0; i < 1000; ++i) writer.Add(absl::StrCat(i, "\n"));
  const std::vector<std::string> lines = ReadUntil("999");
  ASSERT_EQ(lines.size(), 1000);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(lines[i], absl::StrCat(i));
  EXPECT_TRUE(writer.Flush(kPatience));
  EXPECT_TRUE(writer.is_idle());
  EXPECT_EQ(writer.num_dropped(), 0);
}

TEST_F(LineWriterTest, WhoAddsNeverWaitsForAReaderWhoLearnsWhatWasDroppedWhere) {
  LineWriter writer(ends_[1], Room(10'000));  // more than the pipe takes
  for (int i = 0; i < 1000; ++i) writer.Add(absl::StrCat(i, std::string(100, ' '), "\n"));
  EXPECT_FALSE(writer.Flush(absl::Milliseconds(1)));
  EXPECT_FALSE(writer.is_idle());
  const int64_t num_dropped = writer.num_dropped();
  EXPECT_GT(num_dropped, 0);
  std::thread adder([&writer] {
    EXPECT_TRUE(writer.Flush(kPatience));
    writer.Add("last\n");
  });
  int64_t next = 0, told = 0;
  for (const std::string& line : ReadUntil("last")) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(line.substr(0, line.find(' ')), &number)) continue;
    const bool tells = absl::EndsWith(line, "dropped");
    if (!tells) EXPECT_EQ(number, next);
    next += tells ? number : 1;
    told += tells ? number : 0;
  }
  adder.join();
  EXPECT_EQ(next, 1000);
  EXPECT_EQ(told, num_dropped);
}

TEST_F(LineWriterTest, ItsEndDoesNotWaitForAReader) {
  const absl::Time start = absl::Now();
  {
    LineWriter writer(ends_[1], Room(100'000));
    for (int i = 0; i < 10'000; ++i) writer.Add(absl::StrCat(i, "\n"));
  }
  EXPECT_LT(absl::Now() - start, kPatience);
}

TEST_F(LineWriterTest, ADescriptorThatDoesNotBlockLosesNothing) {
  ASSERT_EQ(fcntl(ends_[1], F_SETFL, O_NONBLOCK), 0);
  LineWriter writer(ends_[1], Room(1 << 20));
  for (int i = 0; i < 10'000; ++i) writer.Add(absl::StrCat(i, "\n"));
  EXPECT_EQ(ReadUntil("9999").size(), 10'000);
}

TEST(LineWriter, AfterAFullDiskTheNextLineBeginsANewOne) {
  std::signal(SIGXFSZ, SIG_IGN);
  const testing::TempDir dir;
  const int file = open(dir.Write("log", "").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  rlimit whole{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &whole), 0);
  const rlimit full = {10, whole.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  LineWriter writer(file, Room(1000));
  for (const char* line : {"123456\n", "abcdef\n", "lost\n"}) {
    writer.Add(line);
    EXPECT_TRUE(writer.Flush(kPatience));
  }
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &whole), 0);
  writer.Add("next\n");
  EXPECT_TRUE(writer.Flush(kPatience));
  EXPECT_EQ(testing::ReadWholeFile(dir.File("log")), "123456\nabc\n2 dropped\nnext\n");
  EXPECT_EQ(writer.num_dropped(), 2);
  close(file);
}

}  // namespace
}  // namespace favor
