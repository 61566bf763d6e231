#include "server/security/key_ring.h"

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

// For a holder whose calls are all under way: some of them end by then.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

// The key of "Bearer KEY"; the scheme's case does not matter.
absl::optional<absl::string_view> KeyOf(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return absl::nullopt;
  return authorization.substr(kScheme.size());
}

absl::Status NoKey() {
  return absl::UnauthenticatedError("an API key is needed, as metadata `authorization: Bearer KEY`");
}

}  // namespace

void KeyRing::Pass::Release() {
  if (usage_ == nullptr) return;
  {
    const absl::MutexLock lock(&usage_->mutex);
    --usage_->calls;
  }
  usage_ = nullptr;
}

void KeyRing::Replace(ApiKeys keys) {
  auto shared = std::make_shared<const ApiKeys>(std::move(keys));
  const absl::MutexLock lock(&mutex_);
  std::map<std::string, std::shared_ptr<Usage>, std::less<>> usages;
  for (const ApiKey& key : shared->keys()) {
    const auto old = usages_.find(key.name);
    usages[key.name] = old == usages_.end() ? std::make_shared<Usage>() : old->second;
  }
  usages_ = std::move(usages);
  keys_ = std::move(shared);
}

absl::Status KeyRing::Check(absl::string_view authorization, bool as_admin, absl::string_view what) const {
  const absl::optional<absl::string_view> given = KeyOf(authorization);
  if (!given) return NoKey();
  const std::shared_ptr<const ApiKeys> current = keys();
  const ApiKey* key = current->Find(*given);
  if (key == nullptr) return absl::UnauthenticatedError("the API key is none of those that are known here");
  if (!as_admin || key->is_admin) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(what, " needs an administrator's key, ", key->name, " is none"));
}

std::string KeyRing::HashStart(absl::string_view authorization) {
  constexpr size_t kBytes = 4;
  const absl::optional<absl::string_view> key = KeyOf(authorization);
  if (!key) return "";
  const std::array<uint8_t, 32> hash = ApiKeys::HashOf(*key);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), kBytes));
}

absl::StatusOr<KeyRing::Pass> KeyRing::Enter(absl::string_view authorization, absl::Time now) {
  const absl::optional<absl::string_view> given = KeyOf(authorization);
  if (!given) return NoKey();
  const std::shared_ptr<const ApiKeys> current = keys();
  const ApiKey* key = current->Find(*given);
  std::shared_ptr<Usage> usage;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = key == nullptr ? usages_.end() : usages_.find(key->name);
    if (found == usages_.end()) return absl::UnauthenticatedError("the API key is none of those that are known here");
    usage = found->second;
  }
  const KeyLimits& limits = key->limits;
  absl::Status refused;
  int64_t Stats::*reason = nullptr;
  {
    const absl::MutexLock lock(&usage->mutex);
    if (limits.max_calls > 0 && usage->calls >= limits.max_calls) {
      reason = &Stats::refused_for_calls;
      refused = OverloadedError(
          absl::StrCat(usage->calls, " calls of key ", key->name, " are under way, it may have ", limits.max_calls),
          kRetryDelay);
    } else if (limits.calls_per_second > 0) {
      const double most = limits.burst > 0 ? static_cast<double>(limits.burst) : std::max(1.0, limits.calls_per_second);
      const double seconds = absl::ToDoubleSeconds(std::max(now - usage->refilled, absl::ZeroDuration()));
      usage->tokens = std::min(most, usage->tokens + seconds * limits.calls_per_second);
      usage->refilled = now;
      if (usage->tokens < 1) {
        reason = &Stats::refused_for_rate;
        refused = OverloadedError(
            absl::StrCat("key ", key->name, " has made its ", limits.calls_per_second, " calls per second"),
            absl::Seconds((1 - usage->tokens) / limits.calls_per_second));
      } else {
        usage->tokens -= 1;
      }
    }
    if (refused.ok()) ++usage->calls;
  }
  if (refused.ok()) return Pass(std::move(usage), key->name, key->priority);
  const absl::MutexLock lock(&mutex_);
  ++(stats_.*reason);
  return refused;
}

KeyRing::Stats KeyRing::stats() const {
  const absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace favor
