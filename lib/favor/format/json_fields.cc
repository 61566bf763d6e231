#include "favor/format/json_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace favor {
namespace {

const JsonValue& EmptyObject() {
  static const JsonValue* const kEmpty = new JsonValue{JsonValue::Object()};
  return *kEmpty;
}

const JsonValue::Array& EmptyArray() {
  static const JsonValue::Array* const kEmpty = new JsonValue::Array();
  return *kEmpty;
}

}  // namespace

JsonFields::JsonFields(const JsonValue& object, std::string file_name, absl::Status* status, std::string place)
    : object_(&object), file_name_(std::move(file_name)), place_(std::move(place)), status_(status) {
  if (object.object() != nullptr) return;
  Fail("", absl::StrCat("is ", object.Description(), ", not an object"));
  object_ = &EmptyObject();
}

const JsonValue* JsonFields::Find(absl::string_view name) const {
  const JsonValue* value = object_->Find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const JsonValue* JsonFields::Require(absl::string_view name) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) Fail(name, "is missing");
  return value;
}

std::string JsonFields::RequiredString(absl::string_view name) const {
  return Require(name) == nullptr ? "" : String(name, "");
}

std::string JsonFields::String(absl::string_view name, std::string fallback) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) return fallback;
  if (const std::string* text = value->string()) return *text;
  FailValue(name, "not a string");
  return fallback;
}

int64_t JsonFields::RequiredInteger(absl::string_view name, int64_t least, int64_t most) const {
  return Require(name) == nullptr ? 0 : Integer(name, 0, least, most);
}

int64_t JsonFields::Integer(absl::string_view name, int64_t fallback, int64_t least, int64_t most) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) return fallback;
  const int64_t* number = value->integer();
  if (number != nullptr && *number >= least && *number <= most) return *number;
  const bool bounded = least != -kAnyInteger || most != kAnyInteger;
  FailValue(name, absl::StrCat("not an integer", bounded ? absl::StrCat(" from ", least, " to ", most) : ""));
  return fallback;
}

double JsonFields::RequiredNumber(absl::string_view name, double least, double most) const {
  return Require(name) == nullptr ? 0 : Number(name, 0, least, most);
}

double JsonFields::Number(absl::string_view name, double fallback, double least, double most) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) return fallback;
  const double* real = std::get_if<double>(&value->value);
  const int64_t* integer = value->integer();
  if (real != nullptr || integer != nullptr) {
    const double number = real != nullptr ? *real : static_cast<double>(*integer);
    if (number >= least && number <= most) return number;
  }
  const bool bounded = least != -kAnyNumber || most != kAnyNumber;
  FailValue(name, absl::StrCat("not a number", bounded ? absl::StrCat(" from ", least, " to ", most) : ""));
  return fallback;
}

bool JsonFields::RequiredBool(absl::string_view name) const { return Require(name) != nullptr && Bool(name, false); }

bool JsonFields::Bool(absl::string_view name, bool fallback) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) return fallback;
  if (const bool* boolean = value->boolean()) return *boolean;
  FailValue(name, "neither true nor false");
  return fallback;
}

JsonFields JsonFields::RequiredObject(absl::string_view name) const {
  Require(name);
  return Object(name);
}

JsonFields JsonFields::Object(absl::string_view name) const {
  const JsonValue* value = Find(name);
  return JsonFields(value == nullptr ? EmptyObject() : *value, file_name_, status_, Path(name));
}

const JsonValue::Array& JsonFields::RequiredArray(absl::string_view name) const {
  Require(name);
  return Array(name);
}

const JsonValue::Array& JsonFields::Array(absl::string_view name) const {
  const JsonValue* value = Find(name);
  if (value == nullptr) return EmptyArray();
  if (const JsonValue::Array* array = value->array()) return *array;
  FailValue(name, "not a list");
  return EmptyArray();
}

std::vector<JsonFields> JsonFields::Objects(absl::string_view name) const {
  std::vector<JsonFields> objects;
  for (const JsonValue& value : Array(name)) {
    objects.emplace_back(value, file_name_, status_, absl::StrCat(Path(name), "[", objects.size(), "]"));
  }
  return objects;
}

std::vector<std::string> JsonFields::Strings(absl::string_view name) const {
  std::vector<std::string> strings;
  for (const JsonValue& value : Array(name)) {
    const std::string* text = value.string();
    if (text == nullptr) {
      Fail(absl::StrCat(name, "[", strings.size(), "]"), absl::StrCat("is ", value.Description(), ", not a string"));
      return {};
    }
    strings.push_back(*text);
  }
  return strings;
}

void JsonFields::Fail(absl::string_view name, absl::string_view what) const {
  if (!status_->ok()) return;
  const std::string path = Path(name);
  *status_ = absl::InvalidArgumentError(
      absl::StrCat(file_name_, path.empty() ? " " : ": ", path, path.empty() ? "" : " ", what));
}

void JsonFields::FailValue(absl::string_view name, absl::string_view what) const {
  const JsonValue* value = object_->Find(name);
  Fail(name, absl::StrCat("is ", value == nullptr ? "missing" : value->Description(), ", ", what));
}

std::string JsonFields::Path(absl::string_view name) const {
  return absl::StrCat(place_, place_.empty() || name.empty() ? "" : ".", name);
}

}  // namespace favor
