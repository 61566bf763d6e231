#include "client/cli/embed_lines.h"

#include <deque>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/cli/embed_inputs.h"
#include "client/cli/embed_outcome.h"
#include "client/client.h"

namespace favor::cli {
namespace {

// Inputs that were sent and have no result yet. One thread puts, another one takes.
class Unanswered {
 public:
  // Waits for room. False once nothing is taken any more.
  bool Put(client::EmbedInput input) {
    absl::MutexLock lock(&mutex_);
    const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || inputs_.size() < kMost; };
    mutex_.Await(absl::Condition(&room));
    if (!closed_) inputs_.push_back(std::move(input));
    return !closed_;
  }
  std::optional<client::EmbedInput> Take() {
    absl::MutexLock lock(&mutex_);
    if (inputs_.empty()) return std::nullopt;
    client::EmbedInput input = std::move(inputs_.front());
    inputs_.pop_front();
    return input;
  }
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }

 private:
  static constexpr size_t kMost = 512;  // about what the server takes ahead

  absl::Mutex mutex_;
  std::deque<client::EmbedInput> inputs_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// What the two threads share. The sending one may be left behind: nothing ends a read of standard input.
struct Sending {
  Sending(const EmbedFlags& embed, client::EmbeddingStream opened, std::istream* standard_input)
      : stream(std::move(opened)),
        file(embed.source.file == "-" ? "" : embed.source.file, std::ios::binary),
        lines(embed.source.file == "-" ? standard_input : &file, embed.source) {}

  void Run() {
    while (true) {
      absl::StatusOr<std::optional<client::EmbedInput>> input = lines.Next();
      status = input.status();
      // Why an input was not taken the receiving thread learns.
      if (!input.ok() || !input->has_value() || !unanswered.Put(**input) || !stream.Send(**input)) break;
    }
    stream.SendNoMore();
    done.Notify();
  }

  client::EmbeddingStream stream;
  std::ifstream file;
  InputLines lines;
  Unanswered unanswered;
  absl::Status status;      // of the lines, once it is done
  absl::Notification done;  // last
};

void Print(int64_t index, const client::EmbedInput& input, const client::EmbedResult& result, bool all_tokens,
           bool json, const Console& console) {
  if (json) {
    Json line = {{"index", index}};
    line.update(ResultToJson(input, result, all_tokens, /*with_vectors=*/true));
    console.out << ToText(line, -1) << std::endl;  // whoever reads a pipe wants it now
  } else {
    PrintResult(index, input, result, console.out);
    console.out.flush();
  }
  if (result.status.ok()) return;
  console.error << "favor embed: input " << index << ", " << Describe(input) << ": " << result.status.code() << ": "
                << result.status.message() << "\n";
}

}  // namespace

absl::StatusOr<int64_t> EmbedLines(const EmbedFlags& embed, const ConnectionFlags& connection, const Console& console) {
  const absl::StatusOr<client::Client> client = Connect(connection);
  if (!client.ok()) return client.status();
  const auto sending = std::make_shared<Sending>(embed, client->EmbedStream(embed.requests.embed), &console.in);
  if (embed.source.file != "-" && !sending->file) {
    return absl::NotFoundError(absl::StrCat("--input: cannot read ", embed.source.file));
  }
  std::thread sender([sending] { sending->Run(); });
  const bool all_tokens = embed.requests.embed.pooling == client::Pooling::kNone;
  int64_t num_failed = 0;
  absl::Status received;
  for (int64_t index = 0;; ++index) {
    const absl::StatusOr<std::optional<client::EmbedResult>> result = sending->stream.Read();
    received = result.status();
    if (!result.ok() || !result->has_value()) break;
    const std::optional<client::EmbedInput> input = sending->unanswered.Take();
    if (!input) {
      received = absl::InternalError("the server answered more inputs than it was sent");
      sending->stream.Cancel();
      break;
    }
    if (!(*result)->status.ok()) ++num_failed;
    Print(index, *input, **result, all_tokens, connection.json, console);
  }
  sending->unanswered.Close();
  // After an error there may never be another line to wake it; the program ends without it then.
  if (sending->done.WaitForNotificationWithTimeout(received.ok() ? absl::InfiniteDuration() : absl::Seconds(1))) {
    sender.join();
  } else {
    sender.detach();
  }
  if (!received.ok()) return received;
  if (!sending->status.ok()) return sending->status;
  return num_failed;
}

}  // namespace favor::cli
