// A sequence that an encoder takes piece by piece: what it refuses, and what is left of a job that fails.
#include <string>
#include <vector>

#include "favor/base/cancellation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/encoder_stream.h"
#include "tests/support/fake_model.h"
#include "tests/support/performer_golden.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Encoder> Load(const std::string& name) {
  return LoadPerformerGolden(name + ".safetensors", ::testing::TempDir() + "/encoder_stream.").encoder;
}

TEST(EncoderStream, AnEncoderWithoutStatesSaysWhy) {
  const FakeEncoder encoder({});
  EXPECT_THAT(std::string(encoder.DescribeState().status().message()), HasSubstr("attention is bidirectional"));
}

TEST(EncoderStream, PositionsRunOutAtTheModelsLastOne) {
  const auto encoder = Load("causal_absolute");
  const int64_t most = encoder->max_tokens();
  ASSERT_GT(most, 4);
  EncoderState state = StartSequence(*encoder).value();
  ASSERT_TRUE(EncodeChunk(*encoder, std::vector<int32_t>(most - 3, 1), &state).ok());
  const absl::Status status = EncodeChunk(*encoder, std::vector<int32_t>(4, 1), &state).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            absl::StrCat("there are 4 tokens behind ", most - 3, ", the model has ", most, " positions"));
  EXPECT_TRUE(state.usable()) << "what is refused changes nothing";
  EXPECT_TRUE(EncodeChunk(*encoder, std::vector<int32_t>(3, 1), &state).ok());
  EXPECT_EQ(state.num_tokens(), most);
}

TEST(EncoderStream, WithoutPositionsASequenceEndsWhereAStateStopsCounting) {
  const auto encoder = Load("causal");
  EncoderState state = StartSequence(*encoder).value();
  ASSERT_TRUE(EncodeChunk(*encoder, {1, 2}, &state).ok());
  EncodedEncoderState encoded = EncodeState(*encoder, state).value();
  encoded.header.num_tokens = kMaxStateKeys - 1;  // as anybody may claim
  encoded.header.checksum = EncoderStateChecksum(encoded.header, encoded.payload);
  EncoderState late = DecodeState(*encoder, encoded).value();
  EXPECT_EQ(
      EncodeChunk(*encoder, {1, 2}, &late).status().message(),
      absl::StrCat("there are 2 tokens behind ", kMaxStateKeys - 1, ", a state counts no more than ", kMaxStateKeys));
  EXPECT_TRUE(late.usable()) << "what is refused changes nothing";
  EXPECT_TRUE(EncodeChunk(*encoder, {1}, &late).ok());
  EXPECT_EQ(late.num_tokens(), kMaxStateKeys);
}

TEST(EncoderStream, AnIdOutsideTheVocabularyIsNamed) {
  const auto encoder = Load("causal");
  EncoderState state = StartSequence(*encoder).value();
  const auto last = static_cast<int32_t>(encoder->vocabulary_size() - 1);
  for (const int32_t id : {-1, last + 1}) {
    EXPECT_EQ(EncodeChunk(*encoder, {0, last, id}, &state).status().message(),
              absl::StrCat("ids[2] is ", id, ", it must be from 0 to ", last));
  }
  EXPECT_EQ(state.num_tokens(), 0);
  EXPECT_TRUE(state.usable());
}

TEST(EncoderStream, NoTokensChangeNothing) {
  const auto encoder = Load("shift_tokens_causal");
  EncoderState state = StartSequence(*encoder).value();
  ASSERT_TRUE(EncodeChunk(*encoder, {1, 2, 3}, &state).ok());
  const EncodedEncoderState before = EncodeState(*encoder, state).value();
  ASSERT_TRUE(EncodeChunk(*encoder, {}, &state).ok());
  EXPECT_EQ(EncodeState(*encoder, state)->payload, before.payload);
  EXPECT_EQ(state.num_tokens(), 3);
}

TEST(EncoderStream, AJobThatDoesNotEndLeavesTheStateUnusable) {
  const auto encoder = Load("relu_causal");
  EncoderState state = StartSequence(*encoder).value();
  Cancellation cancellation;
  const std::vector<int32_t> ids(20, 1);
  std::vector<float> vectors(ids.size() * encoder->dimensions());
  const Job job = encoder->PlanChunk(ids, &cancellation, vectors.data(), &state).value();
  EXPECT_FALSE(state.usable());
  cancellation.Cancel();
  EXPECT_EQ(RunInline(job).code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(state.usable());
  EXPECT_EQ(EncodeChunk(*encoder, {1}, &state).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(EncodeState(*encoder, state).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(EncoderStream, MemoryDoesNotGrowWithTheSequence) {
  const auto encoder = Load("shift_tokens_causal");
  EncoderState state = StartSequence(*encoder).value();
  const int64_t bytes = EncoderState::Bytes(*encoder->DescribeState());
  const int64_t scratch = encoder->ChunkScratchBytes(10, state, 2);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(EncodeChunk(*encoder, std::vector<int32_t>(10, i % 5), &state).ok());
  EXPECT_EQ(state.num_tokens(), 2000);
  EXPECT_EQ(encoder->ChunkScratchBytes(10, state, 2), scratch);
  EXPECT_GT(bytes, EncoderStatePayloadBytes(*encoder->DescribeState()) / 2);
}

}  // namespace
}  // namespace favor::testing
