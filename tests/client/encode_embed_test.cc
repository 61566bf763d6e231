#include "client/wire/encode_embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/transport/borrowed_memory.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

template <typename Message>
Message Parse(const MessageBuilder& builder) {
  BorrowedMemory memory;
  const grpc::ByteBuffer buffer = builder.Build(&memory);
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  EXPECT_EQ(slice.size(), builder.size_bytes());
  Message message;
  EXPECT_TRUE(message.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  return message;
}

TEST(EncodeEmbed, PutsEveryOptionWhereTheProtoHasIt) {
  EmbedOptions options;
  options.model = "tiny";
  options.pooling = Pooling::kMax;
  options.normalize = false;
  options.over_length = OverLength::kWindows;
  options.window_overlap = 0;
  options.output_type = EmbeddingType::kInt8;
  options.dimensions = 256;
  options.prompt = "query: ";
  options.prompt_name = "document";
  options.attention.emplace().mode = FeatureSpec{.num_features = 64};
  const std::vector<EmbedInput> inputs = {std::string("a text"), std::vector<int32_t>{101, 0, -7, 2'000'000'000}};
  const auto wire = Parse<v1::EmbedRequest>(EncodeEmbedRequest(inputs, options));
  EXPECT_EQ(wire.model(), "tiny");
  ASSERT_EQ(wire.inputs_size(), 2);
  EXPECT_EQ(wire.inputs(0).text(), "a text");
  EXPECT_THAT(wire.inputs(1).ids().ids(), ElementsAre(101, 0, -7, 2'000'000'000));
  EXPECT_EQ(wire.pooling(), v1::POOLING_MAX);
  EXPECT_TRUE(wire.has_normalize());
  EXPECT_FALSE(wire.normalize());
  EXPECT_EQ(wire.over_length(), v1::OVER_LENGTH_WINDOWS);
  EXPECT_TRUE(wire.has_window_overlap());
  EXPECT_EQ(wire.window_overlap(), 0);
  EXPECT_EQ(wire.output_type(), v1::EMBEDDING_TYPE_I8);
  EXPECT_EQ(wire.dimensions(), 256);
  EXPECT_EQ(wire.prompt(), "query: ");
  EXPECT_EQ(wire.prompt_name(), "document");
  EXPECT_EQ(wire.attention().features().num_features(), 64);
  // A field that the proto gains must be added to the options and to this test.
  EXPECT_EQ(v1::EmbedRequest::descriptor()->field_count(), 11);
}

TEST(EncodeEmbed, SendsNothingThatWasNotAskedFor) {
  const auto wire = Parse<v1::EmbedRequest>(EncodeEmbedRequest({std::string("x")}, {}));
  v1::EmbedRequest bare;
  bare.add_inputs()->set_text("x");
  EXPECT_EQ(wire.SerializeAsString(), bare.SerializeAsString());
}

TEST(EncodeEmbed, AnEmptyPromptIsSentSinceItIsNotTheDefaultOne) {
  EmbedOptions options;
  EXPECT_FALSE(Parse<v1::EmbedRequest>(EncodeEmbedRequest({}, options)).has_prompt());
  options.prompt = "";
  const auto wire = Parse<v1::EmbedRequest>(EncodeEmbedRequest({}, options));
  EXPECT_TRUE(wire.has_prompt());
  EXPECT_EQ(wire.prompt(), "");
}

TEST(EncodeEmbed, EmptyInputsKeepTheirKind) {
  const std::vector<EmbedInput> inputs = {std::string(), std::vector<int32_t>{}};
  const auto wire = Parse<v1::EmbedRequest>(EncodeEmbedRequest(inputs, {}));
  EXPECT_TRUE(wire.inputs(0).has_text());
  EXPECT_TRUE(wire.inputs(1).has_ids());
}

TEST(EncodeEmbed, LongInputsArriveWhole) {
  const std::string text(100'000, 'x');
  std::vector<int32_t> ids(50'000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
  const std::vector<EmbedInput> inputs = {text, ids, std::string("end")};
  const auto wire = Parse<v1::EmbedRequest>(EncodeEmbedRequest(inputs, {}));
  EXPECT_EQ(wire.inputs(0).text(), text);
  EXPECT_THAT(wire.inputs(1).ids().ids(), ElementsAreArray(ids));
  EXPECT_EQ(wire.inputs(2).text(), "end");
}

TEST(EncodeTokenize, PutsEveryOptionWhereTheProtoHasIt) {
  const std::vector<std::string> texts = {"a", "", "b"};
  const auto wire = Parse<v1::TokenizeRequest>(
      EncodeTokenizeRequest(texts, {.model = "tiny", .without_special_tokens = true, .with_pieces = true}));
  EXPECT_EQ(wire.model(), "tiny");
  EXPECT_THAT(wire.texts(), ElementsAreArray(texts));
  EXPECT_TRUE(wire.without_special_tokens());
  EXPECT_TRUE(wire.with_pieces());
  EXPECT_EQ(v1::TokenizeRequest::descriptor()->field_count(), 4);
}

}  // namespace
}  // namespace favor::client
