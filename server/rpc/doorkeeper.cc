#include "server/rpc/doorkeeper.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace favor {
namespace {

// A client that tries keys shall not fill the log.
constexpr absl::Duration kNotePeriod = absl::Seconds(1);
constexpr size_t kMaxNotedPath = 128;

bool NeedsAdministrator(absl::string_view path) {
  return path == "/favor.v1.ModelService/LoadModel" || path == "/favor.v1.ModelService/UnloadModel";
}

Access AccessTo(absl::string_view path, const StandardAccess& access) {
  if (absl::StartsWith(path, "/grpc.health.")) return access.health;
  if (absl::StartsWith(path, "/grpc.reflection.")) return access.reflection;
  if (absl::StartsWith(path, "/grpc.channelz.")) return access.channelz;
  return Access::kKey;
}

}  // namespace

absl::Status Doorkeeper::Admit(absl::string_view path, absl::string_view authorization) {
  absl::Status decision = Decide(path, authorization);
  if (!decision.ok()) Note(decision, path);
  return decision;
}

absl::Status Doorkeeper::Decide(absl::string_view path, absl::string_view authorization) const {
  switch (AccessTo(path, access_)) {
    case Access::kOff:
      return absl::UnimplementedError(absl::StrCat(path.substr(0, kMaxNotedPath), " is switched off on this server"));
    case Access::kOpen:
      return absl::OkStatus();
    case Access::kKey:
      break;
  }
  return keys_ == nullptr ? absl::OkStatus() : keys_->Check(authorization, NeedsAdministrator(path), path);
}

void Doorkeeper::Note(const absl::Status& refusal, absl::string_view path) {
  if (absl::IsUnauthenticated(refusal)) ++unauthenticated_;
  if (absl::IsPermissionDenied(refusal)) ++forbidden_;
  int64_t not_noted = 0;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (now - noted_ < kNotePeriod) {
      ++not_noted_;
      return;
    }
    noted_ = now;
    not_noted = std::exchange(not_noted_, 0);
  }
  log_->Write(LogLevel::kWarning, "refused",
              {{"path", std::string(path.substr(0, kMaxNotedPath))},
               {"code", absl::StatusCodeToString(refusal.code())},
               {"message", std::string(refusal.message())},
               {"refused_before", not_noted}});
}

}  // namespace favor
