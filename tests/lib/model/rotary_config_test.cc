// What configurations of rotary encoders mean, and which are refused.
#include "favor/model/rotary_config.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "favor/format/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace favor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kSizes[] =
    R"("vocab_size":9,"hidden_size":24,"num_hidden_layers":4,"num_attention_heads":3,"intermediate_size":8,)"
    R"("max_position_embeddings":64)";
constexpr char kNomicOwn[] =
    R"("vocab_size":9,"n_embd":24,"n_layer":2,"n_head":3,"n_positions":64,"activation_function":"swiglu",)"
    R"("rotary_emb_fraction":1.0)";

absl::StatusOr<RotaryConfig> Parse(absl::string_view type, absl::string_view fields, absl::string_view more) {
  const std::string text = absl::StrCat(R"({"model_type":")", type, "\",", fields, more.empty() ? "" : ",", more, "}");
  return ParseRotaryConfig(ParseJson(text, "config.json").value());
}
std::string Error(absl::string_view type, absl::string_view fields, absl::string_view more) {
  const auto config = Parse(type, fields, more);
  return config.ok() ? "read" : std::string(config.status().message());
}

TEST(RotaryConfig, ModernbertAlternatesLayersAsEitherVersionWritesThem) {
  EXPECT_THAT(Parse("modernbert", kSizes, "")->sizes.is_local, ElementsAre(false, true, true, false));
  EXPECT_THAT(Parse("modernbert", kSizes, R"("global_attn_every_n_layers":2)")->sizes.is_local,
              ElementsAre(false, true, false, true));
  const auto named = Parse(
      "modernbert", kSizes,
      R"("layer_types":["sliding_attention","full_attention","full_attention","sliding_attention"],"local_attention":7)");
  EXPECT_THAT(named->sizes.is_local, ElementsAre(true, false, false, true));
  EXPECT_EQ(named->sizes.window, 3);
}

TEST(RotaryConfig, ModernbertsAnglesAsEitherVersionWritesThem) {
  const auto thetas = [](absl::string_view more) {
    const RotaryConfig config = Parse("modernbert", kSizes, more).value();
    return std::vector<double>{config.angles.theta, config.local_angles.theta};
  };
  EXPECT_THAT(thetas(""), ElementsAre(160000, 10000));
  EXPECT_THAT(thetas(R"("global_rope_theta":70,"local_rope_theta":30)"), ElementsAre(70, 30));
  EXPECT_THAT(thetas(R"("global_rope_theta":70,"local_rope_theta":null)"), ElementsAre(70, 70));
  EXPECT_THAT(thetas(R"("rope_parameters":{"full_attention":{"rope_theta":50},"sliding_attention":{"rope_theta":20}})"),
              ElementsAre(50, 20));
}

TEST(RotaryConfig, TheTypeOfAnglesMayGoByItsOlderKey) {
  EXPECT_EQ(Parse("gte", kSizes, R"("rope_parameters":{"type":"linear","factor":2.5})")->angles.shrink, 2.5);
  EXPECT_EQ(
      Parse("gte", kSizes, R"("rope_parameters":{"rope_type":"default","type":"linear","factor":2.5})")->angles.shrink,
      1);
}

TEST(RotaryConfig, StretchedAnglesTakeLongerTexts) {
  const auto config = Parse("gte", kSizes, R"("rope_parameters":{"rope_type":"dynamic","factor":2.5})");
  EXPECT_EQ(config->angles.trained_length, 64);
  EXPECT_EQ(config->sizes.max_tokens, 160);
  EXPECT_EQ(Parse("gte", kSizes, R"("rope_parameters":{"rope_type":"linear","factor":2.5})")->sizes.max_tokens, 64);
}

TEST(RotaryConfig, WhatIsNotSupportedIsRefusedByName) {
  struct Case {
    const char* type;
    const char* fields;
    const char* more;
    const char* error;
  };
  const Case cases[] = {
      {"modernbert", kSizes, R"("rope_scaling":{"type":"linear"})", "config.json: rope_scaling"},
      {"modernbert", kSizes, R"("rope_parameters":{"full_attention":{"rope_type":"dynamic","factor":2}})",
       "rope_parameters.full_attention.rope_type is \"dynamic\", must be default or linear"},
      {"modernbert", kSizes, R"("layer_types":["full_attention"])",
       "layer_types has 1 entries, num_hidden_layers is 4"},
      {"modernbert", kSizes, R"("layer_types":["full_attention","a","a","a"])", "layer_types holds a, must be"},
      {"modernbert", kSizes, R"("hidden_activation":"tanh")", "hidden_activation is \"tanh\", must be gelu"},
      {"nomic_bert", kSizes, R"("rope_parameters":{"rope_type":"yarn"})",
       "rope_parameters.rope_type is \"yarn\", must be default, linear or dynamic"},
      {"gte", kSizes, R"("rope_parameters":{"type":"yarn","factor":4})",
       "rope_parameters.type is \"yarn\", must be default, linear or dynamic"},
      {"nomic_bert", kSizes, R"("rope_parameters":{"partial_rotary_factor":0.5})", "partial_rotary_factor is 0.5"},
      {"nomic_bert", kSizes, R"("rope_parameters":{"rope_type":"linear"})", "rope_parameters.factor is missing"},
      {"nomic_bert", kSizes, R"("head_dim":7)", "makes heads of 7 dimensions, which must be even"},
      {"nomic_bert", kSizes, R"("head_dim":2,"rope_parameters":{"rope_type":"dynamic","factor":2})",
       "heads of 2 dimensions, whose angles cannot be stretched"},
      {"eurobert", kSizes, R"("num_key_value_heads":2)",
       "num_key_value_heads is 2, must divide num_attention_heads, 3"},
      {"eurobert", kSizes, R"("head_dim":5)", "makes heads of 5 dimensions, which must be even"},
      {"eurobert", kSizes, R"("hidden_act":"tanh")", "hidden_act is \"tanh\", must be gelu"},
      {"eurobert", kSizes, R"("rope_scaling":{"rope_type":"llama3","factor":8})", "config.json: rope_scaling"},
      {"eurobert", kSizes, R"("rope_parameters":{"rope_type":"llama3","factor":8})",
       "rope_parameters.rope_type is \"llama3\", must be default, linear or dynamic"},
      {"eurobert", kSizes, R"("partial_rotary_factor":0.5)", "config.json: partial_rotary_factor is 0.5, must be 1"},
      {"qwen3", kSizes, R"("use_sliding_window":true)", "use_sliding_window is true, must be false"},
      {"qwen2", kSizes, R"("layer_types":["full_attention","sliding_attention"])",
       "layer_types holds sliding_attention, must be full_attention"},
      {"mistral", kSizes, R"("sliding_window":4096)", "sliding_window must be null"},
      {"mistral", kSizes, "", "sliding_window must be null"},
      {"qwen3", kSizes, R"("rope_scaling":{"rope_type":"yarn","factor":4})", "config.json: rope_scaling"},
      {"qwen3", kSizes, R"("rope_parameters":{"rope_type":"yarn","factor":4})",
       "rope_parameters.rope_type is \"yarn\", must be default, linear or dynamic"},
      {"nomic_bert", kNomicOwn, R"("prenorm":true)", "prenorm is true, must be false"},
      {"nomic_bert", kNomicOwn, R"("use_rms_norm":true)", "use_rms_norm is true, must be false"},
      {"nomic_bert", kNomicOwn, R"("rotary_emb_interleaved":true)", "rotary_emb_interleaved is true, must be false"},
      {"nomic_bert", kNomicOwn, R"("scale_attn_weights":false)", "scale_attn_weights is false, must be true"},
      {"nomic_bert", kNomicOwn, R"("rotary_emb_scale_base":512)", "rotary_emb_scale_base is 512"},
      {"nomic_bert", kNomicOwn, R"("rotary_scaling_factor":2)", "max_trained_positions is missing"},
      {"nomic_bert", kNomicOwn, R"("num_experts":8)", "num_experts is 8, must be 0"},
      {"new", kSizes, R"("pack_qkv":false)", "pack_qkv is false, must be true"},
      {"new", kSizes, R"("position_embedding_type":"absolute")",
       "position_embedding_type is \"absolute\", must be rope"},
      {"new", kSizes, R"("layer_norm_type":"rms_norm")", "layer_norm_type is \"rms_norm\", must be layer_norm"},
      {"new", kSizes, R"("logn_attention_scale":true)", "logn_attention_scale is true, must be false"},
      {"new", kSizes, R"("rope_scaling":{"type":"linear","factor":2})", "rope_scaling.type is \"linear\", must be ntk"},
      {"new", kSizes, R"("rope_scaling":{"type":"ntk","factor":2,"mixed_b":1})", "rope_scaling.mixed_b"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(Error(each.type, each.fields, each.more), HasSubstr(each.error)) << each.type << " " << each.more;
  }
  EXPECT_THAT(Error("nomic_bert", R"("vocab_size":9,"n_embd":24,"n_layer":2,"n_head":3,"n_positions":64)", ""),
              HasSubstr("activation_function"));
}

TEST(RotaryConfig, KeysHaveAsManyHeadsAsQueriesUnlessTheyAreFewer) {
  EXPECT_EQ(Parse("eurobert", kSizes, "")->sizes.num_key_heads, 3);
  EXPECT_EQ(Parse("eurobert", kSizes, R"("num_key_value_heads":1)")->sizes.num_key_heads, 1);
  EXPECT_EQ(Parse("eurobert", kSizes, R"("num_key_value_heads":null)")->sizes.num_key_heads, 3);
}

TEST(RotaryConfig, DecodersAreCausalUnlessTheySayOtherwise) {
  for (const char* type : {"qwen2", "qwen3", "llama"}) {
    EXPECT_TRUE(Parse(type, kSizes, "")->sizes.causal) << type;
    EXPECT_FALSE(Parse(type, kSizes, R"("is_causal":false)")->sizes.causal) << type;
  }
  EXPECT_TRUE(Parse("mistral", kSizes, R"("sliding_window":null)")->sizes.causal);
  EXPECT_FALSE(Parse("eurobert", kSizes, "")->sizes.causal);
}

TEST(RotaryConfig, AWindowThatIsSwitchedOffIsNone) {
  EXPECT_TRUE(Parse("qwen3", kSizes, R"("use_sliding_window":false,"sliding_window":32)").ok());
  EXPECT_TRUE(Parse("qwen3", kSizes, R"("layer_types":["full_attention","full_attention"])").ok());
}

TEST(RotaryConfig, HeadsMayBeWiderThanTheirShare) {
  EXPECT_EQ(Parse("qwen3", kSizes, R"("head_dim":16)")->sizes.width(), 48);
}

TEST(RotaryConfig, OfOddHeadsIsRefused) {
  EXPECT_THAT(Error("gte",
                    R"("vocab_size":9,"hidden_size":25,"num_hidden_layers":4,"num_attention_heads":5,)"
                    R"("intermediate_size":8,"max_position_embeddings":64)",
                    ""),
              HasSubstr("hidden_size is 25, makes heads of 5 dimensions, which must be even"));
}

}  // namespace
}  // namespace favor
