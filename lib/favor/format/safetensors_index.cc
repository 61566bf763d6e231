#include "favor/format/safetensors_index.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/format/json.h"

namespace favor {
namespace {

constexpr size_t kMaxFileName = 255;  // bytes of a file's name on Linux

bool IsPlainFileName(const std::string& name) {
  return name.size() <= kMaxFileName && name.find_first_of("/\0", 0, 2) == std::string::npos;
}

absl::StatusOr<SafetensorsIndex> ToIndex(const JsonValue& json, absl::string_view file_name) {
  const auto invalid = [file_name](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", what));
  };
  if (json.object() == nullptr) return invalid(absl::StrCat("is ", json.Description(), ", not an object"));
  const JsonValue* map = json.Find("weight_map");
  if (map == nullptr) return invalid("weight_map is missing");
  if (map->object() == nullptr) return invalid(absl::StrCat("weight_map is ", map->Description(), ", not an object"));
  if (map->object()->empty()) return invalid("weight_map is empty, must name at least one tensor");
  SafetensorsIndex index;
  for (const JsonMember& member : *map->object()) {
    const std::string* shard = member.value.string();
    if (shard == nullptr || !IsPlainFileName(*shard) || !absl::EndsWith(*shard, ".safetensors")) {
      return invalid(absl::StrCat("weight_map[", JsonValue{member.name}.Description(), "] is ",
                                  member.value.Description(),
                                  ", must be the name of a .safetensors file in the same folder"));
    }
    index.shard_of.emplace_hint(index.shard_of.end(), member.name, *shard);
  }
  if (const size_t shards = index.Shards().size(); shards > kMaxShards) {
    return invalid(absl::StrCat("weight_map names ", shards, " files, at most ", kMaxShards));
  }
  return index;
}

}  // namespace

std::vector<std::string> SafetensorsIndex::Shards() const {
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  return {shards.begin(), shards.end()};
}

absl::StatusOr<SafetensorsIndex> ParseSafetensorsIndex(absl::string_view text, absl::string_view file_name) {
  const absl::StatusOr<JsonValue> json = ParseJson(text, file_name);
  if (!json.ok()) return json.status();
  return ToIndex(*json, file_name);
}

absl::StatusOr<SafetensorsIndex> ReadSafetensorsIndex(const std::string& path) {
  const absl::StatusOr<JsonValue> json = ReadJsonFile(path, kMaxSafetensorsIndexBytes);
  if (!json.ok()) return json.status();
  return ToIndex(*json, absl::string_view(path).substr(path.rfind('/') + 1));
}

}  // namespace favor
