#include "favor/model/word_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "favor/kernels/pack.h"
#include "favor/kernels/tile.h"

namespace favor {

WordTable WordTable::Load(absl::string_view name, int64_t rows, int64_t dim, Weights* weights) {
  WordTable table;
  table.dim_ = dim;
  AlignedBuffer<float> widened;
  const void* source = nullptr;
  const StoredTensor* stored = weights->Find(name);
  if (const absl::StatusOr<DataType> type = stored == nullptr ? DataType::kFloat32 : DataTypeOf(*stored); type.ok()) {
    table.type_ = *type;
    if (stored = weights->ReadStored(name, {rows, dim}); stored != nullptr) source = stored->data.data();
  } else {
    widened = weights->Read(name, {rows, dim});  // an F64 table, or an error
    source = widened.data();
  }
  if (!weights->status().ok()) return {};
  const int64_t num_bytes = rows * dim * SizeOf(table.type_);
  absl::StatusOr<AlignedBuffer<std::byte>> bytes = AlignedBuffer<std::byte>::Allocate(num_bytes);
  if (!bytes.ok()) {
    weights->Fail(bytes.status().message());
    return {};
  }
  if (num_bytes > 0) std::memcpy(bytes->data(), source, num_bytes);
  table.values_ = *std::move(bytes);
  return table;
}

void WordTable::Read(int64_t row, float* out) const {
  // PackRows takes rows of a head, which are shorter than many a word's vector.
  constexpr int64_t kPiece = 512;
  for (int64_t begin = 0; begin < dim_; begin += kPiece) {
    const int64_t size = std::min(kPiece, dim_ - begin);
    const kernels::Rows rows{values_.data() + (row * dim_ + begin) * SizeOf(type_), type_, size, 1, 1, size};
    kernels::PackRows(rows, 1.0f, /*clamp=*/false, out + begin, kernels::Padded(size));
  }
}

}  // namespace favor
