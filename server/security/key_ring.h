#ifndef FAVOR_SERVER_SECURITY_KEY_RING_H_
#define FAVOR_SERVER_SECURITY_KEY_RING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/security/api_keys.h"

namespace favor {

// The keys in force and what their holders are taking now. Thread-safe.
class KeyRing {
 public:
  // What a key was refused for, since the start.
  struct Stats {
    int64_t refused_for_rate = 0;
    int64_t refused_for_calls = 0;
  };

 private:
  struct Usage;

 public:
  // A call of a key's holder; counts among those under way until destroyed.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&&) = default;
    Pass& operator=(Pass&& other) noexcept {
      Release();
      usage_ = std::move(other.usage_);
      name_ = std::move(other.name_);
      priority_ = other.priority_;
      return *this;
    }
    ~Pass() { Release(); }

    // Of the key; empty where none was needed.
    const std::string& name() const { return name_; }
    // The highest that the call may have, and what it has unless it asks for less.
    Priority priority() const { return priority_; }

   private:
    friend class KeyRing;
    Pass(std::shared_ptr<Usage> usage, std::string name, Priority priority)
        : usage_(std::move(usage)), name_(std::move(name)), priority_(priority) {}
    void Release();

    std::shared_ptr<Usage> usage_;
    std::string name_;
    Priority priority_ = Priority::kNormal;
  };

  explicit KeyRing(ApiKeys keys) { Replace(std::move(keys)); }

  // Calls under way go on, whatever becomes of their key; what holders have taken stays counted by name.
  void Replace(ApiKeys keys);

  // Whether the value of an `authorization` header, "Bearer KEY", shows a key; with `as_admin`, one of an
  // administrator. UnauthenticatedError or PermissionDeniedError, neither of which quotes the header. `what` names what
  // an administrator is needed for.
  absl::Status Check(absl::string_view authorization, bool as_admin, absl::string_view what) const;

  // Takes a call out of the holder's limits. ResourceExhaustedError with a delay (see retry_delay.h) when there is none
  // left; UnauthenticatedError when it is no key.
  absl::StatusOr<Pass> Enter(absl::string_view authorization, absl::Time now);

  // The first 8 digits of the SHA-256 of the key that an `authorization` header shows, known or not: enough to find its
  // line in a file of keys, and no help to whoever wants the key. Empty when it shows none.
  static std::string HashStart(absl::string_view authorization);

  size_t num_keys() const { return keys()->keys().size(); }
  Stats stats() const;

 private:
  // What the holder of a key has taken. Outlives the key while calls are under way.
  struct Usage {
    absl::Mutex mutex;
    double tokens ABSL_GUARDED_BY(mutex) = 0;
    absl::Time refilled ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    int64_t calls ABSL_GUARDED_BY(mutex) = 0;
  };

  std::shared_ptr<const ApiKeys> keys() const {
    const absl::MutexLock lock(&mutex_);
    return keys_;
  }

  mutable absl::Mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Usage>, std::less<>> usages_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor

#endif  // FAVOR_SERVER_SECURITY_KEY_RING_H_
