#ifndef FAVOR_SERVER_EXECUTION_ADMISSION_H_
#define FAVOR_SERVER_EXECUTION_ADMISSION_H_

#include <array>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/priority.h"
#include "server/execution/priority_shares.h"

namespace favor {

struct AdmissionLimits {
  int64_t memory_budget_bytes = 0;  // of all admitted calls and models together
  int64_t max_calls = 0;            // admitted at once
  PriorityShares shares = kWholeShares;
};

// What admission holds now, and what it has refused since the start.
struct AdmissionStats {
  int64_t admitted_bytes = 0;
  int64_t admitted_calls = 0;
  int64_t model_bytes = 0;
  int64_t refused_for_memory = 0;                                // no room now
  int64_t refused_for_calls = 0;                                 // too many calls now
  int64_t refused_as_too_large = 0;                              // could never fit
  std::array<int64_t, kNumPriorities> refused_by_priority = {};  // for lack of room
};

// Decides which calls may use memory. Never waits: a call either fits now or is refused, so that a caller or a load
// balancer can go elsewhere. Thread-safe.
class Admission {
 public:
  // Bytes of one call. Gives them back when destroyed. Thread-compatible.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Release(); }

    // Adds to the reservation, or leaves it as it is and answers as Admit does. `what` names the call's need in errors.
    absl::Status Grow(int64_t bytes, absl::string_view what);
    // Gives back a part of it; at most bytes().
    void Shrink(int64_t bytes);

    // A second reservation of the same call, of no bytes.
    Reservation Beside() const { return Reservation(admission_, 0, 0, priority_); }

    int64_t bytes() const { return bytes_; }
    Priority priority() const { return priority_; }

   private:
    friend class Admission;
    Reservation(Admission* admission, int64_t bytes, int64_t calls, Priority priority)
        : admission_(admission), bytes_(bytes), calls_(calls), priority_(priority) {}
    void Release();

    Admission* admission_ = nullptr;
    int64_t bytes_ = 0;
    int64_t calls_ = 0;  // that it counts for
    Priority priority_ = Priority::kNormal;
  };

  // The bytes of a model, which no call may use. Gives them back when destroyed. Thread-compatible.
  class ModelMemory {
   public:
    ModelMemory() = default;
    ModelMemory(ModelMemory&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    ModelMemory& operator=(ModelMemory&&) = delete;
    ~ModelMemory();

    // Makes it so many bytes, or leaves it as it is and answers as HoldModel does.
    absl::Status Resize(int64_t bytes);

   private:
    friend class Admission;
    ModelMemory(Admission* admission, int64_t bytes) : admission_(admission), bytes_(bytes) {}

    Admission* admission_ = nullptr;  // null: not counted
    int64_t bytes_ = 0;
  };

  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  // ResourceExhaustedError with a retry delay (see retry_delay.h) when there is no room now, InvalidArgumentError when
  // the call would not fit an idle server. `what` names the need: "the request". The Admission must outlive the
  // reservation. Beside others a call of low priority is refused before one of high priority would be: see
  // AdmissionLimits::shares.
  absl::StatusOr<Reservation> Admit(int64_t bytes, absl::string_view what, Priority priority = Priority::kNormal);

  // What is known of a call before its size is: ResourceExhaustedError as from Admit() when it would be refused however
  // small it is, which counts as its refusal. Else it is to be admitted as any other when its size is known; it holds
  // nothing until then.
  absl::Status CheckRoom(Priority priority);

  // ResourceExhaustedError when there is no room now, InvalidArgumentError when there never can be. Refused models are
  // not counted among the calls. The Admission must outlive the memory.
  absl::StatusOr<ModelMemory> HoldModel(int64_t bytes);

  const AdmissionLimits& limits() const { return limits_; }
  AdmissionStats stats() const;

 private:
  absl::Status CheckCalls(Priority priority) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckFits(int64_t already_held, int64_t bytes, absl::string_view what, Priority priority) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // These two count what they refuse.
  absl::Status CheckMemory(int64_t already_held, int64_t bytes, absl::string_view what, Priority priority)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Take(int64_t already_held, int64_t bytes, absl::string_view what, Priority priority)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(int64_t bytes, int64_t calls);

  const AdmissionLimits limits_;
  mutable absl::Mutex mutex_;
  AdmissionStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_ADMISSION_H_
