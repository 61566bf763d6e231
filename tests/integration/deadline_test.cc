// Calls that cannot be answered in time are refused before they are computed.
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

using ::testing::HasSubstr;

// Of the same kind as LongRequest(), and long enough to tell how fast the server is.
v1::AttendRequest ShortRequest() {
  AttentionSpec spec;
  spec.mode = AttentionMode::kExact;
  return ToRequest(GaussianCase(spec, {1, 4, 4, 2500, 2500, 32, 32}, nullptr, 1));
}

double Refused(const Favord& favord) { return favord.Metrics().Sum("favor_rejected_total", {{"reason", "deadline"}}); }

TEST(Deadline, ThatCannotBeMetIsRefusedAtOnceOnceTheServerKnowsItsSpeed) {
  // One thread takes some hundred seconds for the long request, of which half are believed: five times the deadline,
  // which leaves the request's 64 MB the time to arrive.
  Favord favord({.flags = {"--threads", "1"}});
  ASSERT_TRUE(Attend(favord.channel(), ShortRequest()).ok());
  const AttendAnswer answer = Attend(favord.channel(), LongRequest(100'000), {.deadline = absl::Seconds(10)});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << Describe(answer.status);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("at least"));
  EXPECT_EQ(Refused(favord), 1);
}

TEST(Deadline, ThatCanBeMetIsNeverRefused) {
  Favord favord;
  for (int i = 0; i < 10; ++i) {
    const AttendAnswer answer = Attend(favord.channel(), ShortRequest(), {.deadline = absl::Seconds(60)});
    EXPECT_TRUE(answer.ok()) << Describe(answer.status);
  }
  EXPECT_EQ(Refused(favord), 0);
}

}  // namespace
}  // namespace favor::testing
