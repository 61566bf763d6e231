#include "server/observability/grpc_log.h"

#include <atomic>
#include <map>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "grpc/support/log.h"
#include "server/observability/log_limit.h"

namespace favor {
namespace {

std::atomic<const Log*> receiver = nullptr;  // gRPC's callback carries no context

// One for each place in gRPC's code that logs.
LogLimit* LimitOf(const char* file, int line) {
  static absl::Mutex mutex(absl::kConstInit);
  static auto& limits = *new std::map<std::pair<const char*, int>, LogLimit>;  // gRPC's threads may log to the very end
  const absl::MutexLock lock(&mutex);
  return &limits[{file, line}];
}

void Forward(gpr_log_func_args* args) {
  const Log* log = receiver.load();
  if (log == nullptr) return;
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  if (!log->Enabled(level)) return;
  Log::Fields fields = {{"message", args->message}, {"file", args->file}, {"line", args->line}};
  if (level == LogLevel::kError) {  // every connection that fails its handshake makes one
    const std::optional<int64_t> left_out = LimitOf(args->file, args->line)->Next(absl::Now());
    if (!left_out) return;
    if (*left_out > 0) fields["left_out_before"] = *left_out;
  }
  log->Write(level, "grpc", fields);
}

}  // namespace

void SendGrpcLogTo(const Log* log) {
  receiver.store(log);
  gpr_set_log_function(log == nullptr ? nullptr : Forward);
}

}  // namespace favor
