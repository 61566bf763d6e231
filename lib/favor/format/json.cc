#include "favor/format/json.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"
#include "nlohmann/json.hpp"

namespace favor {
namespace {

// Receives the parser's events and builds the value. Returning false ends the parse.
class Builder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return Add({}); }
  bool boolean(bool value) { return Add({value}); }
  bool number_integer(number_integer_t value) { return Add({int64_t{value}}); }
  bool number_unsigned(number_unsigned_t value) {
    const bool fits = value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    return fits ? Add({static_cast<int64_t>(value)}) : Add({static_cast<double>(value)});
  }
  bool number_float(number_float_t value, const string_t&) { return Add({value}); }
  bool string(string_t& value) { return Add({std::move(value)}); }
  bool binary(binary_t&) { return false; }

  bool start_object(size_t) { return Open({JsonValue::Object()}); }
  bool start_array(size_t) { return Open({JsonValue::Array()}); }
  bool end_array() { return Close(); }
  bool end_object() {
    JsonValue::Object& members = std::get<JsonValue::Object>(open_.back().value);
    std::sort(members.begin(), members.end(), [](const JsonMember& a, const JsonMember& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(members.begin(), members.end(),
                                          [](const JsonMember& a, const JsonMember& b) { return a.name == b.name; });
    if (twice != members.end()) {
      return Fail(absl::StrCat("has the name ", JsonValue{twice->name}.Description(), " twice in one object"));
    }
    return Close();
  }
  bool key(string_t& name) {
    std::get<JsonValue::Object>(open_.back().value).push_back({std::move(name), {}});
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    return Fail(absl::StrCat("is not valid JSON at byte ", position));
  }

  const std::string& error() const { return error_; }
  JsonValue& root() { return root_; }

 private:
  bool Fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
    return false;
  }

  bool Open(JsonValue value) {
    if (open_.size() >= kMaxJsonDepth) return Fail(absl::StrCat("is nested more than ", kMaxJsonDepth, " deep"));
    open_.push_back(std::move(value));
    return true;
  }

  bool Close() {
    JsonValue value = std::move(open_.back());
    open_.pop_back();
    return Add(std::move(value));
  }

  bool Add(JsonValue value) {
    if (++num_values_ > kMaxJsonValues) return Fail(absl::StrCat("holds more than ", kMaxJsonValues, " values"));
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* array = std::get_if<JsonValue::Array>(&open_.back().value)) {
      array->push_back(std::move(value));
    } else {
      std::get<JsonValue::Object>(open_.back().value).back().value = std::move(value);
    }
    return true;
  }

  std::vector<JsonValue> open_;  // arrays and objects that are not closed yet, outermost first
  JsonValue root_;
  int64_t num_values_ = 0;
  std::string error_;
};

}  // namespace

const JsonValue* JsonValue::Find(absl::string_view name) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  const auto found = std::lower_bound(members->begin(), members->end(), name,
                                      [](const JsonMember& a, absl::string_view b) { return a.name < b; });
  return found != members->end() && found->name == name ? &found->value : nullptr;
}

std::string JsonValue::Description() const {
  struct Describe {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(int64_t value) const { return absl::StrCat(value); }
    std::string operator()(double value) const { return absl::StrCat(value); }
    std::string operator()(const std::string& value) const {
      constexpr size_t kLongest = 64;
      size_t end = std::min(value.size(), kLongest);
      while (end < value.size() && end > 0 && (value[end] & 0xC0) == 0x80) --end;  // not within a character
      return absl::StrCat("\"", value.substr(0, end), end < value.size() ? "...\"" : "\"");
    }
    std::string operator()(const Array& value) const { return absl::StrCat("a list of ", value.size()); }
    std::string operator()(const Object&) const { return "an object"; }
  };
  return std::visit(Describe(), value);
}

absl::StatusOr<JsonValue> ParseJson(absl::string_view text, absl::string_view file_name) {
  Builder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, " ", builder.error()));
  }
  return std::move(builder.root());
}

absl::StatusOr<JsonValue> ReadJsonFile(const std::string& path, int64_t max_bytes) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const std::string name = path.substr(path.rfind('/') + 1);
  const absl::Span<const std::byte> bytes = file->bytes();
  if (static_cast<int64_t>(bytes.size()) > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, " has ", bytes.size(), " bytes, at most ", max_bytes));
  }
  if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(absl::StrCat(name, " ", kIsGitLfsPointer));
  return ParseJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
}

}  // namespace favor
