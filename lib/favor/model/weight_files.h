#ifndef FAVOR_MODEL_WEIGHT_FILES_H_
#define FAVOR_MODEL_WEIGHT_FILES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "favor/model/weights.h"

namespace favor {

// The weights of a folder: model.safetensors; without it, the shards of model.safetensors.index.json. Where there is
// neither, the NotFoundError names what the folder has instead.
absl::StatusOr<Weights> OpenWeights(const std::string& folder);

// Bytes of those files together; 0 where they cannot be told: opening them says why.
int64_t WeightsFileBytes(const std::string& folder);

}  // namespace favor

#endif  // FAVOR_MODEL_WEIGHT_FILES_H_
