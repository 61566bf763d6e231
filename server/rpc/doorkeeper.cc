#include "server/rpc/doorkeeper.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace favor {
namespace {

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
  if (!decision.ok()) Note(decision, path, authorization);
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

// gRPC does not tell who asks before it has let the call in. But whose key it was the file of keys tells, as it is or
// was.
void Doorkeeper::Note(const absl::Status& refusal, absl::string_view path, absl::string_view authorization) {
  if (absl::IsUnauthenticated(refusal)) ++unauthenticated_;
  if (absl::IsPermissionDenied(refusal)) ++forbidden_;
  const std::optional<int64_t> left_out = log_limit_.Next(absl::Now());
  if (!left_out) return;
  Log::Fields fields = {{"path", std::string(path.substr(0, kMaxNotedPath))},
                        {"code", absl::StatusCodeToString(refusal.code())},
                        {"message", std::string(refusal.message())},
                        {"refused_before", *left_out}};
  if (const std::string hash = KeyRing::HashStart(authorization); !hash.empty()) fields["key_sha256"] = hash;
  log_->Write(LogLevel::kWarning, "refused", fields);
}

}  // namespace favor
