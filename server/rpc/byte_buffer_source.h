#ifndef FAVOR_SERVER_RPC_BYTE_BUFFER_SOURCE_H_
#define FAVOR_SERVER_RPC_BYTE_BUFFER_SOURCE_H_

#include <cstdint>
#include <vector>

#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "server/convert/byte_source.h"

namespace favor {

// The slices of a received message, each freed once the next is asked for, and the memory given back to the system as
// it accumulates: a big message must not stay resident beside its copy.
class ByteBufferSource : public ByteSource {
 public:
  explicit ByteBufferSource(grpc::ByteBuffer buffer);

  int64_t total_bytes() const override { return total_bytes_; }
  absl::string_view Next() override;

 private:
  void DropCurrent();

  int64_t total_bytes_;
  std::vector<grpc::Slice> slices_;
  size_t next_ = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_BYTE_BUFFER_SOURCE_H_
