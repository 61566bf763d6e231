// Encoder states as bytes: the documented ones, and whatever else somebody may send.
#include "favor/model/encoder_state_codec.h"

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "favor/attention/state_codec.h"
#include "favor/base/hash128.h"
#include "gtest/gtest.h"
#include "tests/support/encoded_state.h"
#include "tests/support/encoder_stream.h"
#include "tests/support/performer_golden.h"
#include "tests/support/random.h"

namespace favor::testing {
namespace {

std::shared_ptr<const Encoder> Load(const std::string& name) {
  return LoadPerformerGolden(name + ".safetensors", ::testing::TempDir() + "/encoder_state_codec.").encoder;
}

EncoderState After(const Encoder& encoder, int64_t num_tokens) {
  EncoderState state = StartSequence(encoder).value();
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < num_tokens; ++t) ids.push_back(static_cast<int32_t>(3 * t % encoder.vocabulary_size()));
  EXPECT_TRUE(EncodeChunk(encoder, ids, &state).ok());
  return state;
}

template <typename Unsigned>
void Append(Unsigned value, std::string* bytes) {
  for (size_t i = 0; i < sizeof(value); ++i) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

// With the checksum that it should have.
EncodedEncoderState Signed(EncodedEncoderState encoded) {
  encoded.header.checksum = EncoderStateChecksum(encoded.header, encoded.payload);
  return encoded;
}

void SetFloat(float value, size_t offset, std::string* bytes) {
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) (*bytes)[offset + i] = static_cast<char>(bits >> (8 * i));
}

TEST(EncoderStateCodec, PayloadAndChecksumHaveTheDocumentedBytes) {
  const auto encoder = Load("shift_tokens_causal");
  const EncoderState state = After(*encoder, 9);
  const EncodedEncoderState encoded = EncodeState(*encoder, state, "0123").value();
  FieldHasher configuration;
  std::string heads, shifted;
  for (int64_t i = 0; i < state.num_layers(); ++i) {
    const EncodedState layer = Encode(state.layer(i)).value();
    StateHeader empty = layer.header;
    empty.num_keys = {0};
    configuration.AddUint64(StateChecksum(empty, ""));
    heads += layer.payload;
    for (const Sublayer sublayer : {Sublayer::kAttention, Sublayer::kFeedForward}) {
      for (int64_t l = 0; l < state.shifted_dim(); ++l) {
        Append(std::bit_cast<uint32_t>(state.shifted(i, sublayer)[l]), &shifted);
      }
    }
  }
  EXPECT_EQ(state.shifted_dim(), encoder->dimensions() / 2);
  std::string payload;
  Append(configuration.AddUint64(state.shifted_dim()).Digest64(), &payload);
  EXPECT_EQ(encoded.payload, payload + heads + shifted);

  std::string covered = "favorenc";
  Append(uint32_t{1}, &covered);
  Append(uint64_t{4}, &covered);
  covered += "0123";
  Append(uint64_t{9}, &covered);
  Append(uint64_t{encoded.payload.size()}, &covered);
  EXPECT_EQ(encoded.header.checksum, FieldHasher().AddBytes(covered).AddBytes(encoded.payload).Digest64());
}

TEST(EncoderStateCodec, AnEmptyStateComesBack) {
  for (const char* name : {"shift_tokens_causal", "causal", "relu_causal"}) {
    const auto encoder = Load(name);
    const EncoderState state = StartSequence(*encoder).value();
    const absl::StatusOr<EncoderState> back = DecodeState(*encoder, EncodeState(*encoder, state).value());
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->num_tokens(), 0);
    EXPECT_TRUE(SameState(back->layer(0), state.layer(0)));
  }
}

TEST(EncoderStateCodec, WhatDoesNotFitIsRefusedByName) {
  const auto encoder = Load("shift_tokens_causal");
  const EncodedEncoderState good = EncodeState(*encoder, After(*encoder, 9)).value();
  ASSERT_TRUE(DecodeState(*encoder, good).ok());
  const size_t shifted = good.payload.size() - 4;  // the last of all
  const float infinity = std::numeric_limits<float>::infinity();
  using Change = std::function<void(EncodedEncoderState*)>;
  const struct {
    Change change;
    absl::StatusCode code;
    std::string message;
  } cases[] = {
      {[](auto* e) { e->header.version = 2; }, absl::StatusCode::kFailedPrecondition, "state.version is 2, must be 1"},
      {[](auto* e) { e->header.model_id = "other"; }, absl::StatusCode::kFailedPrecondition,
       "state.model_id is other, that of the model is id"},
      {[](auto* e) { e->header.num_tokens = -1; }, absl::StatusCode::kInvalidArgument,
       "state.num_tokens is -1, must be from 0"},
      {[](auto* e) { e->header.num_tokens = kMaxStateKeys + 1; }, absl::StatusCode::kInvalidArgument,
       "state.num_tokens is 9007199254740993, must be from 0"},
      {[](auto* e) { e->payload.pop_back(); }, absl::StatusCode::kInvalidArgument, "state.payload has "},
      {[](auto* e) { e->payload.clear(); }, absl::StatusCode::kInvalidArgument, "state.payload has 0 bytes"},
      {[](auto* e) { e->payload += '\0'; }, absl::StatusCode::kInvalidArgument, "state.payload has "},
      {[](auto* e) { e->payload[0] ^= 1; }, absl::StatusCode::kFailedPrecondition, "with another configuration"},
      {[&](auto* e) { SetFloat(NAN, shifted, &e->payload); }, absl::StatusCode::kInvalidArgument,
       "feed_forward.shifted["},
      {[](auto* e) { SetFloat(NAN, 8, &e->payload); }, absl::StatusCode::kInvalidArgument,
       "state of layer 0, head 0: stabiliser is nan"},
      {[&](auto* e) { SetFloat(infinity, 12, &e->payload); }, absl::StatusCode::kInvalidArgument,
       "state of layer 0, head 0: maxima[0] is inf"},
      {[](auto* e) { e->header.num_tokens = 0; }, absl::StatusCode::kInvalidArgument, "since there are no keys"},
  };
  for (const auto& [change, code, message] : cases) {
    EncodedEncoderState bad = good;
    change(&bad);
    const absl::Status status = DecodeState(*encoder, Signed(bad)).status();
    EXPECT_EQ(status.code(), code) << status << ", expected " << message;
    EXPECT_TRUE(absl::StrContains(std::string(status.message()), message)) << status << ", expected " << message;
  }
  EncodedEncoderState unsigned_state = good;
  unsigned_state.header.num_tokens = 8;
  EXPECT_EQ(DecodeState(*encoder, unsigned_state).status().code(), absl::StatusCode::kDataLoss);
}

TEST(EncoderStateCodec, AStateOfAnotherConfigurationOfTheSameShapeIsRefused) {
  const auto relu = Load("relu_causal"), softplus = Load("softplus_causal");
  const EncodedEncoderState encoded = EncodeState(*relu, After(*relu, 5)).value();
  const absl::Status status = DecodeState(*softplus, encoded).status();
  EXPECT_FALSE(status.ok());
}

TEST(EncoderStateCodec, EveryFlippedBitOfThePayloadBreaksTheChecksum) {
  const auto encoder = Load("causal");
  const EncodedEncoderState good = EncodeState(*encoder, After(*encoder, 30)).value();
  Random random(21);
  for (int i = 0; i < 2000; ++i) {
    EncodedEncoderState bad = good;
    bad.payload[random.Integer(0, bad.payload.size() - 1)] ^= static_cast<char>(1 << random.Integer(0, 7));
    EXPECT_EQ(DecodeState(*encoder, bad).status().code(), absl::StatusCode::kDataLoss);
  }
}

// Who can make a checksum can send any bytes: they are refused, or they are numbers that the encoder can go on with.
TEST(EncoderStateCodec, AnyBytesThatDecodeCanBeGoneOnWith) {
  for (const char* name : {"causal", "shift_tokens_causal", "no_projection_causal"}) {
    const auto encoder = Load(name);
    const EncodedEncoderState good = EncodeState(*encoder, After(*encoder, 30)).value();
    Random random(22);
    int num_decoded = 0;
    for (int i = 0; i < 1500; ++i) {
      EncodedEncoderState bad = good;
      for (int64_t flips = random.Integer(1, 4); flips > 0; --flips) {
        bad.payload[random.Integer(0, bad.payload.size() - 1)] = static_cast<char>(random.Integer(0, 255));
      }
      if (random.OneIn(10)) bad.header.num_tokens = random.Integer(-2, 50);
      if (random.OneIn(10)) bad.payload.resize(random.Integer(0, 2 * bad.payload.size()));
      absl::StatusOr<EncoderState> state = DecodeState(*encoder, Signed(bad));
      if (!state.ok()) continue;
      ++num_decoded;
      (void)EncodeChunk(*encoder, {1, 2}, &*state);  // vectors, or an error: never a crash
    }
    EXPECT_GT(num_decoded, 100) << name << ": most changes are of the last bits of a sum";
  }
}

}  // namespace
}  // namespace favor::testing
