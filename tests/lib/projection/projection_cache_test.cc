#include "favor/projection/projection_cache.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

namespace favor {
namespace {

// 8 rows of 4, and 12 in panels.
constexpr int64_t kBytes = (8 + 12) * 4 * sizeof(float);

ProjectionSpec Small(uint64_t seed) { return {ProjectionKind::kOrthogonal, RowNorms::kChi, seed, 8, 4}; }
// Some 50 ms of work: long enough that others come while it lasts.
ProjectionSpec Slow(uint64_t seed) { return {ProjectionKind::kOrthogonal, RowNorms::kChi, seed, 4096, 128}; }

std::shared_ptr<const Projection> Get(ProjectionCache& cache, const ProjectionSpec& spec) {
  auto projection = cache.Get(spec);
  EXPECT_TRUE(projection.ok()) << projection.status();
  return *projection;
}

TEST(ProjectionCache, GivesTheSameProjectionAgain) {
  ProjectionCache cache(10 * kBytes);
  const auto first = Get(cache, Small(1));
  EXPECT_EQ(first, Get(cache, Small(1)));
  EXPECT_EQ(first->id(), (*DrawProjection(Small(1)))->id());
  EXPECT_NE(first, Get(cache, Small(2)));
  EXPECT_EQ(cache.num_bytes(), 2 * kBytes);
}

TEST(ProjectionCache, TellsEveryFieldOfTheSpecApart) {
  ProjectionCache cache(1 << 20);
  std::vector<ProjectionSpec> specs(8, Small(1));
  specs[1].kind = ProjectionKind::kIid;
  specs[2].row_norms = RowNorms::kSqrtDim;
  specs[3].seed = 2;
  specs[4].num_features = 9;
  specs[5].head_dim = 5;
  specs[6].kind = specs[7].kind = ProjectionKind::kStructured;
  specs[7].row_norms = RowNorms::kSqrtDim;
  for (const ProjectionSpec& spec : specs) EXPECT_EQ(Get(cache, spec)->id(), (*DrawProjection(spec))->id());
  for (const ProjectionSpec& spec : specs) EXPECT_EQ(Get(cache, spec)->id(), (*DrawProjection(spec))->id());
}

TEST(ProjectionCache, CountsTheFactorsOfStructuredProjections) {
  ProjectionCache cache(1 << 20);
  Get(cache, {ProjectionKind::kStructured, RowNorms::kChi, 1, 8, 4});
  EXPECT_EQ(cache.num_bytes(), 8 * 4 * 4 + 4 * 32 * 4);  // three sign vectors and the row scales of one block of 32
}

TEST(ProjectionCache, DropsTheLeastRecentlyUsed) {
  ProjectionCache cache(2 * kBytes);
  const auto one = Get(cache, Small(1));
  const auto two = Get(cache, Small(2));
  EXPECT_EQ(Get(cache, Small(1)), one);  // now two is the oldest
  const auto three = Get(cache, Small(3));
  EXPECT_EQ(cache.num_bytes(), 2 * kBytes);
  EXPECT_EQ(Get(cache, Small(1)), one);
  EXPECT_EQ(Get(cache, Small(3)), three);
  EXPECT_NE(Get(cache, Small(2)), two);
  EXPECT_EQ(two->id(), (*DrawProjection(Small(2)))->id()) << "what a caller holds stays valid";
}

TEST(ProjectionCache, FindDrawsNothingButCountsAsUse) {
  ProjectionCache cache(2 * kBytes);
  EXPECT_EQ(cache.Find(Small(1)), nullptr);
  const auto one = Get(cache, Small(1));
  Get(cache, Small(2));
  EXPECT_EQ(cache.Find(Small(1)), one);
  Get(cache, Small(3));
  EXPECT_EQ(cache.Find(Small(1)), one);
  EXPECT_EQ(cache.Find(Small(2)), nullptr);
}

TEST(ProjectionCache, FindDoesNotWaitForADraw) {
  ProjectionCache cache(int64_t{1} << 30);
  Cancellation stop;
  const ProjectionSpec largest{ProjectionKind::kOrthogonal, RowNorms::kChi, 1, kMaxNumFeatures, kMaxHeadDim};
  std::thread drawer([&] { EXPECT_EQ(cache.Get(largest, &stop).status().code(), absl::StatusCode::kCancelled); });
  EXPECT_EQ(cache.Find(largest), nullptr);  // whether the draw has begun or not; it lasts until it is stopped
  stop.Cancel();
  drawer.join();
}

TEST(ProjectionCache, DoesNotKeepWhatIsLargerThanItself) {
  ProjectionCache cache(kBytes - 1);
  const auto first = Get(cache, Small(1));
  EXPECT_EQ(cache.num_bytes(), 0);
  EXPECT_NE(Get(cache, Small(1)), first);
}

TEST(ProjectionCache, ReportsTheErrorOfTheDrawAndKeepsNothing) {
  ProjectionCache cache(1 << 20);
  ProjectionSpec spec = Small(1);
  spec.head_dim = 1000;
  EXPECT_EQ(cache.Get(spec).status(), absl::InvalidArgumentError("projection.head_dim is 1000, at most 512"));
  EXPECT_EQ(cache.num_bytes(), 0);
}

TEST(ProjectionCache, DrawsOnceForAllWhoAskAtOnce) {
  for (int64_t max_bytes : {int64_t{1} << 30, int64_t{0}}) {  // also when the projection is not kept
    ProjectionCache cache(max_bytes);
    std::vector<std::shared_ptr<const Projection>> got(4);
    std::vector<std::thread> threads;
    std::latch start(got.size());
    for (auto& projection : got) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        projection = Get(cache, Slow(1));
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& projection : got) EXPECT_EQ(projection, got[0]) << "max_bytes " << max_bytes;
  }
}

TEST(ProjectionCache, ACancelledDrawDoesNotFailThoseWhoWait) {
  for (int repeat = 0; repeat < 3; ++repeat) {
    ProjectionCache cache(int64_t{1} << 30);
    Cancellation cancellation(absl::Now() + absl::Milliseconds(10));  // passes in the middle of the draw
    std::vector<std::thread> threads;
    absl::Status cancelled_status;
    std::vector<std::shared_ptr<const Projection>> got(3);
    threads.emplace_back([&] { cancelled_status = cache.Get(Slow(1), &cancellation).status(); });
    for (auto& projection : got) threads.emplace_back([&] { projection = Get(cache, Slow(1)); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& projection : got) {
      ASSERT_NE(projection, nullptr);
      EXPECT_EQ(projection, got[0]);
    }
    // OK when that thread got no turn before another had drawn.
    EXPECT_TRUE(cancelled_status.ok() || absl::IsDeadlineExceeded(cancelled_status)) << cancelled_status;
  }
}

TEST(ProjectionCache, OneWhoWaitsHonoursHisOwnCancellation) {
  ProjectionCache cache(int64_t{1} << 30);
  Cancellation stop;
  const ProjectionSpec largest{ProjectionKind::kOrthogonal, RowNorms::kChi, 1, kMaxNumFeatures, kMaxHeadDim};
  std::thread drawer([&] { EXPECT_FALSE(cache.Get(largest, &stop).ok()); });
  std::vector<std::thread> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      const Cancellation deadline(absl::Now() + absl::Milliseconds(20));
      EXPECT_EQ(cache.Get(largest, &deadline).status().code(), absl::StatusCode::kDeadlineExceeded);
    });
  }
  // Were they to wait for the drawer, who draws on until told to stop, this would never end.
  for (std::thread& thread : waiting) thread.join();
  stop.Cancel();
  drawer.join();
  EXPECT_EQ(cache.num_bytes(), 0);
}

}  // namespace
}  // namespace favor
