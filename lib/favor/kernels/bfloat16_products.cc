// The products of bfloat16.h. AVX512_BF16 is no target of Debian's Highway, so its instruction is used by name here,
// and nowhere else.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "favor/kernels/bfloat16.h"
#include "favor/kernels/cpu_target.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FAVOR_HAS_AVX512_BF16 1
#else
#define FAVOR_HAS_AVX512_BF16 0
#endif

namespace favor::kernels {
namespace {

bool pretend_for_test = false;

enum class Store { kAssign, kAccumulate, kCompensate };

struct Operands {
  const uint32_t* a;
  int64_t a_row, a_depth;
  const uint32_t* b;
  int64_t b_stride;
  float* c;
  float* compensation;
  int64_t c_stride;
  int64_t num_pairs;
  Store store;
};

// One element the slow way: odd depths first, as the instruction does.
float DotPairs(uint32_t a, uint32_t b, float sum) {
  const float a_odd = std::bit_cast<float>(a & 0xFFFF0000u), b_odd = std::bit_cast<float>(b & 0xFFFF0000u);
  const float a_even = std::bit_cast<float>(a << 16), b_even = std::bit_cast<float>(b << 16);
  return sum + a_odd * b_odd + a_even * b_even;
}

void PortableProduct(const Operands& o, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t n = 0; n < cols; ++n) {
      float* c = o.c + i * o.c_stride + n;
      float sum = o.store == Store::kAccumulate ? *c : 0.0f;
      for (int64_t k = 0; k < o.num_pairs; ++k) {
        sum = DotPairs(o.a[i * o.a_row + k * o.a_depth], o.b[k * o.b_stride + n], sum);
      }
      if (o.store == Store::kCompensate) {
        float* compensation = o.compensation + i * o.c_stride + n;
        const float addend = sum - *compensation, total = *c + addend;
        *compensation = (total - *c) - addend;
        sum = total;
      }
      *c = sum;
    }
  }
}

#if FAVOR_HAS_AVX512_BF16

#ifdef __clang__
#define FAVOR_UNROLL _Pragma("unroll")
#else
#define FAVOR_UNROLL _Pragma("GCC unroll 16")
#endif
#define FAVOR_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

constexpr int64_t kLanes = 16;

// R rows by C registers, as in register_block-inl.h.
template <int R, int C>
FAVOR_TARGET void Block(const Operands& o) {
  __m512 acc[R][C];
  FAVOR_UNROLL
  for (int i = 0; i < R; ++i) {
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) {
      acc[i][j] =
          o.store == Store::kAccumulate ? _mm512_loadu_ps(o.c + i * o.c_stride + j * kLanes) : _mm512_setzero_ps();
    }
  }
  const uint32_t* a = o.a;
  const uint32_t* b = o.b;
  for (int64_t k = 0; k < o.num_pairs; ++k) {
    __m512i column[C];
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) column[j] = _mm512_loadu_si512(b + j * kLanes);
    FAVOR_UNROLL
    for (int i = 0; i < R; ++i) {
      const __m512i pair = _mm512_set1_epi32(static_cast<int>(a[i * o.a_row]));
      FAVOR_UNROLL
      for (int j = 0; j < C; ++j) {
        acc[i][j] =
            _mm512_dpbf16_ps(acc[i][j], reinterpret_cast<__m512bh>(pair), reinterpret_cast<__m512bh>(column[j]));
      }
    }
    a += o.a_depth;
    b += o.b_stride;
  }
  FAVOR_UNROLL
  for (int i = 0; i < R; ++i) {
    FAVOR_UNROLL
    for (int j = 0; j < C; ++j) {
      float* c = o.c + i * o.c_stride + j * kLanes;
      if (o.store == Store::kCompensate) {
        float* compensation = o.compensation + i * o.c_stride + j * kLanes;
        const __m512 sum = _mm512_loadu_ps(c);
        const __m512 addend = _mm512_sub_ps(acc[i][j], _mm512_loadu_ps(compensation));
        const __m512 total = _mm512_add_ps(sum, addend);
        _mm512_storeu_ps(compensation, _mm512_sub_ps(_mm512_sub_ps(total, sum), addend));
        acc[i][j] = total;
      }
      _mm512_storeu_ps(c, acc[i][j]);
    }
  }
}

template <int R, int C>
FAVOR_TARGET void RowBlocks(Operands& o, int64_t& rows) {
  for (; rows >= R; rows -= R) {
    Block<R, C>(o);
    o.a += R * o.a_row;
    o.c += R * o.c_stride;
    if (o.store == Store::kCompensate) o.compensation += R * o.c_stride;
  }
}

template <int C>
FAVOR_TARGET void Columns(Operands o, int64_t rows) {
  RowBlocks<6, C>(o, rows);
  RowBlocks<2, C>(o, rows);
  RowBlocks<1, C>(o, rows);
}

FAVOR_TARGET void NativeProduct(Operands o, int64_t rows, int64_t cols) {
  for (int64_t registers = cols / kLanes; registers > 0;) {
    const int64_t taken = registers == 5 || registers == 6 ? 3 : std::min<int64_t>(registers, 4);
    if (taken == 4) Columns<4>(o, rows);
    if (taken == 3) Columns<3>(o, rows);
    if (taken == 2) Columns<2>(o, rows);
    if (taken == 1) Columns<1>(o, rows);
    registers -= taken;
    o.b += taken * kLanes;
    o.c += taken * kLanes;
    if (o.store == Store::kCompensate) o.compensation += taken * kLanes;
  }
}

bool CpuHasProducts() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bf16");
  return has;
}

#else

bool CpuHasProducts() { return false; }
void NativeProduct(const Operands&, int64_t, int64_t) {}

#endif

// Targets forced by tests keep to their own instructions.
bool IsNative() { return CpuHasProducts() && CpuTargetName() == "AVX3"; }

void Product(const Operands& o, int64_t rows, int64_t cols) {
  if (IsNative()) {
    NativeProduct(o, rows, cols);
  } else {
    PortableProduct(o, rows, cols);
  }
}

}  // namespace

bool HasBFloat16Products() { return pretend_for_test || IsNative(); }

void PretendBFloat16ProductsForTest(bool pretend) { pretend_for_test = pretend; }

void MatMulPairs(const LeftPairs& a, const RightPairs& b, float* c, int64_t c_stride, int64_t rows, int64_t num_pairs,
                 int64_t cols, bool accumulate) {
  Product({a.data, a.row_stride, a.depth_stride, b.data, b.stride, c, nullptr, c_stride, num_pairs,
           accumulate ? Store::kAccumulate : Store::kAssign},
          rows, cols);
}

void CompensatedMatMulPairs(const LeftPairs& a, const RightPairs& b, float* sums, float* compensation, int64_t c_stride,
                            int64_t rows, int64_t num_pairs, int64_t cols) {
  Product({a.data, a.row_stride, a.depth_stride, b.data, b.stride, sums, compensation, c_stride, num_pairs,
           Store::kCompensate},
          rows, cols);
}

}  // namespace favor::kernels
