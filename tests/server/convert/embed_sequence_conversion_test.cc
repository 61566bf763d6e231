#include "server/convert/embed_sequence_conversion.h"

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "favor/v1/embedding.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"
#include "tests/support/fake_model.h"
#include "tests/support/random.h"

namespace favor {
namespace {

using ::testing::ElementsAre;

v1::EmbedStreamResponse Parsed(const std::vector<std::string>& parts) {
  v1::EmbedStreamResponse response;
  EXPECT_TRUE(response.ParseFromString(absl::StrJoin(parts, "")));
  return response;
}

TEST(EncoderStateMessage, IsWhatProtobufReads) {
  const std::string payload(300, '\xa5');
  const v1::EmbedStreamResponse response = Parsed(EncoderStateMessage({3, "0123", 77, 0x123456789abcdef0}, payload));
  EXPECT_FALSE(response.has_result());
  EXPECT_EQ(response.state().version(), 3u);
  EXPECT_EQ(response.state().model_id(), "0123");
  EXPECT_EQ(response.state().num_tokens(), 77);
  EXPECT_EQ(response.state().payload(), payload);
  EXPECT_EQ(response.state().checksum(), 0x123456789abcdef0u);
}

TEST(SequenceVectors, AreWhatProtobufReads) {
  EmbedSettings settings;
  settings.model.model = testing::FakeModel();  // of 8 dimensions
  settings.options.dimensions = 2;
  settings.options.normalize = true;
  for (const v1::EmbeddingType type : {v1::EMBEDDING_TYPE_F32, v1::EMBEDDING_TYPE_BF16, v1::EMBEDDING_TYPE_I8}) {
    settings.type = type;
    SequenceVectors vectors(&settings, 3);
    ASSERT_TRUE(vectors.Allocate().ok());
    std::vector<float> values(3 * 8, 100);
    for (int t = 0; t < 3; ++t) {
      values[8 * t] = 3;
      values[8 * t + 1] = 4;
    }
    vectors.Write(values.data(), 0, 2);
    vectors.Write(values.data(), 2, 3);
    const std::string header = vectors.Header(5);
    const AlignedBuffer<std::byte> data = vectors.TakeData();
    const std::string bytes(reinterpret_cast<const char*>(data.data()), data.size());
    EXPECT_LE(header.size() + bytes.size(), static_cast<size_t>(SequenceVectors::MaxBytes(settings, 3)));
    const v1::EmbedStreamResponse response = Parsed({header, bytes});
    EXPECT_EQ(response.id(), 5u);
    EXPECT_EQ(response.result().num_tokens(), 3);
    EXPECT_EQ(response.result().num_windows(), 1);
    const v1::Embedding& embedding = response.result().embedding();
    EXPECT_EQ(embedding.type(), type);
    EXPECT_THAT(embedding.shape(), ElementsAre(3, 2));
    if (type == v1::EMBEDDING_TYPE_F32) {
      float floats[6];
      ASSERT_EQ(embedding.data().size(), sizeof(floats));
      std::memcpy(floats, embedding.data().data(), sizeof(floats));
      EXPECT_THAT(floats, ElementsAre(0.6f, 0.8f, 0.6f, 0.8f, 0.6f, 0.8f));
    }
    EXPECT_EQ(embedding.scale_size(), type == v1::EMBEDDING_TYPE_I8 ? 3 : 0);
  }
}

TEST(ReadSequenceStart, NeverTrustsABrokenMessage) {
  v1::EmbedStreamRequest request;
  request.mutable_sequence()->mutable_settings()->set_model("m");
  request.mutable_sequence()->mutable_state()->set_payload(std::string(50, 'x'));
  request.mutable_sequence()->mutable_state()->set_model_id("0123");
  const std::string good = request.SerializeAsString();
  const ModelRegistry models(nullptr);
  testing::Random random(31);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good.substr(0, random.Integer(0, good.size()));
    for (int64_t flips = random.Integer(0, 3); flips > 0 && !bytes.empty(); --flips) {
      bytes[random.Integer(0, bytes.size() - 1)] = static_cast<char>(random.Integer(0, 255));
    }
    const auto message = ReadEmbedStreamMessage(bytes);
    if (!message.ok()) continue;
    if (message->kind == EmbedStreamMessage::Kind::kTokens) (void)ReadTokens(*message);
    // No model is loaded: NOT_FOUND for those that are messages.
    if (message->kind != EmbedStreamMessage::Kind::kSequence) continue;
    EXPECT_FALSE(ReadSequenceStart(*message, models).ok());
  }
}

TEST(CheckSequenceMessage, TakesTokensAndGetStateAlone) {
  using Kind = EmbedStreamMessage::Kind;
  EXPECT_TRUE(CheckSequenceMessage({Kind::kTokens}).ok());
  EXPECT_TRUE(CheckSequenceMessage({.kind = Kind::kGetState, .get_state = true}).ok());
  EXPECT_EQ(FieldOf(CheckSequenceMessage({Kind::kGetState})), "get_state");
  EXPECT_EQ(FieldOf(CheckSequenceMessage({Kind::kSequence})), "sequence");
  for (const Kind kind : {Kind::kNone, Kind::kStart, Kind::kInput}) {
    EXPECT_EQ(FieldOf(CheckSequenceMessage({kind})), "tokens");
  }
}

}  // namespace
}  // namespace favor
