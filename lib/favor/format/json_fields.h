#ifndef FAVOR_FORMAT_JSON_FIELDS_H_
#define FAVOR_FORMAT_JSON_FIELDS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "favor/format/json.h"

namespace favor {

// Typed reading of a JSON object. The first error goes to a status that the readers of one document share, so that a
// caller reads all fields and looks at the status once:
//
//   absl::Status status;
//   const JsonFields config(*json, "config.json", &status);
//   const int64_t num_layers = config.RequiredInteger("num_hidden_layers", 1, 1000);
//   const double epsilon = config.Number("layer_norm_eps", 1e-12, 0, 1);
//   if (!status.ok()) return status;  // config.json: num_hidden_layers is "6", not an integer
//
// After an error a reader returns the fallback, or an empty value. A field that is null counts as absent. Does not own
// the object or the status.
class JsonFields {
 public:
  static constexpr int64_t kAnyInteger = std::numeric_limits<int64_t>::max();
  static constexpr double kAnyNumber = std::numeric_limits<double>::infinity();

  // An error, and a reader of nothing, when `object` is not an object. `place` is the path to it within the file: empty
  // for the whole, else as "model.vocab".
  JsonFields(const JsonValue& object, std::string file_name, absl::Status* status, std::string place = "");

  // Null when the field is absent or null.
  const JsonValue* Find(absl::string_view name) const;
  bool Has(absl::string_view name) const { return Find(name) != nullptr; }

  std::string RequiredString(absl::string_view name) const;
  std::string String(absl::string_view name, std::string fallback) const;

  // Within [least, most].
  int64_t RequiredInteger(absl::string_view name, int64_t least = -kAnyInteger, int64_t most = kAnyInteger) const;
  int64_t Integer(absl::string_view name, int64_t fallback, int64_t least = -kAnyInteger,
                  int64_t most = kAnyInteger) const;

  // Integers are numbers too.
  double RequiredNumber(absl::string_view name, double least = -kAnyNumber, double most = kAnyNumber) const;
  double Number(absl::string_view name, double fallback, double least = -kAnyNumber, double most = kAnyNumber) const;

  bool RequiredBool(absl::string_view name) const;
  bool Bool(absl::string_view name, bool fallback) const;

  // Readers of inner objects. Of an absent optional one: a reader without fields.
  JsonFields RequiredObject(absl::string_view name) const;
  JsonFields Object(absl::string_view name) const;

  // The elements of a list, and a reader of each for lists of objects. Absent optional lists are empty.
  const JsonValue::Array& RequiredArray(absl::string_view name) const;
  const JsonValue::Array& Array(absl::string_view name) const;
  std::vector<JsonFields> Objects(absl::string_view name) const;
  std::vector<std::string> Strings(absl::string_view name) const;

  // Records "config.json: place.name WHAT" as an InvalidArgumentError, unless there is an error already. Without a name
  // the error is the object's own.
  void Fail(absl::string_view name, absl::string_view what) const;
  // The same with the value: "config.json: hidden_act is "tanh", WHAT".
  void FailValue(absl::string_view name, absl::string_view what) const;

  bool ok() const { return status_->ok(); }
  const absl::Status& status() const { return *status_; }
  // "name", or "place.name".
  std::string Path(absl::string_view name) const;
  const JsonValue& object() const { return *object_; }
  const std::string& file_name() const { return file_name_; }

 private:
  const JsonValue* Require(absl::string_view name) const;

  const JsonValue* object_;
  std::string file_name_;
  std::string place_;
  absl::Status* status_;
};

}  // namespace favor

#endif  // FAVOR_FORMAT_JSON_FIELDS_H_
