#include "tests/support/model_golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "favor/base/thread_pool.h"
#include "favor/format/safetensors.h"

namespace favor::testing {
namespace {

template <typename T>
std::vector<T> Elements(const StoredTensor& tensor) {
  std::vector<T> values(tensor.data.size() / sizeof(T));
  std::memcpy(values.data(), tensor.data.data(), values.size() * sizeof(T));
  return values;
}

}  // namespace

ModelGolden ReadModelGolden(const std::string& path, const std::string& metadata_name, const std::string& vectors) {
  const SafetensorsFile file = SafetensorsFile::Open(path).value();
  ModelGolden golden;
  golden.path = path;
  const auto& metadata = file.contents().metadata;
  golden.config = ParseJson(metadata.at(metadata_name), metadata_name).value();
  if (metadata.count("class") > 0) golden.model_class = metadata.at("class");
  const StoredTensor* tokens = file.Find("golden.tokens");
  const StoredTensor* encodings = file.Find(vectors);
  const int64_t batch = encodings->shape.at(0), length = encodings->shape.at(1), dim = encodings->shape.at(2);
  const std::vector<double> values = Elements<double>(*encodings);
  const std::vector<int64_t> ids = tokens == nullptr ? std::vector<int64_t>() : Elements<int64_t>(*tokens);
  for (int64_t b = 0; b < batch; ++b) {
    if (!ids.empty()) golden.ids.emplace_back(ids.begin() + b * length, ids.begin() + (b + 1) * length);
    golden.token_vectors.emplace_back(values.begin() + b * length * dim, values.begin() + (b + 1) * length * dim);
  }
  return golden;
}

absl::StatusOr<std::vector<std::vector<float>>> Encode(const Encoder& encoder,
                                                       const std::vector<std::vector<int32_t>>& sequences,
                                                       const EncoderAttention* attention, int num_threads) {
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets = {0};
  for (const std::vector<int32_t>& sequence : sequences) {
    if (absl::Status status = encoder.CheckSequence(sequence); !status.ok()) return status;
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    offsets.push_back(static_cast<int64_t>(ids.size()));
  }
  const int64_t dim = encoder.dimensions();
  std::vector<float> vectors(ids.size() * dim, std::numeric_limits<float>::quiet_NaN());
  absl::StatusOr<Job> job = encoder.Plan({ids, offsets}, attention, nullptr, vectors.data());
  if (!job.ok()) return job.status();
  const absl::Status status = num_threads == 0 ? RunInline(*job) : ThreadPool(num_threads).Run(*std::move(job));
  if (!status.ok()) return status;
  std::vector<std::vector<float>> result;
  for (size_t s = 0; s < sequences.size(); ++s) {
    result.emplace_back(vectors.begin() + offsets[s] * dim, vectors.begin() + offsets[s + 1] * dim);
  }
  return result;
}

double RelativeError(const std::vector<float>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return std::numeric_limits<double>::infinity();
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(got[i])) return std::numeric_limits<double>::infinity();
    error = std::max(error, std::abs(got[i] - want[i]));
    size = std::max(size, std::abs(want[i]));
  }
  return error / size;
}

}  // namespace favor::testing
