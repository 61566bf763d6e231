#include "client/cli/failure.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/errors.h"

namespace favor::cli {
namespace {

std::string Hint(const absl::Status& status, const ConnectionFlags& connection) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::StrCat("is favord running at ", connection.endpoint, "? (--endpoint, FAVOR_ENDPOINT)");
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat("the deadline was ", absl::FormatDuration(connection.deadline), " (--deadline)");
    case absl::StatusCode::kUnauthenticated:
      return "give a key (--api-key-file)";
    default:
      return "";
  }
}

}  // namespace

Json ErrorToJson(const absl::Status& status) {
  Json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", std::string(status.message())}};
  for (const client::FieldViolation& violation : client::FieldViolationsOf(status)) {
    error["field_violations"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  return {{"error", error}};
}

ExitCode Fail(const absl::Status& status, absl::string_view command, const ConnectionFlags& connection,
              const Console& console) {
  return FailWithHint(status, command, Hint(status, connection), connection, console);
}

ExitCode FailWithHint(const absl::Status& status, absl::string_view command, absl::string_view hint,
                      const ConnectionFlags& connection, const Console& console) {
  if (connection.json) console.out << ToText(ErrorToJson(status)) << "\n";
  console.error << "favor " << command << ": " << status.code() << ": " << status.message() << "\n";
  for (const client::FieldViolation& violation : client::FieldViolationsOf(status)) {
    if (absl::StrContains(status.message(), violation.description)) continue;
    console.error << "  " << violation.field << ": " << violation.description << "\n";
  }
  if (!hint.empty()) console.error << "  " << hint << "\n";
  return kExitFailure;
}

ExitCode FailUsage(absl::string_view message, absl::string_view command, const Console& console) {
  console.error << "favor " << command << ": " << message << "\nTry: favor " << command << " --help\n";
  return kExitUsage;
}

}  // namespace favor::cli
