#include "client/cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "absl/strings/str_split.h"

namespace favor::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProgressLine, SaysStepTimeAndDeadline) {
  EXPECT_EQ(ProgressLine("attention", absl::Milliseconds(1250), absl::Seconds(30)),
            "[            ======      ] attention, 1.2 s (gives up after 30s)");
  EXPECT_THAT(ProgressLine("attention", absl::Seconds(2), absl::InfiniteDuration()), Not(HasSubstr("gives up")));
}

TEST(ProgressLine, WandersToAndFro) {
  const auto bar = [](int frame) {
    return ProgressLine("", frame * absl::Milliseconds(100), absl::Seconds(1)).substr(0, 26);
  };
  EXPECT_EQ(bar(0), "[======                  ]");
  EXPECT_EQ(bar(18), "[                  ======]");
  EXPECT_EQ(bar(17), bar(19));
  EXPECT_EQ(bar(36), bar(0));
}

TEST(FractionLine, FillsWithTheTimeAndNoFurther) {
  const auto line = [](double seconds) {
    return FractionLine("attend, 7 calls", absl::Seconds(seconds), absl::Seconds(8));
  };
  EXPECT_EQ(line(0), "[                        ] attend, 7 calls, 0.0 of 8.0 s");
  EXPECT_EQ(line(2), "[======                  ] attend, 7 calls, 2.0 of 8.0 s");
  EXPECT_EQ(line(9), "[========================] attend, 7 calls, 8.0 of 8.0 s");
}

// A stream that lets a test wait for the first drawing.
class SignallingBuffer : public std::stringbuf {
 public:
  void AwaitFirst() { absl::MutexLock lock(&mutex_, absl::Condition(&drawn_)); }

 protected:
  int sync() override {
    absl::MutexLock lock(&mutex_);
    drawn_ = true;
    return std::stringbuf::sync();
  }

 private:
  absl::Mutex mutex_;
  bool drawn_ = false;
};

TEST(CountLine, FillsWithWhatIsDone) {
  EXPECT_EQ(CountLine("embedding", absl::Milliseconds(1500), 12, 48, "inputs"),
            "[======                  ] embedding, 12 of 48 inputs, 1.5 s");
  EXPECT_THAT(CountLine("embedding", absl::ZeroDuration(), 0, 0, "inputs"), HasSubstr("[========================]"));
}

TEST(Progress, IsDrawnAndWipedOnATerminal) {
  SignallingBuffer buffer;
  std::ostream error(&buffer);
  std::ostringstream out;
  {
    const Progress progress({out, error, true}, "attention", absl::Seconds(30), absl::ZeroDuration());
    buffer.AwaitFirst();
  }
  const std::string text = buffer.str();
  EXPECT_THAT(text, HasSubstr("attention, "));
  EXPECT_EQ(text.back(), '\r');
  EXPECT_EQ(text.substr(text.size() - 3, 2), "  ");
}

// A terminal of so many columns in the place of standard error.
class NarrowTerminal {
 public:
  explicit NarrowTerminal(uint16_t columns) : error_(dup(STDERR_FILENO)) {
    int terminal = -1;
    const winsize size = {.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(openpty(&master_, &terminal, nullptr, nullptr, &size), 0);
    dup2(terminal, STDERR_FILENO);
    close(terminal);
  }
  ~NarrowTerminal() {
    dup2(error_, STDERR_FILENO);
    close(error_);
    close(master_);
  }

 private:
  const int error_;
  int master_ = -1;
};

TEST(Progress, IsNoWiderThanTheTerminal) {
  const NarrowTerminal terminal(30);
  SignallingBuffer buffer;
  std::ostream error(&buffer);
  std::ostringstream out;
  {
    const Progress progress({out, error, true}, std::string(100, 'x'), absl::Seconds(30), absl::ZeroDuration());
    buffer.AwaitFirst();
  }
  for (const absl::string_view frame : absl::StrSplit(buffer.str(), '\r')) EXPECT_LE(frame.size(), 29u);
  EXPECT_THAT(buffer.str(), HasSubstr("] xx\r"));
}

TEST(Progress, IsSilentElsewhere) {
  std::ostringstream out, error;
  { const Progress progress({out, error, false}, "attention", absl::Seconds(30), absl::ZeroDuration()); }
  EXPECT_EQ(error.str(), "");
}

}  // namespace
}  // namespace favor::cli
