#ifndef FAVOR_SERVER_CONVERT_BYTE_SOURCE_H_
#define FAVOR_SERVER_CONVERT_BYTE_SOURCE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace favor {

// A message that lies in pieces.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Bytes of all pieces together, those already handed out included.
  virtual int64_t total_bytes() const = 0;

  // The next piece, never empty before the end, empty at it. Frees the piece handed out before.
  virtual absl::string_view Next() = 0;
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_BYTE_SOURCE_H_
