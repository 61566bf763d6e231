#include "client/resume/replay_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "favor/v1/attention.pb.h"

namespace favor::client {
namespace {

using Kind = ReplayLog::Item::Kind;

Tensor Bytes(size_t size) {
  return Tensor(DataType::kFloat32, {static_cast<int64_t>(size) / 4}, std::unique_ptr<std::byte[]>(new std::byte[size]),
                size);
}

OwnedChunk CausalChunk(size_t bytes = 40) {
  OwnedChunk chunk;
  chunk.queries = Bytes(bytes);
  chunk.keys = Bytes(0);
  chunk.values = Bytes(0);
  return chunk;
}

OwnedChunk KeyChunk() {
  OwnedChunk chunk;
  chunk.keys = Bytes(40);
  chunk.values = Bytes(40);
  return chunk;
}

OwnedChunk QueryChunk() {
  OwnedChunk chunk;
  chunk.queries = Bytes(40);
  return chunk;
}

AttentionState State(int64_t num_keys) {
  v1::AttentionState wire;
  wire.set_version(1);
  wire.set_batch_size(1);
  wire.set_num_heads(1);
  wire.set_head_dim(1);
  wire.set_value_dim(1);
  wire.add_num_keys(num_keys);
  wire.set_payload("payload");
  return *AttentionState::Parse(wire.SerializeAsString());
}

StreamAnswer Output() {
  StreamAnswer answer;
  answer.output = Bytes(4);
  answer.report.emplace().degenerate_rows = 1;
  return answer;
}

StreamAnswer ReportAlone() {
  StreamAnswer answer;
  answer.report.emplace();
  return answer;
}

StreamAnswer StateAnswer(int64_t num_keys) {
  StreamAnswer answer;
  answer.state = State(num_keys);
  return answer;
}

// The kinds of everything left to send: 'c'hunk, 'e'nd of keys, get 's'tate.
std::string SendAll(ReplayLog* log) {
  std::string kinds;
  while (const auto item = log->NextToSend()) {
    kinds += item->kind == Kind::kChunk ? 'c' : item->kind == Kind::kEndOfKeys ? 'e' : 's';
  }
  return kinds;
}

// Whether the caller gets something of an answer.
bool Gives(ReplayLog* log, StreamAnswer answer) {
  const auto given = log->OnAnswer(std::move(answer));
  EXPECT_TRUE(given.ok()) << given.status();
  return given.ok() && given->has_value();
}

TEST(ReplayLog, AsksForACheckpointEverySoManyChunksAndForgetsWhatItHolds) {
  ReplayLog log({.checkpoint_every = 3});
  for (int i = 0; i < 4; ++i) log.AppendChunk(CausalChunk());
  EXPECT_EQ(SendAll(&log), "cccsc");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_FALSE(Gives(&log, StateAnswer(3)));
  EXPECT_EQ(log.checkpoint()->num_keys()[0], 3);
  log.Rewind();
  EXPECT_EQ(SendAll(&log), "c");
  EXPECT_FALSE(log.all_answered());
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(log.all_answered());
  EXPECT_EQ(log.report().degenerate_rows, 4);
}

TEST(ReplayLog, OwesAnAnswerToWhatWasSentAndNothingToTheEndOfKeys) {
  ReplayLog log({.checkpoint_every = 100});
  EXPECT_FALSE(log.is_due());
  log.AppendChunk(KeyChunk());
  EXPECT_FALSE(log.is_due());  // it has not been sent
  EXPECT_EQ(SendAll(&log), "c");
  EXPECT_TRUE(log.is_due());
  Gives(&log, ReportAlone());
  EXPECT_FALSE(log.is_due());
  log.AppendEndOfKeys();
  log.NextToSend();
  EXPECT_FALSE(log.is_due());
  EXPECT_EQ(SendAll(&log), "s");
  EXPECT_TRUE(log.is_due());
  log.Rewind();
  EXPECT_FALSE(log.is_due());
}

TEST(ReplayLog, GivesNoAnswerTwiceHoweverOftenItIsReplayed) {
  ReplayLog log({.checkpoint_every = 100});
  for (int i = 0; i < 5; ++i) log.AppendChunk(CausalChunk());
  EXPECT_EQ(SendAll(&log), "ccccc");
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(Gives(&log, Output()));
  log.Rewind();
  EXPECT_EQ(SendAll(&log), "ccccc");
  EXPECT_FALSE(Gives(&log, Output()));
  log.Rewind();
  EXPECT_EQ(SendAll(&log), "ccccc");
  EXPECT_FALSE(Gives(&log, Output()));
  EXPECT_FALSE(Gives(&log, Output()));
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_EQ(log.num_answers(), 3);
  EXPECT_EQ(log.report().degenerate_rows, 3);
}

TEST(ReplayLog, IsBoundedInChunksAndInBytesButTakesAnyChunkWhenEmpty) {
  ReplayLog log({.checkpoint_every = 2, .max_kept_bytes = 1000});
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(log.HasRoom());
    log.AppendChunk(CausalChunk());
  }
  EXPECT_FALSE(log.HasRoom());
  EXPECT_EQ(SendAll(&log), "ccsccs");
  for (int i = 0; i < 2; ++i) Gives(&log, Output());
  EXPECT_FALSE(log.HasRoom());
  Gives(&log, StateAnswer(2));
  EXPECT_TRUE(log.HasRoom());

  ReplayLog bytes({.checkpoint_every = 100, .max_kept_bytes = 100});
  EXPECT_TRUE(bytes.HasRoom());
  bytes.AppendChunk(CausalChunk(400));
  EXPECT_FALSE(bytes.HasRoom());
  EXPECT_EQ(SendAll(&bytes), "cs");
}

TEST(ReplayLog, LetsQueriesGoAsTheyAreAnsweredOnceKeysHaveEnded) {
  ReplayLog log({.checkpoint_every = 100});
  log.AppendChunk(KeyChunk());
  log.AppendEndOfKeys();
  for (int i = 0; i < 3; ++i) log.AppendChunk(QueryChunk());
  EXPECT_EQ(SendAll(&log), "cesccc");
  EXPECT_TRUE(Gives(&log, ReportAlone()));
  EXPECT_FALSE(log.keys_ended());
  EXPECT_FALSE(Gives(&log, StateAnswer(1)));
  EXPECT_TRUE(log.keys_ended());
  EXPECT_TRUE(Gives(&log, Output()));
  log.Rewind();
  EXPECT_EQ(SendAll(&log), "cc");
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(log.all_read());
}

TEST(ReplayLog, TakesALosslessStateThatWasAskedForAsCheckpointAndNoOther) {
  ReplayLog log({.checkpoint_every = 100});
  log.AppendChunk(CausalChunk());
  log.AppendGetState(StateEncoding::kBFloat16);
  log.AppendChunk(CausalChunk());
  log.AppendGetState(StateEncoding::kFloat32Compensated);
  EXPECT_EQ(SendAll(&log), "cscs");
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(Gives(&log, StateAnswer(1)));
  EXPECT_FALSE(log.checkpoint().has_value());
  log.Rewind();
  EXPECT_EQ(SendAll(&log), "cscs");
  EXPECT_FALSE(Gives(&log, Output()));
  EXPECT_FALSE(Gives(&log, StateAnswer(1)));
  EXPECT_TRUE(Gives(&log, Output()));
  EXPECT_TRUE(Gives(&log, StateAnswer(2)));
  EXPECT_EQ(log.checkpoint()->num_keys()[0], 2);
}

TEST(ReplayLog, RefusesAnswersThatBelongToNothing) {
  ReplayLog log({.checkpoint_every = 100});
  EXPECT_TRUE(absl::IsInternal(log.OnAnswer(Output()).status()));
  log.AppendChunk(CausalChunk());
  EXPECT_TRUE(absl::IsInternal(log.OnAnswer(Output()).status()));  // not sent yet
  EXPECT_EQ(SendAll(&log), "c");
  EXPECT_TRUE(absl::IsInternal(log.OnAnswer(StateAnswer(1)).status()));
}

}  // namespace
}  // namespace favor::client
