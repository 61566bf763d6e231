#include "server/execution/admission.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/execution/heap_trim.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

// Calls take from a millisecond to seconds; a tenth of a second lets some of them finish without idling the caller.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

// Of the smallest call. Anything more would refuse small calls beside large ones.
constexpr int64_t kLeastBytes = 1;

// For errors: whose bound it is, where others have a higher one.
std::string OfPriority(bool is_share, Priority priority) {
  return is_share ? absl::StrCat(" for calls of ", NameOf(priority), " priority") : "";
}

}  // namespace

Admission::Reservation& Admission::Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    admission_ = std::exchange(other.admission_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    calls_ = std::exchange(other.calls_, 0);
    priority_ = other.priority_;
  }
  return *this;
}

absl::Status Admission::Reservation::Grow(int64_t bytes, absl::string_view what) {
  absl::MutexLock lock(&admission_->mutex_);
  if (absl::Status status = admission_->Take(bytes_, bytes, what, priority_); !status.ok()) return status;
  bytes_ += bytes;
  return absl::OkStatus();
}

void Admission::Reservation::Shrink(int64_t bytes) {
  bytes_ -= bytes;
  admission_->GiveBack(bytes, 0);
}

void Admission::Reservation::Release() {
  if (admission_ == nullptr) return;
  admission_->GiveBack(bytes_, calls_);
  admission_ = nullptr;
  bytes_ = 0;
  calls_ = 0;
}

absl::StatusOr<Admission::Reservation> Admission::Admit(int64_t bytes, absl::string_view what, Priority priority) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckCalls(priority); !status.ok()) return status;
  if (absl::Status status = Take(0, bytes, what, priority); !status.ok()) return status;
  ++stats_.admitted_calls;
  return Reservation(this, bytes, 1, priority);
}

absl::Status Admission::CheckRoom(Priority priority) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = CheckCalls(priority); !status.ok()) return status;
  return CheckMemory(0, kLeastBytes, "any request", priority);
}

AdmissionStats Admission::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

absl::Status Admission::CheckCalls(Priority priority) {
  const int64_t max_calls = ShareOf(limits_.max_calls, limits_.shares, priority);
  if (stats_.admitted_calls < max_calls) return absl::OkStatus();
  ++stats_.refused_for_calls;
  ++stats_.refused_by_priority[static_cast<size_t>(priority)];
  return OverloadedError(absl::StrCat(stats_.admitted_calls, " calls are in flight, at most ", max_calls,
                                      OfPriority(max_calls < limits_.max_calls, priority), " are admitted"),
                         kRetryDelay);
}

absl::Status Admission::CheckFits(int64_t already_held, int64_t bytes, absl::string_view what,
                                  Priority priority) const {
  const int64_t budget = limits_.memory_budget_bytes;
  if (bytes > budget - already_held) {
    return absl::InvalidArgumentError(absl::StrCat(what, " takes ", bytes, " bytes beside ", already_held,
                                                   " held by the call, the memory budget is ", budget));
  }
  // A call by itself may have all that models leave, or what fits an idle server would depend on its priority.
  const bool is_alone = stats_.admitted_bytes <= already_held;
  const int64_t share =
      is_alone ? budget : stats_.model_bytes + ShareOf(budget - stats_.model_bytes, limits_.shares, priority);
  const int64_t free = std::max<int64_t>(0, share - stats_.admitted_bytes - stats_.model_bytes);
  if (bytes <= free) return absl::OkStatus();
  const std::string models =
      stats_.model_bytes > 0 ? absl::StrCat(", models hold ", stats_.model_bytes) : std::string();
  return OverloadedError(
      absl::StrCat(what, " takes ", bytes, " bytes, ", free, " of the ", budget, " bytes of the memory budget are free",
                   OfPriority(share < budget, priority), models),
      kRetryDelay);
}

absl::Status Admission::Take(int64_t already_held, int64_t bytes, absl::string_view what, Priority priority) {
  absl::Status status = CheckMemory(already_held, bytes, what, priority);
  if (status.ok()) stats_.admitted_bytes += bytes;
  return status;
}

absl::Status Admission::CheckMemory(int64_t already_held, int64_t bytes, absl::string_view what, Priority priority) {
  absl::Status status = CheckFits(already_held, bytes, what, priority);
  if (absl::IsInvalidArgument(status)) {
    ++stats_.refused_as_too_large;
  } else if (!status.ok()) {
    ++stats_.refused_for_memory;
    ++stats_.refused_by_priority[static_cast<size_t>(priority)];
  }
  return status;
}

absl::StatusOr<Admission::ModelMemory> Admission::HoldModel(int64_t bytes) {
  ModelMemory memory(this, 0);
  if (absl::Status status = memory.Resize(bytes); !status.ok()) return status;
  return memory;
}

absl::Status Admission::ModelMemory::Resize(int64_t bytes) {
  if (admission_ == nullptr) return absl::OkStatus();
  absl::MutexLock lock(&admission_->mutex_);
  const int64_t budget = admission_->limits_.memory_budget_bytes, more = bytes - bytes_;
  const int64_t free = budget - admission_->stats_.admitted_bytes - admission_->stats_.model_bytes;
  if (more > free) {
    const std::string message =
        absl::StrCat("its weights take ", bytes, " bytes of memory, ", free + bytes_, " of the ", budget,
                     " bytes of the memory budget (memory-budget) are free");
    return bytes > budget ? absl::InvalidArgumentError(message) : absl::ResourceExhaustedError(message);
  }
  admission_->stats_.model_bytes += more;
  bytes_ = bytes;
  return absl::OkStatus();
}

Admission::ModelMemory::~ModelMemory() {
  if (admission_ == nullptr) return;
  {
    absl::MutexLock lock(&admission_->mutex_);
    admission_->stats_.model_bytes -= bytes_;
  }
  NoteFreedBytes(bytes_);
}

void Admission::GiveBack(int64_t bytes, int64_t calls) {
  {
    absl::MutexLock lock(&mutex_);
    stats_.admitted_bytes -= bytes;
    stats_.admitted_calls -= calls;
  }
  NoteFreedBytes(bytes);
}

}  // namespace favor
