#include "server/rpc/response_bytes.h"

#include <memory>
#include <utility>

#include "grpcpp/support/slice.h"
#include "server/execution/heap_trim.h"

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

struct OwnedPart {
  ~OwnedPart() { NoteFreedBytes(2 * static_cast<int64_t>(bytes.size())); }

  std::string bytes;
  std::shared_ptr<Admission::Reservation> reservation;  // of all parts
};

grpc::Slice SliceOf(std::string bytes, std::shared_ptr<Admission::Reservation> reservation) {
  auto* part = new OwnedPart{std::move(bytes), std::move(reservation)};
  const auto destroy = [](void* part) { delete static_cast<OwnedPart*>(part); };
  return grpc::Slice(part->bytes.data(), part->bytes.size(), destroy, part);
}

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

grpc::ByteBuffer ResponseBytes(std::vector<std::string> parts, Admission::Reservation reservation) {
  int64_t num_bytes = 0;
  for (const std::string& part : parts) num_bytes += static_cast<int64_t>(part.size());
  reservation.Shrink(reservation.bytes() - num_bytes);
  auto shared = std::make_shared<Admission::Reservation>(std::move(reservation));
  std::vector<grpc::Slice> slices;
  for (std::string& part : parts) slices.push_back(SliceOf(std::move(part), shared));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer MessageOf(std::string bytes) {
  const grpc::Slice slice = SliceOf(std::move(bytes), nullptr);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace favor
