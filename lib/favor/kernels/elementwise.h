#ifndef FAVOR_KERNELS_ELEMENTWISE_H_
#define FAVOR_KERNELS_ELEMENTWISE_H_

#include <cstdint>

namespace favor::kernels {

// y[i] *= x[i] for i < count, a multiple of kPad.
void MultiplyBy(const float* x, int64_t count, float* y);

// y[i] += x[i] for i < count, a multiple of kPad.
void AddTo(const float* x, int64_t count, float* y);

// Turns the plane of two rows of a tile by the angle of each token, which is given by its cosine and sine:
// (first, second) <- (first cos - second sin, second cos + first sin). All are [kTile].
void Rotate(const float* cosines, const float* sines, float* first, float* second);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_ELEMENTWISE_H_
