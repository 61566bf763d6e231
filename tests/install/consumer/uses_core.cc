// Attention over a single key is that key's value, whatever the features.
#include <cmath>
#include <cstdio>
#include <vector>

#include "favor/attention/attention.h"
#include "favor/base/version.h"
#include "favor/projection/projection.h"

int main() {
  constexpr int64_t kHeadDim = 8;
  const favor::Shape shape = {.batch_size = 1, .num_heads = 2, .length = 1, .dim = kHeadDim};
  const std::vector<float> queries(shape.num_elements(), 0.5f);
  const std::vector<float> keys(shape.num_elements(), -0.25f);
  const std::vector<float> values(shape.num_elements(), 3.0f);
  std::vector<float> output(shape.num_elements());

  auto projection = favor::DrawProjection({.num_features = 16, .head_dim = kHeadDim});
  if (!projection.ok()) {
    std::printf("%s\n", projection.status().ToString().c_str());
    return 1;
  }
  favor::AttentionInputs inputs;
  inputs.queries = favor::DenseView(queries.data(), shape);
  inputs.keys = favor::DenseView(keys.data(), shape);
  inputs.values = favor::DenseView(values.data(), shape);
  inputs.projection = *projection;
  const absl::Status status = favor::Attend({}, inputs, favor::DenseView(output.data(), shape));
  if (!status.ok()) {
    std::printf("%s\n", status.ToString().c_str());
    return 1;
  }
  for (const float value : output) {
    if (std::abs(value - 3.0f) > 1e-5f) {
      std::printf("expected 3, got %g\n", value);
      return 1;
    }
  }
  std::printf("favor::core %s works\n", favor::kVersion);
}
