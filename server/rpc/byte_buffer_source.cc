#include "server/rpc/byte_buffer_source.h"

#include "server/execution/heap_trim.h"

namespace favor {
ByteBufferSource::ByteBufferSource(grpc::ByteBuffer buffer) : total_bytes_(static_cast<int64_t>(buffer.Length())) {
  buffer.Dump(&slices_);  // adds references; the buffer's own end with it
}

absl::string_view ByteBufferSource::Next() {
  if (next_ > 0) DropCurrent();
  // An empty slice would look like the end.
  while (next_ < slices_.size() && slices_[next_].size() == 0) ++next_;
  if (next_ == slices_.size()) return {};
  const grpc::Slice& slice = slices_[next_++];
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

void ByteBufferSource::DropCurrent() {
  grpc::Slice& slice = slices_[next_ - 1];
  NoteFreedBytes(static_cast<int64_t>(slice.size()));
  slice = grpc::Slice();
}

}  // namespace favor
