#ifndef FAVOR_TESTS_SUPPORT_MODEL_GOLDEN_H_
#define FAVOR_TESTS_SUPPORT_MODEL_GOLDEN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "favor/format/json.h"
#include "favor/model/encoder.h"

namespace favor::testing {

// Token vectors that a published implementation computed in float64, in the file that also holds its weights.
struct ModelGolden {
  std::string path;
  JsonValue config;                                // metadata `config` or `kwargs`
  std::string model_class;                         // metadata `class`; empty: not said
  std::vector<std::vector<int32_t>> ids;           // of each sequence
  std::vector<std::vector<double>> token_vectors;  // [length][dimensions] of each sequence
};

// `vectors` names the tensor of token vectors.
ModelGolden ReadModelGolden(const std::string& path, const std::string& metadata_name,
                            const std::string& vectors = "golden.encodings");

// Runs the encoder over the sequences, all in one batch, on the calling thread or on a pool.
absl::StatusOr<std::vector<std::vector<float>>> Encode(const Encoder& encoder,
                                                       const std::vector<std::vector<int32_t>>& sequences,
                                                       const EncoderAttention* attention = nullptr,
                                                       int num_threads = 0);

// max |got - want| / max |want|; infinite when sizes differ or a value is not finite.
double RelativeError(const std::vector<float>& got, const std::vector<double>& want);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_SUPPORT_MODEL_GOLDEN_H_
