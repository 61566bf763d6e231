#include "client/wire/decode_embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/errors.h"
#include "client/wire/decode_models.h"
#include "favor/v1/embedding.pb.h"
#include "favor/v1/model.pb.h"
#include "google/rpc/error_details.pb.h"

namespace favor::client {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

template <typename Element>
v1::EmbedResponse WithEmbedding(v1::EmbeddingType type, const std::vector<int64_t>& shape,
                                const std::vector<Element>& elements) {
  v1::EmbedResponse response;
  v1::Embedding* embedding = response.add_results()->mutable_embedding();
  embedding->set_type(type);
  for (const int64_t length : shape) embedding->add_shape(length);
  embedding->set_data(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(Element));
  return response;
}

// The only result of a response.
EmbedResult Only(const v1::EmbedResponse& response) {
  const absl::StatusOr<Embeddings> embeddings = DecodeEmbedResponse(response.SerializeAsString(), 1);
  EXPECT_TRUE(embeddings.ok()) << embeddings.status();
  return embeddings.ok() ? embeddings->results[0] : EmbedResult();
}

std::string ErrorOf(const v1::EmbedResponse& response, size_t num_inputs = 1) {
  const absl::StatusOr<Embeddings> embeddings = DecodeEmbedResponse(response.SerializeAsString(), num_inputs);
  EXPECT_EQ(embeddings.status().code(), absl::StatusCode::kInternal);
  return std::string(embeddings.status().message());
}

TEST(DecodeEmbed, GivesFloat32WhateverTheTypeOnTheWire) {
  const EmbedResult f32 = Only(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {3}, {1.5f, -2.25f, 1e-30f}));
  EXPECT_THAT(f32.vectors, ElementsAre(1.5f, -2.25f, 1e-30f));
  EXPECT_EQ(f32.num_vectors, 1);
  EXPECT_EQ(f32.dimensions, 3);
  EXPECT_TRUE(f32.status.ok());
  // 1.5, -2, 65504 in binary16; 1.5, -2, 2^100 in bfloat16.
  EXPECT_THAT(Only(WithEmbedding<uint16_t>(v1::EMBEDDING_TYPE_F16, {3}, {0x3e00, 0xc000, 0x7bff})).vectors,
              ElementsAre(1.5f, -2.0f, 65504.0f));
  EXPECT_THAT(Only(WithEmbedding<uint16_t>(v1::EMBEDDING_TYPE_BF16, {3}, {0x3fc0, 0xc000, 0x7180})).vectors,
              ElementsAre(1.5f, -2.0f, 0x1p100f));
}

TEST(DecodeEmbed, ScalesEachInt8VectorByItsOwnScale) {
  v1::EmbedResponse response = WithEmbedding<int8_t>(v1::EMBEDDING_TYPE_I8, {2, 3}, {127, -127, 0, 1, 2, -3});
  response.mutable_results(0)->mutable_embedding()->add_scale(0.5f);
  response.mutable_results(0)->mutable_embedding()->add_scale(0.1f);
  const EmbedResult result = Only(response);
  EXPECT_EQ(result.num_vectors, 2);
  EXPECT_THAT(result.vectors, ElementsAre(63.5f, -63.5f, 0.0f, FloatEq(0.1f), FloatEq(0.2f), FloatEq(-0.3f)));
  EXPECT_THAT(result.vector(1), ElementsAre(FloatEq(0.1f), FloatEq(0.2f), FloatEq(-0.3f)));
  response.mutable_results(0)->mutable_embedding()->mutable_scale()->RemoveLast();
  EXPECT_EQ(ErrorOf(response), "embedding.scale has 1 numbers for 2 vectors");
}

TEST(DecodeEmbed, AnErrorOfOneInputLeavesTheOthersAlone) {
  v1::EmbedResponse response = WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {1}, {1.0f});
  v1::EmbedResult* failed = response.add_results();
  failed->set_num_tokens(900);
  failed->mutable_error()->set_code(3);
  failed->mutable_error()->set_message("inputs[1] has 900 tokens, the window has 512");
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("inputs[1]");
  failed->mutable_error()->add_details()->PackFrom(bad_request);
  *response.add_results() = response.results(0);
  const absl::StatusOr<Embeddings> embeddings = DecodeEmbedResponse(response.SerializeAsString(), 3);
  ASSERT_TRUE(embeddings.ok()) << embeddings.status();
  EXPECT_TRUE(embeddings->results[0].status.ok());
  const EmbedResult& result = embeddings->results[1];
  EXPECT_TRUE(absl::IsInvalidArgument(result.status));
  EXPECT_EQ(result.status.message(), "inputs[1] has 900 tokens, the window has 512");
  ASSERT_EQ(FieldViolationsOf(result.status).size(), 1u);
  EXPECT_EQ(FieldViolationsOf(result.status)[0].field, "inputs[1]");
  EXPECT_EQ(result.num_tokens, 900);
  EXPECT_EQ(result.num_vectors, 0);
  EXPECT_TRUE(embeddings->results[2].status.ok());
}

TEST(DecodeEmbed, AnErrorWithoutAKnownCodeIsStillAnError) {
  v1::EmbedResponse response;
  response.add_results()->mutable_error()->set_message("odd");
  response.add_results()->mutable_error()->set_code(77);
  response.add_results();
  const absl::StatusOr<Embeddings> embeddings = DecodeEmbedResponse(response.SerializeAsString(), 3);
  ASSERT_TRUE(embeddings.ok());
  EXPECT_EQ(embeddings->results[0].status, absl::UnknownError("odd"));
  EXPECT_EQ(embeddings->results[1].status.code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(embeddings->results[2].status.code(), absl::StatusCode::kInternal);
}

TEST(DecodeEmbed, BringsBackCountsAndReport) {
  v1::EmbedResponse response = WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {1}, {1.0f});
  response.mutable_results(0)->set_num_tokens(900);
  response.mutable_results(0)->set_num_tokens_used(800);
  response.mutable_results(0)->set_num_windows(2);
  v1::EmbedReport* wire = response.mutable_report();
  wire->set_model("tiny");
  wire->set_model_id("abc");
  wire->mutable_attention()->mutable_features()->set_num_features(64);
  wire->set_num_tokens(1000);
  wire->mutable_queue_time()->set_seconds(1);
  wire->mutable_compute_time()->set_nanos(5);
  wire->set_server_version("1.2.3");
  wire->set_cpu_target("AVX3");
  const absl::StatusOr<Embeddings> embeddings = DecodeEmbedResponse(response.SerializeAsString(), 1);
  ASSERT_TRUE(embeddings.ok()) << embeddings.status();
  EXPECT_EQ(embeddings->results[0].num_tokens, 900);
  EXPECT_EQ(embeddings->results[0].num_tokens_used, 800);
  EXPECT_EQ(embeddings->results[0].num_windows, 2);
  const EmbedReport& report = embeddings->report;
  EXPECT_EQ(report.model, "tiny");
  EXPECT_EQ(report.model_id, "abc");
  EXPECT_EQ(std::get<FeatureSpec>(report.attention.mode).num_features, 64);
  EXPECT_EQ(report.num_tokens, 1000);
  EXPECT_EQ(report.queue_time, absl::Seconds(1));
  EXPECT_EQ(report.compute_time, absl::Nanoseconds(5));
  EXPECT_EQ(report.server_version, "1.2.3");
  EXPECT_EQ(report.cpu_target, "AVX3");
}

TEST(DecodeEmbed, RefusesAnswersThatDoNotFitTogether) {
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {2}, {1.0f})),
            "embedding.data has 4 bytes, embedding.shape asks for 8");
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {}, {1.0f})),
            "embedding.shape has 0 axes, it must have 1 or 2");
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {-1}, {1.0f})), "embedding.shape has a length of -1");
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {int64_t{1} << 62, 64}, {1.0f})),
            "embedding.shape has a length of 4611686018427387904");
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(static_cast<v1::EmbeddingType>(9), {1}, {1.0f})),
            "embedding.type is 9, which this client does not know");
  EXPECT_EQ(ErrorOf(WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {1}, {1.0f}), 2),
            "the server's answer has 1 results, it was asked for 2");
}

TEST(DecodeEmbed, EveryCutOfAnAnswerIsAnErrorOrAShorterAnswer) {
  const std::string whole = WithEmbedding<float>(v1::EMBEDDING_TYPE_F32, {2}, {1.0f, 2.0f}).SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(DecodeEmbedResponse(whole.substr(0, size), 1).ok()) << size;
  }
}

TEST(DecodeTokenize, BringsBackEveryField) {
  v1::TokenizeResponse response;
  v1::Tokens* wire = response.add_results();
  for (const int32_t id : {101, 300'000}) wire->add_ids(id);
  for (const int64_t begin : {0, 5}) wire->add_begins(begin);
  for (const int64_t end : {0, 9}) wire->add_ends(end);
  for (const char* piece : {"[CLS]", "##word"}) wire->add_pieces(piece);
  response.add_results();
  const absl::StatusOr<std::vector<Tokens>> results = DecodeTokenizeResponse(response.SerializeAsString(), 2);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT((*results)[0].ids, ElementsAre(101, 300'000));
  EXPECT_THAT((*results)[0].begins, ElementsAre(0, 5));
  EXPECT_THAT((*results)[0].ends, ElementsAre(0, 9));
  EXPECT_THAT((*results)[0].pieces, ElementsAre("[CLS]", "##word"));
  EXPECT_TRUE((*results)[1].ids.empty());
  wire->add_ids(7);
  EXPECT_FALSE(DecodeTokenizeResponse(response.SerializeAsString(), 2).ok());
}

TEST(DecodeModels, BringsBackEveryField) {
  v1::ListModelsResponse response;
  v1::ModelInfo* wire = response.add_models();
  wire->set_name("tiny");
  wire->set_path("/models/tiny");
  wire->set_model_id("abc");
  wire->set_architecture("bert");
  wire->set_dimensions(384);
  wire->set_max_tokens(512);
  wire->set_vocabulary_size(30522);
  wire->set_has_tokenizer(true);
  wire->add_poolings(v1::POOLING_CLS);
  wire->add_poolings(v1::POOLING_MEAN_SQRT_LEN);
  wire->set_normalizes(true);
  (*wire->mutable_prompts())["query"] = "search: ";
  (*wire->mutable_prompts())["document"] = "";
  wire->set_num_parameters(22'713'216);
  wire->set_memory_bytes(90'900'000);
  wire->set_default_prompt("query");
  EXPECT_EQ(v1::ModelInfo::descriptor()->field_count(), 15);
  wire = response.add_models();
  wire->set_name("other");
  wire->set_pooling(v1::POOLING_CLS);
  const absl::StatusOr<std::vector<ModelInfo>> models = DecodeListModelsResponse(response.SerializeAsString());
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2u);
  const ModelInfo& model = (*models)[0];
  EXPECT_EQ(model.name, "tiny");
  EXPECT_EQ(model.path, "/models/tiny");
  EXPECT_EQ(model.model_id, "abc");
  EXPECT_EQ(model.architecture, "bert");
  EXPECT_EQ(model.dimensions, 384);
  EXPECT_EQ(model.max_tokens, 512);
  EXPECT_EQ(model.vocabulary_size, 30522);
  EXPECT_TRUE(model.has_tokenizer);
  EXPECT_EQ(model.pooling, Pooling::kUnspecified);
  EXPECT_THAT(model.poolings, ElementsAre(Pooling::kCls, Pooling::kMeanSqrtLen));
  EXPECT_TRUE(model.normalizes);
  EXPECT_THAT(model.prompts, ElementsAre(std::pair("document", ""), std::pair("query", "search: ")));
  EXPECT_EQ(model.num_parameters, 22'713'216);
  EXPECT_EQ(model.memory_bytes, 90'900'000);
  EXPECT_EQ(model.default_prompt, "query");
  EXPECT_EQ((*models)[1].name, "other");
  EXPECT_EQ((*models)[1].pooling, Pooling::kCls);
  EXPECT_THAT((*models)[1].poolings, ElementsAre(Pooling::kCls));
  EXPECT_THAT(DecodeLoadModelResponse("").status().message(), HasSubstr("no favor.v1.ModelInfo"));
}

}  // namespace
}  // namespace favor::client
