#ifndef FAVOR_TESTS_FUZZ_PATCHED_BYTES_H_
#define FAVOR_TESTS_FUZZ_PATCHED_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace favor::testing {

// Good bytes with some of them overwritten: `patches` are places of two bytes each, taken modulo the size, and the four
// bytes that go there. So a few bytes of input reach every place of a payload whose size must be right.
inline std::string Patched(std::string bytes, absl::string_view patches) {
  constexpr size_t kPatchBytes = 6;
  for (; patches.size() >= kPatchBytes && !bytes.empty(); patches.remove_prefix(kPatchBytes)) {
    const size_t place =
        (static_cast<uint8_t>(patches[0]) | static_cast<size_t>(static_cast<uint8_t>(patches[1])) << 8);
    for (size_t i = 0; i < 4; ++i) bytes[(place + i) % bytes.size()] = patches[2 + i];
  }
  return bytes;
}

}  // namespace favor::testing

#endif  // FAVOR_TESTS_FUZZ_PATCHED_BYTES_H_
