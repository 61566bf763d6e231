#ifndef FAVOR_CLIENT_CLI_ROW_SOURCE_H_
#define FAVOR_CLIENT_CLI_ROW_SOURCE_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/attention_spec.h"
#include "client/cli/tensor_files.h"
#include "client/resuming_stream.h"
#include "favor/tensor/data_type.h"

namespace favor::cli {

// The sizes of queries, keys and values; lengths are -1 where only the end will tell.
struct RowSizes {
  int64_t batch_size = 1;
  int64_t num_heads = 1;
  int64_t num_key_heads = 1;
  int64_t head_dim = 0;
  int64_t value_dim = 0;
  int64_t query_length = -1;
  int64_t key_length = -1;
  DataType type = DataType::kFloat32;  // of the queries

  // Of a token of all three tensors, as if they had one type.
  int64_t TokenBytes() const {
    return batch_size * SizeOf(type) * (num_heads * head_dim + num_key_heads * (head_dim + value_dim));
  }
};

// Queries, keys and values that are too long to be held, a stretch of tokens at a time.
class RowSource {
 public:
  enum class Rows { kAll, kKeysAndValues, kQueries };

  virtual ~RowSource() = default;

  const RowSizes& sizes() const { return sizes_; }
  // Whether all tensors come at once, in the order of their tokens, and only so.
  virtual bool is_sequential() const { return false; }
  client::Layout layout() const { return layout_; }

  // Tokens [begin, begin + count) in four axes of layout(). Of a source whose length is not known there may be fewer:
  // then it has ended. Thread-safe, but for sequential sources.
  virtual absl::StatusOr<client::OwnedChunk> Read(Rows rows, int64_t begin, int64_t count) = 0;

 protected:
  RowSource(const RowSizes& sizes, client::Layout layout) : sizes_(sizes), layout_(layout) {}

 private:
  const RowSizes sizes_;
  const client::Layout layout_;
};

// Of tensors in files, which `inputs` must outlive. InvalidArgumentError when keys and values differ in length.
absl::StatusOr<std::unique_ptr<RowSource>> FileRows(const LoadedInputs& inputs, client::Layout layout);

// Drawn from a seed, with means of 0 and variances of 1: whatever is asked for in whatever order, the same bits.
std::unique_ptr<RowSource> SyntheticRows(const RowSizes& sizes, client::Layout layout, uint64_t seed);

// What a pipe brings, to its end: for each token queries [heads, head_dim], keys [key heads, head_dim] and values [key
// heads, value_dim], little-endian, nothing between. Layout is kBatchLengthHeadsDim. `in` must outlive it. An .npy
// array [tokens, numbers of a token] is told by its first bytes; it says itself how many there are and of what type,
// which must be that of `sizes` if `type_is_given`. InvalidArgumentError for one that does not fit the sizes.
absl::StatusOr<std::unique_ptr<RowSource>> PipedRows(std::istream* in, RowSizes sizes, bool type_is_given = false);

// Tokens [begin, begin + count) of a tensor of four axes.
client::Tensor SliceRows(const client::TensorView& tensor, client::Layout layout, int64_t begin, int64_t count);

}  // namespace favor::cli

#endif  // FAVOR_CLIENT_CLI_ROW_SOURCE_H_
