#include "server/execution/warm_up.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "favor/model/embedder.h"

namespace favor {
namespace {

absl::StatusOr<EmbedInput> Sample(const Model& model) {
  const WindowOptions options{OverLength::kTruncateRight, {}};
  if (model.tokenizer != nullptr) {
    absl::StatusOr<EmbedInput> text = PrepareText(model, "", "A sentence to begin with.", options);
    // A tokenizer of residues need not know the letters of a sentence.
    if (!absl::IsInvalidArgument(text.status())) return text;
  }
  constexpr int64_t kNumIds = 8;
  std::vector<int32_t> ids(std::min(kNumIds, model.encoder->vocabulary_size()));
  std::iota(ids.begin(), ids.end(), 0);
  return PrepareIds(model, ids, options);
}

}  // namespace

absl::Status WarmUp(std::shared_ptr<const Model> model) {
  const absl::StatusOr<EmbedInput> input = Sample(*model);
  if (!input.ok()) return input.status();
  const PoolOptions options{model->pooling, model->normalizes, 0};
  std::vector<float> output(EmbedRows(*input, options.pooling) * EmbedDimensions(*model, options));
  const absl::StatusOr<Job> job = PlanEmbed(std::move(model), {{&*input, options, output.data()}}, nullptr, nullptr);
  if (!job.ok()) return job.status();
  if (absl::Status status = RunInline(*job); !status.ok()) return status;
  const bool finite = std::all_of(output.begin(), output.end(), [](float value) { return std::isfinite(value); });
  return finite ? absl::OkStatus() : absl::InternalError("the model's vectors are not finite");
}

}  // namespace favor
