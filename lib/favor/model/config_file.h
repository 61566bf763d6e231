#ifndef FAVOR_MODEL_CONFIG_FILE_H_
#define FAVOR_MODEL_CONFIG_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "favor/format/json.h"

namespace favor {

// Configurations are small; this is far beyond any.
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

// Reads a configuration, `name` being its path inside of `folder`. Errors name it by that path: config.json alone would
// be another file.
absl::StatusOr<JsonValue> ReadConfigFile(const std::string& folder, const std::string& name);

// An object without members when there is no such file: all of its fields have defaults.
absl::StatusOr<JsonValue> ReadOptionalConfigFile(const std::string& folder, const std::string& name);

}  // namespace favor

#endif  // FAVOR_MODEL_CONFIG_FILE_H_
