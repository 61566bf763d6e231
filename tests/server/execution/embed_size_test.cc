#include "server/execution/embed_size.h"

#include "gtest/gtest.h"
#include "tests/server/execution/embed_batcher_fixture.h"

namespace favor {
namespace {

TEST(EmbedSize, WhatOtherAttentionTakesPricesNoOther) {
  Fixture fixture;
  EmbedWork work = fixture.Work(1, 100);
  const JobSize own = EmbedSize(work, 100, 100);
  EXPECT_EQ(own.operations, 100);
  EXPECT_EQ(EmbedBatchSize(work, 100, 100).operations, 228);
  EXPECT_EQ(EmbedBatchSize(work, 100, 100).owner, own.owner);
  EXPECT_NE(EmbedSize(work, 100, 1000).owner, own.owner);  // of longer windows
  work.attention.emplace();
  const JobSize features = EmbedSize(work, 100, 100);
  EXPECT_NE(features.owner, own.owner);
  work.attention->spec.features.estimator = Estimator::kAnchors;
  EXPECT_NE(EmbedSize(work, 100, 100).owner, features.owner);
  for (const JobSize& size : {own, features}) {
    EXPECT_GE(size.kind, JobSize::kFirstModelKind);
    EXPECT_LT(size.kind, JobSize::kNumKinds);
  }
}

}  // namespace
}  // namespace favor
