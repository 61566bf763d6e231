#include "server/convert/embed_stream_conversion.h"

#include <string>

#include "favor/v1/embedding.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

using ::testing::HasSubstr;
using Kind = EmbedStreamMessage::Kind;

std::string Input(uint64_t id, const std::string& text) {
  v1::EmbedStreamRequest request;
  request.mutable_input()->set_id(id);
  request.mutable_input()->mutable_input()->set_text(text);
  return request.SerializeAsString();
}

std::string Start(const std::string& model) {
  v1::EmbedStreamRequest request;
  request.mutable_start()->set_model(model);
  return request.SerializeAsString();
}

TEST(ReadEmbedStreamMessage, FindsInputsWhateverTheirText) {
  for (const std::string& text : {std::string("one"), std::string(), std::string("\xff\xfe")}) {
    const std::string bytes = Input(77, text);
    const auto message = ReadEmbedStreamMessage(bytes);
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(message->kind, Kind::kInput);
    EXPECT_EQ(message->id, 77);
    EXPECT_THAT(std::string(message->body), HasSubstr(text));
  }
}

TEST(ReadEmbedStreamMessage, TakesTheLastOfAOneof) {
  std::string bytes = Input(1, "a") + Start("m");
  EXPECT_EQ(ReadEmbedStreamMessage(bytes)->kind, Kind::kStart);
  bytes = Start("m") + Input(5, "a");
  EXPECT_EQ(ReadEmbedStreamMessage(bytes)->kind, Kind::kInput);
  EXPECT_EQ(ReadEmbedStreamMessage(bytes)->id, 5);
  EXPECT_EQ(ReadEmbedStreamMessage("")->kind, Kind::kNone);
}

TEST(ReadEmbedStreamMessage, SkipsFieldsOfLaterReleases) {
  const std::string bytes = "\x78\x05" + Input(1, "a");
  EXPECT_EQ(ReadEmbedStreamMessage(bytes)->kind, Kind::kInput);
}

TEST(ReadEmbedStreamMessage, RefusesWhatIsCutOffAnywhere) {
  const std::string bytes = Input(300, "some text");
  for (size_t size = 1; size < bytes.size(); ++size) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadEmbedStreamMessage(bytes.substr(0, size)).status())) << size;
  }
  // A length beyond all bytes.
  EXPECT_TRUE(absl::IsInvalidArgument(ReadEmbedStreamMessage("\x12\xff\xff\xff\xff\x0f").status()));
}

TEST(ReadEmbedStreamInput, RefusesASecondStartAndNothing) {
  EXPECT_EQ(FieldOf(ReadEmbedStreamInput(Start("m")).status()), "start");
  EXPECT_EQ(FieldOf(ReadEmbedStreamInput("").status()), "input");
}

}  // namespace
}  // namespace favor
