#ifndef FAVOR_KERNELS_VALUE_MAPS_H_
#define FAVOR_KERNELS_VALUE_MAPS_H_

#include <cstdint>

namespace favor::kernels {

// Maps whose features are values, not exponents. All tiles are [rows][kTile].

// tile <- f(tile), element by element. Errors: ReLU, squared ReLU, abs 1 ulp; sigmoid, elu+1 4 ulp;
// GELU t Phi(t) within 2e-7 |t|, its form with tanh t (1 + tanh(sqrt(2/pi) (t + 0.044715 t^3))) / 2 within 4e-7 |t|;
// SiLU t sigmoid(t) 5 ulp; softplus log(1 + exp(t)) 5 ulp and 2^-23 |t| more where t is negative, 0
// below -87; leaky ReLU, max(t, t / 100), 2 ulp.
void ReluMap(float* tile, int64_t rows);
void SquaredReluMap(float* tile, int64_t rows);
void AbsMap(float* tile, int64_t rows);
void GeluMap(float* tile, int64_t rows);
void SigmoidMap(float* tile, int64_t rows);
void EluPlusOneMap(float* tile, int64_t rows);
void GeluTanhMap(float* tile, int64_t rows);
void SiluMap(float* tile, int64_t rows);
void SoftplusMap(float* tile, int64_t rows);
void LeakyReluMap(float* tile, int64_t rows);

// tile[r] <- cos(tile[r]) and tile[rows + r] <- sin(tile[r]) for r < rows. Within 4 ulp for arguments up to 39,000;
// larger ones are brought down to that.
void CosineSineMap(float* tile, int64_t rows);

// Features of (constant + linear x.y + quadratic (x.y)^2) for x [dim][kTile]: row 0 sqrt(constant), then
// sqrt(linear) x_l, then sqrt(quadratic) x_l^2, then sqrt(2 quadratic) x_k x_l for k < l;
// 1 + dim + dim (dim + 1) / 2 rows.
void QuadraticMap(const float* x, int64_t dim, float constant, float linear, float quadratic, float* tile);

// tile[r][t] *= factor[t].
void ScaleColumns(float* tile, int64_t rows, const float* factor);

// denominator[t] = sum_r tile[r][t] key_sums[r].
void ColumnDots(const float* tile, int64_t rows, const float* key_sums, float* denominator);

// factor[t] = 2^(fraction[t] + whole[t] - maximum) for |fraction[t]| <= 1/2 and whole numbers whole[t], maximum; the
// whole part is an exact exponent shift. Relative error 1.2e-7.
void TokenFactors(const float* fraction, const float* whole, float maximum, float* factor);

}  // namespace favor::kernels

#endif  // FAVOR_KERNELS_VALUE_MAPS_H_
