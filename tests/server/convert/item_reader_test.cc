#include "server/convert/item_reader.h"

#include <string>

#include "favor/v1/embedding.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"

namespace favor {
namespace {

using google::protobuf::io::ArrayInputStream;
using ::testing::HasSubstr;

// A message in pieces of seven bytes.
ArrayInputStream InPieces(const std::string& wire) { return {wire.data(), static_cast<int>(wire.size()), 7}; }

absl::StatusOr<ItemSummary> Beside(const std::string& wire) {
  ArrayInputStream stream = InPieces(wire);
  return ReadBesideItems(&stream, "inputs");
}

v1::EmbedRequest Request() {
  v1::EmbedRequest request;
  request.set_model("a model");
  request.add_inputs()->set_text("first");
  request.add_inputs();
  request.add_inputs()->set_text(std::string(300, 'x'));
  request.set_pooling(v1::POOLING_MAX);
  request.set_prompt("a prompt of some length");
  request.mutable_attention()->mutable_exact();
  return request;
}

TEST(ReadBesideItems, GivesTheMessageWithoutItsItems) {
  const auto summary = Beside(Request().SerializeAsString());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->num_items, 3);
  v1::EmbedRequest expected = Request();
  expected.clear_inputs();
  EXPECT_EQ(summary->beside, expected.SerializeAsString());
  EXPECT_EQ(summary->item_bytes, 7 + 0 + 303);
}

TEST(ItemReader, GivesTheItemsInOrderWhateverStandsBetweenThem) {
  v1::EmbedRequest settings = Request();
  settings.clear_inputs();
  v1::EmbedRequest items;
  for (const char* text : {"one", "two", "three"}) items.add_inputs()->set_text(text);
  const std::string wire = items.SerializeAsString() + settings.SerializeAsString() + items.SerializeAsString();
  ArrayInputStream stream = InPieces(wire);
  ItemReader reader(&stream);
  for (const char* text : {"one", "two", "three", "one", "two", "three"}) {
    EXPECT_EQ(*reader.NextBytes(), static_cast<int64_t>(std::string(text).size()) + 2);
    v1::EmbedInput input;
    ASSERT_TRUE(input.ParseFromString(*reader.Next()));
    EXPECT_EQ(input.text(), text);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(reader.Next().status()));
}

TEST(ReadBesideItems, RefusesEveryMessageThatIsCutShort) {
  const std::string wire = Request().SerializeAsString();
  int num_whole = 0;
  for (size_t size = 0; size < wire.size(); ++size) {
    v1::EmbedRequest request;
    const std::string cut = wire.substr(0, size);
    const bool whole = request.ParseFromString(cut);  // cut between two fields
    EXPECT_EQ(Beside(cut).ok(), whole) << size;
    num_whole += whole;
  }
  EXPECT_EQ(num_whole, 7);
}

TEST(ReadBesideItems, RefusesALengthThatTheMessageDoesNotHave) {
  EXPECT_TRUE(absl::IsInvalidArgument(Beside("\x12\xff\xff\xff\x7f"
                                             "abc")
                                          .status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Beside("\x12\xff\xff\xff\xff\x0f"
                                             "abc")
                                          .status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Beside("\x4a\xff\xff\xff\x7f"
                                             "abc")
                                          .status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Beside("\x4a\x7f"
                                             "abc")
                                          .status()));
}

TEST(ReadBesideItems, RefusesMoreThanAMebibyteBesideTheItems) {
  v1::EmbedRequest request;
  request.set_prompt(std::string(kMaxBytesBesideItems - 10, 'p'));
  EXPECT_TRUE(Beside(request.SerializeAsString()).ok());
  request.set_model(std::string(20, 'm'));
  EXPECT_THAT(std::string(Beside(request.SerializeAsString()).status().message()),
              HasSubstr("more than 1048576 bytes beside its inputs"));
}

TEST(ReadBesideItems, RefusesTooManyItems) {
  v1::EmbedRequest request;
  for (int64_t i = 0; i < kMaxItems; ++i) request.add_inputs();
  EXPECT_EQ(Beside(request.SerializeAsString())->num_items, kMaxItems);
  request.add_inputs();
  const absl::Status status = Beside(request.SerializeAsString()).status();
  EXPECT_EQ(FieldOf(status), "inputs");
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than 65536 entries"));
}

}  // namespace
}  // namespace favor
