// Streams and states that travel, through real servers.
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "favor/attention/state_codec.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/errors.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/served_maps.h"

namespace favor::testing {

// For the name of a test, which would hold the bytes of the struct.
static void PrintTo(const ServedMap& map, std::ostream* stream) { *stream << map.name; }

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// float32 arithmetic against double: as whole calls are held to.
constexpr double kTolerance = 3e-5;

// Three servers, as replicas are.
class Replicas : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (int i = 0; i < 3; ++i) favords_.push_back(new Favord({.flags = {"--threads", "2"}}));
  }
  static void TearDownTestSuite() {
    for (Favord* favord : favords_) {
      EXPECT_TRUE(favord->process().running());
      delete favord;
    }
    favords_.clear();
  }
  static std::shared_ptr<grpc::Channel> channel(size_t i) { return favords_[i]->channel(); }
  static std::vector<std::shared_ptr<grpc::Channel>> channels() { return {channel(0), channel(1), channel(2)}; }

  static AttentionCase CaseFor(const AttentionSpec& spec, int64_t length, uint64_t seed) {
    const AttentionShape shape = {.batch_size = 2,
                                  .num_heads = 4,
                                  .num_key_heads = 2,
                                  .query_length = length,
                                  .key_length = length,
                                  .head_dim = 16,
                                  .value_dim = 24};
    return GaussianCase(spec, shape, TestProjectionFor(spec, 40, shape.head_dim, seed), seed + 1);
  }

  static std::vector<Favord*> favords_;
};
std::vector<Favord*> Replicas::favords_;

class EveryStreamedMap : public Replicas, public ::testing::WithParamInterface<ServedMap> {
 protected:
  AttentionCase Case(bool causal, uint64_t seed) const {
    ServedMap map = GetParam();
    map.spec.causal = causal;
    AttentionCase attention_case = CaseFor(map.spec, 150, seed);
    if (!map.takes_projection) attention_case.projection = nullptr;
    return attention_case;
  }
};

TEST_P(EveryStreamedMap, InChunksOfAnyLengthIsTheWhole) {
  for (const bool causal : {false, true}) {
    for (const uint32_t seed : {1, 2}) {
      const WireForm form{.layout = seed == 1 ? v1::LAYOUT_UNSPECIFIED : v1::LAYOUT_BATCH_LENGTH_HEADS_DIM};
      const Verdict verdict =
          AgreesWithOracle(StreamOver(channel(0), form, seed, seed == 1 ? 8 : 100), Case(causal, seed), kTolerance);
      EXPECT_TRUE(verdict.holds) << (causal ? "causal, " : "bidirectional, ") << verdict;
    }
  }
}

TEST_P(EveryStreamedMap, InShardsOverThreeServersIsTheWhole) {
  const Verdict verdict = AgreesWithOracle(ShardsOver(channels(), {}, 5, 60), Case(false, 3), kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

// As in attend_test.cc, and exact attention has no state.
std::vector<ServedMap> MapsWithState() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) {
    return map.structured || map.spec.mode == AttentionMode::kExact ||
           (map.spec.features.kernel == Kernel::kGaussian && map.spec.features.estimator == Estimator::kHyperbolic);
  });
  return maps;
}

INSTANTIATE_TEST_SUITE_P(, EveryStreamedMap, ::testing::ValuesIn(MapsWithState()),
                         [](const auto& info) { return info.param.name; });

v1::AttentionSpec Spec(bool causal, uint64_t seed = 7) {
  v1::AttentionSpec spec;
  spec.set_causal(causal);
  spec.mutable_features()->set_num_features(40);
  spec.mutable_features()->mutable_projection()->set_seed(seed);
  return spec;
}

class AttendStream : public Replicas {
 protected:
  AttendStream() : case_(CaseFor({}, 200, 30)) {}

  v1::AttendStreamRequest Chunk(int64_t begin, int64_t count) const {
    return ChunkOf(&case_.queries, &case_.keys, &case_.values, begin, count, {});
  }
  v1::AttendStreamRequest KeyChunk(int64_t begin, int64_t count) const {
    return ChunkOf(nullptr, &case_.keys, &case_.values, begin, count, {});
  }
  v1::FoldRequest FoldOf(int64_t begin, int64_t count, const v1::AttentionSpec& spec) const {
    v1::FoldRequest request;
    *request.mutable_spec() = spec;
    *request.mutable_keys() = ToWire(RowsOf(case_.keys, begin, count), DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
    *request.mutable_values() = ToWire(RowsOf(case_.values, begin, count), DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
    return request;
  }

  AttentionCase case_;
};

TEST_F(AttendStream, ResumedOnAnotherServerGivesTheSameBits) {
  const std::vector<int64_t> lengths = {30, 1, 64, 0, 55, 50};
  std::vector<std::string> expected;
  {
    AttendStreamClient stream(channel(0));
    ASSERT_TRUE(stream.Start(Spec(true)));
    int64_t begin = 0;
    for (const int64_t length : lengths) {
      ASSERT_TRUE(stream.Send(Chunk(begin, length)));
      const auto response = stream.Read();
      ASSERT_TRUE(response.has_value());
      expected.push_back(response->output().data());
      begin += length;
    }
  }
  std::optional<v1::AttentionState> state;
  int64_t begin = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {  // a server of its own for every chunk
    AttendStreamClient stream(channel(i % 3));
    ASSERT_TRUE(stream.Start(i == 0 ? Spec(true) : v1::AttentionSpec(), state ? &*state : nullptr));
    ASSERT_TRUE(stream.Send(Chunk(begin, lengths[i])));
    const auto response = stream.Read();
    ASSERT_TRUE(response.has_value()) << Describe(stream.Finish());
    EXPECT_EQ(response->output().data(), expected[i]) << "chunk " << i;
    state = stream.GetState();
    ASSERT_TRUE(state.has_value());
    stream.SendNoMore();
    EXPECT_TRUE(stream.Finish().ok());
    begin += lengths[i];
  }
  EXPECT_THAT(state->num_keys(), ElementsAre(200, 200));
}

TEST_F(AttendStream, StatesOfAStreamAndOfFoldsAreTheSameMessage) {
  AttendStreamClient stream(channel(0));
  ASSERT_TRUE(stream.Start(Spec(false)));
  ASSERT_TRUE(stream.Send(KeyChunk(0, 120)));
  ASSERT_TRUE(stream.Send(KeyChunk(120, 80)));
  const auto streamed = stream.GetState();
  ASSERT_TRUE(streamed.has_value());
  auto first = Fold(channel(1), FoldOf(0, 120, Spec(false)));
  ASSERT_TRUE(first.ok()) << first.status();
  v1::FoldRequest more = FoldOf(120, 80, Spec(false));
  *more.mutable_state() = *first;
  const auto folded = Fold(channel(2), more);
  ASSERT_TRUE(folded.ok()) << folded.status();
  EXPECT_EQ(streamed->SerializeAsString(), folded->SerializeAsString());
}

TEST_F(AttendStream, ReportsEveryChunkWhenAskedAndTheWholeAtTheEnd) {
  AttendStreamClient stream(channel(0));
  v1::AttendStreamRequest start;
  *start.mutable_start()->mutable_spec() = Spec(false);
  start.mutable_start()->set_report_every_chunk(true);
  ASSERT_TRUE(stream.Send(start));
  ASSERT_TRUE(stream.Send(KeyChunk(0, 50)));
  const auto of_keys = stream.Read();
  ASSERT_TRUE(of_keys.has_value());
  EXPECT_TRUE(of_keys->has_report());
  EXPECT_FALSE(of_keys->has_output());
  v1::AttendStreamRequest end;
  end.set_end_of_keys(true);
  ASSERT_TRUE(stream.Send(end));
  ASSERT_TRUE(stream.Send(ChunkOf(&case_.queries, nullptr, nullptr, 0, 10, {})));
  const auto of_queries = stream.Read();
  ASSERT_TRUE(of_queries.has_value());
  EXPECT_EQ(of_queries->output().shape(2), 10);
  EXPECT_EQ(of_queries->report().num_features(), 40);
  stream.SendNoMore();
  const auto whole = stream.Read();
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->report().projection_id(), of_queries->report().projection_id());
  EXPECT_EQ(whole->report().spec().scale(), 0.25);
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_TRUE(stream.Finish().ok());
}

// What a stream of these messages ends with.
grpc::Status EndOf(const std::shared_ptr<grpc::Channel>& channel,
                   const std::vector<v1::AttendStreamRequest>& messages) {
  AttendStreamClient stream(channel);
  for (const v1::AttendStreamRequest& message : messages) stream.Send(message);
  stream.SendNoMore();
  return stream.Finish();
}

TEST_F(AttendStream, RefusesMessagesOutOfTurnByName) {
  v1::AttendStreamRequest causal, bidirectional, exact, automatic, end, get_state;
  *causal.mutable_start()->mutable_spec() = Spec(true);
  *bidirectional.mutable_start()->mutable_spec() = Spec(false);
  exact.mutable_start()->mutable_spec()->mutable_exact();
  automatic.mutable_start()->mutable_spec()->mutable_auto_()->set_max_relative_error(0.1);
  end.set_end_of_keys(true);
  get_state.set_get_state(v1::AttentionState::ENCODING_F32);
  const v1::AttendStreamRequest queries = ChunkOf(&case_.queries, nullptr, nullptr, 0, 5, {});
  v1::AttendStreamRequest narrow = KeyChunk(0, 5);
  *narrow.mutable_chunk()->mutable_values() = narrow.chunk().keys();
  const struct {
    std::vector<v1::AttendStreamRequest> messages;
    std::string field;
  } cases[] = {
      {{Chunk(0, 5)}, "start"},
      {{causal, causal}, "start"},
      {{causal, {}}, "message"},
      {{exact}, "start.spec.exact"},
      {{automatic}, "start.spec.auto"},
      {{causal, end}, "end_of_keys"},
      {{causal, get_state}, "get_state"},
      {{causal, KeyChunk(0, 5)}, "chunk.queries"},
      {{causal, queries}, "chunk.keys"},
      {{bidirectional, Chunk(0, 5)}, "chunk.queries"},
      {{bidirectional, end, queries}, "chunk.queries"},
      {{bidirectional, KeyChunk(0, 5), end, end}, "end_of_keys"},
      {{bidirectional, KeyChunk(0, 5), end, KeyChunk(0, 5)}, "chunk.queries"},
      {{bidirectional, KeyChunk(0, 5), narrow}, "chunk.values"},
  };
  for (const auto& [messages, field] : cases) {
    const grpc::Status status = EndOf(channel(0), messages);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << field << ", " << Describe(status);
    EXPECT_THAT(BadFieldsOf(status), ElementsAre(field)) << Describe(status);
  }
}

TEST_F(AttendStream, SaysWhichStateASpecThatIsRefusedBelongsTo) {
  const auto folded = Fold(channel(0), FoldOf(0, 50, Spec(false)));
  ASSERT_TRUE(folded.ok()) << folded.status();
  v1::MergeRequest merge;
  *merge.add_states() = *folded;
  *merge.add_states() = *folded;
  merge.mutable_states(1)->mutable_spec()->mutable_features()->set_kernel(static_cast<v1::Kernel>(99));
  EXPECT_THAT(std::string(Merge(channel(0), merge).status().message()),
              HasSubstr("states[1].spec.features.kernel is 99"));
  v1::AttendStreamRequest start;
  *start.mutable_start()->mutable_state() = *folded;
  start.mutable_start()->mutable_state()->mutable_spec()->mutable_exact();
  const grpc::Status status = EndOf(channel(0), {start});
  EXPECT_THAT(BadFieldsOf(status), ElementsAre("start.state.spec")) << Describe(status);
  EXPECT_THAT(status.error_message(), HasSubstr("start.state: mode is exact"));
}

TEST_F(AttendStream, RefusesCausalParityWhoseMaximumLooksAhead) {
  v1::AttendStreamRequest start;
  *start.mutable_start()->mutable_spec() = Spec(true);
  start.mutable_start()->mutable_spec()->mutable_features()->mutable_epsilon_parity()->set_feature_epsilon(1e-4);
  const grpc::Status status = EndOf(channel(0), {start, Chunk(0, 5)});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(status);
  EXPECT_THAT(status.error_message(), HasSubstr("later ones too"));
}

TEST_F(AttendStream, NamesWhereAChunkIsNotFinite) {
  v1::AttendStreamRequest start, chunk = Chunk(0, 5);
  *start.mutable_start()->mutable_spec() = Spec(true);
  // The first number of the second head of keys' fourth row, [5, 16] each, of the third chunk.
  chunk.mutable_chunk()->mutable_keys()->mutable_data()->replace(4 * (5 * 16 + 3 * 16) + 2, 2, "\xff\x7f");
  const grpc::Status status = EndOf(channel(0), {start, Chunk(0, 5), Chunk(5, 20), chunk});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(BadFieldsOf(status), ElementsAre("chunk.keys"));
  EXPECT_THAT(status.error_message(), HasSubstr("in chunk 2 of the stream, row 3: keys[0, 1, 3, 0] is nan"));
}

// Gives a state of the default spec the checksum of its payload, as a forger would.
void Seal(v1::AttentionState* state) {
  StateHeader header;
  header.description.projection_id = state->projection_id();
  header.description.sizes = {state->batch_size(), state->num_heads(), state->head_dim(), state->value_dim()};
  header.description.num_features = state->num_features();
  header.num_keys.assign(state->num_keys().begin(), state->num_keys().end());
  state->set_checksum(StateChecksum(header, state->payload()));
}

struct Forgery {
  std::string name;
  std::function<void(v1::AttentionState&)> change;
  absl::StatusCode code;
  std::string says;
};

TEST_F(AttendStream, RefusesStatesThatAreNotWhatTheySay) {
  const auto honest = Fold(channel(0), FoldOf(0, 50, Spec(false)));
  ASSERT_TRUE(honest.ok()) << honest.status();
  const auto put = [](v1::AttentionState& state, size_t at, float value) {
    state.mutable_payload()->replace(at, 4, std::string(reinterpret_cast<const char*>(&value), 4));
  };
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  const absl::StatusCode mismatch = absl::StatusCode::kFailedPrecondition;
  const std::vector<Forgery> forgeries = {
      {"version", [](auto& s) { s.set_version(7); }, mismatch, "state.version is 7"},
      {"projection", [](auto& s) { s.set_projection_id(std::string(32, '0')); }, mismatch, "state.projection_id"},
      {"seed", [](auto& s) { s.mutable_spec()->mutable_features()->mutable_projection()->set_seed(8); }, mismatch,
       "state.projection_id"},
      {"kernel", [](auto& s) { s.mutable_spec()->mutable_features()->set_kernel(v1::KERNEL_ELU_PLUS_ONE); }, invalid,
       "spec.features"},
      {"features",
       [](auto& s) {
         s.set_num_features(20);
         s.mutable_payload()->resize(2 * 2 * (4 * 21 + 8 * (20 + 20 * 24 + 24)));
       },
       mismatch, "state.num_features is 20"},
      {"sizes", [](auto& s) { s.set_batch_size(int64_t{1} << 31); }, invalid, "state.payload has"},
      {"negative", [](auto& s) { s.set_num_heads(-1); }, invalid, "state.num_heads is -1"},
      {"many features", [](auto& s) { s.set_num_features(int64_t{1} << 31); }, invalid, "state.num_features is"},
      {"counts", [](auto& s) { s.add_num_keys(1); }, invalid, "state.num_keys has 3"},
      {"count", [](auto& s) { s.set_num_keys(0, -5); }, invalid, "state.num_keys[0] is -5"},
      {"endless count", [](auto& s) { s.set_num_keys(0, INT64_MAX); }, invalid, "state.num_keys[0]"},
      {"cut", [](auto& s) { s.mutable_payload()->pop_back(); }, invalid, "state.payload has"},
      {"encoding", [](auto& s) { s.set_encoding(v1::AttentionState::ENCODING_BF16); }, invalid, "state.payload has"},
      {"no encoding", [](auto& s) { s.set_encoding(static_cast<v1::AttentionState::Encoding>(9)); }, invalid,
       "state.encoding is 9"},
      {"nan", [&](auto& s) { put(s, 400, std::nanf("")); }, invalid, "state of sequence 0, head 0"},
      {"infinite maximum", [&](auto& s) { put(s, 4, INFINITY); }, invalid, "state of sequence 0, head 0"},
      {"odd maximum", [&](auto& s) { put(s, 4, 0.5f); }, invalid, "state of sequence 0, head 0"},
      {"exact", [](auto& s) { s.mutable_spec()->mutable_exact(); }, invalid, "exact"},
  };
  v1::ReadRequest read;
  *read.mutable_queries() = ToWire(case_.queries, DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
  for (const Forgery& forgery : forgeries) {
    SCOPED_TRACE(forgery.name);
    v1::AttentionState state = *honest;
    forgery.change(state);
    Seal(&state);
    *read.mutable_state() = state;
    const auto answer = ReadState(channel(0), read);
    EXPECT_EQ(answer.status().code(), forgery.code) << answer.status();
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr(forgery.says));
    AttendStreamClient stream(channel(0));
    stream.Start({}, &state);
    stream.SendNoMore();
    EXPECT_EQ(static_cast<absl::StatusCode>(stream.Finish().error_code()), forgery.code);
  }
  v1::AttentionState broken = *honest;
  (*broken.mutable_payload())[100] ^= 1;
  *read.mutable_state() = broken;
  EXPECT_TRUE(absl::IsDataLoss(ReadState(channel(0), read).status()));
  *read.mutable_state() = *honest;
  EXPECT_TRUE(ReadState(channel(0), read).ok());
}

TEST_F(AttendStream, SurvivesStatesOfAnyNumbersAndAnyDamage) {
  const auto honest = Fold(channel(0), FoldOf(0, 50, Spec(false)));
  ASSERT_TRUE(honest.ok()) << honest.status();
  std::mt19937 random(4);
  v1::ReadRequest read;
  *read.mutable_queries() = ToWire(case_.queries, DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
  for (int i = 0; i < 60; ++i) {
    *read.mutable_state() = *honest;
    v1::AttentionState& state = *read.mutable_state();
    for (int j = 0; j < 200; ++j) {
      const float value = std::ldexp(static_cast<float>(random() % 1000) - 500, static_cast<int>(random() % 200) - 100);
      const size_t at = random() % (state.payload().size() / 4) * 4;
      state.mutable_payload()->replace(at, 4, std::string(reinterpret_cast<const char*>(&value), 4));
    }
    Seal(&state);
    ReadState(channel(0), read).IgnoreError();
    std::string bytes = read.SerializeAsString();
    for (int j = 0; j < 3; ++j) bytes[random() % 300] = static_cast<char>(random());
    CallWithBytes(channel(0), "/favor.v1.AttentionService/Read", bytes);
    CallWithBytes(channel(0), "/favor.v1.AttentionService/Merge", bytes);
    CallWithBytes(channel(0), "/favor.v1.AttentionService/Fold", bytes);
  }
  EXPECT_TRUE(Attend(channel(0), GoodRequest()).ok());
}

TEST_F(AttendStream, StatesThatDifferAreNotMergedAndSayInWhat) {
  v1::MergeRequest merge;
  *merge.add_states() = *Fold(channel(0), FoldOf(0, 50, Spec(false)));
  *merge.add_states() = *Fold(channel(1), FoldOf(50, 50, Spec(false, /*seed=*/8)));
  absl::Status status = Merge(channel(2), merge).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("states[1].projection_id"));
  v1::AttentionSpec scaled = Spec(false);
  scaled.set_scale(0.5);
  *merge.mutable_states(1) = *Fold(channel(1), FoldOf(50, 50, scaled));
  status = Merge(channel(2), merge).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("states[1].spec.scale is 0.5, must be 0.25"));
  v1::FoldRequest fold = FoldOf(0, 50, Spec(true));
  *fold.mutable_state() = merge.states(0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Fold(channel(0), fold).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Merge(channel(0), {}).status()));
}

// The checksum does not know how a projection was drawn, so nothing else would tell.
TEST_F(AttendStream, StatesWhoseSpecMakesAnotherProjectionAreRefusedNamingBoth) {
  const auto seven = Fold(channel(0), FoldOf(0, 50, Spec(false)));
  const auto eight = Fold(channel(0), FoldOf(0, 50, Spec(false, /*seed=*/8)));
  ASSERT_TRUE(seven.ok() && eight.ok());
  v1::AttentionState forged = *seven;
  *forged.mutable_spec() = eight->spec();
  const auto contradicts = [&](const std::string& name) {
    return absl::StrCat(name, ".projection_id is '", seven->projection_id(), "', ", name, ".spec makes '",
                        eight->projection_id(), "'");
  };
  v1::MergeRequest merge;
  *merge.add_states() = *seven;
  *merge.add_states() = forged;
  absl::Status status = Merge(channel(1), merge).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(contradicts("states[1]")));
  v1::FoldRequest fold = FoldOf(50, 50, Spec(false));
  *fold.mutable_state() = forged;
  status = Fold(channel(1), fold).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(contradicts("state")));
}

TEST_F(AttendStream, LossyEncodingsAreSmallerAndNear) {
  v1::FoldRequest fold = FoldOf(0, 200, Spec(false));
  v1::ReadRequest read;
  *read.mutable_queries() = ToWire(case_.queries, DataType::kFloat32, v1::LAYOUT_UNSPECIFIED);
  *read.mutable_state() = *Fold(channel(0), fold);
  const size_t lossless_bytes = read.state().payload().size();
  const DoubleTensor expected = FromWire(ReadState(channel(1), read)->output(), v1::LAYOUT_UNSPECIFIED);
  // Of float32 alone, 2^-24 of each sum; of bfloat16 2^-9.
  for (const auto& [encoding, tolerance] :
       {std::pair{v1::AttentionState::ENCODING_F32, 1e-5}, std::pair{v1::AttentionState::ENCODING_BF16, 2e-2}}) {
    fold.set_encoding(encoding);
    *read.mutable_state() = *Fold(channel(0), fold);
    EXPECT_LT(read.state().payload().size(), 0.6 * static_cast<double>(lossless_bytes));
    const auto answer = ReadState(channel(1), read);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_LT(WorstRowError(FromWire(answer->output(), v1::LAYOUT_UNSPECIFIED), expected), tolerance);
  }
}

}  // namespace
}  // namespace favor::testing
