#ifndef FAVOR_FORMAT_JSON_H_
#define FAVOR_FORMAT_JSON_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

struct JsonMember;

// A JSON value that owns what is inside it.
struct JsonValue {
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;  // sorted by name, each name once

  // Null is monostate. A number that is written without fraction and exponent and fits is an int64_t, others doubles.
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  const bool* boolean() const { return std::get_if<bool>(&value); }
  const int64_t* integer() const { return std::get_if<int64_t>(&value); }
  const std::string* string() const { return std::get_if<std::string>(&value); }
  const Array* array() const { return std::get_if<Array>(&value); }
  const Object* object() const { return std::get_if<Object>(&value); }

  // The member of an object; null when there is none, or when this is no object. Logarithmic.
  const JsonValue* Find(absl::string_view name) const;

  // "null", "true", "-3", "\"text\"", "a list of 3", "an object", for errors. Cut short when long.
  std::string Description() const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// Bounds that no configuration or vocabulary comes near: they keep a hostile file from taking much more memory than its
// own size.
constexpr int kMaxJsonDepth = 64;
constexpr int64_t kMaxJsonValues = int64_t{1} << 23;

// InvalidArgumentError, starting with `file_name`, for text that is not JSON in UTF-8, for names that occur twice in
// one object, and for what is beyond the bounds above.
absl::StatusOr<JsonValue> ParseJson(absl::string_view text, absl::string_view file_name);

// The same of a file; errors name it by the last part of its path. NotFoundError when there is no such file,
// InvalidArgumentError when it is longer than `max_bytes`.
absl::StatusOr<JsonValue> ReadJsonFile(const std::string& path, int64_t max_bytes);

}  // namespace favor

#endif  // FAVOR_FORMAT_JSON_H_
