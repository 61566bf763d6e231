#include "client/transport/status.h"

#include "absl/strings/cord.h"
#include "client/wire/field_reader.h"

namespace favor::client {
namespace {

// Of google.rpc.Status and google.protobuf.Any.
constexpr int kCodeField = 1;
constexpr int kMessageField = 2;
constexpr int kDetailsField = 3;
constexpr int kTypeUrlField = 1;
constexpr int kValueField = 2;

void AttachDetail(absl::string_view any, absl::Status* status) {
  absl::string_view type_url, value;
  FieldReader reader(any);
  while (const auto field = reader.Next()) {
    if (field->number == kTypeUrlField) type_url = field->bytes;
    if (field->number == kValueField) value = field->bytes;
  }
  if (!type_url.empty()) status->SetPayload(type_url, absl::Cord(value));
}

void AttachDetails(absl::string_view status_message, absl::Status* status) {
  FieldReader reader(status_message);
  while (const auto field = reader.Next()) {
    if (field->number == kDetailsField) AttachDetail(field->bytes, status);
  }
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  AttachDetails(status.error_details(), &result);
  return result;
}

absl::Status FromStatusMessage(absl::string_view message) {
  // Any other code would read as OK: one that is missing, and those that gRPC does not know.
  int code = static_cast<int>(absl::StatusCode::kUnknown);
  absl::string_view text;
  FieldReader reader(message);
  while (const auto field = reader.Next()) {
    if (field->number == kCodeField && field->varint >= 1 && field->varint <= 16)
      code = static_cast<int>(field->varint);
    if (field->number == kMessageField) text = field->bytes;
  }
  absl::Status result(static_cast<absl::StatusCode>(code), text);
  AttachDetails(message, &result);
  return result;
}

}  // namespace favor::client
