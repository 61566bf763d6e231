// Attend through the real server, held to the double oracle and to the laws of attention.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"
#include "tests/support/errors.h"
#include "tests/support/laws/accuracy.h"
#include "tests/support/laws/causality.h"
#include "tests/support/laws/masking.h"
#include "tests/support/oracle/attention.h"
#include "tests/support/served_maps.h"

namespace favor::testing {

// For the name of a test, which would hold the bytes of the struct.
static void PrintTo(const ServedMap& map, std::ostream* stream) { *stream << map.name; }

namespace {

// float32 arithmetic against double: 5e-6 at input scale 1 in the worst row of 2,048, with room for signed maps.
constexpr double kTolerance = 3e-5;

class AttendOverTheWire : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { favord_ = new Favord; }
  static void TearDownTestSuite() {
    EXPECT_TRUE(favord_->process().running());
    delete favord_;
    favord_ = nullptr;
  }

  static AttentionImplementation Served(const WireForm& form = {}) { return AttentionOver(favord_->channel(), form); }

  // Grouped queries, value_dim != head_dim, two sequences; sizes that no tile divides.
  static AttentionCase CaseFor(const AttentionSpec& spec, uint64_t seed) {
    const AttentionShape shape = {.batch_size = 2,
                                  .num_heads = 4,
                                  .num_key_heads = 2,
                                  .query_length = spec.causal ? 75 : 37,
                                  .key_length = 75,
                                  .head_dim = 16,
                                  .value_dim = 24};
    return GaussianCase(spec, shape, TestProjectionFor(spec, 40, shape.head_dim, seed), seed + 1);
  }

  static Favord* favord_;
};
Favord* AttendOverTheWire::favord_ = nullptr;

class EveryServedMap : public AttendOverTheWire, public ::testing::WithParamInterface<ServedMap> {
 protected:
  AttentionCase Case(bool causal) const {
    ServedMap map = GetParam();
    map.spec.causal = causal;
    AttentionCase attention_case = CaseFor(map.spec, 11);
    if (!map.takes_projection) attention_case.projection = nullptr;
    return attention_case;
  }
};

TEST_P(EveryServedMap, AgreesWithTheOracle) {
  const Verdict verdict = AgreesWithOracle(Served(), Case(false), kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_P(EveryServedMap, AgreesWithTheOracleWhenCausalAndWithLengths) {
  AttentionCase attention_case = Case(true);
  attention_case.query_lengths = {75, 40};
  attention_case.key_lengths = {75, 40};
  const Verdict verdict =
      AgreesWithOracle(Served({.layout = v1::LAYOUT_BATCH_LENGTH_HEADS_DIM}), attention_case, kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

// Gaussian with hyperbolic features is the library's alone: the wire format offers positive and trigonometric. Cases
// are sent with their projection's matrix, which makes structured ones no different.
std::vector<ServedMap> MapsOfTheWire() {
  std::vector<ServedMap> maps = ServedMaps();
  std::erase_if(maps, [](const ServedMap& map) {
    return map.structured ||
           (map.spec.features.kernel == Kernel::kGaussian && map.spec.features.estimator == Estimator::kHyperbolic);
  });
  return maps;
}

INSTANTIATE_TEST_SUITE_P(, EveryServedMap, ::testing::ValuesIn(MapsOfTheWire()),
                         [](const auto& info) { return info.param.name; });

TEST_F(AttendOverTheWire, StructuredProjectionsAgreeWithTheOracle) {
  // No power of two, and a last block that is cut.
  constexpr int64_t kHeadDim = 40, kNumFeatures = 100, kSeed = 3;
  for (const bool causal : {false, true}) {
    AttentionSpec spec = Favor().spec;
    spec.causal = causal;
    AttentionCase attention_case = GaussianCase(spec, {2, 4, 2, 60, 60, kHeadDim, 24}, nullptr, 45);
    v1::AttendRequest request = ToRequest(attention_case);
    v1::FeatureSpec* features = request.mutable_spec()->mutable_features();
    features->set_num_features(kNumFeatures);
    features->mutable_projection()->set_kind(v1::PROJECTION_KIND_STRUCTURED);
    features->mutable_projection()->set_seed(kSeed);
    const AttendAnswer answer = Attend(favord_->channel(), request);
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);

    attention_case.projection =
        DrawProjection({ProjectionKind::kStructured, RowNorms::kChi, kSeed, kNumFeatures, kHeadDim}).value();
    EXPECT_EQ(answer.response.report().projection_id(), attention_case.projection->id());
    const OracleOutput expected = OracleOf(attention_case);
    const Verdict verdict = CompareRows(FromWire(answer.response.output(), v1::LAYOUT_UNSPECIFIED), expected.output,
                                        expected.rounding, kTolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_F(AttendOverTheWire, LayoutsGiveTheSameBitsAndTheOutputFollowsTheirs) {
  const AttentionCase attention_case = CaseFor(Favor().spec, 21);
  const auto heads_first = Compute(Served(), attention_case);
  const auto length_first = Compute(Served({.layout = v1::LAYOUT_BATCH_LENGTH_HEADS_DIM}), attention_case);
  ASSERT_TRUE(heads_first.ok()) << heads_first.status();
  ASSERT_TRUE(length_first.ok()) << length_first.status();
  EXPECT_TRUE(SameBits(heads_first->output, length_first->output));

  const AttendAnswer answer =
      Attend(favord_->channel(), ToRequest(attention_case, {.layout = v1::LAYOUT_BATCH_LENGTH_HEADS_DIM}));
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  EXPECT_EQ(answer.response.output().shape(1), 37);
  EXPECT_EQ(answer.response.output().shape(2), 4);
}

TEST_F(AttendOverTheWire, HalfFloatInputsAreReadExactly) {
  for (const DataType type : {DataType::kFloat16, DataType::kBFloat16}) {
    SCOPED_TRACE(std::string(NameOf(type)));
    const AttentionCase attention_case = Rounded(CaseFor(Favor().spec, 22), type);
    const Verdict verdict = AgreesWithOracle(Served({.type = type}), attention_case, kTolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_F(AttendOverTheWire, OutputTypeIsTheQueriesUnlessAskedForOtherwise) {
  const AttentionCase attention_case = Rounded(CaseFor(Favor().spec, 23), DataType::kBFloat16);
  const DoubleTensor expected = Compute(OracleAttention(), attention_case)->output;
  const struct {
    DataType inputs;
    v1::DataType asked;
    v1::DataType answered;
    double tolerance;  // an ulp of the output, relative to the largest element of a row
  } cases[] = {{DataType::kFloat32, v1::DATA_TYPE_UNSPECIFIED, v1::DATA_TYPE_F32, kTolerance},
               {DataType::kBFloat16, v1::DATA_TYPE_UNSPECIFIED, v1::DATA_TYPE_BF16, 0x1p-8},
               {DataType::kFloat16, v1::DATA_TYPE_UNSPECIFIED, v1::DATA_TYPE_F16, 0x1p-11 + kTolerance},
               {DataType::kFloat32, v1::DATA_TYPE_F16, v1::DATA_TYPE_F16, 0x1p-11 + kTolerance},
               {DataType::kFloat32, v1::DATA_TYPE_BF16, v1::DATA_TYPE_BF16, 0x1p-8},
               {DataType::kBFloat16, v1::DATA_TYPE_F32, v1::DATA_TYPE_F32, kTolerance}};
  for (const auto& c : cases) {
    SCOPED_TRACE(v1::DataType_Name(ToWire(c.inputs)) + " asked for " + v1::DataType_Name(c.asked));
    // Values of this case are exact in every type but for subnormals of float16, which are far below the tolerance.
    const AttendAnswer answer =
        Attend(favord_->channel(), ToRequest(attention_case, {.type = c.inputs, .output_type = c.asked}));
    ASSERT_TRUE(answer.ok()) << Describe(answer.status);
    EXPECT_EQ(answer.response.output().data_type(), c.answered);
    EXPECT_LE(WorstRowError(FromWire(answer.response.output(), v1::LAYOUT_UNSPECIFIED), expected), c.tolerance);
  }
}

TEST_F(AttendOverTheWire, TensorsOfOneCallMayHaveDifferentTypes) {
  const AttentionCase attention_case = Rounded(CaseFor(Favor().spec, 24), DataType::kBFloat16);
  v1::AttendRequest request = ToRequest(attention_case);
  *request.mutable_keys() = ToWire(attention_case.keys, DataType::kBFloat16, v1::LAYOUT_UNSPECIFIED);
  const AttendAnswer answer = Attend(favord_->channel(), request);
  ASSERT_TRUE(answer.ok()) << Describe(answer.status);
  const DoubleTensor expected = Compute(OracleAttention(), attention_case)->output;
  EXPECT_LE(WorstRowError(FromWire(answer.response.output(), v1::LAYOUT_UNSPECIFIED), expected), kTolerance);
}

TEST_F(AttendOverTheWire, PaddingNeverShowsWhateverItHolds) {
  for (const bool causal : {false, true}) {
    SCOPED_TRACE(causal);
    ServedMap map = Favor();
    map.spec.causal = causal;
    AttentionCase attention_case = CaseFor(map.spec, 25);
    attention_case.query_lengths = causal ? std::vector<int64_t>{75, 33} : std::vector<int64_t>{37, 5};
    attention_case.key_lengths = causal ? std::vector<int64_t>{75, 33} : std::vector<int64_t>{60, 33};
    const Verdict verdict = PaddingNeverShows(Served(), attention_case, kTolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_F(AttendOverTheWire, LaterKeysNeverChangeEarlierOutputs) {
  ServedMap map = Favor();
  map.spec.causal = true;
  const Verdict verdict = LaterRowsNeverChangeEarlierOutputs(Served(), CaseFor(map.spec, 26), 41);
  EXPECT_TRUE(verdict.holds) << verdict;
}

TEST_F(AttendOverTheWire, ProjectionPerKeyHeadIsUsedHeadByHead) {
  AttentionCase attention_case = CaseFor(Favor().spec, 27);
  attention_case.projection = TestProjection(40, 16, 28, false, /*num_matrices=*/2);
  const Verdict verdict = AgreesWithOracle(Served(), attention_case, kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;

  // And not one of the two for both.
  const auto both = Compute(Served(), attention_case);
  attention_case.projection = TestProjection(40, 16, 28);
  const auto first = Compute(Served(), attention_case);
  ASSERT_TRUE(both.ok() && first.ok());
  EXPECT_GT(RelativeError(both->output, first->output), 0.01);
}

TEST_F(AttendOverTheWire, ScaleIsThatOfTheRequest) {
  for (const double scale : {0.01, 1.0, 4.0}) {
    SCOPED_TRACE(scale);
    AttentionSpec spec = Favor().spec;
    spec.scale = scale;
    // Larger scales cost digits: 1e-5 at standard deviation 3, 5e-5 at 10.
    const Verdict verdict = AgreesWithOracle(Served(), CaseFor(spec, 29), 2 * kTolerance);
    EXPECT_TRUE(verdict.holds) << verdict;
  }
}

TEST_F(AttendOverTheWire, RowsThatSeeNoKeyAreZeroAndCounted) {
  AttentionCase attention_case = CaseFor(Favor().spec, 30);
  attention_case.key_lengths = {75, 0};
  const auto result = Compute(Served(), attention_case);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->report.degenerate_rows, 4 * 37);
  const DoubleTensor second = SliceBatch(result->output, 1, 1);
  EXPECT_EQ(second.values, std::vector<double>(second.values.size(), 0.0));
}

TEST_F(AttendOverTheWire, LengthsOfZeroAreLegal) {
  const struct {
    int64_t query_length;
    int64_t key_length;
    int64_t degenerate_rows;
  } cases[] = {{0, 9, 0}, {9, 0, 9 * 2}, {0, 0, 0}};
  for (const auto& c : cases) {
    for (const AttentionMode mode : {AttentionMode::kFeatures, AttentionMode::kExact}) {
      AttentionSpec spec;
      spec.mode = mode;
      const AttentionShape shape = {1, 2, 1, c.query_length, c.key_length, 8, 4};
      const AttendAnswer answer = Attend(favord_->channel(), ToRequest(GaussianCase(spec, shape, nullptr, 31)));
      ASSERT_TRUE(answer.ok()) << Describe(answer.status);
      EXPECT_EQ(answer.response.output().data().size(), 2 * c.query_length * 4 * sizeof(float));
      EXPECT_EQ(answer.response.output().shape(2), c.query_length);
      EXPECT_EQ(answer.response.report().degenerate_rows(), c.degenerate_rows);
      EXPECT_EQ(answer.response.report().num_features(), mode == AttentionMode::kExact ? 0 : 32);
    }
  }
}

TEST_F(AttendOverTheWire, MessagesThatAreReadInPiecesAreReadRight) {
  // 400 KiB: more than is read at once, more than a slice of gRPC.
  const AttentionShape shape = {1, 2, 1, 1500, 1500, 32, 16};
  AttentionSpec spec = Favor().spec;
  spec.causal = true;
  const Verdict verdict =
      AgreesWithOracle(Served(), GaussianCase(spec, shape, TestProjectionFor(spec, 24, 32, 32), 33), kTolerance);
  EXPECT_TRUE(verdict.holds) << verdict;
}

}  // namespace
}  // namespace favor::testing
