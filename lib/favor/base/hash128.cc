#include "favor/base/hash128.h"

// For the definition of XXH3_state_t, which we place ourselves.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <bit>
#include <cstddef>

#include "absl/strings/escaping.h"

namespace favor {
namespace {

template <typename Unsigned>
void AddLittleEndian(Unsigned value, XXH3_state_t* state) {
  unsigned char bytes[sizeof(Unsigned)];
  for (size_t i = 0; i < sizeof(Unsigned); ++i) bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  XXH3_128bits_update(state, bytes, sizeof(bytes));
}

}  // namespace

// The 64-bit and the 128-bit variant share one way of taking bytes in.
struct FieldHasher::State {
  XXH3_state_t xxh;
};

FieldHasher::FieldHasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
FieldHasher::~FieldHasher() = default;
FieldHasher::FieldHasher(FieldHasher&&) noexcept = default;
FieldHasher& FieldHasher::operator=(FieldHasher&&) noexcept = default;

FieldHasher& FieldHasher::AddBytes(absl::string_view bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
  return *this;
}

FieldHasher& FieldHasher::AddUint8(uint8_t value) {
  AddLittleEndian(value, &state_->xxh);
  return *this;
}

FieldHasher& FieldHasher::AddUint32(uint32_t value) {
  AddLittleEndian(value, &state_->xxh);
  return *this;
}

FieldHasher& FieldHasher::AddUint64(uint64_t value) {
  AddLittleEndian(value, &state_->xxh);
  return *this;
}

FieldHasher& FieldHasher::AddFloats(absl::Span<const float> values) {
  if constexpr (std::endian::native == std::endian::little) {
    XXH3_128bits_update(&state_->xxh, values.data(), values.size() * sizeof(float));
  } else {
    for (float value : values) AddLittleEndian(std::bit_cast<uint32_t>(value), &state_->xxh);
  }
  return *this;
}

uint64_t FieldHasher::Digest64() const { return XXH3_64bits_digest(&state_->xxh); }

std::string FieldHasher::HexDigest128() const {
  XXH128_canonical_t bytes;  // most significant byte first
  XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(&state_->xxh));
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes.digest), sizeof(bytes.digest)));
}

}  // namespace favor
