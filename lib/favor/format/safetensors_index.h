#ifndef FAVOR_FORMAT_SAFETENSORS_INDEX_H_
#define FAVOR_FORMAT_SAFETENSORS_INDEX_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace favor {

// The index of tensors that are spread over several safetensors files beside it, the shards:
//
//   {"metadata": {"total_size": 438000000, ...},
//    "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
//
// metadata is not looked at, as transformers does not.
struct SafetensorsIndex {
  std::map<std::string, std::string> shard_of;  // of each tensor, the name of its file

  // Every one once, in the order of their names.
  std::vector<std::string> Shards() const;
};

// Far beyond any model: some 40,000 tensors, and 20 TB in shards of 5 GB.
constexpr int64_t kMaxSafetensorsIndexBytes = int64_t{4} << 20;
constexpr int64_t kMaxShards = 4096;

// InvalidArgumentError, naming file, key, value and bound, for anything that is not as above, and for a shard that is
// not the plain name of a .safetensors file: none is looked for outside of the index's own folder.
absl::StatusOr<SafetensorsIndex> ParseSafetensorsIndex(absl::string_view text, absl::string_view file_name);

// The same of a file; errors name it by the last part of its path.
absl::StatusOr<SafetensorsIndex> ReadSafetensorsIndex(const std::string& path);

}  // namespace favor

#endif  // FAVOR_FORMAT_SAFETENSORS_INDEX_H_
