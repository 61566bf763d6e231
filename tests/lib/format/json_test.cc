#include "favor/format/json.h"

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "favor/format/json_fields.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(absl::string_view text) {
  const absl::StatusOr<JsonValue> value = ParseJson(text, "x.json");
  EXPECT_TRUE(absl::IsInvalidArgument(value.status())) << value.status();
  return std::string(value.status().message());
}

TEST(Json, KeepsEveryKindOfValue) {
  const absl::StatusOr<JsonValue> json =
      ParseJson(R"({"s":"\u00e9\n","i":-3,"d":1e-12,"b":true,"n":null,"a":[1,"x",[]],"o":{"k":2}})", "x.json");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json->Find("s")->string(), "\xC3\xA9\n");
  EXPECT_EQ(*json->Find("i")->integer(), -3);
  EXPECT_EQ(std::get<double>(json->Find("d")->value), 1e-12);
  EXPECT_TRUE(*json->Find("b")->boolean());
  EXPECT_TRUE(json->Find("n")->is_null());
  EXPECT_EQ(json->Find("a")->array()->size(), 3u);
  EXPECT_EQ(*json->Find("o")->Find("k")->integer(), 2);
  EXPECT_EQ(json->Find("missing"), nullptr);
}

TEST(Json, IntegersBeyondInt64AreDoubles) {
  const absl::StatusOr<JsonValue> json = ParseJson("[9223372036854775807, 9223372036854775808]", "x.json");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(*(*json->array())[0].integer(), 9223372036854775807);
  EXPECT_EQ(std::get<double>((*json->array())[1].value), 9223372036854775808.0);
}

TEST(Json, RefusesWhatIsNotJson) {
  EXPECT_EQ(ErrorOf(R"({"a":1)"), "x.json is not valid JSON at byte 7");
  EXPECT_THAT(ErrorOf(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("[1] 2"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("[NaN]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("[1e999]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("[\"\xFF\"]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf(R"(["\ud800"])"), HasSubstr("not valid JSON"));
}

TEST(Json, RefusesNamesThatOccurTwice) {
  EXPECT_EQ(ErrorOf(R"({"a":1,"b":{"c":1,"d":2,"c":3}})"), "x.json has the name \"c\" twice in one object");
}

TEST(Json, RefusesDeepNests) {
  EXPECT_TRUE(ParseJson(std::string(64, '[') + std::string(64, ']'), "x.json").ok());
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[')), "x.json is nested more than 64 deep");
}

TEST(Json, RefusesMoreValuesThanAnyFileNeeds) {
  std::string text = "[0";
  for (int64_t i = 0; i < kMaxJsonValues; ++i) text += ",0";
  EXPECT_EQ(ErrorOf(text + "]"), "x.json holds more than 8388608 values");
}

TEST(JsonFile, IsReadWithinItsBound) {
  const std::string path = testing::TempDir() + "json_test.json";
  std::ofstream(path) << "[1, 2]";
  EXPECT_TRUE(ReadJsonFile(path, 6).ok());
  EXPECT_EQ(ReadJsonFile(path, 5).status().message(), "json_test.json has 6 bytes, at most 5");
  EXPECT_TRUE(absl::IsNotFound(ReadJsonFile(path + ".missing", 5).status()));
}

class JsonFieldsTest : public testing::Test {
 protected:
  JsonFields Fields(absl::string_view text) {
    status_ = absl::OkStatus();
    json_ = *ParseJson(text, "x.json");
    return JsonFields(json_, "x.json", &status_);
  }
  absl::Status status_;
  JsonValue json_;
};

TEST_F(JsonFieldsTest, ReadsEveryType) {
  const JsonFields fields = Fields(R"({"s":"t","i":3,"d":0.5,"b":true,"n":null,"l":["x","y"],"o":{"k":[{"z":1}]}})");
  EXPECT_EQ(fields.RequiredString("s"), "t");
  EXPECT_EQ(fields.RequiredInteger("i", 3, 3), 3);
  EXPECT_EQ(fields.RequiredNumber("d"), 0.5);
  EXPECT_EQ(fields.RequiredNumber("i"), 3);
  EXPECT_TRUE(fields.RequiredBool("b"));
  EXPECT_THAT(fields.Strings("l"), ElementsAre("x", "y"));
  EXPECT_EQ(fields.RequiredObject("o").Objects("k")[0].RequiredInteger("z"), 1);
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(JsonFieldsTest, NullCountsAsAbsent) {
  const JsonFields fields = Fields(R"({"n":null})");
  EXPECT_EQ(fields.String("n", "fallback"), "fallback");
  EXPECT_EQ(fields.Integer("n", 7), 7);
  EXPECT_EQ(fields.Number("n", 0.25), 0.25);
  EXPECT_TRUE(fields.Bool("n", true));
  EXPECT_TRUE(fields.Array("n").empty());
  EXPECT_FALSE(fields.Object("n").Has("k"));
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(fields.RequiredString("n"), "");
  EXPECT_EQ(status_.message(), "x.json: n is missing");
}

TEST_F(JsonFieldsTest, ErrorsNameFilePathValueAndBound) {
  Fields(R"({"i":"6"})").RequiredInteger("i", 1, 1000);
  EXPECT_EQ(status_.message(), "x.json: i is \"6\", not an integer from 1 to 1000");
  Fields(R"({"i":1.5})").Integer("i", 0);
  EXPECT_EQ(status_.message(), "x.json: i is 1.5, not an integer");
  Fields(R"({"o":{"d":2}})").Object("o").RequiredNumber("d", 0, 1);
  EXPECT_EQ(status_.message(), "x.json: o.d is 2, not a number from 0 to 1");
  Fields(R"({"o":[{"b":true},{"b":0}]})").Objects("o")[1].RequiredBool("b");
  EXPECT_EQ(status_.message(), "x.json: o[1].b is 0, neither true nor false");
  Fields(R"({"l":["x",1]})").Strings("l");
  EXPECT_EQ(status_.message(), "x.json: l[1] is 1, not a string");
  Fields(R"({"l":{}})").RequiredArray("l");
  EXPECT_EQ(status_.message(), "x.json: l is an object, not a list");
  Fields(R"({"o":[1,2]})").RequiredObject("o");
  EXPECT_EQ(status_.message(), "x.json: o is a list of 2, not an object");
  Fields("[]");
  EXPECT_EQ(status_.message(), "x.json is a list of 0, not an object");
}

TEST_F(JsonFieldsTest, TheFirstErrorStays) {
  const JsonFields fields = Fields("{}");
  fields.RequiredInteger("first");
  fields.RequiredInteger("second");
  EXPECT_THAT(std::string(status_.message()), StartsWith("x.json: first"));
}

TEST(JsonValue, DescriptionCutsLongTextBetweenCharacters) {
  std::string text(63, 'a');
  text += "\xC3\xA9 and more";
  EXPECT_EQ(JsonValue{text}.Description(), absl::StrCat("\"", std::string(63, 'a'), "...\""));
}

}  // namespace
}  // namespace favor
