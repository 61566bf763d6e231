#include "favor/base/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "absl/synchronization/notification.h"

namespace favor {
namespace {

// How far a job that arrives is behind the one that is next. None, and a stream of short jobs would leave no time to
// long ones; a step, and a short job would wait for one of every other.
constexpr std::chrono::microseconds kArrival(400);
// What a step is charged at most. Steps take about a millisecond: one that took longer by the clock did not run all
// that time, the process was stopped, or another had the core, and its job is not to make up for that.
constexpr std::chrono::milliseconds kMostCharged(20);

// Of a line's time, by Priority.
constexpr std::array<int, kNumPriorities> kPrice = {16, 4, 1};

}  // namespace

struct ThreadPool::Step {
  ActiveJob* job = nullptr;
  const Phase* phase = nullptr;  // null: the job has nothing left to run, it only has to end
  int64_t chain = 0;
  int64_t step = 0;
};

// A submitted job. Guarded by the pool's mutex_, apart from job.phases, which is constant.
struct ThreadPool::ActiveJob {
  struct PausedChain {
    int64_t chain;
    int64_t next_step;
  };

  Job job;
  std::function<void(absl::Status)> done;

  size_t phase = 0;                 // index of the current phase
  int64_t next_chain = 0;           // first chain of the phase not started yet
  int num_running = 0;              // steps running now
  std::vector<PausedChain> paused;  // started chains between two steps
  absl::Status status;              // first error
  Place place;                      // in its line, where it is while
  bool queued = false;

  // Moves on to the first phase that has steps, starting at `phase`.
  void SkipEmptyPhases() {
    while (phase < job.phases.size() && (job.phases[phase].num_chains <= 0 || job.phases[phase].steps_per_chain <= 0)) {
      ++phase;
    }
  }

  bool NothingLeft() const { return !status.ok() || phase == job.phases.size(); }
  bool Ended() const { return NothingLeft() && num_running == 0; }
  bool HasStep() const { return !NothingLeft() && (!paused.empty() || next_chain < job.phases[phase].num_chains); }
};

ThreadPool::ThreadPool(int num_threads) {
  threads_.reserve(std::max(num_threads, 0));
  for (int i = 0; i < num_threads; ++i) workers_.push_back(std::make_unique<Worker>());
  try {
    for (const auto& worker : workers_) threads_.emplace_back([this, worker = worker.get()] { Work(worker); });
  } catch (const std::system_error&) {
    // The system is out of threads; num_threads() tells how many there are.
  }
}

ThreadPool::~ThreadPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    Wake(num_threads());
  }
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Submit(Job job, std::function<void(absl::Status)> done) {
  if (threads_.empty()) {
    absl::Status status = RunInline(job);
    job = Job();
    done(std::move(status));
    return;
  }
  auto active = std::make_unique<ActiveJob>();
  active->job = std::move(job);
  active->done = std::move(done);
  active->SkipEmptyPhases();

  const int64_t num_chains = active->NothingLeft() ? 1 : active->job.phases[active->phase].num_chains;

  absl::MutexLock lock(&mutex_);
  ++num_jobs_;
  Line& line = LineOf(*active);
  // Time that nobody asked for is not saved up: a line without jobs goes on from where the others are.
  if (line.num_jobs++ == 0) line.spent = std::max(line.spent, last_spent_);
  active->place = {line.time_had + kArrival, num_arrived_++};
  Enqueue(active.release());  // an empty job too: done must run on one of our threads
  // All that the first phase has use for at once: in a virtual machine a thread may take a millisecond to wake, and one
  // after the other they would take as many.
  Wake(num_chains);
}

absl::Status ThreadPool::Run(Job job) {
  absl::Status result;
  absl::Notification finished;
  Submit(std::move(job), [&](absl::Status status) {
    result = std::move(status);
    finished.Notify();
  });
  finished.WaitForNotification();
  return result;
}

int64_t ThreadPool::num_jobs() const {
  absl::MutexLock lock(&mutex_);
  return num_jobs_;
}

void ThreadPool::Work(Worker* worker) {
  worker->placement.Attach();
  mutex_.Lock();
  while (true) {
    if (num_ready_ == 0) {
      if (stopping_ && num_jobs_ == 0) break;
      if (num_jobs_ > 0) SpinForWork();
      if (num_ready_ == 0 && !(stopping_ && num_jobs_ == 0)) WaitForWork(worker);
      continue;
    }
    const Step step = TakeStep();
    worker->placement.NoteCpu();
    // A woken thread takes a step and comes here again: a job of many steps wakes the others one by one.
    if (num_ready_ > 0) Wake(1);

    absl::Status status;
    Nanoseconds took(0);
    if (step.phase != nullptr) {
      mutex_.Unlock();
      worker->placement.Release();
      const auto begin = std::chrono::steady_clock::now();
      status = step.phase->run_step(step.chain, step.step);
      took = std::min<Nanoseconds>(std::chrono::steady_clock::now() - begin, kMostCharged);
      mutex_.Lock();
    }
    std::unique_ptr<ActiveJob> ended = FinishStep(step, std::move(status), took);
    if (ended == nullptr) continue;

    --LineOf(*ended).num_jobs;
    if (--num_jobs_ == 0 && stopping_) Wake(num_threads());
    mutex_.Unlock();
    worker->placement.Release();  // a thread that is started in `done` may go anywhere
    ended->job = Job();
    ended->done(std::move(ended->status));
    ended.reset();
    mutex_.Lock();
  }
  mutex_.Unlock();
}

// A job never has more chains under way than there are threads, without counting: a chain is only started when none is
// paused, so all chains under way are then running, each on another thread than ours.
ThreadPool::Step ThreadPool::TakeStep() {
  Line& line = NextLine();
  ActiveJob* job = line.jobs.begin()->second;
  line.time_had = std::max(line.time_had, job->place.first);
  last_spent_ = std::max(last_spent_, line.spent);
  ++job->num_running;
  if (job->NothingLeft()) {
    Dequeue(job);
    return {job, nullptr, 0, 0};
  }

  Step step{job, &job->job.phases[job->phase], 0, 0};
  if (!job->paused.empty()) {
    // The chain paused last: its data is still in a cache, and most often it is our own.
    step.chain = job->paused.back().chain;
    step.step = job->paused.back().next_step;
    job->paused.pop_back();
  } else {
    step.chain = job->next_chain++;
  }
  if (!job->HasStep()) Dequeue(job);
  return step;
}

std::unique_ptr<ThreadPool::ActiveJob> ThreadPool::FinishStep(const Step& step, absl::Status status, Nanoseconds took) {
  ActiveJob* job = step.job;
  --job->num_running;
  if (job->queued) Dequeue(job);
  job->place.first += took;
  LineOf(*job).spent += took * kPrice[static_cast<size_t>(job->job.priority)];
  if (!status.ok() && job->status.ok()) job->status = std::move(status);
  if (!job->NothingLeft()) {
    if (step.step + 1 < step.phase->steps_per_chain) {
      job->paused.push_back({step.chain, step.step + 1});
    } else if (job->num_running == 0 && !job->HasStep()) {  // that was the phase's last step
      ++job->phase;
      job->next_chain = 0;
      job->SkipEmptyPhases();
    }
  }
  if (job->Ended()) return std::unique_ptr<ActiveJob>(job);
  if (job->HasStep()) Enqueue(job);
  return nullptr;
}

ThreadPool::Line& ThreadPool::LineOf(const ActiveJob& job) { return lines_[static_cast<size_t>(job.job.priority)]; }

ThreadPool::Line& ThreadPool::NextLine() {
  Line* next = nullptr;
  for (Line& line : lines_) {
    if (!line.jobs.empty() && (next == nullptr || line.spent <= next->spent)) next = &line;
  }
  return *next;
}

void ThreadPool::Enqueue(ActiveJob* job) {
  Line& line = LineOf(*job);
  job->queued = true;
  line.jobs.emplace(job->place, job);
  ++num_ready_;
  has_ready_.store(true, std::memory_order_relaxed);
}

void ThreadPool::Dequeue(ActiveJob* job) {
  job->queued = false;
  LineOf(*job).jobs.erase(job->place);
  has_ready_.store(--num_ready_ > 0, std::memory_order_relaxed);
}

// While another thread works on a job its next phase may begin at any moment, and going to sleep and being woken costs
// some 50 us each in a virtual machine: as much as a small phase.
void ThreadPool::SpinForWork() {
  constexpr auto kPatience = std::chrono::microseconds(60);
  mutex_.Unlock();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!has_ready_.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  mutex_.Lock();
}

void ThreadPool::WaitForWork(Worker* worker) {
  worker->placement.Release();
  worker->is_waiting = true;
  ++num_waiting_;
  while (worker->is_waiting) worker->work_or_stop.Wait(&mutex_);
}

void ThreadPool::Wake(int64_t count) {
  if (num_waiting_ == 0) return;
  std::vector<Worker*> woken;
  std::vector<ThreadPlacement*> sleeping;
  std::vector<const ThreadPlacement*> running;
  for (const auto& worker : workers_) {
    if (!worker->is_waiting) {
      running.push_back(&worker->placement);
    } else if (static_cast<int64_t>(sleeping.size()) < count) {
      worker->is_waiting = false;
      --num_waiting_;
      woken.push_back(worker.get());
      sleeping.push_back(&worker->placement);
    }
  }
  ThreadPlacement::Spread(sleeping, running);
  for (Worker* worker : woken) worker->work_or_stop.Signal();
}

}  // namespace favor
