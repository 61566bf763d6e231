#include "server/observability/grpc_log.h"

#include <atomic>

#include "grpc/support/log.h"

namespace favor {
namespace {

std::atomic<const Log*> receiver = nullptr;  // gRPC's callback carries no context

void Forward(gpr_log_func_args* args) {
  const Log* log = receiver.load();
  if (log == nullptr) return;
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kError
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  log->Write(level, "grpc", {{"message", args->message}, {"file", args->file}, {"line", args->line}});
}

}  // namespace

void SendGrpcLogTo(const Log* log) {
  receiver.store(log);
  gpr_set_log_function(log == nullptr ? nullptr : Forward);
}

}  // namespace favor
