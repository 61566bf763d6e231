// Tells ThreadSanitizer what Abseil's locks and reference counts do. Debian's Abseil is not instrumented, so every
// value handed from thread to thread under an absl::Mutex would be reported as a race. The functions below take the
// place of the library's (the program's definitions come first at load time), announce what happens and call the
// library's own. Linked into every test of a ThreadSanitizer build, and into nothing else.
//
// The ...WithTimeout functions of Mutex and CondVar call the ...WithDeadline ones inside the library. Not covered:
// absl::Notification::HasBeenNotified, which Abseil compiles into its callers.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <sched.h>

#include <cstdint>
#include <string>

#include "absl/base/options.h"
#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace {

#define FAVOR_STRING_OF(x) #x
#define FAVOR_STRING(x) FAVOR_STRING_OF(x)

// The library's own member function, by its mangled name without the part that names Abseil's inline namespace.
template <typename Result, typename... Args>
Result CallLibrary(const char* prefix, const char* suffix, Args... args) {
  const std::string inline_namespace = FAVOR_STRING(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string name = prefix + std::to_string(inline_namespace.size()) + inline_namespace + suffix;
  auto* const function = reinterpret_cast<Result (*)(Args...)>(dlsym(RTLD_NEXT, name.c_str()));
  return function(args...);
}

template <typename Result = void, typename... Args>
Result Library(const char* suffix, Args... args) {
  return CallLibrary<Result, Args...>("_ZN4absl", suffix, args...);
}

template <typename Result = void, typename... Args>
Result LibraryConst(const char* suffix, Args... args) {
  return CallLibrary<Result, Args...>("_ZNK4absl", suffix, args...);
}

// Around a call that takes the lock, and one that gives it back.
class Locking {
 public:
  explicit Locking(void* mutex, unsigned flags = 0) : mutex_(mutex), flags_(flags) {
    __tsan_mutex_pre_lock(mutex_, flags_);
  }
  ~Locking() { __tsan_mutex_post_lock(mutex_, flags_, 0); }
  void Failed() { flags_ |= __tsan_mutex_try_lock_failed; }

 private:
  void* mutex_;
  unsigned flags_;
};

class Unlocking {
 public:
  explicit Unlocking(void* mutex, unsigned flags = 0) : mutex_(mutex), flags_(flags) {
    __tsan_mutex_pre_unlock(mutex_, flags_);
  }
  ~Unlocking() { __tsan_mutex_post_unlock(mutex_, flags_); }

 private:
  void* mutex_;
  unsigned flags_;
};

// Around a call that gives the lock back, waits, and takes it again.
template <typename Wait>
auto Waiting(void* mutex, Wait wait) {
  { Unlocking unlocking(mutex); }
  Locking locking(mutex);
  return wait();
}

// A lock that ThreadSanitizer does not see, so that it orders nothing but itself.
bool unseen_lock = false;
__attribute__((no_sanitize("thread"))) void LockUnseen() {
  while (__atomic_exchange_n(&unseen_lock, true, __ATOMIC_ACQUIRE)) sched_yield();
}
__attribute__((no_sanitize("thread"))) void UnlockUnseen() { __atomic_store_n(&unseen_lock, false, __ATOMIC_RELEASE); }

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  Locking locking(this);
  Library("5Mutex4LockEv", this);
}

void Mutex::Unlock() {
  Unlocking unlocking(this);
  Library("5Mutex6UnlockEv", this);
}

bool Mutex::TryLock() {
  Locking locking(this, __tsan_mutex_try_lock);
  const bool locked = Library<bool>("5Mutex7TryLockEv", this);
  if (!locked) locking.Failed();
  return locked;
}

void Mutex::ReaderLock() {
  Locking locking(this, __tsan_mutex_read_lock);
  Library("5Mutex10ReaderLockEv", this);
}

void Mutex::ReaderUnlock() {
  Unlocking unlocking(this, __tsan_mutex_read_lock);
  Library("5Mutex12ReaderUnlockEv", this);
}

void Mutex::LockWhen(const Condition& condition) {
  Locking locking(this);
  Library("5Mutex8LockWhenERKNS0_9ConditionE", this, &condition);
}

void Mutex::Await(const Condition& condition) {
  Waiting(this, [&] { Library("5Mutex5AwaitERKNS0_9ConditionE", this, &condition); });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  return Waiting(this, [&] {
    return Library<bool>("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", this, &condition, deadline);
  });
}

void CondVar::Wait(Mutex* mutex) {
  Waiting(mutex, [&] { Library("7CondVar4WaitEPNS0_5MutexE", this, mutex); });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  return Waiting(
      mutex, [&] { return Library<bool>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", this, mutex, deadline); });
}

void Notification::Notify() {
  __tsan_release(this);
  Library("12Notification6NotifyEv", this);
}

void Notification::WaitForNotification() const {
  LibraryConst("12Notification19WaitForNotificationEv", this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool notified =
      LibraryConst<bool>("12Notification30WaitForNotificationWithTimeoutENS0_8DurationE", this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  __tsan_release(this);
  return Library<bool>("15BlockingCounter14DecrementCountEv", this);
}

void BlockingCounter::Wait() {
  Library("15BlockingCounter4WaitEv", this);
  __tsan_acquire(this);
}

// The reference count of an error's text: dropping a reference publishes what its holder did, the last drop sees it
// all. Telling and dropping must be one step, or another holder's drop could come between.
void Status::UnrefNonInlined(uintptr_t rep) {
  void* const count = reinterpret_cast<void*>(rep);  // NOLINT(performance-no-int-to-ptr)
  LockUnseen();
  __tsan_release(count);
  __tsan_acquire(count);
  Library("6Status15UnrefNonInlinedEm", rep);
  UnlockUnseen();
}

ABSL_NAMESPACE_END
}  // namespace absl
