#ifndef FAVOR_MODEL_WORD_TABLE_H_
#define FAVOR_MODEL_WORD_TABLE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "favor/base/aligned_buffer.h"
#include "favor/model/weights.h"
#include "favor/tensor/data_type.h"

namespace favor {

// The vectors of a vocabulary, in the element type of their file: they are the one big tensor of which a call reads a
// few rows only. Immutable and thread-safe.
class WordTable {
 public:
  WordTable() = default;  // of no rows

  // The tensor [rows][dim] of this name; errors go to the weights' status.
  static WordTable Load(absl::string_view name, int64_t rows, int64_t dim, Weights* weights);

  // out[l] = row[l] as float32; out has room for Padded(dim) floats, the last of which become zeros.
  void Read(int64_t row, float* out) const;

  int64_t num_bytes() const { return values_.size(); }

 private:
  DataType type_ = DataType::kFloat32;
  int64_t dim_ = 0;
  AlignedBuffer<std::byte> values_;
};

}  // namespace favor

#endif  // FAVOR_MODEL_WORD_TABLE_H_
