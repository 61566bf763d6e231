// An input that cannot be computed fails alone.
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/execution/embed_batcher_fixture.h"

namespace favor {
namespace {

// Of batches with a number of tokens that ends in 3.
struct Overflowing : Fixture {
  Overflowing() : Fixture({100, 10'000}) {
    testing::FakeEncoderOptions options;
    options.on_run = [this](int64_t num_tokens) {
      gate.Run(num_tokens).IgnoreError();
      return num_tokens % 10 == 3 ? absl::InvalidArgumentError("queries[0, 1, 2, 3] is inf") : absl::OkStatus();
    };
    model = testing::FakeModel(options);
  }
};

TEST(EmbedErrors, SparesTheOthersWhenOneCallOverflowsTheModel) {
  Overflowing fixture;
  fixture.Occupy();
  EmbedWork work = fixture.Work(2, 20);
  Caller* good = fixture.Start(work);
  Caller* bad = fixture.Start(fixture.Work(1, 13));
  fixture.gate.Open();
  bad->done.WaitForNotification();
  good->done.WaitForNotification();
  std::vector<int64_t> batches = fixture.gate.batches();
  batches.erase(batches.begin(), batches.begin() + 2);
  EXPECT_THAT(batches, ::testing::UnorderedElementsAre(53, 40, 13));
  ASSERT_TRUE(bad->outcome.ok()) << bad->outcome.status();
  EXPECT_EQ(bad->outcome->errors[0],
            absl::InternalError("the model's activations are not finite: queries[0, 1, 2, 3] is inf"));
  ExpectEmbedded(fixture, work, good);
}

TEST(EmbedErrors, SparesTheOtherInputsOfACallWhenOneOverflowsTheModel) {
  Overflowing fixture;
  fixture.gate.Open();
  // Seven inputs of 10 tokens and one of 3.
  EmbedWork work = fixture.Work(8, 10);
  work.inputs[5] = fixture.Work(1, 3).inputs[0];
  Caller* caller = fixture.Start(work);
  caller->done.WaitForNotification();
  ASSERT_TRUE(caller->outcome.ok()) << caller->outcome.status();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(caller->outcome->errors[i].ok(), i != 5) << i;
  EXPECT_TRUE(absl::IsInternal(caller->outcome->errors[5]));
  EXPECT_THAT(fixture.gate.batches(), ::testing::UnorderedElementsAre(73, 40, 33, 20, 13, 10, 3));
  ExpectEmbedded(fixture, work, caller, /*but=*/5);
}

TEST(EmbedErrors, FailsAnInputWithoutMemoryAloneWhereItsCallerWaits) {
  Fixture fixture({100, 10'000}, 100'000);
  fixture.gate.Open();
  EmbedWork work = fixture.Work(3, 10);
  work.inputs[1] = fixture.Work(1, 5'000).inputs[0];
  Caller* refused = fixture.Start(work);
  ASSERT_TRUE(refused->done.HasBeenNotified());
  EXPECT_FALSE(refused->outcome.ok());
  Caller* caller = fixture.Start(work, absl::InfiniteFuture(), EmbedBatcher::WhenFull::kHold);
  caller->done.WaitForNotification();
  ASSERT_TRUE(caller->outcome.ok()) << caller->outcome.status();
  EXPECT_EQ(caller->outcome->errors[1], refused->outcome.status());
  EXPECT_EQ(caller->reservation.bytes(), 2 * 8 * 4);
  ExpectEmbedded(fixture, work, caller, /*but=*/1);
}

}  // namespace
}  // namespace favor
