#include "favor/model/config_file.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/file_io.h"

namespace favor {

namespace fs = std::filesystem;

absl::StatusOr<JsonValue> ReadConfigFile(const std::string& folder, const std::string& name) {
  absl::StatusOr<JsonValue> json = ReadJsonFile((fs::path(folder) / name).string(), kMaxConfigBytes);
  const fs::path path(name);
  if (json.ok() || !absl::StartsWith(json.status().message(), path.filename().string())) return json;
  const std::string place = path.has_parent_path() ? (path.parent_path() / "").string() : "";
  return absl::Status(json.status().code(), absl::StrCat(place, json.status().message()));
}

absl::StatusOr<JsonValue> ReadOptionalConfigFile(const std::string& folder, const std::string& name) {
  if (!EntryExists((fs::path(folder) / name).string())) return JsonValue{JsonValue::Object()};
  return ReadConfigFile(folder, name);
}

}  // namespace favor
