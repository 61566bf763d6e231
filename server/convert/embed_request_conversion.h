#ifndef FAVOR_SERVER_CONVERT_EMBED_REQUEST_CONVERSION_H_
#define FAVOR_SERVER_CONVERT_EMBED_REQUEST_CONVERSION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "favor/model/embedder.h"
#include "favor/projection/projection.h"
#include "favor/v1/embedding.pb.h"
#include "server/execution/model_registry.h"

namespace favor {

// What an Embed request asks for all its inputs, every default filled in.
struct EmbedSettings {
  NamedModel model;
  std::optional<AttentionSpec> attention;    // unset: the model's own
  std::optional<ProjectionSpec> projection;  // of `attention`, to be drawn; unset: it takes none
  PoolOptions options;
  WindowOptions windows;
  std::string prompt;
  v1::EmbeddingType type = v1::EMBEDDING_TYPE_F32;
};

// Reads the request, its inputs aside. Every Status names the field.
absl::StatusOr<EmbedSettings> ReadEmbedSettings(const v1::EmbedRequest& request, NamedModel model);

// The same from the bytes of a request without its inputs.
absl::StatusOr<EmbedSettings> ParseEmbedSettings(const std::string& request, const ModelRegistry& models);

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_EMBED_REQUEST_CONVERSION_H_
