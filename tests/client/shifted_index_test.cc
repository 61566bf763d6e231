#include "client/wire/shifted_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/cord.h"
#include "client/errors.h"
#include "google/rpc/error_details.pb.h"

namespace favor::client {
namespace {

constexpr char kBadRequest[] = "type.googleapis.com/google.rpc.BadRequest";

TEST(WithIndexesFrom, NamesTheCallersInputsInMessageAndFields) {
  absl::Status status = absl::InvalidArgumentError("inputs[2]: there are no tokens");
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("inputs[2].text");
  violation->set_description("inputs[2]: " + std::string(5000, 'x'));
  bad_request.add_field_violations()->set_field("prompt");
  status.SetPayload(kBadRequest, absl::Cord(bad_request.SerializeAsString()));
  status.SetPayload("other", absl::Cord("inputs[2]"));

  const absl::Status shifted = WithIndexesFrom(64, "inputs", status);
  EXPECT_TRUE(absl::IsInvalidArgument(shifted));
  EXPECT_EQ(shifted.message(), "inputs[66]: there are no tokens");
  const auto violations = FieldViolationsOf(shifted);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field, "inputs[66].text");
  EXPECT_EQ(violations[0].description, "inputs[66]: " + std::string(5000, 'x'));
  EXPECT_EQ(violations[1].field, "prompt");
  EXPECT_EQ(*shifted.GetPayload("other"), "inputs[2]");
}

TEST(WithIndexesFrom, LeavesOtherMessagesAlone) {
  for (const char* text :
       {"the server drains", "inputs", "inputs[", "inputs[x]: bad", "texts[3]: bad", "in inputs[3]"}) {
    EXPECT_EQ(WithIndexesFrom(64, "inputs", absl::InternalError(text)).message(), text);
  }
  EXPECT_TRUE(WithIndexesFrom(64, "inputs", absl::OkStatus()).ok());
}

}  // namespace
}  // namespace favor::client
