#ifndef FAVOR_CLIENT_WIRE_DECODE_MODELS_H_
#define FAVOR_CLIENT_WIRE_DECODE_MODELS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/model_info.h"

// Read field by field for the reason that encode_embed.h gives.
namespace favor::client {

// The favor.v1.ListModelsResponse. InternalError when the bytes are no such message.
absl::StatusOr<std::vector<ModelInfo>> DecodeListModelsResponse(absl::string_view response);

// The model of a favor.v1.LoadModelResponse. InternalError when the bytes are no such message.
absl::StatusOr<ModelInfo> DecodeLoadModelResponse(absl::string_view response);

}  // namespace favor::client

#endif  // FAVOR_CLIENT_WIRE_DECODE_MODELS_H_
