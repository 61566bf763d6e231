#include "client/wire/shifted_index.h"

#include <deque>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/wire/bad_request.h"
#include "client/wire/field_reader.h"
#include "client/wire/message_builder.h"

namespace favor::client {
namespace {

// "inputs[2].text" with another index; anything else as it is.
std::string Shifted(absl::string_view text, absl::string_view field, size_t first) {
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, field) || !absl::ConsumePrefix(&rest, "[")) return std::string(text);
  const size_t end = rest.find(']');
  size_t index = 0;
  if (end == rest.npos || !absl::SimpleAtoi(rest.substr(0, end), &index)) return std::string(text);
  return absl::StrCat(field, "[", first + index, rest.substr(end));
}

// The same of every field that google.rpc.BadRequest names, and of what it says of it.
std::string ShiftedBadRequest(absl::string_view message, absl::string_view field, size_t first) {
  std::deque<std::string> texts;  // which the builder borrows
  MessageBuilder shifted;
  FieldReader violations(message);
  while (const auto violation = violations.Next()) {
    if (violation->number != bad_request::kFieldViolationsField) continue;
    MessageBuilder one;
    FieldReader reader(violation->bytes);
    while (const auto it = reader.Next()) {
      if (it->number != bad_request::kFieldField && it->number != bad_request::kDescriptionField) continue;
      one.AppendText(it->number, texts.emplace_back(Shifted(it->bytes, field, first)));
    }
    shifted.AppendMessage(bad_request::kFieldViolationsField, std::move(one));
  }
  BorrowedMemory memory;
  grpc::Slice slice;
  if (!shifted.Build(&memory).DumpToSingleSlice(&slice).ok()) return std::string(message);
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

}  // namespace

absl::Status WithIndexesFrom(size_t first, absl::string_view field, const absl::Status& status) {
  if (first == 0 || status.ok()) return status;
  absl::Status result(status.code(), Shifted(status.message(), field, first));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    const bool names_fields = url == bad_request::kType;
    result.SetPayload(url, names_fields ? absl::Cord(ShiftedBadRequest(std::string(payload), field, first)) : payload);
  });
  return result;
}

}  // namespace favor::client
