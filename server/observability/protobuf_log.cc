#include "server/observability/protobuf_log.h"

#include <string>

#include "google/protobuf/stubs/common.h"

// From 22 on Protobuf logs by Abseil, and nothing about text that is not UTF-8 in what it parses.
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include "google/protobuf/stubs/logging.h"
#endif

namespace favor {

#if GOOGLE_PROTOBUF_VERSION < 4022000
namespace {

const Log* receiver = nullptr;  // Protobuf's callback carries no context

void Forward(google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
  const bool is_fatal = level == google::protobuf::LOGLEVEL_FATAL;
  receiver->Write(is_fatal ? LogLevel::kError : LogLevel::kDebug, "protobuf",
                  {{"message", message}, {"file", file}, {"line", line}});
}

}  // namespace

void SendProtobufLogTo(const Log* log) {
  receiver = log;
  google::protobuf::SetLogHandler(Forward);
}
#else
void SendProtobufLogTo(const Log*) {}
#endif

}  // namespace favor
