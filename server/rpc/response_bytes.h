#ifndef FAVOR_SERVER_RPC_RESPONSE_BYTES_H_
#define FAVOR_SERVER_RPC_RESPONSE_BYTES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "favor/base/aligned_buffer.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/execution/admission.h"

namespace favor {

// A message of a header and the bytes of a tensor behind it, which are not copied: the message owns them, and the
// reservation shrunk to their size, until gRPC has sent them.
grpc::ByteBuffer ResponseBytes(const std::string& header, AlignedBuffer<std::byte> data,
                               Admission::Reservation reservation);

// A message in parts, which are not copied: it owns them and the reservation, shrunk to their size (it must hold at
// least that), until gRPC has sent them.
grpc::ByteBuffer ResponseBytes(std::vector<std::string> parts, Admission::Reservation reservation);

// A message that owns its bytes, which are not copied.
grpc::ByteBuffer MessageOf(std::string bytes);

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_RESPONSE_BYTES_H_
