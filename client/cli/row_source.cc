#include "client/cli/row_source.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/geometry.h"
#include "favor/format/npy.h"
#include "favor/format/stored_tensor.h"

namespace favor::cli {
namespace {

using client::Layout;

int LengthAxis(Layout layout) { return layout == Layout::kBatchLengthHeadsDim ? 1 : 2; }

std::vector<int64_t> ShapeOf(Layout layout, int64_t batch_size, int64_t num_heads, int64_t length, int64_t dim) {
  if (layout == Layout::kBatchLengthHeadsDim) return {batch_size, length, num_heads, dim};
  return {batch_size, num_heads, length, dim};
}

client::Tensor MakeTensor(DataType type, std::vector<int64_t> shape) {
  size_t size = static_cast<size_t>(SizeOf(type));
  for (const int64_t length : shape) size *= static_cast<size_t>(length);
  return client::Tensor(type, std::move(shape), std::unique_ptr<std::byte[]>(new std::byte[size]), size);
}

// The tensor's own memory, to be filled.
std::byte* DataOf(const client::Tensor& tensor) { return const_cast<std::byte*>(tensor.bytes().data()); }

class FileSource : public RowSource {
 public:
  FileSource(const client::AttendInputs& tensors, const RowSizes& sizes, Layout layout)
      : RowSource(sizes, layout), tensors_(tensors) {}

  absl::StatusOr<client::OwnedChunk> Read(Rows rows, int64_t begin, int64_t count) override {
    client::OwnedChunk chunk;
    if (rows != Rows::kKeysAndValues) chunk.queries = SliceRows(tensors_.queries, layout(), begin, count);
    if (rows != Rows::kQueries) chunk.keys = SliceRows(tensors_.keys, layout(), begin, count);
    if (rows != Rows::kQueries) chunk.values = SliceRows(tensors_.values, layout(), begin, count);
    return chunk;
  }

 private:
  const client::AttendInputs& tensors_;
};

// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014), the mix of SplitMix64.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A sum of four uniform numbers, near enough to a Gaussian of variance 1 and drawn in a nanosecond.
float NearlyGaussian(uint64_t bits) {
  const uint64_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
  constexpr float kScale = 1.7320508f / 65536;  // the sum's variance is 65536^2 / 3
  return (static_cast<float>(sum) - 2 * 65535.0f) * kScale;
}

class SyntheticSource : public RowSource {
 public:
  SyntheticSource(const RowSizes& sizes, Layout layout, uint64_t seed) : RowSource(sizes, layout), seed_(Mix(seed)) {}

  absl::StatusOr<client::OwnedChunk> Read(Rows rows, int64_t begin, int64_t count) override {
    const RowSizes& it = sizes();
    client::OwnedChunk chunk;
    if (rows != Rows::kKeysAndValues) chunk.queries = Draw(1, it.num_heads, it.head_dim, begin, count);
    if (rows != Rows::kQueries) chunk.keys = Draw(2, it.num_key_heads, it.head_dim, begin, count);
    if (rows != Rows::kQueries) chunk.values = Draw(3, it.num_key_heads, it.value_dim, begin, count);
    return chunk;
  }

 private:
  client::Tensor Draw(uint64_t stream, int64_t num_heads, int64_t dim, int64_t begin, int64_t count) const {
    const std::vector<int64_t> shape = ShapeOf(layout(), sizes().batch_size, num_heads, count, dim);
    client::Tensor tensor = MakeTensor(DataType::kFloat32, shape);
    const Geometry geometry = GeometryOf(shape, layout());
    for (int64_t batch = 0; batch < geometry.batch_size; ++batch) {
      for (int64_t head = 0; head < num_heads; ++head) {
        for (int64_t i = 0; i < count; ++i) {
          // Numbered by what it is, so that neither layout nor chunks matter.
          const int64_t row = ((begin + i) * geometry.batch_size + batch) * num_heads + head;
          uint64_t counter = Mix(seed_ + stream) + static_cast<uint64_t>(row * dim) * kGolden;
          std::byte* out = DataOf(tensor) + geometry.RowOffset(batch, head, i) * static_cast<int64_t>(sizeof(float));
          for (int64_t d = 0; d < dim; ++d) {
            const float value = NearlyGaussian(Mix(counter += kGolden));
            std::memcpy(out + d * static_cast<int64_t>(sizeof(float)), &value, sizeof(value));
          }
        }
      }
    }
    return tensor;
  }

  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  const uint64_t seed_;
};

class PipeSource : public RowSource {
 public:
  // `start` was read already.
  PipeSource(std::istream* in, const RowSizes& sizes, std::string start)
      : RowSource(sizes, Layout::kBatchLengthHeadsDim), in_(*in), start_(std::move(start)) {}

  bool is_sequential() const override { return true; }

  absl::StatusOr<client::OwnedChunk> Read(Rows, int64_t begin, int64_t count) override {
    const RowSizes& it = sizes();
    const auto token_bytes = static_cast<size_t>(it.TokenBytes());
    if (it.key_length >= 0) count = std::min(count, it.key_length - begin);
    buffer_.resize(token_bytes * static_cast<size_t>(count));
    const size_t num_bytes = Fill();
    if (in_.bad()) return absl::UnknownError("standard input cannot be read");
    if (num_bytes % token_bytes != 0) {
      return absl::InvalidArgumentError(absl::StrCat("standard input ends within token ",
                                                     begin + static_cast<int64_t>(num_bytes / token_bytes), ": it has ",
                                                     num_bytes % token_bytes, " of its ", token_bytes, " bytes"));
    }
    const int64_t num_tokens = static_cast<int64_t>(num_bytes / token_bytes);
    if (it.key_length >= 0 && num_tokens < count) {
      return absl::InvalidArgumentError(
          absl::StrCat("standard input ends after ", begin + num_tokens, " tokens, its header says ", it.key_length));
    }
    client::OwnedChunk chunk;
    size_t offset = 0;
    chunk.queries = Gather(it.num_heads, it.head_dim, num_tokens, &offset);
    chunk.keys = Gather(it.num_key_heads, it.head_dim, num_tokens, &offset);
    chunk.values = Gather(it.num_key_heads, it.value_dim, num_tokens, &offset);
    return chunk;
  }

 private:
  // Reads the buffer full, or to the end. Returns the bytes that came.
  size_t Fill() {
    const size_t from_start = std::min(start_.size(), buffer_.size());
    std::copy_n(start_.data(), from_start, buffer_.data());
    start_.erase(0, from_start);
    in_.read(buffer_.data() + from_start, static_cast<std::streamsize>(buffer_.size() - from_start));
    return from_start + static_cast<size_t>(in_.gcount());
  }

  // One tensor's part of every token in the buffer, which begins `offset` bytes into it.
  client::Tensor Gather(int64_t num_heads, int64_t dim, int64_t num_tokens, size_t* offset) const {
    client::Tensor tensor = MakeTensor(sizes().type, {1, num_tokens, num_heads, dim});
    const auto row_bytes = static_cast<size_t>(num_heads * dim * SizeOf(sizes().type));
    const auto token_bytes = static_cast<size_t>(sizes().TokenBytes());
    for (size_t i = 0; i < static_cast<size_t>(num_tokens); ++i) {
      std::memcpy(DataOf(tensor) + i * row_bytes, buffer_.data() + i * token_bytes + *offset, row_bytes);
    }
    *offset += row_bytes;
    return tensor;
  }

  std::istream& in_;
  std::string start_;
  std::vector<char> buffer_;
};

// Length and type of piped rows, as the header of their .npy array has them.
absl::Status TakeHeader(const StoredTensor& header, bool type_is_given, RowSizes* sizes) {
  const absl::StatusOr<DataType> type = DataTypeOf(header);
  if (!type.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("standard input has numbers of type ", header.dtype, ", they must be F32, F16 or BF16"));
  }
  if (type_is_given && *type != sizes->type) {
    return absl::InvalidArgumentError(
        absl::StrCat("standard input has numbers of type ", NameOf(*type), ", --input-type is ", NameOf(sizes->type)));
  }
  sizes->type = *type;
  const int64_t needed = sizes->TokenBytes() / SizeOf(*type);
  int64_t width = 1;
  for (size_t i = 1; i < header.shape.size(); ++i) width *= header.shape[i];
  if (header.shape.empty() || width != needed) {
    return absl::InvalidArgumentError(absl::StrCat("standard input has shape ", ShapeString(header.shape),
                                                   ", it must be [tokens, ", needed, "] with these heads and sizes"));
  }
  sizes->query_length = sizes->key_length = header.shape[0];
  return absl::OkStatus();
}

}  // namespace

client::Tensor SliceRows(const client::TensorView& tensor, Layout layout, int64_t begin, int64_t count) {
  const int axis = LengthAxis(layout);
  std::vector<int64_t> shape = tensor.shape;
  const int64_t length = std::exchange(shape[static_cast<size_t>(axis)], count);
  int64_t num_outer = 1, row_bytes = SizeOf(tensor.type);
  for (int i = 0; i < axis; ++i) num_outer *= shape[static_cast<size_t>(i)];
  for (int i = axis + 1; i < 4; ++i) row_bytes *= shape[static_cast<size_t>(i)];
  client::Tensor rows = MakeTensor(tensor.type, shape);
  for (int64_t outer = 0; outer < num_outer; ++outer) {
    std::memcpy(DataOf(rows) + outer * count * row_bytes, tensor.bytes.data() + (outer * length + begin) * row_bytes,
                static_cast<size_t>(count * row_bytes));
  }
  return rows;
}

absl::StatusOr<std::unique_ptr<RowSource>> FileRows(const LoadedInputs& inputs, Layout layout) {
  const client::AttendInputs& tensors = inputs.tensors;
  const Geometry queries = GeometryOf(tensors.queries.shape, layout), keys = GeometryOf(tensors.keys.shape, layout),
                 values = GeometryOf(tensors.values.shape, layout);
  if (keys.length != values.length) {
    return absl::InvalidArgumentError(
        absl::StrCat("values have a length of ", values.length, ", keys of ", keys.length));
  }
  const RowSizes sizes{.batch_size = queries.batch_size,
                       .num_heads = queries.num_heads,
                       .num_key_heads = keys.num_heads,
                       .head_dim = queries.dim,
                       .value_dim = values.dim,
                       .query_length = queries.length,
                       .key_length = keys.length,
                       .type = tensors.queries.type};
  return std::unique_ptr<RowSource>(new FileSource(tensors, sizes, layout));
}

std::unique_ptr<RowSource> SyntheticRows(const RowSizes& sizes, Layout layout, uint64_t seed) {
  return std::make_unique<SyntheticSource>(sizes, layout, seed);
}

absl::StatusOr<std::unique_ptr<RowSource>> PipedRows(std::istream* in, RowSizes sizes, bool type_is_given) {
  sizes.batch_size = 1;
  sizes.query_length = sizes.key_length = -1;
  std::string start(kNpyMagic.size(), '\0');
  in->read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(in->gcount()));
  if (start == kNpyMagic) {
    const absl::StatusOr<StoredTensor> header = ReadNpyHeader(start, in, "standard input");
    if (!header.ok()) return header.status();
    if (absl::Status status = TakeHeader(*header, type_is_given, &sizes); !status.ok()) return status;
    start.clear();
  }
  return std::unique_ptr<RowSource>(new PipeSource(in, sizes, std::move(start)));
}

}  // namespace favor::cli
