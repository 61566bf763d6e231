#ifndef FAVOR_CLIENT_WIRE_LIFTED_RESPONSE_H_
#define FAVOR_CLIENT_WIRE_LIFTED_RESPONSE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <grpcpp/support/byte_buffer.h>
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/tensor.h"
#include "favor/v1/tensor.pb.h"

namespace favor::client {

struct WireTensor {
  v1::Tensor header;  // without data
  std::unique_ptr<std::byte[]> data;
  int size_bytes = 0;
};

// A response with its large fields lifted out of it, so that each is copied once and Protobuf sees only what is left.
struct LiftedResponse {
  std::optional<WireTensor> tensor;
  std::optional<std::string> bytes;
  std::string rest;  // all other fields, as they stood
};

// Which fields of a message to lift; 0: none.
struct LiftedFields {
  absl::string_view message;  // its name, for errors
  int tensor = 0;             // a favor.v1.Tensor
  int bytes = 0;              // of any length-delimited kind
};

// InternalError when the bytes are no such message, ResourceExhaustedError when there is no memory for its tensor.
// Bound: 2 GiB.
absl::StatusOr<LiftedResponse> Lift(grpc::ByteBuffer* response, const LiftedFields& fields);

// InternalError, naming the message, for what cannot be parsed.
absl::Status MalformedResponse(absl::string_view message);

// InternalError when the data does not match the shape.
absl::StatusOr<Tensor> ToTensor(WireTensor wire);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_LIFTED_RESPONSE_H_
