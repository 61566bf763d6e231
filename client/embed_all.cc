#include "client/embed_all.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "client/transport/option_bounds.h"
#include "client/wire/shifted_index.h"

namespace favor::client {
namespace {

// Inputs [begin, end) of one request.
struct Part {
  size_t begin = 0;
  size_t end = 0;
};

int64_t SizeBytes(const EmbedInput& input) {
  if (const auto* text = std::get_if<std::string>(&input)) return static_cast<int64_t>(text->size());
  return static_cast<int64_t>(std::get<std::vector<int32_t>>(input).size() * sizeof(int32_t));
}

std::vector<Part> Split(absl::Span<const EmbedInput> inputs, const EmbedAllOptions& options) {
  std::vector<Part> parts;
  int64_t bytes = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int64_t size = SizeBytes(inputs[i]);
    const bool full = parts.empty() || bytes + size > options.max_bytes ||
                      static_cast<int64_t>(i - parts.back().begin) >= options.max_inputs;
    if (full) {
      parts.push_back({i, i});
      bytes = 0;
    }
    bytes += size;
    parts.back().end = i + 1;
  }
  return parts;
}

absl::Status Validate(const EmbedAllOptions& options) {
  for (const absl::Status& status :
       {CheckAtLeast("max_inputs", options.max_inputs, 1), CheckAtLeast("max_bytes", options.max_bytes, 1),
        CheckAtLeast("max_in_flight", options.max_in_flight, 1)}) {
    if (!status.ok()) return status;
  }
  if (options.max_inputs > kMaxInputsPerRequest) {
    return absl::InvalidArgumentError(absl::StrCat("max_inputs is ", options.max_inputs, ", a request has at most ",
                                                   kMaxInputsPerRequest, " inputs"));
  }
  return absl::OkStatus();
}

// The requests still to be sent, and the answers so far. Thread-safe.
class Work {
 public:
  Work(const Client& client, absl::Span<const EmbedInput> inputs, const EmbedAllOptions& options)
      : client_(client),
        inputs_(inputs),
        options_(options),
        parts_(Split(inputs, options)),
        answers_(parts_.size(), absl::UnknownError("not sent")) {}

  size_t num_parts() const { return parts_.size(); }

  // Sends request after request until there are no more, or one has failed.
  void Run() {
    while (const Part* part = Next()) {
      Record(*part,
             AsOfAll(*part, client_.Embed(inputs_.subspan(part->begin, part->end - part->begin), options_.embed)));
    }
  }

  // When nobody runs any more.
  absl::StatusOr<Embeddings> Finish() {
    absl::MutexLock lock(&mutex_);
    if (!first_error_.ok()) return first_error_;
    Embeddings all;
    all.results.reserve(inputs_.size());
    for (absl::StatusOr<Embeddings>& answer : answers_) {
      if (absl::Status status = Add(*std::move(answer), &all); !status.ok()) return status;
    }
    return all;
  }

 private:
  // Errors name inputs by their place in the request.
  static absl::StatusOr<Embeddings> AsOfAll(const Part& part, absl::StatusOr<Embeddings> answer) {
    if (!answer.ok()) return WithIndexesFrom(part.begin, "inputs", answer.status());
    for (EmbedResult& result : answer->results) result.status = WithIndexesFrom(part.begin, "inputs", result.status);
    return answer;
  }

  // Null when no more are to be sent.
  const Part* Next() {
    absl::MutexLock lock(&mutex_);
    return first_error_.ok() && next_ < parts_.size() ? &parts_[next_++] : nullptr;
  }

  void Record(const Part& part, absl::StatusOr<Embeddings> answer) {
    absl::MutexLock lock(&mutex_);
    first_error_.Update(answer.status());
    num_done_ += static_cast<int64_t>(part.end - part.begin);
    if (answer.ok() && options_.on_progress) {
      options_.on_progress(num_done_, static_cast<int64_t>(inputs_.size()));
    }
    answers_[&part - parts_.data()] = std::move(answer);
  }

  static absl::Status Add(Embeddings answer, Embeddings* all) {
    if (all->results.empty()) {
      all->report = answer.report;
    } else if (answer.report.model_id != all->report.model_id) {
      return absl::AbortedError(absl::StrCat("model ", all->report.model, " was replaced meanwhile: model_id was ",
                                             all->report.model_id, " and became ", answer.report.model_id));
    } else {
      all->report.num_tokens += answer.report.num_tokens;
      all->report.queue_time += answer.report.queue_time;
      all->report.compute_time += answer.report.compute_time;
    }
    all->num_attempts += answer.num_attempts;
    all->request_bytes += answer.request_bytes;
    all->response_bytes += answer.response_bytes;
    std::move(answer.results.begin(), answer.results.end(), std::back_inserter(all->results));
    return absl::OkStatus();
  }

  const Client& client_;
  const absl::Span<const EmbedInput> inputs_;
  const EmbedAllOptions& options_;
  const std::vector<Part> parts_;

  absl::Mutex mutex_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t num_done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status first_error_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::StatusOr<Embeddings>> answers_ ABSL_GUARDED_BY(mutex_);  // [num_parts]
};

}  // namespace

absl::StatusOr<Embeddings> EmbedAll(const Client& client, absl::Span<const EmbedInput> inputs,
                                    const EmbedAllOptions& options) {
  if (absl::Status status = Validate(options); !status.ok()) return status;
  const absl::Time start = absl::Now();
  Work work(client, inputs, options);
  std::vector<std::thread> threads;
  const size_t num_threads = std::min<size_t>(options.max_in_flight, work.num_parts());
  for (size_t i = 1; i < num_threads; ++i) threads.emplace_back([&work] { work.Run(); });
  work.Run();
  for (std::thread& thread : threads) thread.join();
  absl::StatusOr<Embeddings> all = work.Finish();
  if (all.ok()) all->round_trip = absl::Now() - start;
  return all;
}

}  // namespace favor::client
