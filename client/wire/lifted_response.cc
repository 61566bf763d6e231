#include "client/wire/lifted_response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <new>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/wire/data_type_wire.h"

namespace favor::client {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t LengthDelimitedTag(int field_number) {
  return static_cast<uint32_t>(field_number) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}

// Appends the field that starts with `tag` to `fields` as it stands.
bool CopyField(uint32_t tag, CodedInputStream* input, std::string* fields) {
  google::protobuf::io::StringOutputStream stream(fields);
  google::protobuf::io::CodedOutputStream output(&stream);
  return WireFormatLite::SkipField(input, tag, &output);
}

// Reads a length that the message has room for.
bool ReadSize(CodedInputStream* input, int* size) {
  return input->ReadVarintSizeAsInt(size) && *size <= input->BytesUntilLimit();
}

absl::Status ReadData(CodedInputStream* input, absl::string_view message, WireTensor* tensor) {
  int size = 0;
  if (!ReadSize(input, &size)) return MalformedResponse(message);
  tensor->data.reset(new (std::nothrow) std::byte[size]);
  if (tensor->data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for an output of ", size, " bytes"));
  }
  tensor->size_bytes = size;
  return input->ReadRaw(tensor->data.get(), size) ? absl::OkStatus() : MalformedResponse(message);
}

absl::Status ReadTensor(CodedInputStream* input, absl::string_view message, WireTensor* tensor) {
  int size = 0;
  if (!ReadSize(input, &size)) return MalformedResponse(message);
  const CodedInputStream::Limit limit = input->PushLimit(size);
  std::string header;
  while (const uint32_t tag = input->ReadTag()) {
    if (tag == LengthDelimitedTag(v1::Tensor::kDataFieldNumber)) {
      if (const absl::Status status = ReadData(input, message, tensor); !status.ok()) return status;
    } else if (!CopyField(tag, input, &header)) {
      return MalformedResponse(message);
    }
  }
  if (!input->ConsumedEntireMessage() || !tensor->header.MergeFromString(header)) return MalformedResponse(message);
  input->PopLimit(limit);
  return absl::OkStatus();
}

}  // namespace

absl::Status MalformedResponse(absl::string_view message) {
  return absl::InternalError(absl::StrCat("the server's answer is not a favor.v1.", message));
}

absl::StatusOr<LiftedResponse> Lift(grpc::ByteBuffer* response, const LiftedFields& fields) {
  const absl::string_view message = fields.message;
  grpc::ProtoBufferReader reader(response);
  if (!reader.status().ok() || response->Length() > INT32_MAX) return MalformedResponse(message);
  CodedInputStream input(&reader);
  const CodedInputStream::Limit limit = input.PushLimit(static_cast<int>(response->Length()));
  LiftedResponse lifted;
  while (const uint32_t tag = input.ReadTag()) {
    if (fields.tensor != 0 && tag == LengthDelimitedTag(fields.tensor)) {
      if (!lifted.tensor) lifted.tensor.emplace();
      if (const absl::Status status = ReadTensor(&input, message, &*lifted.tensor); !status.ok()) return status;
    } else if (fields.bytes != 0 && tag == LengthDelimitedTag(fields.bytes)) {
      int size = 0;
      lifted.bytes.emplace();
      if (!ReadSize(&input, &size) || !input.ReadString(&*lifted.bytes, size)) return MalformedResponse(message);
    } else if (!CopyField(tag, &input, &lifted.rest)) {
      return MalformedResponse(message);
    }
  }
  if (!input.ConsumedEntireMessage()) return MalformedResponse(message);
  input.PopLimit(limit);
  return lifted;
}

absl::StatusOr<Tensor> ToTensor(WireTensor wire) {
  const std::optional<DataType> type = FromWire(wire.header.data_type());
  if (!type) {
    return absl::InternalError(absl::StrCat("output.data_type is ", static_cast<int>(wire.header.data_type()),
                                            ", which this client does not know"));
  }
  uint64_t size_bytes = SizeOf(*type);
  for (const int64_t length : wire.header.shape()) {
    if (length < 0 || __builtin_mul_overflow(size_bytes, static_cast<uint64_t>(length), &size_bytes)) {
      return absl::InternalError(absl::StrCat("output.shape has a length of ", length));
    }
  }
  if (size_bytes != static_cast<uint64_t>(wire.size_bytes)) {
    return absl::InternalError(
        absl::StrCat("output.data has ", wire.size_bytes, " bytes, output.shape asks for ", size_bytes));
  }
  return Tensor(*type, {wire.header.shape().begin(), wire.header.shape().end()}, std::move(wire.data), size_bytes);
}

}  // namespace favor::client
