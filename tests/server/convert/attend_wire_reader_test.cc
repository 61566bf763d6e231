#include "server/convert/attend_wire_reader.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/server/convert/pieces.h"

namespace favor {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using Root = AttendWireReader::Root;

// The message with the tensors' bytes put back, to compare with what Protobuf itself makes of the wire.
v1::AttendRequest Whole(AttendMessage message) {
  v1::AttendRequest request = message.request;
  const auto put_back = [&message](v1::Tensor* tensor) {
    const AlignedBuffer<std::byte> data = message.TakeData(*tensor);
    tensor->set_data(std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  };
  if (request.has_queries()) put_back(request.mutable_queries());
  if (request.has_keys()) put_back(request.mutable_keys());
  if (request.has_values()) put_back(request.mutable_values());
  if (request.spec().features().projection().has_matrix()) {
    put_back(request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix());
  }
  return request;
}

void FillTensor(std::mt19937& random, v1::Tensor* tensor) {
  if (random() % 4) tensor->set_data_type(static_cast<v1::DataType>(random() % 5));
  // Now and then a skeleton whose lengths take two bytes.
  for (uint32_t i = random() % 16 ? random() % 5 : 100; i > 0; --i)
    tensor->add_shape(static_cast<int32_t>(random()) >> random() % 32);
  if (random() % 4) tensor->set_data(std::string(random() % 300, static_cast<char>(random())));
}

v1::AttendRequest RandomRequest(std::mt19937& random) {
  v1::AttendRequest request;
  if (random() % 8) FillTensor(random, request.mutable_queries());
  if (random() % 8) FillTensor(random, request.mutable_keys());
  if (random() % 8) FillTensor(random, request.mutable_values());
  for (uint32_t i = random() % 4; i > 0; --i) request.add_query_lengths(random());
  if (random() % 2) request.set_measure_error_rows(random());
  if (random() % 4) {
    v1::AttentionSpec* spec = request.mutable_spec();
    spec->set_causal(random() % 2);
    if (random() % 2) spec->set_scale(1.0 / (1 + random() % 7));
    if (random() % 4 == 0) {
      spec->mutable_exact();
    } else if (random() % 4) {
      v1::FeatureSpec* features = spec->mutable_features();
      features->set_kernel(static_cast<v1::Kernel>(random() % 12));
      if (random() % 2) features->set_num_features(random());
      if (random() % 2) features->mutable_projection()->set_seed(random());
      if (random() % 2) FillTensor(random, features->mutable_projection()->mutable_matrix());
      if (random() % 4 == 0) features->mutable_statistics()->add_heads()->add_key_shift(0.5);
    }
  }
  return request;
}

std::vector<size_t> RandomCuts(std::mt19937& random, size_t size) {
  std::vector<size_t> cuts(random() % 8);
  for (size_t& cut : cuts) cut = random() % (size + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

// Several messages one after the other are one message: fields merge, the last value holds.
std::string RandomWire(std::mt19937& random) {
  std::string wire;
  for (uint32_t i = 1 + random() % 3; i > 0; --i) wire += RandomRequest(random).SerializeAsString();
  return wire;
}

TEST(AttendWireReader, ReadsWhatProtobufReadsWhateverTheCuts) {
  std::mt19937 random(20240501);
  for (int i = 0; i < 5000; ++i) {
    const std::string wire = RandomWire(random);
    v1::AttendRequest expected;
    ASSERT_TRUE(expected.ParseFromString(wire));
    absl::StatusOr<AttendMessage> message =
        ReadMessage(wire, RandomCuts(random, wire.size()), 1 + random() % (wire.size() + 1));
    ASSERT_TRUE(message.ok()) << message.status() << " in round " << i;
    const v1::AttendRequest read = Whole(*std::move(message));
    ASSERT_TRUE(MessageDifferencer::Equals(read, expected)) << "round " << i << "\n"
                                                            << read.ShortDebugString() << "\n"
                                                            << expected.ShortDebugString();
  }
}

// A group is refused at the levels the reader walks and left to Protobuf below; nothing else may differ.
TEST(AttendWireReader, AgreesWithProtobufOnDamagedMessages) {
  std::mt19937 random(20240502);
  int num_refused = 0;
  int num_accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string wire = RandomWire(random);
    for (uint32_t m = 1 + random() % 3; m > 0 && !wire.empty(); --m) {
      const size_t at = random() % wire.size();
      switch (random() % 3) {
        case 0:
          wire[at] = static_cast<char>(random());
          break;
        case 1:
          wire.erase(at, 1 + random() % 4);
          break;
        default:
          wire.insert(at, 1 + random() % 3, static_cast<char>(random()));
      }
    }
    v1::AttendRequest expected;
    const bool parses = expected.ParseFromString(wire);
    absl::StatusOr<AttendMessage> message = ReadMessage(wire, RandomCuts(random, wire.size()));
    if (!message.ok()) {
      ++num_refused;
      ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
      if (absl::StrContains(message.status().message(), "a group")) continue;
      ASSERT_FALSE(parses) << "round " << i << ": " << message.status();
      continue;
    }
    ++num_accepted;
    ASSERT_TRUE(parses) << "round " << i;
    // As bytes: damage makes NaN, which is not equal to itself.
    ASSERT_EQ(Whole(*std::move(message)).SerializeAsString(), expected.SerializeAsString()) << "round " << i;
  }
  EXPECT_GT(num_refused, 1000);
  EXPECT_GT(num_accepted, 1000);
}

TEST(AttendWireReader, LiftsDataIntoAlignedMemory) {
  v1::AttendRequest request;
  request.mutable_keys()->set_data("twelve bytes");
  absl::StatusOr<AttendMessage> message = ReadMessage(request.SerializeAsString(), {1, 5});
  ASSERT_TRUE(message.ok());
  const AlignedBuffer<std::byte> data = message->TakeData(message->request.keys());
  EXPECT_EQ(data.size(), 12);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data.data()) % 64, 0);
  EXPECT_TRUE(message->TakeData(message->request.queries()).empty());
}

TEST(AttendWireReader, AnEarlierMatrixIsGoneWhenItsOneofIsReplaced) {
  v1::AttentionSpec with_matrix;
  with_matrix.mutable_features()->mutable_projection()->mutable_matrix()->set_data("old");
  v1::AttentionSpec exact;
  exact.mutable_exact();
  v1::AttentionSpec without_data;
  without_data.mutable_features()->mutable_projection()->mutable_matrix()->add_shape(3);
  std::string wire;
  for (const v1::AttentionSpec& spec : {with_matrix, exact, without_data}) {
    v1::AttendRequest request;
    *request.mutable_spec() = spec;
    wire += request.SerializeAsString();
  }
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->TakeData(message->request.spec().features().projection().matrix()).empty());
}

TEST(AttendWireReader, RefusesALengthBeyondTheMessageBeforeAllocating) {
  // queries { data: 2,147,483,000 bytes claimed, 2 there }
  const std::string wire("\x0a\x09\x1a\xf8\xfa\xff\xff\x07xx", 10);
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
  EXPECT_THAT(std::string(message.status().message()), HasSubstr("bytes left"));
}

TEST(AttendWireReader, RefusesGroupsEndlessVarintsAndTruncation) {
  for (const absl::string_view wire :
       {absl::string_view("\x0b\x0c", 2), absl::string_view("\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),
        absl::string_view("\xff\xff\xff\xff\xff\xff\x01", 7), absl::string_view("\x00\x00", 2),
        absl::string_view("\x0a", 1), absl::string_view("\x0a\x05\x1a\x03", 4), absl::string_view("\x4d\x01", 2)}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadMessage(std::string(wire)).status())) << wire.size();
  }
}

TEST(AttendWireReader, BoundsWhatIsNotTensorData) {
  v1::AttendRequest request;
  for (int64_t i = 0; i < AttendWireReader::kMaxSkeletonBytes; ++i) request.add_key_lengths(1);
  absl::StatusOr<AttendMessage> message = ReadMessage(request.SerializeAsString());
  ASSERT_TRUE(absl::IsInvalidArgument(message.status()));
  EXPECT_THAT(std::string(message.status().message()), HasSubstr("1048576 bytes beside the data"));
}

TEST(AttendWireReader, AnEmptyMessageIsAnEmptyRequest) {
  absl::StatusOr<AttendMessage> message = ReadMessage("");
  ASSERT_TRUE(message.ok());
  EXPECT_FALSE(message->request.has_queries());
}

TEST(AttendWireReader, ParsedBytesStayWithinWhatAdmissionCounts) {
  // The messages that grow most: empty submessages, 2 bytes each on the wire.
  constexpr int kCount = 100000;
  constexpr auto kGrowth = static_cast<size_t>(AttendWireReader::kParsedBytesPerSkeletonByte);
  v1::AttendRequest request;
  v1::Statistics* statistics = request.mutable_spec()->mutable_features()->mutable_statistics();
  for (int i = 0; i < kCount; ++i) statistics->add_heads();
  std::string wire = request.SerializeAsString();
  absl::StatusOr<AttendMessage> message = ReadMessage(wire);
  ASSERT_TRUE(message.ok());
  EXPECT_LE(message->request.SpaceUsedLong(), wire.size() * kGrowth);

  v1::MergeRequest merge, read;
  for (int i = 0; i < kCount; ++i) merge.add_states();
  wire = merge.SerializeAsString();
  LiftedData data;
  ASSERT_TRUE(ReadMessage(wire, Root::kMergeRequest, {}, &read, &data).ok());
  EXPECT_LE(read.SpaceUsedLong(), wire.size() * kGrowth);
}

void FillState(std::mt19937& random, v1::AttentionState* state) {
  if (random() % 2) state->set_version(random() % 3);
  if (random() % 2) *state->mutable_spec() = RandomRequest(random).spec();
  if (random() % 2) state->add_num_keys(random());
  if (random() % 8) state->set_payload(std::string(random() % 300, static_cast<char>(random())));
  if (random() % 2) state->set_checksum(random());
}

// Puts the lifted bytes back.
void Restore(LiftedData& data, std::string* bytes) {
  const AlignedBuffer<std::byte> lifted = data.Take(*bytes);
  bytes->assign(reinterpret_cast<const char*>(lifted.data()), lifted.size());
}
void Restore(LiftedData& data, v1::AttentionSpec* spec) {
  if (!spec->features().projection().has_matrix()) return;
  Restore(data, spec->mutable_features()->mutable_projection()->mutable_matrix()->mutable_data());
}
void Restore(LiftedData& data, v1::AttentionState* state) {
  if (state->has_spec()) Restore(data, state->mutable_spec());
  Restore(data, state->mutable_payload());
}

// Fills messages at random by `fill` and reads one or two of them one after the other, as one message; puts the lifted
// bytes back by `restore` and holds the result against what Protobuf reads.
template <typename Message, typename Fill, typename RestoreAll>
void ExpectWhatProtobufReads(Root root, uint32_t seed, Fill fill, RestoreAll restore) {
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string wire;
    for (uint32_t count = 1 + random() % 2; count > 0; --count) {
      Message message;
      fill(random, message);
      wire += message.SerializeAsString();
    }
    Message expected, read;
    ASSERT_TRUE(expected.ParseFromString(wire));
    LiftedData data;
    const absl::Status status = ReadMessage(wire, root, RandomCuts(random, wire.size()), &read, &data);
    ASSERT_TRUE(status.ok()) << status << " in round " << i;
    restore(data, read);
    ASSERT_EQ(read.SerializeAsString(), expected.SerializeAsString()) << "round " << i;
  }
}

TEST(AttendWireReader, ReadsRequestsWithStatesAsProtobufDoes) {
  ExpectWhatProtobufReads<v1::FoldRequest>(
      Root::kFoldRequest, 1,
      [](std::mt19937& random, v1::FoldRequest& request) {
        if (random() % 2) *request.mutable_spec() = RandomRequest(random).spec();
        if (random() % 2) FillTensor(random, request.mutable_keys());
        if (random() % 2) FillTensor(random, request.mutable_values());
        if (random() % 2) FillState(random, request.mutable_state());
      },
      [](LiftedData& data, v1::FoldRequest& request) {
        if (request.has_spec()) Restore(data, request.mutable_spec());
        if (request.has_keys()) Restore(data, request.mutable_keys()->mutable_data());
        if (request.has_values()) Restore(data, request.mutable_values()->mutable_data());
        if (request.has_state()) Restore(data, request.mutable_state());
      });
  ExpectWhatProtobufReads<v1::MergeRequest>(
      Root::kMergeRequest, 2,
      [](std::mt19937& random, v1::MergeRequest& request) {
        for (uint32_t i = random() % 4 ? random() % 4 : 200; i > 0; --i) FillState(random, request.add_states());
      },
      [](LiftedData& data, v1::MergeRequest& request) {
        for (v1::AttentionState& state : *request.mutable_states()) Restore(data, &state);
      });
  ExpectWhatProtobufReads<v1::ReadRequest>(
      Root::kReadRequest, 3,
      [](std::mt19937& random, v1::ReadRequest& request) {
        if (random() % 2) FillTensor(random, request.mutable_queries());
        if (random() % 2) FillState(random, request.mutable_state());
      },
      [](LiftedData& data, v1::ReadRequest& request) {
        if (request.has_queries()) Restore(data, request.mutable_queries()->mutable_data());
        if (request.has_state()) Restore(data, request.mutable_state());
      });
}

TEST(AttendWireReader, ReadsMessagesOfStreamsAsProtobufDoes) {
  ExpectWhatProtobufReads<v1::AttendStreamRequest>(
      Root::kAttendStreamRequest, 4,
      [](std::mt19937& random, v1::AttendStreamRequest& request) {
        if (random() % 3 == 0) return request.set_end_of_keys(true);
        if (random() % 2) {
          if (random() % 2) *request.mutable_start()->mutable_spec() = RandomRequest(random).spec();
          if (random() % 2) FillState(random, request.mutable_start()->mutable_state());
          return;
        }
        if (random() % 2) FillTensor(random, request.mutable_chunk()->mutable_queries());
        if (random() % 2) FillTensor(random, request.mutable_chunk()->mutable_keys());
        if (random() % 2) FillTensor(random, request.mutable_chunk()->mutable_values());
      },
      [](LiftedData& data, v1::AttendStreamRequest& request) {
        if (request.has_start()) {
          if (request.start().has_spec()) Restore(data, request.mutable_start()->mutable_spec());
          if (request.start().has_state()) Restore(data, request.mutable_start()->mutable_state());
        }
        if (!request.has_chunk()) return;
        v1::AttendStreamRequest::Chunk& chunk = *request.mutable_chunk();
        if (chunk.has_queries()) Restore(data, chunk.mutable_queries()->mutable_data());
        if (chunk.has_keys()) Restore(data, chunk.mutable_keys()->mutable_data());
        if (chunk.has_values()) Restore(data, chunk.mutable_values()->mutable_data());
      });
}

TEST(AttendWireReader, BoundsHowManyTensorsAndStatesThereAre) {
  v1::MergeRequest merge, read;
  for (size_t i = 0; i < AttendWireReader::kMaxLifted; ++i) merge.add_states()->set_payload("x");
  LiftedData data;
  ASSERT_TRUE(ReadMessage(merge.SerializeAsString(), Root::kMergeRequest, {}, &read, &data).ok());
  EXPECT_EQ(data.Take(read.states(4095).payload()).size(), 1);
  EXPECT_TRUE(data.Take(read.states(4095).payload()).empty());  // taken
  merge.add_states()->set_payload("x");
  const absl::Status status = ReadMessage(merge.SerializeAsString(), Root::kMergeRequest, {}, &read, &data);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the request is no MergeRequest: more than 4096 tensors"));
}

}  // namespace
}  // namespace favor
