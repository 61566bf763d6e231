// States as bytes: the documented ones, and whatever else somebody may send.
#include "favor/attention/state_codec.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "favor/attention/attention_stream.h"
#include "favor/base/hash128.h"
#include "gtest/gtest.h"
#include "tests/lib/attention/small_state.h"
#include "tests/support/encoded_state.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

using Small = SmallState;
using Encoding = StateEncoding;

constexpr Encoding kEncodings[] = {Encoding::kFloat32Compensated, Encoding::kFloat32, Encoding::kBFloat16};

bool Contains(const absl::Status& status, absl::string_view text) {
  return status.message().find(text) != absl::string_view::npos;
}

std::vector<AttentionSpec> Specs() {
  std::vector<AttentionSpec> specs = {Small::Spec(), Small::Spec(Kernel::kEluPlusOne), Small::Spec(), Small::Spec(),
                                      Small::Spec(Kernel::kNoProjection)};
  specs[2].features.estimator = Estimator::kTrigonometric;
  specs[3].features.epsilon_parity = EpsilonParity{};
  return specs;
}

float FloatAt(const std::string& bytes, size_t offset) {
  uint32_t bits = 0;
  for (int i = 3; i >= 0; --i) bits = bits << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return std::bit_cast<float>(bits);
}

void SetFloat(float value, size_t offset, std::string* bytes) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) (*bytes)[offset + i] = static_cast<char>(bits >> (8 * i));
}

// What a sum comes to, to the nearest float32.
float Rounded(float sum, float compensation) { return static_cast<float>(double{sum} - double{compensation}); }

// A header as docs/attention_state.md has it.
template <typename Unsigned>
void Append(Unsigned value, std::string* bytes) {
  for (size_t i = 0; i < sizeof(value); ++i) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

TEST(StateCodec, PayloadHasTheDocumentedBytes) {
  const AttentionState state = Small::Folded(Small::Spec());
  const int64_t m = Small::kRows, e = Small::kValueDim;
  for (const Encoding encoding : kEncodings) {
    const absl::StatusOr<EncodedState> encoded = Encode(state, encoding);
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    const int64_t sum = encoding == Encoding::kBFloat16 ? 2 : 4;
    const int64_t sums = m + m * e + e;
    const int64_t head = 4 + 4 * m + sum * sums + (encoding == Encoding::kFloat32Compensated ? 4 * sums : 0);
    ASSERT_EQ(static_cast<int64_t>(encoded->payload.size()), 4 * head);
    for (int64_t i = 0; i < 4; ++i) {
      const HeadState& of = state.head(i);
      const int64_t at = i * head;
      EXPECT_EQ(FloatAt(encoded->payload, at), -std::numeric_limits<float>::infinity()) << "no stabiliser";
      for (int64_t r = 0; r < m; ++r) {
        EXPECT_EQ(FloatAt(encoded->payload, at + 4 + 4 * r), of.maxima[r]);
        if (sum == 2) continue;
        const bool alone = encoding == Encoding::kFloat32;
        const float key_sum = alone ? Rounded(of.key_sums[r], of.key_compensation[r]) : of.key_sums[r];
        EXPECT_EQ(FloatAt(encoded->payload, at + 4 + 4 * m + 4 * r), key_sum);
        for (int64_t n = 0; n < e; ++n) {
          const int64_t in_state = r * of.value_stride() + n, value = at + 4 + 4 * m + 4 * m + 4 * (r * e + n);
          const float value_sum = of.value_sums[in_state], compensation = of.value_compensation[in_state];
          EXPECT_EQ(FloatAt(encoded->payload, value), alone ? Rounded(value_sum, compensation) : value_sum);
          if (encoding != Encoding::kFloat32Compensated) continue;
          EXPECT_EQ(FloatAt(encoded->payload, value + 4 * sums), compensation);
        }
      }
      if (sum == 2) continue;
      EXPECT_EQ(FloatAt(encoded->payload, at + 4 + 4 * m + 4 * m + 4 * m * e), of.total[0]);
    }
  }
}

// To half a unit of the last place, in which the sum alone is up to two off.
TEST(StateCodec, SumsWithoutTheirCompensationAreRoundedOnce) {
  AttentionState state = Small::Folded(Small::Spec());
  HeadState& head = state.head(0);
  const float unit = 0x1p-23f;
  head.key_sums[0] = 1 + unit;
  head.key_compensation[0] = 0.75f * unit;
  head.value_sums[1] = -1 - 0x1p-8f;  // half way to the next bfloat16, which the compensation goes past
  head.value_compensation[1] = unit;
  head.total[0] = std::numeric_limits<float>::max();
  head.total_compensation[0] = -0x1p104f;
  for (const Encoding encoding : {Encoding::kFloat32, Encoding::kBFloat16}) {
    const absl::StatusOr<EncodedState> encoded = Encode(state, encoding);
    ASSERT_TRUE(encoded.ok()) << encoded.status();
    AttentionState decoded = Small::Empty(Small::Spec());
    ASSERT_TRUE(DecodeInto(*encoded, &decoded).ok());
    const bool is_float = encoding == Encoding::kFloat32;
    EXPECT_EQ(decoded.head(0).key_sums[0], 1);
    EXPECT_EQ(decoded.head(0).value_sums[1], is_float ? -1 - 0x1p-8f - unit : -1 - 0x1p-7f);
    EXPECT_EQ(decoded.head(0).total[0], is_float ? std::numeric_limits<float>::max() : 0x1.fep127f);
  }
}

TEST(StateCodec, ChecksumIsThatOfTheDocumentedBytes) {
  AttentionSpec spec = Small::Spec(Kernel::kSoftmax, /*causal=*/true);
  spec.scale = 0.25;
  spec.features.estimator = Estimator::kHyperbolic;
  spec.features.nonlinearity = Nonlinearity::kGelu;  // not read
  const AttentionState state = Small::Folded(spec);
  const absl::StatusOr<EncodedState> encoded = Encode(state, Encoding::kFloat32, /*layout=*/1);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  std::string bytes = "favorsta";
  Append(uint32_t{1}, &bytes);
  for (const uint8_t byte : {2, 1, 1, 1, 1, 2, 0, 0}) Append(byte, &bytes);
  ASSERT_EQ(bytes.size(), 20u);
  for (const double value : {0.25, 0.0, 0.0, 0.0}) Append(std::bit_cast<uint64_t>(value), &bytes);
  for (const uint64_t size : {2, 2, 3, 2, 8, 2, 9, 9, 32}) Append(size, &bytes);
  bytes += Small::Draw()->id();
  Append(uint64_t{encoded->payload.size()}, &bytes);
  bytes += encoded->payload;
  EXPECT_EQ(encoded->header.checksum, FieldHasher().AddBytes(bytes).Digest64());
  EXPECT_EQ(encoded->header.checksum, StateChecksum(encoded->header, encoded->payload));
}

TEST(StateCodec, AnyOtherHeaderBreaksTheChecksumOrIsRefusedByName) {
  const AttentionState state = Small::Folded(Small::Spec());
  const EncodedState encoded = *Encode(state);
  const std::pair<std::function<void(StateHeader*)>, absl::StatusCode> cases[] = {
      {[](auto* h) { h->version = 2; }, absl::StatusCode::kFailedPrecondition},
      {[](auto* h) { h->layout = 1; }, absl::StatusCode::kDataLoss},
      {[](auto* h) { h->num_keys[1] = 8; }, absl::StatusCode::kDataLoss},
      {[](auto* h) { h->num_keys[1] = -1; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->num_keys[1] = kMaxStateKeys + 1; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->num_keys.pop_back(); }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->checksum ^= 1; }, absl::StatusCode::kDataLoss},
      {[](auto* h) { h->encoding = Encoding::kFloat32; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->encoding = static_cast<Encoding>(9); }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->description.projection_id += "0"; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->description.projection_id[0] ^= 1; }, absl::StatusCode::kFailedPrecondition},
      {[](auto* h) { h->description.spec.scale = 3; }, absl::StatusCode::kFailedPrecondition},
      {[](auto* h) { h->description.num_features = int64_t{1} << 60; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->description.sizes.batch_size = int64_t{1} << 40; }, absl::StatusCode::kInvalidArgument},
      {[](auto* h) {
         h->description.sizes.batch_size = int64_t{1} << 40;
         h->description.sizes.num_key_heads = int64_t{1} << 40;
       },
       absl::StatusCode::kInvalidArgument},
      {[](auto* h) { h->description.sizes.value_dim = 0; }, absl::StatusCode::kInvalidArgument},
  };
  int index = 0;
  for (const auto& [change, code] : cases) {
    EncodedState changed = encoded;
    change(&changed.header);
    AttentionState into = Small::Empty(Small::Spec());
    const absl::Status status = DecodeInto(changed, &into);
    EXPECT_EQ(status.code(), code) << "case " << index++ << ": " << status;
    EXPECT_FALSE(status.message().empty());
  }
}

// Numbers that no keys give, under a checksum that fits.
TEST(StateCodec, RefusesHostileNumbersByName) {
  constexpr float kNaN = NAN, kInf = std::numeric_limits<float>::infinity();
  constexpr size_t kMaximum = 4, kKeySum = 4 + 4 * Small::kRows, kValueSum = kKeySum + 4 * Small::kRows;
  constexpr size_t kTotal = kValueSum + 4 * Small::kRows * Small::kValueDim;
  constexpr size_t kKeyCompensation = kTotal + 4 * Small::kValueDim;
  constexpr size_t kHead = kKeyCompensation + 4 * (Small::kRows * (1 + Small::kValueDim) + Small::kValueDim);
  const struct {
    size_t offset;
    float value;
    const char* message;
  } cases[] = {
      {0, 1.0f, "head 0: stabiliser is 1"},
      {kMaximum, kNaN, "maxima[0] is nan"},
      {kMaximum + 4, kInf, "maxima[1] is inf"},
      {kMaximum + 4, -kInf, "maxima[1] is -inf"},
      {kMaximum + 4, 0.5f, "maxima[1] is 0.5, must be a whole number"},
      {kMaximum, 2e30f, "maxima[0] is 2e+30"},
      {kMaximum, -1e30f, "maxima[0] is -1e+30"},
      {kKeySum, -1.0f, "key_sums[0] is -1"},
      {kKeySum, kNaN, "key_sums[0] is nan"},
      {kValueSum + 4, kInf, "value_sums[1] is inf"},
      {kTotal, kNaN, "total[0] is nan"},
      {kKeyCompensation, kNaN, "key_compensation[0] is nan"},
      {kKeyCompensation, 1e9f, "key_compensation[0] is 1e+09, must be at most half of key_sums[0]"},
      {kKeyCompensation, -1e9f, "key_compensation[0] is -1e+09, must be at most half of key_sums[0]"},
      {kHead + kValueSum, -kInf, "sequence 0, head 1: value_sums[0] is -inf"},
  };
  const EncodedState encoded = *Encode(Small::Folded(Small::Spec()));
  for (const auto& hostile : cases) {
    EncodedState changed = encoded;
    SetFloat(hostile.value, hostile.offset, &changed.payload);
    changed.header.checksum = StateChecksum(changed.header, changed.payload);
    AttentionState into = Small::Empty(Small::Spec());
    const absl::Status status = DecodeInto(changed, &into);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(Contains(status, hostile.message)) << status << ", not " << hostile.message;
    EXPECT_FALSE(into.usable());
  }
}

TEST(StateCodec, SequencesWithoutKeysAreEmpty) {
  for (const AttentionSpec& spec : Specs()) {
    EncodedState encoded = *Encode(Small::Folded(spec));
    encoded.header.num_keys[0] = 0;
    encoded.header.checksum = StateChecksum(encoded.header, encoded.payload);
    AttentionState into = Small::Empty(spec);
    EXPECT_EQ(DecodeInto(encoded, &into).code(), absl::StatusCode::kInvalidArgument);

    EncodedState empty = *Encode(Small::Empty(spec));
    empty.header.num_keys[0] = 3;
    empty.header.checksum = StateChecksum(empty.header, empty.payload);
    const bool has_exponents = into.exponents() != FeatureExponents::kNone;
    EXPECT_EQ(DecodeInto(empty, &into).ok(), !has_exponents) << "keys give exponents";
  }
}

TEST(StateCodec, FeaturesThatShareAnExponentHaveOneMaximum) {
  AttentionSpec spec = Small::Spec();
  spec.features.estimator = Estimator::kTrigonometric;
  EncodedState encoded = *Encode(Small::Folded(spec));
  SetFloat(FloatAt(encoded.payload, 8) + 1, 8, &encoded.payload);
  encoded.header.checksum = StateChecksum(encoded.header, encoded.payload);
  AttentionState into = Small::Empty(spec);
  EXPECT_TRUE(Contains(DecodeInto(encoded, &into), "maxima[1]"));
}

TEST(StateCodec, EveryTruncationAndEveryFlippedBitIsNoticed) {
  const EncodedState encoded = *Encode(Small::Folded(Small::Spec()));
  AttentionState into = Small::Empty(Small::Spec());
  for (size_t size = 0; size < encoded.payload.size(); size += 3) {
    EncodedState cut = encoded;
    cut.payload.resize(size);
    EXPECT_EQ(DecodeInto(cut, &into).code(), absl::StatusCode::kInvalidArgument);
  }
  EncodedState longer = encoded;
  longer.payload.push_back('\0');
  EXPECT_EQ(DecodeInto(longer, &into).code(), absl::StatusCode::kInvalidArgument);
  for (size_t bit = 0; bit < 8 * encoded.payload.size(); ++bit) {
    EncodedState flipped = encoded;
    flipped.payload[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_EQ(DecodeInto(flipped, &into).code(), absl::StatusCode::kDataLoss) << bit;
  }
}

// Random damage under a checksum that fits: refused by name, or a state that can be used like any other.
TEST(StateCodec, HostilePayloadsCannotHurt) {
  int64_t num_taken = 0, num_refused = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const std::vector<AttentionSpec> specs = Specs();
    AttentionSpec spec = specs[random.Integer(0, specs.size() - 1)];
    spec.causal = random.OneIn(2) && !spec.features.epsilon_parity.has_value();
    EncodedState encoded = *Encode(Small::Folded(spec, seed), kEncodings[random.Integer(0, 2)]);
    for (int64_t flips = random.Integer(1, 4); flips > 0; --flips) {
      const int64_t bit = random.Integer(0, 8 * encoded.payload.size() - 1);
      encoded.payload[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
    encoded.header.checksum = StateChecksum(encoded.header, encoded.payload);
    AttentionState state = Small::Empty(spec);
    const absl::Status status = DecodeInto(encoded, &state);
    if (!status.ok()) {
      ++num_refused;
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
      EXPECT_TRUE(Contains(status, "state of sequence ")) << status;
      continue;
    }
    ++num_taken;
    Small::Tokens tokens(60, seed);
    ASSERT_TRUE(RunInline(*PlanRead(tokens.Inputs(), state, tokens.Output(), nullptr, nullptr)).ok());
    for (const float value : tokens.output) ASSERT_TRUE(std::isfinite(value)) << "seed " << seed;
    ASSERT_TRUE(RunInline(*PlanMerge(Small::Folded(spec), nullptr, &state)).ok());
    absl::StatusOr<Job> job = spec.causal ? PlanCausalChunk(tokens.Inputs(), tokens.Output(), nullptr, nullptr, &state)
                                          : PlanFold(tokens.Inputs(), nullptr, &state);
    ASSERT_TRUE(RunInline(*job).ok());
    for (const float value : tokens.output) ASSERT_TRUE(std::isfinite(value)) << "seed " << seed;
  }
  EXPECT_GT(num_taken, 50);
  EXPECT_GT(num_refused, 50);
}

TEST(StateCodec, SumsBeyondFloat32AreNotStored) {
  AttentionState state = Small::Empty(Small::Spec(Kernel::kEluPlusOne));
  Small::Tokens tokens(9);
  tokens.values.assign(tokens.values.size(), 3e38f);
  ASSERT_TRUE(RunInline(*PlanFold(tokens.Inputs(), nullptr, &state)).ok());
  const absl::Status status = Encode(state).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Contains(status, "value_sums[0] is inf")) << status;
}

TEST(StateCodec, SumsAtTheEndOfFloat32StayFiniteInBFloat16) {
  AttentionState state = Small::Empty(Small::Spec(Kernel::kEluPlusOne));
  Small::Tokens tokens(1);
  tokens.keys.assign(tokens.keys.size(), 0.0f);
  tokens.values.assign(tokens.values.size(), std::numeric_limits<float>::max());
  ASSERT_TRUE(RunInline(*PlanFold(tokens.Inputs(), nullptr, &state)).ok());
  EXPECT_TRUE(RoundTrip(&state, Encoding::kBFloat16).ok());
  EXPECT_GT(state.head(0).value_sums[0], 3.3e38f);
}

TEST(StateCodec, RefusesABufferOfAnotherSize) {
  const AttentionState state = Small::Folded(Small::Spec());
  StateHeader header;
  std::string payload(10, '\0');
  EXPECT_EQ(PlanEncodeState(state, Encoding::kFloat32, 0, nullptr, &header, absl::MakeSpan(payload.data(), 10))
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace favor::testing
