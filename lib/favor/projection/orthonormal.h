#ifndef FAVOR_PROJECTION_ORTHONORMAL_H_
#define FAVOR_PROJECTION_ORTHONORMAL_H_

#include <cstdint>

namespace favor::internal {

// Rows of doubles are stored `RowStride(head_dim)` apart, the entries past head_dim being zero: whole vectors in every
// loop, and the same additions whatever the width of the machine's registers.
constexpr int64_t RowStride(int64_t head_dim) { return (head_dim + 3) / 4 * 4; }

// x.y over `stride` entries: entry i is added to sum i mod 4, then (sum 0 + sum 1) + (sum 2 + sum 3).
double DotProduct(const double* x, const double* y, int64_t stride);

// Makes row `index` of `rows` a unit vector orthogonal to the `index` orthonormal rows before it: Gram-Schmidt, each
// row projected twice, which leaves |QQ' - I| at a few 1e-16 (Giraud, Langou, Rozloznik, van den Eshof 2005).
//
// Done for rows 0, 1, ... of a matrix A of independent N(0, 1) entries, this is A' = Q R with every R_jj (the norm that
// the row is divided by) > 0: exactly the factor that is Haar distributed (Mezzadri, How to generate random matrices
// from the classical compact groups, 2007; Choromanski et al. 2021 ask for Haar blocks). A Householder QR as libraries
// return it is not: there column j of Q must be multiplied by sign(R_jj) first. Written out here, since a library's QR
// changes its order of operations with its version and with the vector width.
//
// The result is the same for any number of rows that follow, bit for bit.
void OrthonormalizeRow(double* rows, int64_t index, int64_t stride);

}  // namespace favor::internal

#endif  // FAVOR_PROJECTION_ORTHONORMAL_H_
