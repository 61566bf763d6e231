#include "client/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace favor::cli {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(100);
constexpr int kBarWidth = 24;
constexpr int kBlockWidth = 6;

// Left edge of the wandering block: to and fro.
int BlockStart(absl::Duration elapsed) {
  constexpr int kRange = kBarWidth - kBlockWidth;
  const int64_t phase = absl::ToInt64Milliseconds(elapsed) / absl::ToInt64Milliseconds(kFrame) % (2 * kRange);
  return static_cast<int>(phase <= kRange ? phase : 2 * kRange - phase);
}

std::string FilledBar(double fraction) {
  std::string bar(static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * kBarWidth), '=');
  bar.resize(kBarWidth, ' ');
  return bar;
}

// What a line may have: one column less than the terminal, since some wrap after their last one.
size_t MaxWidth() {
  winsize size = {};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : 80) - 1;
}

}  // namespace

std::string ProgressLine(const std::string& step, absl::Duration elapsed, absl::Duration deadline) {
  std::string bar(kBarWidth, ' ');
  std::fill_n(bar.begin() + BlockStart(elapsed), kBlockWidth, '=');
  std::string line = absl::StrCat("[", bar, "] ", step, absl::StrFormat(", %.1f s", absl::ToDoubleSeconds(elapsed)));
  if (deadline != absl::InfiniteDuration()) {
    absl::StrAppend(&line, " (gives up after ", absl::FormatDuration(deadline), ")");
  }
  return line;
}

std::string FractionLine(const std::string& step, absl::Duration elapsed, absl::Duration total) {
  return absl::StrCat("[", FilledBar(absl::FDivDuration(elapsed, total)), "] ", step,
                      absl::StrFormat(", %.1f of %.1f s", absl::ToDoubleSeconds(std::min(elapsed, total)),
                                      absl::ToDoubleSeconds(total)));
}

std::string CountLine(const std::string& step, absl::Duration elapsed, int64_t done, int64_t total,
                      const std::string& things) {
  const double fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  return absl::StrCat("[", FilledBar(fraction), "] ", step, ", ", done, " of ", total, " ", things,
                      absl::StrFormat(", %.1f s", absl::ToDoubleSeconds(elapsed)));
}

Progress::Progress(const Console& console, std::string step, absl::Duration deadline, absl::Duration patience)
    : Progress(
          console,
          [step = std::move(step), deadline](absl::Duration elapsed) { return ProgressLine(step, elapsed, deadline); },
          patience) {}

Progress::Progress(const Console& console, std::function<std::string(absl::Duration)> line, absl::Duration patience)
    : stream_(console.error), line_(std::move(line)), patience_(patience) {
  if (console.error_is_terminal) thread_ = std::thread([this] { Draw(); });
}

Progress::~Progress() {
  {
    absl::MutexLock lock(&mutex_);
    done_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Progress::Draw() {
  const absl::Time start = absl::Now();
  size_t width = 0;
  absl::MutexLock lock(&mutex_);
  for (absl::Duration pause = patience_; !mutex_.AwaitWithTimeout(absl::Condition(&done_), pause); pause = kFrame) {
    std::string line = line_(absl::Now() - start);
    // A line that wraps could not be drawn over.
    width = std::min(std::max(width, line.size()), MaxWidth());
    line.resize(width, ' ');
    stream_ << '\r' << line << std::flush;
  }
  if (width > 0) stream_ << '\r' << std::string(width, ' ') << '\r' << std::flush;
}

}  // namespace favor::cli
