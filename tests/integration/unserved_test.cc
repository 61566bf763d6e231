// What is written in the wire format and not served by this release says so by name.
#include <functional>
#include <string>
#include <vector>

#include "favor/v1/attention.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Unserved {
  std::string name;
  std::string field;
  std::function<void(v1::AttendRequest&)> ask;
};

v1::FeatureSpec* Features(v1::AttendRequest& request) { return request.mutable_spec()->mutable_features(); }

std::vector<Unserved> UnservedFields() {
  std::vector<Unserved> cases = {
      {"num_exact_keys", "spec.features.num_exact_keys", [](auto& r) { Features(r)->set_num_exact_keys(32); }},
      {"query_offsets", "query_offsets", [](auto& r) { r.add_query_offsets(0); }},
      {"key_offsets", "key_offsets", [](auto& r) { r.add_key_offsets(0); }},
  };
  return cases;
}

TEST(Unserved, FieldsAnswerUnimplementedByName) {
  Favord favord;
  for (const Unserved& unserved : UnservedFields()) {
    SCOPED_TRACE(unserved.name);
    v1::AttendRequest request = GoodRequest();
    request.clear_spec();
    unserved.ask(request);
    const AttendAnswer answer = Attend(favord.channel(), request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << Describe(answer.status);
    EXPECT_THAT(answer.status.error_message(), HasSubstr(unserved.field));
    EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre(unserved.field));
  }
  EXPECT_TRUE(Attend(favord.channel(), GoodRequest()).ok());
}

TEST(Unserved, MethodsAndServicesThatDoNotExistAnswerUnimplemented) {
  Favord favord;
  for (const std::string method : {"/favor.v1.AttentionService/Attention", "/favor.v2.AttentionService/Attend", "/x/y",
                                   "/favor.v1.EmbeddingService/EmbedAll"}) {
    EXPECT_EQ(CallWithBytes(favord.channel(), method, "").status.error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << method;
  }
}

}  // namespace
}  // namespace favor::testing
