#include "server/rpc/response_bytes.h"

#include <memory>
#include <utility>

#include "grpcpp/support/slice.h"
#include "server/rpc/heap_trim.h"

namespace favor {
namespace {

struct OwnedBytes {
  OwnedBytes(AlignedBuffer<std::byte> data, Admission::Reservation reservation)
      : data(std::move(data)), reservation(std::move(reservation)) {}
  // The inputs, freed before, are mostly larger.
  ~OwnedBytes() { NoteFreedBytes(2 * data.size()); }

  AlignedBuffer<std::byte> data;
  Admission::Reservation reservation;
};

}  // namespace

grpc::ByteBuffer ResponseBytes(const std::string& header, AlignedBuffer<std::byte> data,
                               Admission::Reservation reservation) {
  const grpc::Slice first(header);
  if (data.empty()) return grpc::ByteBuffer(&first, 1);

  reservation.Shrink(reservation.bytes() - data.size());
  auto owned = std::make_unique<OwnedBytes>(std::move(data), std::move(reservation));
  void* bytes = owned->data.data();
  const size_t size = static_cast<size_t>(owned->data.size());
  const auto destroy = [](void* owned) { delete static_cast<OwnedBytes*>(owned); };
  const grpc::Slice slices[] = {first, grpc::Slice(bytes, size, destroy, owned.release())};
  return grpc::ByteBuffer(slices, 2);
}

}  // namespace favor
