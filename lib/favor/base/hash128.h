#ifndef FAVOR_BASE_HASH128_H_
#define FAVOR_BASE_HASH128_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace favor {

// Hashes a sequence of fields with XXH3 (seed 0). Fields are encoded one after the other, without padding, lengths or
// tags: integers little-endian, floats as the little-endian bits of IEEE 754 binary32, text as its bytes. Hence the
// same fields have the same hash on every machine, and a caller who needs to tell fields of varying length apart adds
// their lengths himself. Thread-compatible.
class FieldHasher {
 public:
  FieldHasher();
  ~FieldHasher();
  FieldHasher(FieldHasher&&) noexcept;
  FieldHasher& operator=(FieldHasher&&) noexcept;

  FieldHasher& AddBytes(absl::string_view bytes);
  FieldHasher& AddUint8(uint8_t value);
  FieldHasher& AddUint32(uint32_t value);
  FieldHasher& AddUint64(uint64_t value);
  FieldHasher& AddFloats(absl::Span<const float> values);

  // XXH3-64 of the fields added so far; more may follow.
  uint64_t Digest64() const;
  // XXH3-128 of the fields added so far, as 32 lower-case hexadecimal digits, most significant first.
  std::string HexDigest128() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace favor

#endif  // FAVOR_BASE_HASH128_H_
