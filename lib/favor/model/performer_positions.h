#ifndef FAVOR_MODEL_PERFORMER_POSITIONS_H_
#define FAVOR_MODEL_PERFORMER_POSITIONS_H_

#include <cstdint>
#include <vector>

#include "favor/base/aligned_buffer.h"
#include "favor/model/performer_config.h"
#include "favor/model/weights.h"

namespace favor {

// What a Performer knows of where a token stands. Immutable and thread-safe once read.
class PerformerPositions {
 public:
  // Errors go to the weights' status.
  static PerformerPositions Read(const PerformerConfig& config, Weights* weights);

  // row[l] += the position's vector, l < dim.
  void AddTo(int64_t position, float* row) const;

  // Whether queries and keys are turned.
  bool IsRotary() const { return kind_ == PerformerConfig::Positions::kRotary; }
  // sines and cosines [head_dim / 2] of the angles by which planes (2 j, 2 j + 1) are turned.
  void Angles(int64_t position, float* sines, float* cosines) const;

  int64_t num_bytes() const;

 private:
  void ReadAxial(const PerformerConfig& config, Weights* weights);

  PerformerConfig::Positions kind_ = PerformerConfig::Positions::kNone;
  int64_t dim_ = 0;
  int64_t head_dim_ = 0;
  // Rows that the model has; sinusoids go on behind them by their formula.
  AlignedBuffer<float> rows_;                // [rows][dim]: absolute, or sinusoids
  AlignedBuffer<float> head_rows_;           // [rows][head_dim]: sinusoids, sines before cosines
  std::vector<int64_t> axes_;                // sizes
  std::vector<AlignedBuffer<float>> axial_;  // of each axis [size][dim]
};

}  // namespace favor

#endif  // FAVOR_MODEL_PERFORMER_POSITIONS_H_
