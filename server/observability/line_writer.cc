#include "server/observability/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace favor {
namespace {

// How much of the text was written: all, unless the descriptor takes no more for good.
size_t WriteAll(int file_descriptor, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(file_descriptor, text.data() + written, text.size() - written);
    if (count >= 0) {
      written += static_cast<size_t>(count);
    } else if (errno == EAGAIN) {  // whoever shares the descriptor made it so
      pollfd writable = {file_descriptor, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  return written;
}

}  // namespace

struct LineWriter::State {
  struct Line {
    std::string text;
    int64_t dropped = 0;  // that it tells of
  };

  State(int descriptor, Options the_options) : file_descriptor(descriptor), options(std::move(the_options)) {}

  void Run();
  void Push(Line line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void TellDropped() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool HasRoom(size_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return stopping || !lines.empty(); }
  bool IsIdle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return lines.empty(); }
  bool Write(const std::string& text);

  const int file_descriptor;
  const Options options;
  absl::Mutex mutex;
  std::deque<Line> lines ABSL_GUARDED_BY(mutex);  // the first is being written
  size_t bytes ABSL_GUARDED_BY(mutex) = 0;        // of them
  int64_t untold ABSL_GUARDED_BY(mutex) = 0;      // dropped, and not told of yet
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::atomic<int64_t> num_lines = 0;
  std::atomic<int64_t> num_dropped = 0;
  bool within_line = false;  // of the thread: part of a line was written, and no end of it
};

// Once lines were dropped there is room again when half of it is free: else every other line would tell of drops.
bool LineWriter::State::HasRoom(size_t size) const {
  return bytes + size <= (untold == 0 ? options.max_bytes : options.max_bytes / 2);
}

void LineWriter::State::Push(Line line) {
  bytes += line.text.size();
  ++num_lines;
  lines.push_back(std::move(line));
}

void LineWriter::State::TellDropped() {
  if (untold == 0 || !options.tell_dropped) return;
  const int64_t dropped = std::exchange(untold, 0);
  Push({options.tell_dropped(dropped), dropped});
}

bool LineWriter::State::Write(const std::string& text) {
  // What is left of a line stays a line of its own.
  const std::string whole = within_line ? "\n" + text : text;
  const size_t written = WriteAll(file_descriptor, whole);
  if (written > 0) within_line = whole[written - 1] != '\n';
  return written == whole.size();
}

void LineWriter::State::Run() {
  absl::MutexLock lock(&mutex);
  while (true) {
    mutex.Await(absl::Condition(this, &State::HasWork));
    if (stopping) return;
    const Line& line = lines.front();  // stays where it is when others are added
    mutex.Unlock();
    const bool written = Write(line.text);
    mutex.Lock();
    if (!written) {
      untold += line.dropped > 0 ? line.dropped : 1;
      if (line.dropped == 0) ++num_dropped;
    }
    bytes -= line.text.size();
    lines.pop_front();
    if (written && lines.empty()) TellDropped();
    --num_lines;
  }
}

LineWriter::LineWriter(int file_descriptor, Options options)
    : state_(std::make_shared<State>(file_descriptor, std::move(options))),
      thread_([state = state_] { state->Run(); }) {}

LineWriter::~LineWriter() {
  const bool flushed = Flush(state_->options.last_lines);
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->stopping = true;
  }
  flushed ? thread_.join() : thread_.detach();
}

void LineWriter::Add(std::string line) {
  const absl::MutexLock lock(&state_->mutex);
  if (!state_->HasRoom(line.size())) {
    ++state_->untold;
    ++state_->num_dropped;
    return;
  }
  state_->TellDropped();
  state_->Push({std::move(line)});
}

bool LineWriter::Flush(absl::Duration timeout) const {
  const absl::MutexLock lock(&state_->mutex);
  return state_->mutex.AwaitWithTimeout(absl::Condition(state_.get(), &State::IsIdle), timeout);
}

bool LineWriter::is_idle() const { return state_->num_lines == 0; }

int64_t LineWriter::num_dropped() const { return state_->num_dropped; }

}  // namespace favor
