#ifndef FAVOR_CLIENT_WIRE_FIELD_READER_H_
#define FAVOR_CLIENT_WIRE_FIELD_READER_H_

#include <cstdint>
#include <optional>

#include <google/protobuf/io/coded_stream.h>
#include "absl/strings/string_view.h"

namespace favor::client {

// Reads the fields of a small message one by one, without generated code: google.rpc and grpc.health.v1 are well-known
// packages, and a program that links another copy of their generated code would abort at start with ours beside it.
class FieldReader {
 public:
  // The bytes must outlive the reader; at most 2 GiB, more count as malformed.
  explicit FieldReader(absl::string_view bytes);

  struct Field {
    int number = 0;
    bool is_varint = false;
    uint64_t varint = 0;      // of a varint field
    absl::string_view bytes;  // of a length-delimited field; lies within the message
  };
  // The next field of one of those two kinds; other kinds are skipped. Nothing at the end, or where the bytes are
  // malformed.
  std::optional<Field> Next();

  // Once Next has returned nothing: whether that was before the end.
  bool malformed() const { return malformed_; }

 private:
  std::optional<Field> Fail();

  bool malformed_ = false;
  google::protobuf::io::CodedInputStream input_;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_FIELD_READER_H_
