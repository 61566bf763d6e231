#ifndef FAVOR_TESTS_SERVER_EXECUTION_EMBED_BATCHER_FIXTURE_H_
#define FAVOR_TESTS_SERVER_EXECUTION_EMBED_BATCHER_FIXTURE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "server/execution/embed_batcher.h"
#include "tests/support/fake_model.h"

namespace favor {

// Stops batches at their beginning, and counts them.
class Gate {
 public:
  absl::Status Run(int64_t num_tokens) {
    absl::MutexLock lock(&mutex_);
    const int64_t index = static_cast<int64_t>(batches_.size());
    batches_.push_back(num_tokens);
    const auto open = [this, index]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return index < num_open_; };
    mutex_.Await(absl::Condition(&open));
    return absl::OkStatus();
  }
  // Lets so many more batches pass, in the order in which they begin.
  void Open(int64_t count = int64_t{1} << 40) {
    absl::MutexLock lock(&mutex_);
    num_open_ += count;
  }
  // Waits until so many batches have begun.
  void WaitForBatches(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto begun = [this, count]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return batches_.size() >= count; };
    mutex_.Await(absl::Condition(&begun));
  }
  // Lets one batch after another pass until `count` have begun: of two formed at once, the later may begin first.
  std::vector<int64_t> OneByOne(size_t count) {
    for (size_t begun = batches().size() + 1; begun <= count; ++begun) {
      Open(1);
      WaitForBatches(begun);
    }
    return batches();
  }
  std::vector<int64_t> batches() const {
    absl::MutexLock lock(&mutex_);
    return batches_;
  }

 private:
  mutable absl::Mutex mutex_;
  int64_t num_open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int64_t> batches_ ABSL_GUARDED_BY(mutex_);
};

struct Caller {
  explicit Caller(Admission* admission, absl::Time deadline = absl::InfiniteFuture(),
                  Priority priority = Priority::kNormal)
      : reservation(*admission->Admit(0, "the request", priority)), cancellation(deadline, priority) {}

  Admission::Reservation reservation;
  Cancellation cancellation;
  absl::StatusOr<EmbedOutcome> outcome;
  absl::Notification done;
};

struct Fixture {
  explicit Fixture(const EmbedBatcherOptions& options = {}, int64_t budget = int64_t{1} << 30, int num_threads = 2,
                   int64_t max_tokens = 0)
      : admission({budget, 1 << 20}),
        model(NewModel(max_tokens)),
        compute(std::make_unique<Compute>(num_threads)),
        batcher(options, compute.get()) {}
  ~Fixture() {
    gate.Open();
    for (Caller& caller : callers) caller.done.WaitForNotification();
    compute.reset();  // its jobs use the batcher
  }

  std::shared_ptr<Model> NewModel(int64_t max_tokens = 0) {
    testing::FakeEncoderOptions options;
    options.max_tokens = max_tokens;
    options.on_run = [this](int64_t num_tokens) { return gate.Run(num_tokens); };
    return testing::FakeModel(options);
  }

  EmbedWork Work(int64_t num_inputs, int64_t num_tokens, const PoolOptions& options = {}) {
    EmbedWork work;
    work.model = model;
    work.options = options;
    work.arrival = absl::Now();
    std::vector<int32_t> ids(num_tokens);
    for (int64_t i = 0; i < num_inputs; ++i) {
      for (int64_t t = 0; t < num_tokens; ++t) ids[t] = static_cast<int32_t>((i + t) % 1000);
      work.inputs.push_back(*PrepareIds(*model, ids, {OverLength::kWindows, {}}));
    }
    return work;
  }

  Caller* Start(EmbedWork work, absl::Time deadline = absl::InfiniteFuture(),
                EmbedBatcher::WhenFull when_full = EmbedBatcher::WhenFull::kRefuse,
                Priority priority = Priority::kNormal) {
    Caller* caller = &callers.emplace_back(&admission, deadline, priority);
    batcher.Start(
        std::move(work), &caller->reservation, &caller->cancellation,
        [this, caller](absl::StatusOr<EmbedOutcome> outcome) {
          caller->outcome = std::move(outcome);
          caller->done.Notify();
        },
        when_full);
    return caller;
  }

  Caller* StartUrgent(EmbedWork work, Priority priority) {
    return Start(std::move(work), absl::InfiniteFuture(), EmbedBatcher::WhenFull::kRefuse, priority);
  }

  // Two batches that wait at the gate: everything else has to wait.
  void Occupy() {
    for (int i = 1; i <= 2; ++i) {
      Start(Work(1, 5));
      gate.WaitForBatches(i);
    }
  }

  Gate gate;
  std::list<Caller> callers;
  Admission admission;
  std::shared_ptr<Model> model;
  std::unique_ptr<Compute> compute;
  EmbedBatcher batcher;
};

// All inputs have their vectors, `but` one.
inline void ExpectEmbedded(Fixture& fixture, const EmbedWork& work, Caller* caller, size_t but = SIZE_MAX) {
  caller->done.WaitForNotification();
  ASSERT_TRUE(caller->outcome.ok()) << caller->outcome.status();
  const EmbedOutcome& outcome = *caller->outcome;
  for (size_t i = 0; i < work.inputs.size(); ++i) {
    if (i == but) continue;
    EXPECT_EQ(outcome.errors[i], absl::OkStatus()) << "input " << i;
    const int64_t num_rows = outcome.rows[i + 1] - outcome.rows[i];
    ASSERT_EQ(num_rows, EmbedRows(work.inputs[i], work.options.pooling));
    std::vector<float> expected(num_rows * outcome.dimensions);
    const auto job = PlanEmbed(fixture.model, {{&work.inputs[i], work.options, expected.data()}}, nullptr, nullptr);
    ASSERT_TRUE(RunInline(*job).ok());
    const float* vectors = outcome.vectors.data() + outcome.rows[i] * outcome.dimensions;
    EXPECT_EQ(std::vector<float>(vectors, vectors + expected.size()), expected) << "input " << i;
  }
}

}  // namespace favor

#endif  // FAVOR_TESTS_SERVER_EXECUTION_EMBED_BATCHER_FIXTURE_H_
