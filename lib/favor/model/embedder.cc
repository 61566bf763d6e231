#include "favor/model/embedder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/base/aligned_buffer.h"
#include "favor/model/window_pool.h"

namespace favor {
namespace {

// Coordinates of a step of pooling: some 0.2 ms.
constexpr int64_t kStepElements = int64_t{1} << 18;

// What a job works in. Held by its last phase, so that everything of the encoder's is gone before it.
struct EmbedState {
  std::shared_ptr<const Model> model;
  std::vector<EmbedWindow> windows;
  std::vector<int32_t> ids;                 // of all windows, packed
  std::vector<int64_t> offsets;             // [num_windows + 1]
  AlignedBuffer<float> vectors;             // [num_tokens][encoder dimensions]
  std::vector<internal::WindowPool> pools;  // of all windows, in their order
  std::vector<size_t> first_pools;          // [num_windows + 1]
  AlignedBuffer<float> pooled;              // [num_windows][that the model's first Dense takes], where it has any
};

absl::Status Check(const Model& model, const EmbedWindow& window) {
  if (absl::Status status = CheckPooling(model, window.options.pooling); !status.ok()) return status;
  const int64_t dimensions = EmbedDimensions(model, {window.options.pooling, false, 0});
  if (window.options.dimensions < 0 || window.options.dimensions > dimensions) {
    return absl::InvalidArgumentError(
        absl::StrCat("dimensions is ", window.options.dimensions, ", must be 0 to ", dimensions, ", the model's"));
  }
  const int64_t num_windows = static_cast<int64_t>(window.input->windows.size());
  if (window.window < 0 || window.window >= num_windows) {
    return absl::InvalidArgumentError(absl::StrCat("window is ", window.window, ", the input has ", num_windows));
  }
  return absl::OkStatus();
}

void Pack(EmbedState* state) {
  state->offsets.push_back(0);
  for (const EmbedWindow& window : state->windows) {
    const std::vector<int32_t>& ids = window.input->windows[window.window];
    state->ids.insert(state->ids.end(), ids.begin(), ids.end());
    state->offsets.push_back(static_cast<int64_t>(state->ids.size()));
  }
}

// Copies the vectors of tokens [begin, end) of a window that the window owns.
void CopyTokens(const EmbedWindow& window, const float* vectors, int64_t begin, int64_t end, int64_t stride,
                int64_t dimensions) {
  const OwnedTokens owned = OwnedTokensOf(*window.input, window.window);
  for (int64_t t = std::max(begin, owned.first); t < std::min(end, owned.end); ++t) {
    float* output = window.output + (owned.position + t - owned.first) * dimensions;
    std::copy_n(vectors + t * stride, dimensions, output);
    if (window.options.normalize) Normalize(output, dimensions);
  }
}

float* PooledVector(EmbedState* state, int64_t index) {
  return state->pooled.data() + index * state->model->dense.front()->in_features();
}

// The model's modules Dense, one behind the other; the first coordinates of what the last one makes are the output.
void ApplyDense(const Model& model, const float* pooled, int64_t dimensions, float* output) {
  std::vector<float> vector, next;
  for (const auto& module : model.dense) {
    next.resize(module->out_features());
    module->Apply(vector.empty() ? pooled : vector.data(), next.data());
    std::swap(vector, next);
  }
  std::copy_n(vector.data(), dimensions, output);
}

void PoolTokens(EmbedState* state, int64_t index, int64_t begin, int64_t end) {
  const EmbedWindow& window = state->windows[index];
  const int64_t stride = state->model->encoder->dimensions();
  const int64_t dimensions = EmbedDimensions(*state->model, window.options);
  if (window.options.pooling == Pooling::kNone) {
    const float* vectors = state->vectors.data() + state->offsets[index] * stride;
    return CopyTokens(window, vectors, begin, end, stride, dimensions);
  }
  for (size_t p = state->first_pools[index]; p < state->first_pools[index + 1]; ++p) state->pools[p].Take(begin, end);
  if (end < state->offsets[index + 1] - state->offsets[index]) return;
  if (HasDense(*state->model, window.options.pooling)) {
    ApplyDense(*state->model, PooledVector(state, index), dimensions, window.output);
  }
  if (window.input->windows.size() == 1 && window.options.normalize) Normalize(window.output, dimensions);
}

// Of every pooling its coordinates, until there are as many as are asked for.
void AppendPools(int64_t index, EmbedState* state) {
  const EmbedWindow& window = state->windows[index];
  const int64_t stride = state->model->encoder->dimensions(), begin = state->offsets[index];
  const bool has_dense = HasDense(*state->model, window.options.pooling);
  float* output = has_dense ? PooledVector(state, index) : window.output;
  int64_t left = has_dense ? PooledDimensions(*state->model, window.options.pooling)
                           : EmbedDimensions(*state->model, window.options);
  state->first_pools.push_back(state->pools.size());
  for (const Pooling pooling : window.options.pooling) {
    const int64_t dimensions = std::min(stride, left);
    if (dimensions == 0) break;
    state->pools.emplace_back(pooling, state->vectors.data() + begin * stride, state->offsets[index + 1] - begin,
                              stride, dimensions, output);
    output += dimensions;
    left -= dimensions;
  }
}

Phase PoolPhase(std::shared_ptr<EmbedState> state) {
  const int64_t stride = state->model->encoder->dimensions();
  int64_t longest = 0;
  for (size_t i = 0; i < state->windows.size(); ++i) {
    AppendPools(static_cast<int64_t>(i), state.get());
    longest = std::max(longest, state->offsets[i + 1] - state->offsets[i]);
  }
  state->first_pools.push_back(state->pools.size());
  const int64_t step_tokens = std::max<int64_t>(kStepElements / stride, 1);
  const int64_t num_steps = (longest + step_tokens - 1) / step_tokens;
  return {static_cast<int64_t>(state->windows.size()), num_steps, [state, step_tokens](int64_t index, int64_t step) {
            const int64_t num_tokens = state->offsets[index + 1] - state->offsets[index];
            const int64_t begin = step * step_tokens;
            const int64_t end = std::min(begin + step_tokens, num_tokens);
            if (begin < end) PoolTokens(state.get(), index, begin, end);
            return absl::OkStatus();
          }};
}

// The vectors of the windows of an item that has several.
struct Combination {
  EmbedItem item;
  std::vector<float> vectors;  // [num_windows][dimensions]
};

}  // namespace

int64_t PooledDimensions(const Model& model, const Poolings& pooling) {
  return model.encoder->dimensions() * pooling.size();
}

bool HasDense(const Model& model, const Poolings& pooling) { return !model.dense.empty() && pooling != Pooling::kNone; }

absl::Status CheckPooling(const Model& model, const Poolings& pooling) {
  if (!HasDense(model, pooling) || PooledDimensions(model, pooling) == model.dense.front()->in_features()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("pooling makes vectors of ", PooledDimensions(model, pooling),
                                                 " coordinates, the model's Dense takes ",
                                                 model.dense.front()->in_features(), ", those of its own pooling"));
}

int64_t EmbedDimensions(const Model& model, const PoolOptions& options) {
  if (options.dimensions > 0) return options.dimensions;
  return HasDense(model, options.pooling) ? model.dense.back()->out_features()
                                          : PooledDimensions(model, options.pooling);
}

int64_t EmbedRows(const EmbedInput& input, const Poolings& pooling) {
  return pooling == Pooling::kNone ? input.num_used_tokens() : 1;
}

absl::StatusOr<Job> PlanEmbedWindows(std::shared_ptr<const Model> model, std::vector<EmbedWindow> windows,
                                     const EncoderAttention* attention, const Cancellation* cancellation) {
  for (const EmbedWindow& window : windows) {
    if (absl::Status status = Check(*model, window); !status.ok()) return status;
  }
  if (windows.empty()) return Job();
  auto state = std::make_shared<EmbedState>();
  state->model = std::move(model);
  state->windows = std::move(windows);
  Pack(state.get());
  const Encoder& encoder = *state->model->encoder;
  auto vectors = AlignedBuffer<float>::Allocate(static_cast<int64_t>(state->ids.size()) * encoder.dimensions());
  if (!vectors.ok()) return vectors.status();
  state->vectors = *std::move(vectors);
  if (!state->model->dense.empty()) {
    const int64_t num_windows = static_cast<int64_t>(state->windows.size());
    auto pooled = AlignedBuffer<float>::Allocate(num_windows * state->model->dense.front()->in_features());
    if (!pooled.ok()) return pooled.status();
    state->pooled = *std::move(pooled);
  }
  absl::StatusOr<Job> job = encoder.Plan({state->ids, state->offsets}, attention, cancellation, state->vectors.data());
  if (!job.ok()) return job.status();
  job->phases.push_back(PoolPhase(std::move(state)));
  return job;
}

absl::StatusOr<Job> PlanEmbed(std::shared_ptr<const Model> model, std::vector<EmbedItem> items,
                              const EncoderAttention* attention, const Cancellation* cancellation) {
  std::vector<EmbedWindow> windows;
  auto combinations = std::make_shared<std::vector<Combination>>();
  for (const EmbedItem& item : items) {
    const int64_t num_windows = static_cast<int64_t>(item.input->windows.size());
    const int64_t dimensions = EmbedDimensions(*model, item.options);
    if (num_windows == 0) return absl::InvalidArgumentError("an input has no windows");
    float* output = item.output;
    int64_t step = 0;
    if (num_windows > 1 && item.options.pooling != Pooling::kNone) {
      combinations->push_back({item, std::vector<float>(num_windows * dimensions)});
      output = combinations->back().vectors.data();  // stays where it is when the outer vector grows
      step = dimensions;
    }
    for (int64_t w = 0; w < num_windows; ++w) windows.push_back({item.input, w, item.options, output + w * step});
  }
  absl::StatusOr<Job> job = PlanEmbedWindows(model, std::move(windows), attention, cancellation);
  if (!job.ok() || combinations->empty()) return job;
  job->phases.push_back({static_cast<int64_t>(combinations->size()), 1, [model, combinations](int64_t index, int64_t) {
                           const auto& [item, vectors] = (*combinations)[index];
                           CombineWindows(*item.input, item.options, EmbedDimensions(*model, item.options),
                                          vectors.data(), item.output);
                           return absl::OkStatus();
                         }});
  return job;
}

void CombineWindows(const EmbedInput& input, const PoolOptions& options, int64_t dimensions, const float* vectors,
                    float* output) {
  std::vector<double> sums(dimensions, 0);
  for (size_t w = 0; w < input.windows.size(); ++w) {
    const double weight = static_cast<double>(input.windows[w].size());
    const float* vector = vectors + static_cast<int64_t>(w) * dimensions;
    for (int64_t d = 0; d < dimensions; ++d) sums[d] += weight * vector[d];
  }
  const double total = static_cast<double>(input.num_computed_tokens());
  for (int64_t d = 0; d < dimensions; ++d) output[d] = static_cast<float>(sums[d] / total);
  if (options.normalize) Normalize(output, dimensions);
}

int64_t EmbedScratchBytes(const Model& model, absl::Span<const int64_t> window_lengths,
                          const EncoderAttention* attention, int num_threads) {
  const int64_t dimensions = model.encoder->dimensions();
  int64_t num_tokens = 0;
  for (const int64_t length : window_lengths) num_tokens += length;
  // A vector that grows may be twice as large as what it holds; and at the moment that it grows, there are two.
  const int64_t per_token = 3 * sizeof(int32_t) + dimensions * sizeof(float);
  const int64_t num_pools = std::max<int64_t>(model.pooling.size(), 1);  // of a window
  int64_t dense_floats = 0;                                              // of the longest vector that a Dense makes
  for (const auto& module : model.dense) dense_floats = std::max(dense_floats, module->out_features());
  const int64_t pooled_floats = model.dense.empty() ? 0 : model.dense.front()->in_features();
  const int64_t per_window =
      3 * (2 * sizeof(int64_t) + num_pools * sizeof(internal::WindowPool) + sizeof(EmbedWindow)) +
      pooled_floats * sizeof(float);
  const int64_t per_thread =
      num_pools * internal::WindowPool::ScratchBytes(dimensions) + 2 * dense_floats * sizeof(float);
  const int64_t num_windows = static_cast<int64_t>(window_lengths.size());
  return num_tokens * per_token + num_windows * per_window + std::min<int64_t>(num_windows, num_threads) * per_thread +
         model.encoder->ScratchBytes(window_lengths, attention, num_threads);
}

}  // namespace favor
