#include "favor/attention/state_payload.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/format/half_float.h"
#include "favor/kernels/tile.h"

namespace favor::internal {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename Unsigned>
Unsigned FromLittleEndian(const char* bytes) {
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) {
    value |= static_cast<Unsigned>(static_cast<Unsigned>(static_cast<unsigned char>(bytes[i])) << (8 * i));
  }
  return value;
}

template <typename Unsigned>
void ToLittleEndian(Unsigned value, char* bytes) {
  for (size_t i = 0; i < sizeof(value); ++i) bytes[i] = static_cast<char>(value >> (8 * i));
}

void PutFloats(const float* values, int64_t count, char* bytes) {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(bytes, values, count * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; ++i) ToLittleEndian(std::bit_cast<uint32_t>(values[i]), bytes + 4 * i);
  }
}

void TakeFloats(const char* bytes, int64_t count, float* values) {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(values, bytes, count * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; ++i) values[i] = std::bit_cast<float>(FromLittleEndian<uint32_t>(bytes + 4 * i));
  }
}

// Numbers at the end of float32 must not round to infinity.
uint16_t FiniteBFloat16(float value) {
  constexpr uint16_t kLargest = 0x7f7f, kInfinite = 0x7f80, kSign = 0x8000;
  const uint16_t bits = BFloat16FromFloat32(value);
  return (bits & ~kSign) == kInfinite ? (bits & kSign) | kLargest : bits;
}

// What a sum that will lose its compensation comes to: it may be two units of its last place off without it.
float Compensated(float sum, float compensation) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(double{sum} - double{compensation}, -kMost, kMost));
}

void PutSums(const float* sums, const float* compensation, int64_t count, const HeadLayout& layout, char* bytes) {
  if (layout.compensated()) return PutFloats(sums, count, bytes);
  for (int64_t i = 0; i < count; ++i) {
    const float sum = Compensated(sums[i], compensation[i]);
    if (layout.sum_bytes() == 4) {
      ToLittleEndian(std::bit_cast<uint32_t>(sum), bytes + 4 * i);
    } else {
      ToLittleEndian(FiniteBFloat16(sum), bytes + 2 * i);
    }
  }
}

void TakeSums(const char* bytes, int64_t count, const HeadLayout& layout, float* sums) {
  if (layout.sum_bytes() == 4) return TakeFloats(bytes, count, sums);
  for (int64_t i = 0; i < count; ++i) sums[i] = Float32FromBFloat16(FromLittleEndian<uint16_t>(bytes + 2 * i));
}

// The internal stand-in for minus infinity, and infinity itself outside.
float Outside(float exponent) { return exponent == kernels::kNoExponent ? -kInfinity : exponent; }

absl::Status Error(absl::string_view where, absl::string_view what, float value, absl::string_view must_be) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what, " is ", value, ", must be ", must_be));
}

// A name such as "value_sums[3]" is made only for an error.
absl::Status CheckFinite(const float* values, int64_t count, absl::string_view where, absl::string_view name,
                         int64_t first) {
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) finite &= std::abs(values[i]) <= std::numeric_limits<float>::max();
  if (finite) return absl::OkStatus();
  int64_t i = 0;
  while (std::isfinite(values[i])) ++i;
  return Error(where, absl::StrCat(name, "[", first + i, "]"), values[i], "finite");
}

absl::Status CheckZero(const float* values, int64_t count, absl::string_view where, absl::string_view name,
                       int64_t first) {
  for (int64_t i = 0; i < count; ++i) {
    if (std::bit_cast<uint32_t>(values[i]) == 0) continue;
    return Error(where, absl::StrCat(name, "[", first + i, "]"), values[i], "0, since there are no keys");
  }
  return absl::OkStatus();
}

// Sums or compensation terms that were read, in rows of value_dim.
absl::Status CheckSums(const float* values, int64_t count, const HeadChecks& checks, absl::string_view where,
                       absl::string_view name, int64_t first) {
  return checks.num_keys > 0 ? CheckFinite(values, count, where, name, first)
                             : CheckZero(values, count, where, name, first);
}

// Exponents that keys can give: finite inputs stay within +-1e30, far.
bool IsExponent(float value) { return std::abs(value) < -kernels::kNoExponent; }

// Turns maximum r as stored into that of a state.
absl::Status TakeMaximum(float stored, float first, int64_t r, const HeadChecks& checks, absl::string_view where,
                         float* maximum) {
  const auto error = [&](absl::string_view must_be) {
    return Error(where, absl::StrCat("maxima[", r, "]"), stored, must_be);
  };
  if (checks.exponents == FeatureExponents::kNone) {
    if (std::bit_cast<uint32_t>(stored) != 0) return error("0 for this kernel");
    *maximum = 0;
    return absl::OkStatus();
  }
  if (checks.num_keys == 0) {
    if (stored != -kInfinity) return error("-inf, since there are no keys");
    *maximum = kernels::kNoExponent;
    return absl::OkStatus();
  }
  if (!IsExponent(stored) || stored != std::nearbyint(stored)) return error("a whole number between -1e30 and 1e30");
  if (checks.exponents == FeatureExponents::kOfToken && stored != first) {
    return error("the same for all features of this kernel");
  }
  *maximum = stored;
  return absl::OkStatus();
}

// Of sums of powers. Their compensation is what rounding lost, some 2^-23 of them: one that is not would make a
// negative sum with the next keys, and so a state that is refused here.
absl::Status CheckPositive(const HeadState& state, int64_t r, absl::string_view where) {
  const float sum = state.key_sums[r], compensation = state.key_compensation[r];
  if (sum < 0) return Error(where, absl::StrCat("key_sums[", r, "]"), sum, "at least 0 for this kernel");
  if (std::abs(compensation) <= sum / 2) return absl::OkStatus();
  return Error(where, absl::StrCat("key_compensation[", r, "]"), compensation,
               absl::StrCat("at most half of key_sums[", r, "], which is ", sum));
}

}  // namespace

HeadLayout::HeadLayout(int64_t num_features, int64_t value_dim, StateEncoding encoding)
    : num_features_(num_features),
      value_dim_(value_dim),
      sum_bytes_(encoding == StateEncoding::kBFloat16 ? 2 : 4),
      compensated_(encoding == StateEncoding::kFloat32Compensated) {}

absl::Status PutFeatures(const HeadState& state, const HeadLayout& layout, int64_t begin, int64_t end,
                         absl::string_view where, char* bytes) {
  const int64_t value_dim = state.value_dim(), stride = state.value_stride();
  absl::Status status = CheckFinite(state.key_sums + begin, end - begin, where, "key_sums", begin);
  for (int64_t r = begin; r < end; ++r) {
    const float maximum = Outside(state.maxima[r]);
    PutFloats(&maximum, 1, bytes + layout.maximum(r));
    status.Update(CheckFinite(state.value_sums + r * stride, value_dim, where, "value_sums", r * value_dim));
    if (!status.ok()) return status;
    PutSums(state.value_sums + r * stride, state.value_compensation + r * stride, value_dim, layout,
            bytes + layout.value_sums(r));
    if (!layout.compensated()) continue;
    PutFloats(state.value_compensation + r * stride, value_dim, bytes + layout.value_compensation(r));
  }
  PutSums(state.key_sums + begin, state.key_compensation + begin, end - begin, layout, bytes + layout.key_sum(begin));
  if (layout.compensated()) {
    PutFloats(state.key_compensation + begin, end - begin, bytes + layout.key_compensation(begin));
  }
  return status;
}

absl::Status PutTotals(const HeadState& state, const HeadLayout& layout, absl::string_view where, char* bytes) {
  const float stabiliser = Outside(state.stabiliser);
  PutFloats(&stabiliser, 1, bytes + layout.stabiliser());
  PutSums(state.total, state.total_compensation, state.value_dim(), layout, bytes + layout.total());
  if (layout.compensated()) {
    PutFloats(state.total_compensation, state.value_dim(), bytes + layout.total_compensation());
  }
  return CheckFinite(state.total, state.value_dim(), where, "total", 0);
}

absl::Status TakeFeatures(const char* bytes, const HeadLayout& layout, int64_t begin, int64_t end,
                          const HeadChecks& checks, absl::string_view where, HeadState* state) {
  const int64_t value_dim = state->value_dim(), stride = state->value_stride();
  ++state->version;
  if (!layout.compensated()) {
    std::fill(state->key_compensation + begin, state->key_compensation + end, 0.0f);
    std::fill(state->value_compensation + begin * stride, state->value_compensation + end * stride, 0.0f);
  }
  float first;
  TakeFloats(bytes + layout.maximum(0), 1, &first);
  TakeSums(bytes + layout.key_sum(begin), end - begin, layout, state->key_sums + begin);
  absl::Status status = CheckSums(state->key_sums + begin, end - begin, checks, where, "key_sums", begin);
  if (layout.compensated()) {
    TakeFloats(bytes + layout.key_compensation(begin), end - begin, state->key_compensation + begin);
    status.Update(CheckSums(state->key_compensation + begin, end - begin, checks, where, "key_compensation", begin));
  }
  for (int64_t r = begin; r < end && status.ok(); ++r) {
    float stored;
    TakeFloats(bytes + layout.maximum(r), 1, &stored);
    status.Update(TakeMaximum(stored, first, r, checks, where, state->maxima + r));
    if (checks.exponents == FeatureExponents::kOfFeatures) status.Update(CheckPositive(*state, r, where));
    TakeSums(bytes + layout.value_sums(r), value_dim, layout, state->value_sums + r * stride);
    status.Update(CheckSums(state->value_sums + r * stride, value_dim, checks, where, "value_sums", r * value_dim));
    if (!layout.compensated()) continue;
    TakeFloats(bytes + layout.value_compensation(r), value_dim, state->value_compensation + r * stride);
    status.Update(CheckSums(state->value_compensation + r * stride, value_dim, checks, where, "value_compensation",
                            r * value_dim));
  }
  return status;
}

absl::Status TakeTotals(const char* bytes, const HeadLayout& layout, const HeadChecks& checks, absl::string_view where,
                        HeadState* state) {
  float stabiliser;
  TakeFloats(bytes + layout.stabiliser(), 1, &stabiliser);
  const bool expected = checks.has_stabiliser && checks.num_keys > 0;
  if (expected && !IsExponent(stabiliser)) {
    return Error(where, "stabiliser", stabiliser, "a number between -1e30 and 1e30");
  }
  if (!expected && stabiliser != -kInfinity) {
    return Error(where, "stabiliser", stabiliser, "-inf without epsilon parity of a softmax kernel, and without keys");
  }
  state->stabiliser = expected ? stabiliser : kernels::kNoExponent;
  state->count = checks.num_keys;
  std::fill_n(state->total_compensation, state->value_stride(), 0.0f);
  TakeSums(bytes + layout.total(), state->value_dim(), layout, state->total);
  absl::Status status = CheckSums(state->total, state->value_dim(), checks, where, "total", 0);
  if (layout.compensated()) {
    TakeFloats(bytes + layout.total_compensation(), state->value_dim(), state->total_compensation);
    status.Update(CheckSums(state->total_compensation, state->value_dim(), checks, where, "total_compensation", 0));
  }
  return status;
}

}  // namespace favor::internal
