#include "client/transport/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "client/wire/field_reader.h"

namespace favor::client {
namespace {

// Of google.rpc.Status and google.protobuf.Any.
constexpr int kDetailsField = 3;
constexpr int kTypeUrlField = 1;
constexpr int kValueField = 2;

void AttachDetail(const std::string& any, absl::Status* status) {
  std::string type_url, value;
  FieldReader reader(any);
  while (const auto field = reader.Next()) {
    if (field->number == kTypeUrlField) type_url = field->bytes;
    if (field->number == kValueField) value = field->bytes;
  }
  if (!type_url.empty()) status->SetPayload(type_url, absl::Cord(value));
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  const std::string details = status.error_details();
  FieldReader reader(details);
  while (const auto field = reader.Next()) {
    if (field->number == kDetailsField) AttachDetail(field->bytes, &result);
  }
  return result;
}

}  // namespace favor::client
