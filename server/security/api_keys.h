#ifndef FAVOR_SERVER_SECURITY_API_KEYS_H_
#define FAVOR_SERVER_SECURITY_API_KEYS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/base/priority.h"

namespace favor {

// What the holder of a key may take. 0: no limit.
struct KeyLimits {
  double calls_per_second = 0;  // on average
  int64_t burst = 0;            // calls at once after a pause; 0: those of a second, at least one
  int64_t max_calls = 0;        // under way at once
};

struct ApiKey {
  std::string name;                // for logs
  std::array<uint8_t, 32> hash{};  // SHA-256 of the key
  KeyLimits limits;
  bool is_admin = false;                  // may load and unload models
  Priority priority = Priority::kNormal;  // of its calls, unless they ask for less
};

// The keys of a file. A line holds a name and the SHA-256 of a key in hexadecimal, maybe followed by limits of its own:
//
//   alice 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 rate=50 burst=100 calls=8 priority=high
//   admin
//
// Keys are long and random, so that a plain hash keeps them safe: nobody can try them all. Lines starting with # and
// empty ones are skipped. Immutable.
class ApiKeys {
 public:
  static constexpr size_t kMaxKeys = 4096;
  static constexpr size_t kMaxKeyBytes = 512;

  // `defaults` are the limits of lines that give none. Errors name `source` and the line's number, and never quote more
  // of the line than the name.
  static absl::StatusOr<ApiKeys> Parse(absl::string_view text, absl::string_view source, const KeyLimits& defaults);

  // Null when it is none of them. The time it takes tells nothing about the keys: all hashes are compared, to the end.
  const ApiKey* Find(absl::string_view key) const;
  static std::array<uint8_t, 32> HashOf(absl::string_view key);

  const std::vector<ApiKey>& keys() const { return keys_; }

 private:
  std::vector<ApiKey> keys_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SECURITY_API_KEYS_H_
