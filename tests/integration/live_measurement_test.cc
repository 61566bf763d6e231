// Calls whose error is measured although they did not ask for it, over real sockets.
#include "favor/v1/attention.pb.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/attention_case.h"

namespace favor::testing {
namespace {

TEST(LiveMeasurement, CountsAShareOfCallsThatDidNotAskForIt) {
  const auto request = [](bool exact) {
    v1::AttendRequest request = ToRequest(GaussianCase({}, {1, 2, 2, 300, 300, 32, 32}, nullptr, 3, 0.4));
    request.clear_spec();
    if (exact) {
      request.mutable_spec()->mutable_exact();
    } else {
      request.mutable_spec()->mutable_features()->set_num_features(64);
    }
    return request;
  };
  const auto counted = [&](const char* ratio, int calls) {
    Favord favord({.flags = {"--measure-sample-ratio", ratio}});
    for (int i = 0; i < calls; ++i) {
      EXPECT_TRUE(Attend(favord.channel(), request(false)).ok());
      EXPECT_TRUE(Attend(favord.channel(), request(true)).ok());
      // One at a time: until this one has ended, others pass by.
      EXPECT_TRUE(Eventually([&] { return favord.Metrics().Sum("favor_admitted_bytes") == 0; }));
    }
    return favord.Metrics().Sum("favor_live_error_count");
  };
  EXPECT_EQ(counted("1", 2), 2);
  EXPECT_EQ(counted("0.5", 4), 2);
  EXPECT_EQ(counted("0", 2), 0);
}

}  // namespace
}  // namespace favor::testing
