#include "client/resuming_stream.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/errors.h"
#include "client/resume/replay_log.h"
#include "client/resume/stream_break.h"
#include "client/transport/option_bounds.h"

namespace favor::client {
namespace {

// Answers that wait for the caller; then the server waits.
constexpr size_t kMaxWaitingAnswers = 16;
constexpr size_t kMaxWaitingBytes = size_t{64} << 20;

size_t BytesOf(const StreamAnswer& answer) {
  return (answer.output ? answer.output->bytes().size() : 0) + (answer.state ? answer.state->serialized().size() : 0);
}

std::optional<TensorView> View(const std::optional<Tensor>& tensor) {
  return tensor ? std::optional<TensorView>(tensor->view()) : std::nullopt;
}

absl::Status Validate(absl::Span<const Client> servers, const ResumingStreamOptions& options) {
  if (servers.empty()) return absl::InvalidArgumentError("there is no server in the list");
  for (const absl::Status& status :
       {CheckAtLeast("checkpoint_every", options.checkpoint_every, 1),
        CheckAtLeast("max_kept_bytes", options.max_kept_bytes, 1),
        CheckPositive("answer_timeout", options.answer_timeout), CheckAtLeast("max_attempts", options.max_attempts, 1),
        CheckNotNegative("initial_backoff", options.initial_backoff),
        CheckNotNegative("max_backoff", options.max_backoff)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

class ResumingStream::Impl {
 public:
  Impl(std::vector<Client> servers, ResumingStreamOptions options)
      : servers_(std::move(servers)),
        options_(std::move(options)),
        deadline_(absl::Now() + options_.stream.deadline.value_or(absl::InfiniteDuration())),
        not_before_(servers_.size(), absl::InfinitePast()),
        log_(options_) {
    if (absl::Status status = Validate(servers_, options_); !status.ok()) {
      ended_ = true;
      status_ = std::move(status);
      return;
    }
    thread_ = std::thread([this] { Run(); });
  }

  ~Impl() {
    Cancel();
    if (thread_.joinable()) thread_.join();
  }

  template <typename Function>
  bool Append(const Function& append) {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || log_.HasRoom(); };
    mutex_.Await(absl::Condition(&has_room));
    if (ended_ || no_more_) return false;
    append(&log_);
    return true;
  }

  void SendNoMore() {
    absl::MutexLock lock(&mutex_);
    no_more_ = true;
  }

  absl::StatusOr<std::optional<StreamAnswer>> Read() {
    absl::MutexLock lock(&mutex_);
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || !answers_.empty(); };
    mutex_.Await(absl::Condition(&something));
    if (answers_.empty()) {
      if (!status_.ok()) return status_;
      return std::optional<StreamAnswer>();
    }
    StreamAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    answers_bytes_ -= BytesOf(answer);
    return std::optional<StreamAnswer>(std::move(answer));
  }

  void Cancel() {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    EndWith(absl::CancelledError("the stream was cancelled"));
    answers_.clear();
    if (stream_ != nullptr) stream_->Cancel();
  }

  AttendReport report() const {
    absl::MutexLock lock(&mutex_);
    return log_.report();
  }

  int64_t num_resumes() const {
    absl::MutexLock lock(&mutex_);
    return num_resumes_;
  }

 private:
  bool HasSpace() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return answers_.empty() || (answers_.size() < kMaxWaitingAnswers && answers_bytes_ < kMaxWaitingBytes);
  }

  void EndWith(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    ended_ = true;
    status_ = std::move(status);
  }

  // Opens stream after stream until all is answered.
  void Run() {
    int failures = 0;  // since something new came
    size_t server = 0;
    for (bool first = true; AwaitWork(server) && !EndIfDone(); first = false) {
      {
        absl::MutexLock lock(&mutex_);
        if (!first) ++num_resumes_;
      }
      const int64_t answers_before = NumAnswers();
      absl::Status status = RunStream(servers_[server]);
      if (NumAnswers() > answers_before) failures = 0;
      if (EndIfDone()) return;
      if (status.ok()) status = absl::UnavailableError("the server ended the stream before its last answer");
      if (!IsBreak(status) || absl::Now() >= deadline_) return End(WithText(status, servers_[server].endpoint()));
      if (++failures >= options_.max_attempts) {
        return End(WithText(status, absl::StrCat(servers_[server].endpoint(), ", after ", failures,
                                                 " attempts that brought nothing new")));
      }
      if (options_.on_break) options_.on_break(WithText(status, servers_[server].endpoint()));
      const absl::Time now = absl::Now();
      not_before_[server] = now + RetryDelayOf(status).value_or(absl::ZeroDuration());
      server = (server + 1) % servers_.size();
      if (failures % static_cast<int>(servers_.size()) == 0) {
        const absl::Time after = now + Backoff(failures / static_cast<int>(servers_.size()) - 1);
        for (absl::Time& time : not_before_) time = std::max(time, after);
      }
    }
  }

  absl::Duration Backoff(int round) {
    const absl::Duration full =
        std::min(options_.initial_backoff * std::exp2(std::min(round, 60)), options_.max_backoff);
    return full * absl::Uniform(random_, 0.5, 1.0);
  }

  // Waits until there is something to be sent, room for its answer, and the server may be asked. False when the stream
  // has ended.
  bool AwaitWork(size_t server) {
    absl::MutexLock lock(&mutex_);
    const auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || (HasSpace() && (no_more_ || !log_.all_answered()));
    };
    mutex_.AwaitWithDeadline(absl::Condition(&work), deadline_);
    mutex_.AwaitWithDeadline(absl::Condition(&ended_), std::min(not_before_[server], deadline_));
    if (!ended_ && absl::Now() >= deadline_) EndWith(absl::DeadlineExceededError("the deadline passed"));
    return !ended_;
  }

  int64_t NumAnswers() const {
    absl::MutexLock lock(&mutex_);
    return log_.num_answers();
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    EndWith(status);
  }

  // Ends the stream if everything is answered, however the last call ended. Whether it has ended.
  bool EndIfDone() {
    absl::MutexLock lock(&mutex_);
    if (no_more_ && log_.all_answered() && (saw_end_ || log_.num_answers() > 0)) EndWith(absl::OkStatus());
    return ended_;
  }

  AttendStreamOptions StartOptions() {
    absl::MutexLock lock(&mutex_);
    log_.Rewind();
    AttendStreamOptions start = options_.stream;
    start.state = log_.checkpoint();
    // A checkpoint says itself what it is for.
    if (log_.num_answers() > 0 && start.state) start.spec.reset();
    start.report_every_chunk = true;
    start.deadline = deadline_ - absl::Now();
    return start;
  }

  // One stream, to its end: this thread writes, another one reads.
  absl::Status RunStream(const Client& server) {
    const AttendStreamOptions start = StartOptions();
    AttentionStream stream = server.OpenAttendStream(start.deadline);
    bool keys_ended;
    {
      absl::MutexLock lock(&mutex_);
      if (ended_) return absl::OkStatus();
      stream_ = &stream;
      broken_ = false;
      silent_ = false;
      starting_ = true;
      closing_ = false;
      keys_ended = log_.keys_ended();
    }
    absl::Status status;
    std::thread reader([this, &stream, &status] {
      status = ReadAll(&stream);
      stream.Cancel();  // for the writer, after an error of our own
      absl::MutexLock lock(&mutex_);
      broken_ = true;
    });
    std::thread watcher([this, &stream] { Watch(&stream); });
    if (Start(start, &stream) && (!keys_ended || stream.EndOfKeys())) WriteAll(&stream);
    reader.join();
    watcher.join();
    absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
    if (!silent_) return status;
    return absl::DeadlineExceededError(
        absl::StrCat("the server owed an answer for ", absl::FormatDuration(options_.answer_timeout)));
  }

  // While others read and watch: a state may be more than a server takes that will not answer.
  bool Start(const AttendStreamOptions& options, AttentionStream* stream) {
    const bool sent = stream->Start(options);
    absl::MutexLock lock(&mutex_);
    starting_ = false;
    heard_ = absl::Now();
    return sent;
  }

  // When our patience ends, if it owes an answer.
  absl::Time AnswerLimit() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return reading_ && (starting_ || closing_ || log_.is_due()) ? heard_ + options_.answer_timeout
                                                                : absl::InfiniteFuture();
  }

  // Cancels the stream of a server that says nothing, whether or not it takes what is sent.
  void Watch(AttentionStream* stream) {
    absl::MutexLock lock(&mutex_);
    while (!broken_) {
      const absl::Time limit = AnswerLimit();
      const auto changed = [this, limit]()
                               ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return broken_ || AnswerLimit() != limit; };
      if (mutex_.AwaitWithDeadline(absl::Condition(&changed), limit)) continue;
      silent_ = true;
      stream->Cancel();
      return;
    }
  }

  void WriteAll(AttentionStream* stream) {
    while (const auto item = AwaitItem()) {
      using Kind = ReplayLog::Item::Kind;
      const OwnedChunk& chunk = item->chunk;
      const bool sent =
          item->kind == Kind::kEndOfKeys ? stream->EndOfKeys()
          : item->kind == Kind::kGetState
              ? stream->GetState(item->encoding)
              : stream->Send({.queries = View(chunk.queries), .keys = View(chunk.keys), .values = View(chunk.values)});
      if (!sent) return;
    }
    {
      absl::MutexLock lock(&mutex_);
      if (broken_ || ended_) return;
      closing_ = true;
      heard_ = absl::Now();
    }
    stream->SendNoMore();
  }

  // The next message; null when no more are to be sent by this stream.
  std::shared_ptr<const ReplayLog::Item> AwaitItem() {
    absl::MutexLock lock(&mutex_);
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return broken_ || ended_ || no_more_ || !log_.all_sent();
    };
    mutex_.Await(absl::Condition(&something));
    if (broken_ || ended_) return nullptr;
    heard_ = absl::Now();
    return log_.NextToSend();
  }

  absl::Status ReadAll(AttentionStream* stream) {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        reading_ = true;
        heard_ = absl::Now();
      }
      absl::StatusOr<std::optional<StreamAnswer>> answer = stream->Read();
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (!answer.ok()) return answer.status();
      if (!answer->has_value()) {
        saw_end_ = true;
        return absl::OkStatus();
      }
      // The report of the whole counts replayed chunks, and none from before a break.
      if (no_more_ && log_.all_read() && !(*answer)->output && !(*answer)->state) continue;
      auto given = log_.OnAnswer(**std::move(answer));
      if (!given.ok()) return given.status();
      if (!given->has_value()) continue;
      answers_bytes_ += BytesOf(**given);
      answers_.push_back(**std::move(given));
      const auto has_space = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_ || HasSpace(); };
      mutex_.Await(absl::Condition(&has_space));
    }
  }

  const std::vector<Client> servers_;
  const ResumingStreamOptions options_;
  const absl::Time deadline_;
  std::vector<absl::Time> not_before_;  // [servers]
  absl::BitGen random_;

  mutable absl::Mutex mutex_;
  ReplayLog log_ ABSL_GUARDED_BY(mutex_);
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;  // will be appended to the log
  std::deque<StreamAnswer> answers_ ABSL_GUARDED_BY(mutex_);
  size_t answers_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  AttentionStream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // under way
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;                // the stream under way
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;                // it was cancelled, since its server was
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;              // its start is being sent
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;               // all is sent, its closing report is owed
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;               // an answer is waited for
  absl::Time heard_ ABSL_GUARDED_BY(mutex_);                   // when one began to be, or something was sent last
  bool saw_end_ ABSL_GUARDED_BY(mutex_) = false;               // of a stream that went well
  int64_t num_resumes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // once ended_

  std::thread thread_;  // last: it uses all of the above
};

ResumingStream::ResumingStream(std::vector<Client> servers, ResumingStreamOptions options)
    : impl_(std::make_unique<Impl>(std::move(servers), std::move(options))) {}
ResumingStream::ResumingStream(ResumingStream&&) noexcept = default;
ResumingStream& ResumingStream::operator=(ResumingStream&&) noexcept = default;
ResumingStream::~ResumingStream() = default;

bool ResumingStream::Send(OwnedChunk chunk) {
  return impl_->Append([&chunk](ReplayLog* log) { log->AppendChunk(std::move(chunk)); });
}
bool ResumingStream::EndOfKeys() {
  return impl_->Append([](ReplayLog* log) { log->AppendEndOfKeys(); });
}
bool ResumingStream::GetState(StateEncoding encoding) {
  return impl_->Append([encoding](ReplayLog* log) { log->AppendGetState(encoding); });
}
void ResumingStream::SendNoMore() { impl_->SendNoMore(); }
absl::StatusOr<std::optional<StreamAnswer>> ResumingStream::Read() { return impl_->Read(); }
AttendReport ResumingStream::report() const { return impl_->report(); }
int64_t ResumingStream::num_resumes() const { return impl_->num_resumes(); }
void ResumingStream::Cancel() { impl_->Cancel(); }

absl::StatusOr<std::vector<Client>> ConnectAll(ClientOptions options, absl::Span<const std::string> endpoints) {
  if (endpoints.empty()) return absl::InvalidArgumentError("there is no server in the list");
  options.keepalive_time = std::min(options.keepalive_time, absl::Minutes(1));
  std::vector<Client> servers;
  for (const std::string& endpoint : endpoints) {
    options.endpoint = endpoint;
    absl::StatusOr<Client> client = Client::Connect(options);
    if (!client.ok()) return client.status();
    servers.push_back(*std::move(client));
  }
  return servers;
}

}  // namespace favor::client
