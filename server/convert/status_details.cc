#include "server/convert/status_details.h"

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "server/convert/field_error.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

// Trailers beyond 8 KiB make clients fail the call with an error of their own.
constexpr size_t kMaxMessageBytes = 1024;

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status wire;
  const std::string message(status.message().substr(0, kMaxMessageBytes));
  wire.set_code(static_cast<int32_t>(status.code()));
  wire.set_message(message);
  if (const std::string field = FieldOf(status); !field.empty()) {
    google::rpc::BadRequest bad_request;
    google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description(message);
    wire.add_details()->PackFrom(bad_request);
  }
  if (const std::optional<absl::Duration> delay = RetryDelayOf(status)) {
    google::rpc::RetryInfo retry_info;
    retry_info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(*delay));
    retry_info.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(*delay) % 1'000'000'000));
    wire.add_details()->PackFrom(retry_info);
  }
  return wire;
}

}  // namespace favor
