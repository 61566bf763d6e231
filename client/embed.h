#ifndef FAVOR_CLIENT_EMBED_H_
#define FAVOR_CLIENT_EMBED_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/attention_spec.h"

// Embeddings. These types mirror favor/v1/embedding.proto, which is the reference of every field, its bounds and its
// default; enumerators have the numbers of the proto. Whatever is left at kUnspecified, unset, empty or zero is the
// server's to choose.
namespace favor::client {

enum class Pooling {
  kUnspecified = 0,
  kMean = 1,
  kCls = 2,
  kLast = 3,
  kMax = 4,
  kNone = 5,
  kWeightedMean = 6,
  kMeanSqrtLen = 7
};

enum class OverLength { kUnspecified = 0, kRefuse = 1, kTruncateRight = 2, kTruncateLeft = 3, kWindows = 4 };

// On the wire; the client gives float32 whatever the type.
enum class EmbeddingType { kUnspecified = 0, kFloat32 = 1, kFloat16 = 2, kBFloat16 = 3, kInt8 = 4 };

// UTF-8 text, or token ids.
using EmbedInput = std::variant<std::string, std::vector<int32_t>>;

struct EmbedOptions {
  std::string model = "";  // empty: the only one loaded
  Pooling pooling = Pooling::kUnspecified;
  std::optional<bool> normalize = std::nullopt;
  OverLength over_length = OverLength::kUnspecified;
  std::optional<int64_t> window_overlap = std::nullopt;  // tokens, special ones not counted
  EmbeddingType output_type = EmbeddingType::kUnspecified;
  int64_t dimensions = 0;  // keeps the first so many coordinates; 0: all
  // In front of every text. Empty: none; unset, and no prompt_name: the model's default prompt.
  std::optional<std::string> prompt = std::nullopt;
  std::string prompt_name = "";  // at most one of prompt and prompt_name
  // Only `mode` may be set. Unset: as the model was trained.
  std::optional<AttentionSpec> attention = std::nullopt;
  // For this call, in place of ClientOptions::deadline.
  std::optional<absl::Duration> deadline = std::nullopt;
};

// What became of one input.
struct EmbedResult {
  // Why there is no embedding, the server's details attached; OK: there is one.
  absl::Status status = absl::OkStatus();
  // [num_vectors, dimensions], row-major, whatever the type on the wire. One vector, or with Pooling::kNone one for
  // each token used.
  std::vector<float> vectors = {};
  int64_t num_vectors = 0;
  int64_t dimensions = 0;
  int64_t num_tokens = 0;       // of the input, before anything was dropped; 0 with an error
  int64_t num_tokens_used = 0;  // that the embedding rests on
  int64_t num_windows = 0;

  // [dimensions]; valid as long as `vectors`.
  absl::Span<const float> vector(int64_t row = 0) const {
    return absl::MakeConstSpan(vectors).subspan(row * dimensions, dimensions);
  }
};

// What ran on the server, and how it went.
struct EmbedReport {
  std::string model = "";
  std::string model_id = "";  // the same for the same weights
  AttentionSpec attention = {};
  int64_t num_tokens = 0;  // computed
  absl::Duration queue_time;
  absl::Duration compute_time;
  std::string server_version = "";
  std::string cpu_target = "";
};

// The answer to an Embed call.
struct Embeddings {
  std::vector<EmbedResult> results = {};  // one for each input, in their order
  EmbedReport report = {};
  absl::Duration round_trip;  // of the attempt that succeeded, encoding and decoding included
  int num_attempts = 0;
  int64_t request_bytes = 0;
  int64_t response_bytes = 0;
};

}  // namespace favor::client

#endif  // FAVOR_CLIENT_EMBED_H_
