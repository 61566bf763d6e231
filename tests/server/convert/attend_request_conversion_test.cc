#include "server/convert/attend_request_conversion.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"
#include "server/convert/spec_conversion.h"
#include "tests/server/convert/attend_request.h"

namespace favor {
namespace {

struct BadInput {
  const char* name;
  std::function<void(v1::AttendRequest&)> spoil;
  absl::StatusCode code;
  const char* field;
  const char* message;
};

void PrintTo(const BadInput& input, std::ostream* out) { *out << input.name; }

class BadInputTest : public testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, NamesFieldValueAndBound) {
  v1::AttendRequest request = GoodRequest();
  GetParam().spoil(request);
  const absl::Status status = Convert(request).status();
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_EQ(FieldOf(status), GetParam().field) << status;
  EXPECT_EQ(status.message(), GetParam().message);
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnserved = absl::StatusCode::kUnimplemented;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

const BadInput kTensors[] = {
    {"NoQueries", [](auto& r) { r.clear_queries(); }, kInvalid, "queries.data_type",
     "queries.data_type is unset, must be one of F32, F16, BF16"},
    {"UnknownDataType", [](auto& r) { r.mutable_keys()->set_data_type(static_cast<v1::DataType>(7)); }, kInvalid,
     "keys.data_type", "keys.data_type is 7, which is no DataType"},
    {"Rank3",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {4, 5, 8});
     },
     kInvalid, "queries.shape", "queries.shape has 3 axes, must have 4"},
    {"Negative", [](auto& r) { r.mutable_keys()->set_shape(2, -5); }, kInvalid, "keys.shape",
     "keys.shape[2] is -5, at least 0"},
    {"Overflow",
     [](auto& r) {
       for (int i = 0; i < 4; ++i) r.mutable_values()->set_shape(i, int64_t{1} << 62);
     },
     kInvalid, "values.shape",
     "values.shape is [4611686018427387904, 4611686018427387904, 4611686018427387904, 4611686018427387904], whose "
     "sizes multiply to more than 2147483648"},
    {"AbsurdAxesOfAnEmptyTensor",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {1, 1, 0, 8});
       r.mutable_queries()->set_shape(0, int64_t{1} << 40);
     },
     kInvalid, "queries.shape",
     "queries.shape is [1099511627776, 1, 0, 8], whose sizes multiply to more than "
     "2147483648"},
    {"ManySequencesOfAnEmptyTensor",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {1, 1, 0, 8});
       r.mutable_queries()->set_shape(0, (int64_t{1} << 17) + 1);
     },
     kInvalid, "queries.shape",
     "queries.shape is [131073, 1, 0, 8], no elements, and other sizes that multiply to more than 1048576"},
    {"DataTooShort", [](auto& r) { r.mutable_queries()->mutable_data()->pop_back(); }, kInvalid, "queries.data",
     "queries.data has 1279 bytes, queries.shape [2, 4, 5, 8] of F32 takes 1280"},
    {"NoData", [](auto& r) { r.mutable_values()->clear_data(); }, kInvalid, "values.data",
     "values.data has 0 bytes, values.shape [2, 2, 5, 6] of F32 takes 480"},
    {"BatchZero",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {0, 4, 5, 8});
     },
     kInvalid, "queries.shape", "queries.batch_size is 0, at least 1"},
    {"NoHeads",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {2, 0, 5, 8});
     },
     kInvalid, "queries.shape", "queries.num_heads is 0, at least 1"},
    {"NoKeyHeads",
     [](auto& r) {
       SetTensor(r.mutable_keys(), {2, 0, 5, 8});
     },
     kInvalid, "keys.shape", "keys.num_heads is 0, at least 1"},
    {"HeadDimZero",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {2, 4, 5, 0});
     },
     kInvalid, "queries.shape", "queries.head_dim is 0, at least 1"},
    {"HeadDim513",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {1, 1, 1, 513});
     },
     kInvalid, "queries.shape", "queries.head_dim is 513, at most 512"},
    {"ValueDim513",
     [](auto& r) {
       SetTensor(r.mutable_values(), {2, 2, 5, 513});
     },
     kInvalid, "values.shape", "values.value_dim is 513, at most 512"},
    {"ValueDimZero",
     [](auto& r) {
       SetTensor(r.mutable_values(), {2, 2, 5, 0});
     },
     kInvalid, "values.shape", "values.value_dim is 0, at least 1"},
    {"BatchDiffers",
     [](auto& r) {
       SetTensor(r.mutable_keys(), {3, 2, 5, 8});
     },
     kInvalid, "keys.shape", "keys.batch_size is 3, queries.batch_size is 2"},
    {"HeadDimDiffers",
     [](auto& r) {
       SetTensor(r.mutable_keys(), {2, 2, 5, 7});
     },
     kInvalid, "keys.shape", "keys.head_dim is 7, queries.head_dim is 8"},
    {"ValueHeadsDiffer",
     [](auto& r) {
       SetTensor(r.mutable_values(), {2, 4, 5, 6});
     },
     kInvalid, "values.shape", "values.num_heads is 4, keys.num_heads is 2"},
    {"ValueLengthDiffers",
     [](auto& r) {
       SetTensor(r.mutable_values(), {2, 2, 4, 6});
     },
     kInvalid, "values.shape", "values.key_length is 4, keys.key_length is 5"},
    {"HeadsDoNotDivide",
     [](auto& r) {
       SetTensor(r.mutable_keys(), {2, 3, 5, 8});
       SetTensor(r.mutable_values(), {2, 3, 5, 6});
     },
     kInvalid, "keys.shape", "keys.num_heads is 3, must divide queries.num_heads, which is 4"},
    {"LengthsCount", [](auto& r) { r.add_query_lengths(1); }, kInvalid, "query_lengths",
     "query_lengths has 1 entries, queries.batch_size is 2"},
    {"LengthTooLong",
     [](auto& r) {
       r.add_key_lengths(5);
       r.add_key_lengths(6);
     },
     kInvalid, "key_lengths[1]", "key_lengths[1] is 6, must be 0 to 5, the length of the tensor"},
    {"LengthNegative",
     [](auto& r) {
       r.add_query_lengths(-1);
       r.add_query_lengths(0);
     },
     kInvalid, "query_lengths[0]", "query_lengths[0] is -1, must be 0 to 5, the length of the tensor"},
    {"OutputType", [](auto& r) { r.set_output_type(static_cast<v1::DataType>(9)); }, kInvalid, "output_type",
     "output_type is 9, which is no DataType"},
    {"QueryOffsets", [](auto& r) { r.add_query_offsets(0); }, kUnserved, "query_offsets",
     "query_offsets is set, which favord 0.1.0 does not serve"},
    {"KeyOffsets", [](auto& r) { r.add_key_offsets(0); }, kUnserved, "key_offsets",
     "key_offsets is set, which favord 0.1.0 does not serve"},
    {"MeasureErrorRows", [](auto& r) { r.set_measure_error_rows(7); }, kInvalid, "measure_error_rows",
     "measure_error_rows is 7, must be from 8 to 4096"},
    {"MeasureErrorRowsOfExact",
     [](auto& r) {
       r.mutable_spec()->mutable_exact();
       r.set_measure_error_rows(32);
     },
     kInvalid, "measure_error_rows", "measure_error_rows is set, exact attention has no error to measure"},
};

const BadInput kSpecs[] = {
    {"Layout", [](auto& r) { r.mutable_spec()->set_layout(static_cast<v1::Layout>(3)); }, kInvalid, "spec.layout",
     "spec.layout is 3, which is no Layout"},
    {"ScaleZero", [](auto& r) { r.mutable_spec()->set_scale(0); }, kInvalid, "spec.scale",
     "spec.scale is 0, must be from 1e-30 to 1e+30"},
    {"ScaleNan", [](auto& r) { r.mutable_spec()->set_scale(kNan); }, kInvalid, "spec.scale",
     "spec.scale is nan, must be from 1e-30 to 1e+30"},
    {"ScaleInfinite", [](auto& r) { r.mutable_spec()->set_scale(kInf); }, kInvalid, "spec.scale",
     "spec.scale is inf, must be from 1e-30 to 1e+30"},
    {"CausalLengths",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {2, 4, 3, 8});
       r.mutable_spec()->set_causal(true);
     },
     kInvalid, "spec.causal",
     "spec.causal is set, queries.query_length is 3, keys.key_length is 5: they must be equal"},
    {"AutoWithoutABound", [](auto& r) { r.mutable_spec()->mutable_auto_(); }, kInvalid, "spec.auto.max_relative_error",
     "spec.auto.max_relative_error is 0, must be finite and > 0"},
    {"AutoBudgetZero",
     [](auto& r) {
       r.mutable_spec()->mutable_auto_()->set_max_relative_error(0.1);
       r.mutable_spec()->mutable_auto_()->mutable_time_budget();
     },
     kInvalid, "spec.auto.time_budget",
     "spec.auto.time_budget is 0 s and 0 ns, must be > 0 with nanos from 0 to 999999999"},
    {"AutoBudgetBelowZero",
     [](auto& r) {
       r.mutable_spec()->mutable_auto_()->set_max_relative_error(0.1);
       r.mutable_spec()->mutable_auto_()->mutable_time_budget()->set_seconds(-1);
     },
     kInvalid, "spec.auto.time_budget",
     "spec.auto.time_budget is -1 s and 0 ns, must be > 0 with nanos from 0 to 999999999"},
    {"AutoWhenMissed",
     [](auto& r) {
       r.mutable_spec()->mutable_auto_()->set_max_relative_error(0.1);
       r.mutable_spec()->mutable_auto_()->set_when_missed(static_cast<v1::AutoSpec::WhenMissed>(7));
     },
     kInvalid, "spec.auto.when_missed", "spec.auto.when_missed is 7, which is no WhenMissed"},
    {"AutoMeasuredRows",
     [](auto& r) {
       r.mutable_spec()->mutable_auto_()->set_max_relative_error(0.1);
       r.set_measure_error_rows(5);
     },
     kInvalid, "measure_error_rows", "measure_error_rows is 5, must be from 8 to 4096"},
    {"Precision", [](auto& r) { r.mutable_spec()->set_precision(static_cast<v1::Precision>(5)); }, kInvalid,
     "spec.precision", "spec.precision is 5, which is no Precision"},
};

const BadInput kFeatures[] = {
    {"Kernel", [](auto& r) { Features(r).set_kernel(static_cast<v1::Kernel>(99)); }, kInvalid, "spec.features.kernel",
     "spec.features.kernel is 99, which is no Kernel"},
    {"Estimator", [](auto& r) { Features(r).set_estimator(static_cast<v1::Estimator>(99)); }, kInvalid,
     "spec.features.estimator", "spec.features.estimator is 99, which is no Estimator"},
    {"GaussianOprf",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_GAUSSIAN);
       Features(r).set_estimator(v1::ESTIMATOR_OPRF);
     },
     kInvalid, "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_OPRF, KERNEL_GAUSSIAN takes positive or trigonometric"},
    {"EstimatorOfElu",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_ELU_PLUS_ONE);
       Features(r).set_estimator(v1::ESTIMATOR_HYPERBOLIC);
     },
     kInvalid, "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_HYPERBOLIC, KERNEL_ELU_PLUS_ONE takes none"},
    {"GaussianHyperbolic",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_GAUSSIAN);
       Features(r).set_estimator(v1::ESTIMATOR_HYPERBOLIC);
     },
     kInvalid, "spec.features.estimator",
     "spec.features.estimator is ESTIMATOR_HYPERBOLIC, KERNEL_GAUSSIAN takes positive or trigonometric"},
    {"Nonlinearity",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_GENERALIZED);
       Features(r).set_nonlinearity(static_cast<v1::Nonlinearity>(40));
     },
     kInvalid, "spec.features.nonlinearity", "spec.features.nonlinearity is 40, which is no Nonlinearity"},
    {"NonlinearityOfSoftmax", [](auto& r) { Features(r).set_nonlinearity(v1::NONLINEARITY_GELU); }, kInvalid,
     "spec.features.nonlinearity", "spec.features.nonlinearity is NONLINEARITY_GELU, KERNEL_SOFTMAX takes none"},
    {"OffsetNegative",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_POLYNOMIAL2);
       Features(r).set_polynomial_offset(-1);
     },
     kInvalid, "spec.features.polynomial_offset", "spec.features.polynomial_offset is -1, must be from 0 to 1e+15"},
    {"OffsetTooLarge",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_POLYNOMIAL2);
       Features(r).set_polynomial_offset(1e16);
     },
     kInvalid, "spec.features.polynomial_offset", "spec.features.polynomial_offset is 1e+16, must be from 0 to 1e+15"},
    {"OffsetOfSoftmax", [](auto& r) { Features(r).set_polynomial_offset(2); }, kInvalid,
     "spec.features.polynomial_offset", "spec.features.polynomial_offset is 2, KERNEL_SOFTMAX takes none"},
    {"ParityOfGaussian",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_GAUSSIAN);
       Features(r).mutable_epsilon_parity();
     },
     kInvalid, "spec.features.epsilon_parity",
     "spec.features.epsilon_parity is set, KERNEL_GAUSSIAN has no published epsilons"},
    {"ParityOfHyperbolic",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_HYPERBOLIC);
       Features(r).mutable_epsilon_parity();
     },
     kInvalid, "spec.features.epsilon_parity",
     "spec.features.epsilon_parity is set, KERNEL_SOFTMAX with anything but ESTIMATOR_POSITIVE alone has no "
     "published epsilons"},
    {"ParityOfAntithetic",
     [](auto& r) {
       Features(r).set_antithetic(true);
       Features(r).mutable_epsilon_parity();
     },
     kInvalid, "spec.features.epsilon_parity",
     "spec.features.epsilon_parity is set, KERNEL_SOFTMAX with anything but ESTIMATOR_POSITIVE alone has no "
     "published epsilons"},
    {"EpsilonNegative", [](auto& r) { Features(r).mutable_epsilon_parity()->set_feature_epsilon(-1); }, kInvalid,
     "spec.features.epsilon_parity.feature_epsilon",
     "spec.features.epsilon_parity.feature_epsilon is -1, must be from 0 to 1"},
    {"EpsilonTooLarge", [](auto& r) { Features(r).mutable_epsilon_parity()->set_feature_epsilon(1.5); }, kInvalid,
     "spec.features.epsilon_parity.feature_epsilon",
     "spec.features.epsilon_parity.feature_epsilon is 1.5, must be from 0 to 1"},
    {"CausalEpsilonNan", [](auto& r) { Features(r).mutable_epsilon_parity()->set_causal_epsilon(kNan); }, kInvalid,
     "spec.features.epsilon_parity.causal_epsilon",
     "spec.features.epsilon_parity.causal_epsilon is nan, must be from 0 to 1"},
    {"StatisticsOfFavor", [](auto& r) { Features(r).mutable_statistics(); }, kInvalid, "spec.features.statistics",
     "spec.features.statistics is set, this kernel and estimator without precondition take none"},
    {"StatisticsOfNoHead",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_OPRF);
       Features(r).mutable_statistics();
     },
     kInvalid, "spec.features.statistics.heads",
     "spec.features.statistics.heads has 0 entries, must have one per key head, 2"},
    {"StatisticsOfAnotherSize",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_OPRF);
       Features(r).mutable_statistics()->add_heads()->add_proposal(-0.1);
       Features(r).mutable_statistics()->add_heads();
     },
     kInvalid, "spec.features.statistics.heads[1].proposal",
     "spec.features.statistics.heads[1].proposal has 0 entries, must have 1"},
    {"StatisticsOutOfBounds",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_OPRF);
       Features(r).mutable_statistics()->add_heads()->add_proposal(0.25);
       Features(r).mutable_statistics()->add_heads()->add_proposal(-0.1);
     },
     kInvalid, "spec.features.statistics.heads[0].proposal[0]",
     "spec.features.statistics.heads[0].proposal[0] is 0.25, must be from -1e+06 to 0.249"},
    {"StatisticsAndEqualNorms",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_SDERF);
       Features(r).mutable_projection()->set_row_norms(v1::ROW_NORMS_SQRT_DIM);
     },
     kInvalid, "spec.features.projection.row_norms",
     "spec.features.projection.row_norms is ROW_NORMS_SQRT_DIM, features that use statistics need ROW_NORMS_CHI"},
    {"AntitheticRelu",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_GENERALIZED);
       Features(r).set_antithetic(true);
     },
     kInvalid, "spec.features.antithetic", "spec.features.antithetic is true, KERNEL_GENERALIZED has no rows to pair"},
    {"PreconditionedTrigonometric",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_TRIGONOMETRIC);
       Features(r).set_precondition(true);
     },
     kInvalid, "spec.features.precondition",
     "spec.features.precondition is true, KERNEL_SOFTMAX with ESTIMATOR_TRIGONOMETRIC would not stay the same "
     "attention"},
    {"ExactKeys", [](auto& r) { Features(r).set_num_exact_keys(32); }, kUnserved, "spec.features.num_exact_keys",
     "spec.features.num_exact_keys is 32, which favord 0.1.0 does not serve"},
};

const BadInput kProjections[] = {
    {"NoFeatures", [](auto& r) { Features(r).set_num_features(0); }, kInvalid, "spec.features.num_features",
     "spec.features.num_features is 0, at least 1"},
    {"TooManyFeatures", [](auto& r) { Features(r).set_num_features(70000); }, kInvalid, "spec.features.num_features",
     "spec.features.num_features is 70000, at most 65536"},
    {"AbsurdFeatures", [](auto& r) { Features(r).set_num_features(std::numeric_limits<int64_t>::max()); }, kInvalid,
     "spec.features.num_features", "spec.features.num_features is 9223372036854775807, at most 65536"},
    {"TooManyAfterDoubling",
     [](auto& r) {
       Features(r).set_estimator(v1::ESTIMATOR_TRIGONOMETRIC);
       Features(r).set_num_features(40000);
     },
     kInvalid, "spec.features.num_features",
     "spec.features.num_features is 40000, its estimator makes 80000 features of them, at most 65536"},
    {"FeaturesOfElu",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_ELU_PLUS_ONE);
       Features(r).set_num_features(16);
     },
     kInvalid, "spec.features.num_features", "spec.features.num_features is 16, the kernel takes no projection"},
    {"TaylorOfHeadDim512",
     [](auto& r) {
       SetTensor(r.mutable_queries(), {1, 1, 1, 512});
       SetTensor(r.mutable_keys(), {1, 1, 1, 512});
       SetTensor(r.mutable_values(), {1, 1, 1, 6});
       Features(r).set_kernel(v1::KERNEL_TAYLOR2);
     },
     kInvalid, "spec.features.kernel",
     "spec.features.kernel makes 131841 features of queries.head_dim 512, at most 65536"},
    {"Kind", [](auto& r) { Projection_(r).set_kind(static_cast<v1::ProjectionKind>(50)); }, kInvalid,
     "spec.features.projection.kind", "spec.features.projection.kind is 50, which is no ProjectionKind"},
    {"IdentityOfSoftmax", [](auto& r) { Projection_(r).set_kind(v1::PROJECTION_KIND_IDENTITY); }, kInvalid,
     "spec.features.projection.kind",
     "spec.features.projection.kind is PROJECTION_KIND_IDENTITY, which only KERNEL_GENERALIZED takes"},
    {"RowNorms", [](auto& r) { Projection_(r).set_row_norms(static_cast<v1::RowNorms>(8)); }, kInvalid,
     "spec.features.projection.row_norms", "spec.features.projection.row_norms is 8, which is no RowNorms"},
    {"RowNormsOfIid",
     [](auto& r) {
       Projection_(r).set_kind(v1::PROJECTION_KIND_IID);
       Projection_(r).set_row_norms(v1::ROW_NORMS_SQRT_DIM);
     },
     kInvalid, "spec.features.projection.row_norms",
     "spec.features.projection.row_norms is ROW_NORMS_SQRT_DIM, PROJECTION_KIND_IID takes none"},
    {"ChiOfRegularized",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_SOFTMAX_REGULARIZED);
       Projection_(r).set_row_norms(v1::ROW_NORMS_CHI);
     },
     kInvalid, "spec.features.projection.row_norms",
     "spec.features.projection.row_norms is ROW_NORMS_CHI, KERNEL_SOFTMAX_REGULARIZED needs rows of norm "
     "sqrt(head_dim)"},
    {"SeedOfNoProjection",
     [](auto& r) {
       Features(r).set_kernel(v1::KERNEL_NO_PROJECTION);
       Projection_(r).set_seed(3);
     },
     kInvalid, "spec.features.projection.seed", "spec.features.projection.seed is 3, the kernel takes no projection"},
    {"SuppliedWithoutMatrix", [](auto& r) { Projection_(r).set_kind(v1::PROJECTION_KIND_SUPPLIED); }, kInvalid,
     "spec.features.projection.matrix", "spec.features.projection.matrix is unset, PROJECTION_KIND_SUPPLIED needs it"},
    {"MatrixAndKind",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {16, 8});
       Projection_(r).set_kind(v1::PROJECTION_KIND_IID);
     },
     kInvalid, "spec.features.projection.kind",
     "spec.features.projection.kind is PROJECTION_KIND_IID, while spec.features.projection.matrix is set"},
    {"MatrixAndSeed",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {16, 8});
       Projection_(r).set_seed(0);
     },
     kInvalid, "spec.features.projection.seed", "spec.features.projection.seed is 0, a supplied matrix takes none"},
    {"MatrixDim",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {16, 7});
     },
     kInvalid, "spec.features.projection.matrix.shape",
     "spec.features.projection.matrix.shape is [16, 7], must be [num_features, 8] or [2, num_features, 8] with "
     "num_features 1 to 65536"},
    {"MatrixPerQueryHead",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {4, 16, 8});
     },
     kInvalid, "spec.features.projection.matrix.shape",
     "spec.features.projection.matrix.shape is [4, 16, 8], must be [num_features, 8] or [2, num_features, 8] with "
     "num_features 1 to 65536"},
    {"MatrixRank0",
     [](auto& r) {
       Projection_(r).mutable_matrix()->set_data_type(v1::DATA_TYPE_F32);
       Projection_(r).mutable_matrix()->set_data("abcd");
     },
     kInvalid, "spec.features.projection.matrix.shape",
     "spec.features.projection.matrix.shape is [], must be [num_features, 8] or [2, num_features, 8] with "
     "num_features 1 to 65536"},
    {"MatrixRows",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {16, 8});
       Features(r).set_num_features(17);
     },
     kInvalid, "spec.features.num_features",
     "spec.features.num_features is 17, spec.features.projection.matrix has 16 rows"},
    {"MatrixNotFinite",
     [](auto& r) {
       SetTensor(Projection_(r).mutable_matrix(), {16, 8}, INFINITY);
     },
     kInvalid, "spec.features.projection.matrix", "spec.features.projection.matrix[0, 0, 0] is inf, must be finite"},
};

const auto kName = [](const testing::TestParamInfo<BadInput>& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Tensors, BadInputTest, testing::ValuesIn(kTensors), kName);
INSTANTIATE_TEST_SUITE_P(Spec, BadInputTest, testing::ValuesIn(kSpecs), kName);
INSTANTIATE_TEST_SUITE_P(Features, BadInputTest, testing::ValuesIn(kFeatures), kName);
INSTANTIATE_TEST_SUITE_P(Projection, BadInputTest, testing::ValuesIn(kProjections), kName);

}  // namespace
}  // namespace favor
