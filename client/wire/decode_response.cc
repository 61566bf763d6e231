#include "client/wire/decode_response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/support/proto_buffer_reader.h>
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/wire/data_type_wire.h"
#include "client/wire/decode_report.h"
#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t LengthDelimitedTag(int field_number) {
  return static_cast<uint32_t>(field_number) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}

absl::Status Malformed() { return absl::InternalError("the server's answer is not a favor.v1.AttendResponse"); }

// A tensor on its way from the wire.
struct WireTensor {
  v1::Tensor header;  // without data
  std::unique_ptr<std::byte[]> data;
  int size_bytes = 0;
};

// Appends the field that starts with `tag` to `fields` as it stands.
bool CopyField(uint32_t tag, CodedInputStream* input, std::string* fields) {
  google::protobuf::io::StringOutputStream stream(fields);
  google::protobuf::io::CodedOutputStream output(&stream);
  return WireFormatLite::SkipField(input, tag, &output);
}

absl::Status ReadData(CodedInputStream* input, WireTensor* tensor) {
  int size = 0;
  if (!input->ReadVarintSizeAsInt(&size) || size > input->BytesUntilLimit()) return Malformed();
  tensor->data.reset(new (std::nothrow) std::byte[size]);
  if (tensor->data == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for an output of ", size, " bytes"));
  }
  tensor->size_bytes = size;
  return input->ReadRaw(tensor->data.get(), size) ? absl::OkStatus() : Malformed();
}

absl::Status ReadTensor(CodedInputStream* input, WireTensor* tensor) {
  int size = 0;
  if (!input->ReadVarintSizeAsInt(&size) || size > input->BytesUntilLimit()) return Malformed();
  const CodedInputStream::Limit limit = input->PushLimit(size);
  std::string header;
  while (const uint32_t tag = input->ReadTag()) {
    if (tag == LengthDelimitedTag(v1::Tensor::kDataFieldNumber)) {
      if (const absl::Status status = ReadData(input, tensor); !status.ok()) return status;
    } else if (!CopyField(tag, input, &header)) {
      return Malformed();
    }
  }
  if (!input->ConsumedEntireMessage() || !tensor->header.MergeFromString(header)) return Malformed();
  input->PopLimit(limit);
  return absl::OkStatus();
}

absl::StatusOr<Tensor> Finish(WireTensor wire) {
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

}  // namespace

absl::StatusOr<AttendResult> DecodeAttendResponse(grpc::ByteBuffer* response) {
  grpc::ProtoBufferReader reader(response);
  if (!reader.status().ok() || response->Length() > INT32_MAX) return Malformed();
  CodedInputStream input(&reader);
  const CodedInputStream::Limit limit = input.PushLimit(static_cast<int>(response->Length()));
  WireTensor output;
  std::string rest;
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == LengthDelimitedTag(v1::AttendResponse::kOutputFieldNumber)) {
      if (const absl::Status status = ReadTensor(&input, &output); !status.ok()) return status;
    } else if (!CopyField(tag, &input, &rest)) {
      return Malformed();
    }
  }
  v1::AttendResponse without_output;
  if (!input.ConsumedEntireMessage() || !without_output.ParseFromString(rest)) return Malformed();
  input.PopLimit(limit);

  AttendResult result;
  absl::StatusOr<Tensor> tensor = Finish(std::move(output));
  if (!tensor.ok()) return tensor.status();
  result.output = *std::move(tensor);
  result.report = DecodeReport(without_output.report());
  return result;
}

}  // namespace favor::client
