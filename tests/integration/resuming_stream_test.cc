// Streams that outlive the servers they run on: replicas that are killed, drained, full or asleep in mid-stream.
#include <signal.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/resuming_stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/integration/harness/sockets.h"

namespace favor::testing {
namespace {

using client::Client;
using client::OwnedChunk;
using client::ResumingStream;
using client::ResumingStreamOptions;
using ::testing::HasSubstr;

constexpr int64_t kLength = 1200;
constexpr int64_t kChunk = 25;
constexpr int64_t kNumChunks = kLength / kChunk;

// Replicas that can be killed and come back where they were.
class Replicas {
 public:
  explicit Replicas(size_t count, std::vector<std::string> flags = {}) : flags_(std::move(flags)) {
    flags_.insert(flags_.end(), {"--threads", "1"});
    for (size_t i = 0; i < count; ++i) favords_.push_back(std::make_unique<Favord>(FavordOptions{.flags = flags_}));
  }

  Favord& operator[](size_t i) { return *favords_[i]; }
  std::vector<std::string> addresses() const {
    std::vector<std::string> addresses;
    for (const auto& favord : favords_) addresses.push_back(favord->address());
    return addresses;
  }
  void Kill(size_t i) { favords_[i]->process().Signal(SIGKILL); }
  void Restart(size_t i) {
    const std::string address = favords_[i]->address();
    Kill(i);
    favords_[i]->process().AwaitExit(absl::Seconds(10));
    favords_[i] = std::make_unique<Favord>(FavordOptions{.flags = flags_, .addresses = {address}});
  }

 private:
  std::vector<std::string> flags_;
  std::vector<std::unique_ptr<Favord>> favords_;
};

std::vector<Client> Connect(const std::vector<std::string>& addresses) {
  auto servers = client::ConnectAll({}, addresses);
  EXPECT_TRUE(servers.ok()) << servers.status();
  return *std::move(servers);
}

// What came of a stream.
struct Outcome {
  std::vector<std::string> outputs;  // bytes, of each chunk with queries
  std::vector<std::string> states;   // that were asked for, and checkpoints
  int64_t num_answers = 0;
  absl::Status status;
  client::AttendReport report;
  int64_t num_resumes = 0;
};

class ResumingStreams : public ::testing::Test {
 protected:
  ResumingStreams() : case_(GaussianCase({}, {2, 4, 2, kLength, kLength, 32, 16}, nullptr, 5)) {}

  void SendCausal(ResumingStream* stream) const {
    for (int64_t i = 0; i < kNumChunks; ++i) {
      if (!stream->Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, i * kChunk, kChunk))) return;
    }
  }
  void SendBidirectional(ResumingStream* stream) const {
    for (int64_t i = 0; i < kNumChunks; ++i) {
      if (!stream->Send(OwnedRows(nullptr, &case_.keys, &case_.values, i * kChunk, kChunk))) return;
    }
    stream->EndOfKeys();
    for (int64_t i = 0; i < kNumChunks; ++i) {
      if (!stream->Send(OwnedRows(&case_.queries, nullptr, nullptr, i * kChunk, kChunk))) return;
    }
  }

  // Runs a stream to its end; `on_answer` runs on this thread after each answer.
  Outcome RunStream(
      ResumingStream stream, bool causal,
      const std::function<void(int64_t num_answers)>& on_answer = [](int64_t) {}) const {
    std::thread sender([&] {
      causal ? SendCausal(&stream) : SendBidirectional(&stream);
      stream.GetState();
      stream.SendNoMore();
    });
    Outcome run;
    while (true) {
      auto answer = stream.Read();
      if (!answer.ok()) run.status = answer.status();
      if (!answer.ok() || !answer->has_value()) break;
      const auto& output = (*answer)->output;
      if (output)
        run.outputs.emplace_back(reinterpret_cast<const char*>(output->bytes().data()), output->bytes().size());
      if ((*answer)->state) run.states.push_back((*answer)->state->serialized());
      on_answer(++run.num_answers);
    }
    sender.join();
    run.report = stream.report();
    run.num_resumes = stream.num_resumes();
    return run;
  }

  static ResumingStreamOptions Options(bool causal, int64_t checkpoint_every = 5) {
    ResumingStreamOptions options;
    options.stream = {.spec = FavorSpec(causal), .deadline = absl::Seconds(100)};
    options.checkpoint_every = checkpoint_every;
    return options;
  }

  static void ExpectSameBits(const Outcome& run, const Outcome& expected) {
    ASSERT_TRUE(run.status.ok()) << run.status;
    ASSERT_EQ(run.outputs.size(), static_cast<size_t>(kNumChunks));
    for (int64_t i = 0; i < kNumChunks; ++i) EXPECT_TRUE(run.outputs[i] == expected.outputs[i]) << "chunk " << i;
    EXPECT_TRUE(run.states == expected.states);
    EXPECT_EQ(run.num_answers, expected.num_answers);
    EXPECT_EQ(run.report.projection_id, expected.report.projection_id);
  }

  const AttentionCase case_;
};

TEST_F(ResumingStreams, GoOnWithTheSameBitsWhereverTheServerIsKilled) {
  Replicas replicas(2);
  for (const bool causal : {true, false}) {
    const Outcome expected = RunStream(ResumingStream(Connect({replicas[1].address()}), Options(causal)), causal);
    ASSERT_TRUE(expected.status.ok()) << expected.status;
    EXPECT_EQ(expected.num_resumes, 0);
    const int64_t last = causal ? kNumChunks : 2 * kNumChunks;
    for (const int64_t moment : {int64_t{1}, int64_t{4}, int64_t{17}, kNumChunks - 1, kNumChunks + 10, last}) {
      if (moment > last) continue;
      SCOPED_TRACE(absl::StrCat(causal ? "causal" : "bidirectional", ", killed after answer ", moment));
      const Outcome run =
          RunStream(ResumingStream(Connect(replicas.addresses()), Options(causal)), causal, [&](int64_t answers) {
            if (answers == moment) replicas.Kill(0);
          });
      ExpectSameBits(run, expected);
      EXPECT_LE(run.num_resumes, 1);
      if (moment < kNumChunks / 2) {
        EXPECT_EQ(run.num_resumes, 1);
      }
      replicas.Restart(0);
    }
  }
}

TEST_F(ResumingStreams, SurviveOneKillAfterTheOtherWithRestarts) {
  Replicas replicas(2);
  const Outcome expected = RunStream(ResumingStream(Connect({replicas[1].address()}), Options(true)), true);
  const Outcome run =
      RunStream(ResumingStream(Connect(replicas.addresses()), Options(true)), true, [&](int64_t answers) {
        if (answers == 6) replicas.Kill(0);
        if (answers == 20) replicas.Restart(0);
        if (answers == 21) replicas.Kill(1);
        if (answers == 35) replicas.Restart(1);
        if (answers == 36) replicas.Kill(0);
      });
  ExpectSameBits(run, expected);
  EXPECT_GE(run.num_resumes, 2);
}

TEST_F(ResumingStreams, WaitForTheOnlyServerToComeBack) {
  Replicas replicas(1);
  const Outcome expected = RunStream(ResumingStream(Connect(replicas.addresses()), Options(false)), false);
  std::vector<std::string> breaks;
  ResumingStreamOptions options = Options(false, 3);
  options.on_break = [&breaks](const absl::Status& why) { breaks.emplace_back(why.message()); };
  const Outcome run = RunStream(ResumingStream(Connect(replicas.addresses()), options), false, [&](int64_t answers) {
    if (answers == 8) replicas.Restart(0);
  });
  ExpectSameBits(run, expected);
  EXPECT_THAT(breaks, ::testing::Contains(HasSubstr(replicas[0].address())));
}

TEST_F(ResumingStreams, GoOnElsewhereWhenTheServerDrains) {
  Replicas replicas(2, {"--drain-delay", "0s", "--drain-timeout", "300ms"});
  for (const bool causal : {true, false}) {
    const Outcome expected = RunStream(ResumingStream(Connect({replicas[1].address()}), Options(causal)), causal);
    const Outcome run =
        RunStream(ResumingStream(Connect(replicas.addresses()), Options(causal)), causal, [&](int64_t answers) {
          if (answers != 10) return;
          EXPECT_EQ(replicas[0].Stop(), 0);
        });
    ExpectSameBits(run, expected);
    replicas.Restart(0);
  }
}

TEST_F(ResumingStreams, GoOnElsewhereWhenTheServerOwesAnAnswerForTooLong) {
  Replicas replicas(2);
  for (const bool causal : {true, false}) {
    const Outcome expected = RunStream(ResumingStream(Connect({replicas[1].address()}), Options(causal)), causal);
    ResumingStreamOptions options = Options(causal);
    options.answer_timeout = absl::Seconds(2);  // more than a chunk takes where other tests run
    absl::Status why;
    options.on_break = [&why](const absl::Status& status) { why = status; };
    const Outcome run = RunStream(ResumingStream(Connect(replicas.addresses()), options), causal, [&](int64_t answers) {
      if (answers == 10) replicas[0].process().Signal(SIGSTOP);
    });
    replicas[0].process().Signal(SIGCONT);
    ExpectSameBits(run, expected);
    EXPECT_EQ(run.num_resumes, 1);
    EXPECT_TRUE(absl::IsDeadlineExceeded(why)) << why;
    EXPECT_THAT(std::string(why.message()), HasSubstr("the server owed an answer for 2s"));
  }
}

TEST_F(ResumingStreams, EndAtAnErrorAfterASilence) {
  Replicas replicas(2);
  ResumingStreamOptions options = Options(true);
  options.answer_timeout = absl::Seconds(2);
  options.max_attempts = 3;
  ResumingStream stream(Connect(replicas.addresses()), options);
  ASSERT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, 0, kChunk)));
  ASSERT_TRUE(stream.Read().ok());
  replicas[0].process().Signal(SIGSTOP);
  OwnedChunk wrong = OwnedRows(&case_.queries, &case_.keys, &case_.values, 0, kChunk);
  wrong.queries.reset();
  ASSERT_TRUE(stream.Send(std::move(wrong)));
  const absl::Status status = stream.Read().status();
  replicas[0].process().Signal(SIGCONT);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(stream.num_resumes(), 1);
}

TEST_F(ResumingStreams, EndWellThoughTheServerFallsAsleepAfterTheLastAnswer) {
  Replicas replicas(1);
  ResumingStreamOptions options = Options(true);
  options.answer_timeout = absl::Seconds(1);
  ResumingStream stream(Connect(replicas.addresses()), options);
  ASSERT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, 0, kChunk)));
  ASSERT_TRUE(stream.Read().ok());
  absl::SleepFor(absl::Milliseconds(1200));  // which nobody owes anything in
  replicas[0].process().Signal(SIGSTOP);
  const absl::Time start = absl::Now();
  stream.SendNoMore();
  const auto end = stream.Read();
  EXPECT_TRUE(end.ok() && !end->has_value()) << end.status();
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  replicas[0].process().Signal(SIGCONT);
}

TEST_F(ResumingStreams, AreNotSilentWhileNobodySendsOrReads) {
  Replicas replicas(1);
  ResumingStreamOptions options = Options(true);
  options.answer_timeout = absl::Milliseconds(1500);  // more than a chunk takes where other tests run
  ResumingStream stream(Connect(replicas.addresses()), options);
  for (int64_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, i * kChunk, kChunk)));
    absl::SleepFor(absl::Milliseconds(1800));  // longer than the timeout, and no condition could tell of its passing
    ASSERT_TRUE(stream.Read().ok());
  }
  EXPECT_EQ(stream.num_resumes(), 0);
}

TEST_F(ResumingStreams, FinishOnAServerThatDrainsForLongEnough) {
  Replicas replicas(2, {"--drain-delay", "0s", "--drain-timeout", "60s"});
  const Outcome run =
      RunStream(ResumingStream(Connect(replicas.addresses()), Options(true)), true, [&](int64_t answers) {
        if (answers == 10) replicas[0].process().Signal(SIGTERM);
      });
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.num_resumes, 0);
}

TEST_F(ResumingStreams, ChunkLengthsAndCheckpointsChangeNoBitOfTheSameChunks) {
  Replicas replicas(1);
  const Outcome expected = RunStream(ResumingStream(Connect(replicas.addresses()), Options(true, 1)), true);
  ResumingStreamOptions small_bound = Options(true, 1000);
  small_bound.max_kept_bytes = 1;
  ExpectSameBits(RunStream(ResumingStream(Connect(replicas.addresses()), small_bound), true), expected);
  ExpectSameBits(RunStream(ResumingStream(Connect(replicas.addresses()), Options(true, 1000)), true), expected);
}

TEST_F(ResumingStreams, GiveCheckpointsFromWhichAnyoneGoesOn) {
  Replicas replicas(1);
  ResumingStreamOptions options = Options(true, 10);
  options.give_checkpoints = true;
  const Outcome run = RunStream(ResumingStream(Connect(replicas.addresses()), options), true);
  ASSERT_TRUE(run.status.ok()) << run.status;
  ASSERT_EQ(run.states.size(), static_cast<size_t>(kNumChunks / 10 + 1));
  const auto state = client::AttentionState::Parse(run.states[2]);
  ASSERT_TRUE(state.ok());
  EXPECT_THAT(state->num_keys(), ::testing::ElementsAre(30 * kChunk, 30 * kChunk));
  ResumingStreamOptions from = Options(true);
  from.stream.spec.reset();
  from.stream.state = *state;
  ResumingStream stream(Connect(replicas.addresses()), from);
  ASSERT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, 30 * kChunk, kChunk)));
  const auto answer = stream.Read();
  ASSERT_TRUE(answer.ok() && answer->has_value()) << answer.status();
  const auto bytes = (*answer)->output->bytes();
  EXPECT_TRUE(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == run.outputs[30]);
}

TEST_F(ResumingStreams, WaitWhereAServerHasNoRoomAndSaysWhenToComeBack) {
  Replicas replicas(1, {"--max-streams", "1"});
  auto other = std::make_unique<client::AttentionStream>(
      Connect(replicas.addresses())[0].AttendStream({.spec = FavorSpec(true)}));
  const OwnedChunk rows = OwnedRows(&case_.queries, &case_.keys, &case_.values, 0, kChunk);
  other->Send({rows.queries->view(), rows.keys->view(), rows.values->view()});
  EXPECT_TRUE(other->Read().ok());
  ResumingStreamOptions options = Options(true);
  std::thread leaves;
  options.on_break = [&](const absl::Status& why) {
    EXPECT_TRUE(absl::IsResourceExhausted(why)) << why;
    if (!leaves.joinable()) leaves = std::thread([&other] { other.reset(); });
  };
  const Outcome run = RunStream(ResumingStream(Connect(replicas.addresses()), options), true);
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_GE(run.num_resumes, 1);
  if (leaves.joinable()) leaves.join();
}

TEST_F(ResumingStreams, AreOpenedAgainAfterAPauseThatAServerWouldNotWaitFor) {
  Replicas replicas(1, {"--stream-idle-timeout", "500ms"});
  const Outcome expected = RunStream(ResumingStream(Connect(replicas.addresses()), Options(true)), true);
  ResumingStream stream(Connect(replicas.addresses()), Options(true));
  for (int64_t i = 0; i < 8; ++i) {
    if (i == 3 || i == 6) {
      EXPECT_TRUE(Eventually([&] { return replicas[0].Metrics().Sum("favor_open_streams") == 0; }));
    }
    ASSERT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, i * kChunk, kChunk)));
    const auto answer = stream.Read();
    ASSERT_TRUE(answer.ok() && answer->has_value()) << answer.status();
    const auto bytes = (*answer)->output->bytes();
    EXPECT_TRUE(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == expected.outputs[i]);
  }
  const int64_t num_resumes = stream.num_resumes();
  EXPECT_GE(num_resumes, 2);  // and more, where this process was kept waiting
  EXPECT_TRUE(Eventually([&] { return replicas[0].Metrics().Sum("favor_open_streams") == 0; }));
  stream.SendNoMore();
  const auto end = stream.Read();
  EXPECT_TRUE(end.ok() && !end->has_value()) << end.status();
  EXPECT_EQ(stream.num_resumes(), num_resumes);  // nothing is left to ask for
}

TEST_F(ResumingStreams, EndAtErrorsThatNoOtherServerWouldMend) {
  Replicas replicas(2);
  ResumingStreamOptions options = Options(true);
  int breaks = 0;
  options.on_break = [&breaks](const absl::Status&) { ++breaks; };
  options.stream.spec->scale = -1;
  const Outcome run = RunStream(ResumingStream(Connect(replicas.addresses()), options), true);
  EXPECT_TRUE(absl::IsInvalidArgument(run.status)) << run.status;
  EXPECT_FALSE(client::FieldViolationsOf(run.status).empty());
  EXPECT_EQ(breaks, 0);
}

TEST_F(ResumingStreams, GiveUpAfterAttemptsThatBringNothing) {
  std::vector<std::string> addresses;
  for (int i = 0; i < 2; ++i) addresses.push_back(BusyPort().address());
  ResumingStreamOptions options = Options(true);
  options.max_attempts = 5;
  options.initial_backoff = absl::Milliseconds(10);
  const Outcome run = RunStream(ResumingStream(Connect(addresses), options), true);
  EXPECT_TRUE(absl::IsUnavailable(run.status)) << run.status;
  EXPECT_THAT(std::string(run.status.message()), HasSubstr("after 5 attempts that brought nothing new"));
  ResumingStream empty({}, options);
  EXPECT_TRUE(absl::IsInvalidArgument(empty.Read().status()));
  EXPECT_FALSE(empty.GetState());
}

TEST_F(ResumingStreams, EndAtTheirDeadlineAndWhenCancelled) {
  Replicas replicas(1);
  ResumingStreamOptions options = Options(true);
  options.stream.deadline = absl::Milliseconds(300);
  ResumingStream late(Connect(replicas.addresses()), options);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Read().status()));
  EXPECT_FALSE(late.EndOfKeys());

  ResumingStream stream(Connect(replicas.addresses()), Options(true));
  std::thread sender([&] { SendCausal(&stream); });
  EXPECT_TRUE(stream.Read().ok());
  stream.Cancel();
  EXPECT_TRUE(absl::IsCancelled(stream.Read().status()));
  sender.join();
  EXPECT_TRUE(Eventually([&] { return replicas[0].Metrics().Sum("favor_open_streams") == 0; }));
}

TEST_F(ResumingStreams, OfASlowReaderHoldWhatTheirBoundsSayAndLoseNothing) {
  Replicas replicas(1);
  ResumingStream stream(Connect(replicas.addresses()), Options(true, 3));
  std::atomic<int64_t> num_sent = 0;
  std::thread sender([&] {
    for (int64_t i = 0; i < 10 * kNumChunks; ++i) {
      EXPECT_TRUE(stream.Send(OwnedRows(&case_.queries, &case_.keys, &case_.values, i % kNumChunks * kChunk, kChunk)));
      ++num_sent;
    }
    stream.SendNoMore();
  });
  int64_t before = -1;
  EXPECT_TRUE(Eventually([&] {
    const int64_t last = std::exchange(before, num_sent.load());
    absl::SleepFor(absl::Milliseconds(300));
    return last == num_sent && last > 0;
  }));
  // 16 answers wait here, one each in the server and on the way, and 6 chunks are kept; small messages leave some more
  // to the buffers between.
  EXPECT_LT(num_sent, 60);
  int64_t num_answers = 0;
  while (true) {
    const auto answer = stream.Read();
    ASSERT_TRUE(answer.ok()) << answer.status();
    if (!answer->has_value()) break;
    ++num_answers;
  }
  EXPECT_EQ(num_answers, 10 * kNumChunks);
  sender.join();
}

}  // namespace
}  // namespace favor::testing
