#ifndef FAVOR_MODEL_WINDOW_POOL_H_
#define FAVOR_MODEL_WINDOW_POOL_H_

#include <cstdint>
#include <vector>

#include "favor/model/embed_input.h"
#include "favor/model/pooling.h"

namespace favor::internal {

// Makes one vector of the token vectors of a window, a stretch of tokens at a time. Thread-compatible.
class WindowPool {
 public:
  // vectors: [num_tokens][stride], of which the first `dimensions` <= stride of each count. output: [dimensions]. Owns
  // neither.
  WindowPool(Pooling pooling, const float* vectors, int64_t num_tokens, int64_t stride, int64_t dimensions,
             float* output);

  int64_t num_tokens() const { return num_tokens_; }
  // Takes tokens [begin, end); stretches are to come in order, each token once. With the last the output is written.
  void Take(int64_t begin, int64_t end);

  // Bytes that it allocates.
  static int64_t ScratchBytes(int64_t dimensions) { return dimensions * static_cast<int64_t>(sizeof(double)); }

 private:
  void Add(int64_t begin, int64_t end);
  // What the sum of all token vectors is divided by.
  double Divisor() const;
  void Raise(int64_t begin, int64_t end);
  void Copy(int64_t token);

  Pooling pooling_;
  const float* vectors_;
  int64_t num_tokens_;
  int64_t stride_;
  int64_t dimensions_;
  float* output_;
  std::vector<double> sums_;  // of the means
};

}  // namespace favor::internal

#endif  // FAVOR_MODEL_WINDOW_POOL_H_
