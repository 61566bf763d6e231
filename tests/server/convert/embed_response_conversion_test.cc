#include "server/convert/embed_response_conversion.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "favor/base/version.h"
#include "favor/format/half_float.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kDimensions = 4;

// Two inputs with vectors, one with an error between them.
EmbedAnswer Answer(v1::EmbeddingType type, Pooling pooling = Pooling::kMean) {
  EmbedAnswer answer;
  testing::FakeEncoderOptions options;
  options.dimensions = kDimensions;
  answer.settings.model = {"fake", "/models/fake", testing::FakeModel(options)};
  answer.settings.options.pooling = pooling;
  answer.settings.type = type;
  answer.errors = {absl::OkStatus(), FieldError("inputs[1].text", "inputs[1]: too long"), absl::OkStatus()};
  EmbedOutcome& outcome = answer.outcome;
  outcome.inputs = {*PrepareIds(*answer.settings.model.model, {1, 2, 3}, {}), EmbedInput(),
                    *PrepareIds(*answer.settings.model.model, {4, 5}, {})};
  outcome.dimensions = kDimensions;
  outcome.rows = {0};
  for (const EmbedInput& input : outcome.inputs) {
    outcome.rows.push_back(outcome.rows.back() + (input.windows.empty() ? 0 : EmbedRows(input, pooling)));
  }
  outcome.vectors = *AlignedBuffer<float>::Allocate(outcome.rows.back() * kDimensions);
  for (int64_t i = 0; i < outcome.vectors.size(); ++i) outcome.vectors[i] = std::sin(static_cast<float>(i + 1));
  outcome.num_tokens = 5;
  outcome.timing = {absl::Microseconds(1500), absl::Seconds(2)};
  return answer;
}

v1::EmbedResponse Parse(const EmbedAnswer& answer) {
  v1::EmbedResponse response;
  EXPECT_TRUE(response.ParseFromString(EmbedResultsPart(answer, 0, 2) + EmbedResultsPart(answer, 2, 3) +
                                       EmbedReportPart(answer)));
  return response;
}

TEST(EmbedResponse, AnErrorNeedsNoOutcome) {
  const EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_F16);
  v1::EmbedStreamResponse response;
  ASSERT_TRUE(response.ParseFromString(EmbedStreamResult(7, answer.settings, absl::InternalError("ours"), {}, 3)));
  EXPECT_EQ(response.id(), 7u);
  EXPECT_EQ(response.result().error().message(), "ours");
}

TEST(EmbedResponse, ItsPartsAreAResponse) {
  const EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_F32);
  const v1::EmbedResponse response = Parse(answer);
  ASSERT_EQ(response.results_size(), 3);
  const v1::EmbedResult& last = response.results(2);
  EXPECT_EQ(last.num_tokens(), 2);
  EXPECT_EQ(last.num_tokens_used(), 2);
  EXPECT_EQ(last.num_windows(), 1);
  EXPECT_EQ(last.embedding().type(), v1::EMBEDDING_TYPE_F32);
  EXPECT_THAT(last.embedding().shape(), ElementsAre(kDimensions));
  ASSERT_EQ(last.embedding().data().size(), 4u * kDimensions);
  EXPECT_EQ(std::memcmp(last.embedding().data().data(), answer.outcome.vectors.data() + kDimensions, 4 * kDimensions),
            0);
  const v1::EmbedReport& report = response.report();
  EXPECT_EQ(report.model(), "fake");
  EXPECT_EQ(report.model_id(), "0123456789abcdef0123456789abcdef");
  EXPECT_TRUE(report.attention().has_exact());
  EXPECT_EQ(report.num_tokens(), 5);
  EXPECT_EQ(report.queue_time().nanos(), 1'500'000);
  EXPECT_EQ(report.compute_time().seconds(), 2);
  EXPECT_EQ(report.server_version(), kVersion);
}

TEST(EmbedResponse, ItsReportHasTheScaleThatTheModelLeavesToItsDefault) {
  EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_F32);
  testing::FakeEncoderOptions options;
  options.head_dim = 16;
  answer.settings.model.model = testing::FakeModel(options);
  EXPECT_TRUE(Parse(answer).report().attention().has_scale());
  EXPECT_EQ(Parse(answer).report().attention().scale(), 0.25);
  AttentionSpec& asked = answer.settings.attention.emplace();
  asked.mode = AttentionMode::kFeatures;
  asked.features.kernel = Kernel::kEluPlusOne;
  EXPECT_EQ(Parse(answer).report().attention().scale(), 1);
  asked.mode = AttentionMode::kExact;  // that of softmax, whatever the features would be
  EXPECT_EQ(Parse(answer).report().attention().scale(), 0.25);
  asked.scale = 0.75;
  EXPECT_EQ(Parse(answer).report().attention().scale(), 0.75);
}

// A causal model measures no statistics: later tokens would have a part in them.
TEST(EmbedResponse, ItsReportNamesTheFeaturesThatRan) {
  EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_F32);
  AttentionSpec& asked = answer.settings.attention.emplace();
  asked.features.estimator = Estimator::kOprf;
  const auto estimator = [&] { return Parse(answer).report().attention().features().estimator(); };
  EXPECT_EQ(estimator(), v1::ESTIMATOR_OPRF);
  asked.causal = true;
  EXPECT_NE(estimator(), v1::ESTIMATOR_OPRF);
}

TEST(EmbedResponse, CountsNoTokensOfAnInputWithAnError) {
  const v1::EmbedResult failed = Parse(Answer(v1::EMBEDDING_TYPE_F32)).results(1);
  EXPECT_EQ(failed.num_tokens(), 0);
  EXPECT_EQ(failed.num_tokens_used(), 0);
  EXPECT_EQ(failed.num_windows(), 0);
}

TEST(EmbedResponse, TellsOfAnInputsErrorWithTheFieldInItsDetails) {
  const v1::EmbedResponse response = Parse(Answer(v1::EMBEDDING_TYPE_F32));
  const google::rpc::Status& error = response.results(1).error();
  EXPECT_EQ(error.code(), 3);
  EXPECT_EQ(error.message(), "inputs[1]: too long");
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(error.details_size(), 1);
  ASSERT_TRUE(error.details(0).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "inputs[1].text");
}

TEST(EmbedResponse, HasAVectorForEachTokenWithoutPooling) {
  const v1::EmbedResponse response = Parse(Answer(v1::EMBEDDING_TYPE_F32, Pooling::kNone));
  EXPECT_THAT(response.results(0).embedding().shape(), ElementsAre(3, kDimensions));
  EXPECT_EQ(response.results(0).embedding().data().size(), 4u * 3 * kDimensions);
}

TEST(EmbedResponse, NarrowsToHalfFloats) {
  const EmbedAnswer half = Answer(v1::EMBEDDING_TYPE_F16), brain = Answer(v1::EMBEDDING_TYPE_BF16);
  const std::string half_data = Parse(half).results(2).embedding().data();
  const std::string brain_data = Parse(brain).results(2).embedding().data();
  ASSERT_EQ(half_data.size(), 2u * kDimensions);
  ASSERT_EQ(brain_data.size(), 2u * kDimensions);
  for (int64_t d = 0; d < kDimensions; ++d) {
    uint16_t half_bits, brain_bits;
    std::memcpy(&half_bits, &half_data[2 * d], 2);
    std::memcpy(&brain_bits, &brain_data[2 * d], 2);
    EXPECT_EQ(half_bits, Float16FromFloat32(half.outcome.vectors[kDimensions + d]));
    EXPECT_EQ(brain_bits, BFloat16FromFloat32(brain.outcome.vectors[kDimensions + d]));
  }
}

TEST(EmbedResponse, ANumberBeyondHalfFloatsIsTheInputsError) {
  EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_F16);
  answer.outcome.vectors[1] = 65519.0f;  // rounded down
  EXPECT_TRUE(Parse(answer).results(0).has_embedding());
  answer.outcome.vectors[1] = -65520.0f;
  const v1::EmbedResult failed = Parse(answer).results(0);
  EXPECT_EQ(failed.error().code(), 3);
  EXPECT_EQ(failed.error().message(), "output_type is EMBEDDING_TYPE_F16, the embedding has -65520, at most 65504");
  EXPECT_EQ(failed.num_tokens(), 0);
  EXPECT_TRUE(Parse(answer).results(2).has_embedding());
  EXPECT_LE(static_cast<int64_t>(EmbedResultsPart(answer, 0, 1).size()),
            MaxEmbedResultBytes(answer.settings, 1, absl::OkStatus()));
  answer.settings.type = v1::EMBEDDING_TYPE_BF16;
  EXPECT_TRUE(Parse(answer).results(0).has_embedding());
  answer.outcome.vectors[1] = std::numeric_limits<float>::max();
  EXPECT_TRUE(Parse(answer).results(0).has_error());
}

TEST(EmbedResponse, QuantisesEveryVectorByItsOwnScale) {
  const EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_I8, Pooling::kNone);
  const v1::Embedding embedding = Parse(answer).results(0).embedding();
  ASSERT_EQ(embedding.scale_size(), 3);
  ASSERT_EQ(embedding.data().size(), 3u * kDimensions);
  for (int64_t row = 0; row < 3; ++row) {
    int largest = 0;
    for (int64_t d = 0; d < kDimensions; ++d) {
      const int integer = static_cast<signed char>(embedding.data()[row * kDimensions + d]);
      largest = std::max(largest, std::abs(integer));
      EXPECT_NEAR(static_cast<float>(integer) * embedding.scale(static_cast<int>(row)),
                  answer.outcome.vectors[row * kDimensions + d], 0.501 * embedding.scale(static_cast<int>(row)));
    }
    EXPECT_EQ(largest, 127);
  }
}

TEST(EmbedResponse, QuantisesZeroAndWhatIsNotFinite) {
  EmbedAnswer answer = Answer(v1::EMBEDDING_TYPE_I8, Pooling::kNone);
  const float values[] = {0, 0, 0, 0, std::nanf(""), 1, -1, 0.5f, std::numeric_limits<float>::infinity(), 1, 2, 3};
  std::memcpy(answer.outcome.vectors.data(), values, sizeof(values));
  const v1::Embedding embedding = Parse(answer).results(0).embedding();
  EXPECT_EQ(embedding.scale(0), 0);
  EXPECT_EQ(embedding.data().substr(0, 4), std::string(4, '\0'));
  EXPECT_EQ(embedding.data().substr(4, 4), std::string("\0\x7f\x81\x40", 4));
}

TEST(EmbedResponse, NeverTakesMoreBytesThanPredicted) {
  for (const auto type :
       {v1::EMBEDDING_TYPE_F32, v1::EMBEDDING_TYPE_F16, v1::EMBEDDING_TYPE_BF16, v1::EMBEDDING_TYPE_I8}) {
    for (const Pooling pooling : {Pooling::kMean, Pooling::kNone}) {
      EmbedAnswer answer = Answer(type, pooling);
      answer.errors[1] = FieldError("inputs[1234567].text", std::string(5000, 'e'));
      const std::string wire = EmbedResultsPart(answer, 0, 3) + EmbedReportPart(answer);
      EXPECT_LE(static_cast<int64_t>(wire.size()),
                MaxEmbedResponseBytes(answer.settings, answer.outcome.inputs, answer.errors));
      EXPECT_LE(static_cast<int64_t>(EmbedResultsPart(answer, 1, 2).size()),
                MaxEmbedResultBytes(answer.settings, 0, answer.errors[1]));
    }
  }
}

}  // namespace
}  // namespace favor
