#include "favor/base/cancellation.h"

#include <gtest/gtest.h>

namespace favor {
namespace {

TEST(Cancellation, IsOkUntilCancelled) {
  Cancellation cancellation;
  EXPECT_TRUE(cancellation.Check().ok());
  cancellation.Cancel();
  EXPECT_EQ(cancellation.Check().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(cancellation.Check().code(), absl::StatusCode::kCancelled);
}

TEST(Cancellation, TellsAPassedDeadlineFromOneToCome) {
  EXPECT_EQ(Cancellation(absl::Now() - absl::Seconds(1)).Check().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Cancellation(absl::Now() + absl::Hours(1)).Check().ok());
}

TEST(Cancellation, OfTheCallerComesBeforeTheDeadline) {
  Cancellation cancellation(absl::InfinitePast());
  cancellation.Cancel();
  EXPECT_EQ(cancellation.Check().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace favor
