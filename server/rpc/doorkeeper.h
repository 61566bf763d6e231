#ifndef FAVOR_SERVER_RPC_DOORKEEPER_H_
#define FAVOR_SERVER_RPC_DOORKEEPER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/config/access.h"
#include "server/observability/log.h"
#include "server/observability/log_limit.h"
#include "server/security/key_ring.h"

namespace favor {

// Decides by a call's headers alone whether it may come in, before any of its messages is read. Thread-safe.
class Doorkeeper {
 public:
  struct Stats {
    int64_t refused_unauthenticated = 0;
    int64_t refused_forbidden = 0;
  };

  // Owns neither. `keys` may be null: nobody needs one.
  Doorkeeper(const KeyRing* keys, const StandardAccess& access, const Log* log)
      : keys_(keys), access_(access), log_(log) {}

  // Whether there is anything to decide.
  bool is_needed() const {
    return keys_ != nullptr || access_.health == Access::kOff || access_.reflection == Access::kOff ||
           access_.channelz == Access::kOff;
  }

  // `path` is that of the method, "/favor.v1.AttentionService/Attend"; `authorization` the header's value, empty for
  // none. UnauthenticatedError, PermissionDeniedError, or UnimplementedError for what is off.
  absl::Status Admit(absl::string_view path, absl::string_view authorization);

  Stats stats() const { return {unauthenticated_.load(), forbidden_.load()}; }

 private:
  absl::Status Decide(absl::string_view path, absl::string_view authorization) const;
  void Note(const absl::Status& refusal, absl::string_view path, absl::string_view authorization);

  const KeyRing* const keys_;
  const StandardAccess access_;
  const Log* const log_;
  std::atomic<int64_t> unauthenticated_ = 0;
  std::atomic<int64_t> forbidden_ = 0;
  LogLimit log_limit_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_DOORKEEPER_H_
