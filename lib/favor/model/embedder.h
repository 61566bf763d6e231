#ifndef FAVOR_MODEL_EMBEDDER_H_
#define FAVOR_MODEL_EMBEDDER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "favor/attention/attention.h"
#include "favor/base/cancellation.h"
#include "favor/base/job.h"
#include "favor/model/embed_input.h"
#include "favor/model/model.h"
#include "favor/model/pooling.h"

namespace favor {

struct PoolOptions {
  Poolings pooling = Pooling::kMean;
  bool normalize = false;  // to length 1; a zero vector stays
  int64_t dimensions = 0;  // keeps the first so many, before normalising; 0: all
};

// Coordinates of a vector that these poolings make of a model's token vectors: the encoder's from each.
int64_t PooledDimensions(const Model& model, const Poolings& pooling);

// Whether the model's modules Dense come behind these poolings: behind any of a vector that they take, not kNone.
bool HasDense(const Model& model, const Poolings& pooling);

// InvalidArgumentError for poolings whose vectors the model's Dense does not take.
absl::Status CheckPooling(const Model& model, const Poolings& pooling);

// Coordinates of an embedding: options.dimensions, or all that its poolings and the modules Dense behind them make.
int64_t EmbedDimensions(const Model& model, const PoolOptions& options);

// Vectors of an item: 1, or with kNone one for each token that is used (a token in two windows counts once).
int64_t EmbedRows(const EmbedInput& input, const Poolings& pooling);

// An input and where its embedding goes.
struct EmbedItem {
  const EmbedInput* input = nullptr;
  PoolOptions options;
  float* output = nullptr;  // [EmbedRows()][EmbedDimensions()]
};

// Plans a batch of items as one Job: the encoder over all their windows, packed without padding, then pooling. The
// items' inputs and outputs, `attention` and `cancellation` must outlive the job. attention may be null: the model's
// own. InvalidArgumentError for poolings that CheckPooling() refuses, more dimensions than are made, or an input
// without windows.
absl::StatusOr<Job> PlanEmbed(std::shared_ptr<const Model> model, std::vector<EmbedItem> items,
                              const EncoderAttention* attention, const Cancellation* cancellation);

// One window of an input, for callers that spread the windows of long inputs over several jobs.
struct EmbedWindow {
  const EmbedInput* input = nullptr;
  int64_t window = 0;
  PoolOptions options;
  // kNone: [EmbedRows()][EmbedDimensions()] of the whole input, of which the window writes its OwnedTokensOf(). Else
  // [EmbedDimensions()], the vector of the window; when the input has only this one, it is the embedding. When it has
  // several, CombineWindows() makes the embedding of them: the model's Dense comes before it, normalising behind.
  float* output = nullptr;
};

// As PlanEmbed(), for single windows.
absl::StatusOr<Job> PlanEmbedWindows(std::shared_ptr<const Model> model, std::vector<EmbedWindow> windows,
                                     const EncoderAttention* attention, const Cancellation* cancellation);

// The embedding of an input of several windows: the mean of their vectors [num_windows][dimensions], each weighed by
// its tokens. Not for kNone, which is complete without.
void CombineWindows(const EmbedInput& input, const PoolOptions& options, int64_t dimensions, const float* vectors,
                    float* output);

// Upper bound of the memory that a job of PlanEmbedWindows() holds besides its arguments, for windows of these lengths,
// pooled in one way or in the model's.
int64_t EmbedScratchBytes(const Model& model, absl::Span<const int64_t> window_lengths,
                          const EncoderAttention* attention, int num_threads);

}  // namespace favor

#endif  // FAVOR_MODEL_EMBEDDER_H_
