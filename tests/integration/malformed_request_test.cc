// Every malformed request is refused by the name of its field, and the server goes on.
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/attend_wire.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Malformed {
  std::string name;
  std::function<void(v1::AttendRequest&)> spoil;  // what is wrong with a good request of [2, 2, 5, 8], values of 4
  std::string field;                              // that BadRequest names
  std::vector<std::string> message;               // parts of the message: the field in words, the value, the bound
};

void SetShape(v1::Tensor* tensor, const std::vector<int64_t>& shape) {
  tensor->mutable_shape()->Assign(shape.begin(), shape.end());
}

// For the name of the test, which would hold the bytes of the struct.
void PrintTo(const Malformed& malformed, std::ostream* stream) { *stream << malformed.field; }

// A tensor that is right in itself, of these sizes.
void Resize(v1::Tensor* tensor, const std::vector<int64_t>& shape) {
  SetShape(tensor, shape);
  int64_t size = 4;
  for (const int64_t axis : shape) size *= axis;
  tensor->set_data(std::string(size, '\0'));
}

// Overwrites element [batch, head, position, coordinate] of a tensor [2, 2, 5, dim].
void Plant(v1::Tensor* tensor, std::vector<int64_t> index, double value) {
  int64_t offset = 0;
  for (int axis = 0; axis < 4; ++axis) offset = offset * tensor->shape(axis) + index[axis];
  const auto element = static_cast<float>(value);
  tensor->mutable_data()->replace(offset * sizeof(element), sizeof(element), reinterpret_cast<const char*>(&element),
                                  sizeof(element));
}

v1::Tensor* Matrix(v1::AttendRequest& request, const std::vector<int64_t>& shape) {
  v1::Tensor* matrix = request.mutable_spec()->mutable_features()->mutable_projection()->mutable_matrix();
  matrix->set_data_type(v1::DATA_TYPE_F32);
  Resize(matrix, shape);
  return matrix;
}

v1::FeatureSpec* Features(v1::AttendRequest& request) { return request.mutable_spec()->mutable_features(); }
v1::Projection* ProjectionOf(v1::AttendRequest& request) { return Features(request)->mutable_projection(); }

std::vector<Malformed> TensorCases() {
  std::vector<Malformed> cases;
  using Request = v1::AttendRequest;
  const struct {
    std::string name;
    v1::Tensor* (Request::*mutate)();
    int64_t dim;
  } tensors[] = {{"queries", &Request::mutable_queries, 8},
                 {"keys", &Request::mutable_keys, 8},
                 {"values", &Request::mutable_values, 4}};
  for (const auto& [name, mutate, dim] : tensors) {
    const std::string shape = name + ".shape", data = name + ".data", type = name + ".data_type";
    const auto add = [&, name = name, mutate = mutate](const std::string& what, std::function<void(v1::Tensor*)> spoil,
                                                       const std::string& field, std::vector<std::string> message) {
      cases.push_back({name + "_" + what, [=](Request& request) { spoil((request.*mutate)()); }, field, message});
    };
    const int64_t d = dim;
    add("missing", [](auto* t) { t->Clear(); }, type, {type, "unset"});
    add("rank_3", [=](auto* t) { Resize(t, {4, 5, d}); }, shape, {shape, "3 axes", "4"});
    add("rank_5", [=](auto* t) { Resize(t, {1, 2, 2, 5, d}); }, shape, {shape, "5 axes", "4"});
    add("rank_0", [](auto* t) { SetShape(t, {}); }, shape, {shape, "0 axes", "4"});
    add("negative_size", [=](auto* t) { SetShape(t, {2, 2, -5, d}); }, shape, {shape, "-5", "at least 0"});
    add("least_size", [=](auto* t) { SetShape(t, {2, 2, INT64_MIN, d}); }, shape, {shape, "-9223372036854775808"});
    add("two_negative_sizes", [=](auto* t) { SetShape(t, {-2, -2, 5, d}); }, shape, {shape, "-2"});
    add("overflowing_product",
        [=](auto* t) {
          SetShape(t, {int64_t{1} << 32, int64_t{1} << 32, 5, d});
        },
        shape, {shape, "4294967296"});
    add("product_that_wraps_to_the_data",
        [=](auto* t) {
          SetShape(t, {(int64_t{1} << 62) + 2, 2, 5, d});
        },
        shape, {shape, "4611686018427387906"});
    add("absurd_size_beside_a_zero",
        [=](auto* t) {
          SetShape(t, {2, 2, 0, INT64_MAX}), t->clear_data();
        },
        shape, {shape, "9223372036854775807"});
    add("data_short", [](auto* t) { t->mutable_data()->pop_back(); }, data, {data, "bytes", "takes"});
    add("data_long", [](auto* t) { t->mutable_data()->push_back('\0'); }, data, {data, "bytes", "takes"});
    add("data_missing", [](auto* t) { t->clear_data(); }, data, {data, "0 bytes", "takes"});
    add("type_unset", [](auto* t) { t->set_data_type(v1::DATA_TYPE_UNSPECIFIED); }, type, {type, "unset"});
    add("type_unknown", [](auto* t) { t->set_data_type(static_cast<v1::DataType>(77)); }, type, {type, "77"});
    add("no_batch", [=](auto* t) { Resize(t, {0, 2, 5, d}); }, shape, {name, "batch_size", "0"});
    add("no_heads", [=](auto* t) { Resize(t, {2, 0, 5, d}); }, shape, {name, "num_heads", "0"});
    add("no_dim", [](auto* t) { Resize(t, {2, 2, 5, 0}); }, shape, {name, "_dim", "0"});
    add("nan", [](auto* t) { Plant(t, {1, 0, 3, 2}, kNaN); }, name, {name + "[1, 0, 3, 2]", "nan", "finite"});
    add("infinity", [](auto* t) { Plant(t, {0, 1, 4, 3}, kInfinity); }, name, {name + "[0, 1, 4, 3]", "inf"});
    add("minus_infinity", [](auto* t) { Plant(t, {1, 1, 0, 0}, -kInfinity); }, name, {name + "[1, 1, 0, 0]", "-inf"});
  }
  return cases;
}

std::vector<Malformed> ShapeCases() {
  return {
      {"head_dim_too_large",
       [](auto& r) {
         Resize(r.mutable_queries(), {2, 2, 5, 513});
       },
       "queries.shape",
       {"queries.head_dim is 513", "512"}},
      {"value_dim_too_large",
       [](auto& r) {
         Resize(r.mutable_values(), {2, 2, 5, 513});
       },
       "values.shape",
       {"values.value_dim is 513", "512"}},
      {"head_dims_differ",
       [](auto& r) {
         Resize(r.mutable_keys(), {2, 2, 5, 7});
       },
       "keys.shape",
       {"keys.head_dim is 7", "queries.head_dim is 8"}},
      {"batches_differ",
       [](auto& r) {
         Resize(r.mutable_keys(), {3, 2, 5, 8});
       },
       "keys.shape",
       {"keys.batch_size is 3", "queries.batch_size is 2"}},
      {"batches_of_values_differ",
       [](auto& r) {
         Resize(r.mutable_values(), {1, 2, 5, 4});
       },
       "values.shape",
       {"values.batch_size is 1", "keys.batch_size is 2"}},
      {"value_length_differs",
       [](auto& r) {
         Resize(r.mutable_values(), {2, 2, 6, 4});
       },
       "values.shape",
       {"values.key_length is 6", "keys.key_length is 5"}},
      {"value_heads_differ",
       [](auto& r) {
         Resize(r.mutable_values(), {2, 1, 5, 4});
       },
       "values.shape",
       {"values.num_heads is 1", "keys.num_heads is 2"}},
      {"key_heads_do_not_divide",
       [](auto& r) {
         Resize(r.mutable_queries(), {2, 4, 5, 8});
         Resize(r.mutable_keys(), {2, 3, 5, 8});
         Resize(r.mutable_values(), {2, 3, 5, 4});
       },
       "keys.shape",
       {"keys.num_heads is 3", "divide", "queries.num_heads", "4"}},
      {"more_key_heads_than_heads",
       [](auto& r) {
         Resize(r.mutable_keys(), {2, 4, 5, 8});
         Resize(r.mutable_values(), {2, 4, 5, 4});
       },
       "keys.shape",
       {"keys.num_heads is 4", "queries.num_heads", "2"}},
      {"causal_with_unequal_lengths",
       [](auto& r) {
         Resize(r.mutable_queries(), {2, 2, 4, 8});
         r.mutable_spec()->set_causal(true);
       },
       "spec.causal",
       {"spec.causal", "query_length is 4", "key_length is 5"}},
      {"too_few_query_lengths",
       [](auto& r) { r.add_query_lengths(5); },
       "query_lengths",
       {"query_lengths has 1", "batch_size is 2"}},
      {"too_many_key_lengths",
       [](auto& r) {
         for (int i = 0; i < 3; ++i) r.add_key_lengths(5);
       },
       "key_lengths",
       {"key_lengths has 3", "batch_size is 2"}},
      {"query_length_past_the_end",
       [](auto& r) { r.add_query_lengths(5), r.add_query_lengths(6); },
       "query_lengths[1]",
       {"query_lengths[1] is 6", "0 to 5"}},
      {"negative_key_length",
       [](auto& r) { r.add_key_lengths(-1), r.add_key_lengths(5); },
       "key_lengths[0]",
       {"key_lengths[0] is -1", "0 to 5"}},
      {"output_type_unknown",
       [](auto& r) { r.set_output_type(static_cast<v1::DataType>(9)); },
       "output_type",
       {"output_type is 9"}},
  };
}

std::vector<Malformed> SpecCases() {
  std::vector<Malformed> cases = {
      {"layout_unknown",
       [](auto& r) { r.mutable_spec()->set_layout(static_cast<v1::Layout>(3)); },
       "spec.layout",
       {"spec.layout is 3"}},
      {"precision_unknown",
       [](auto& r) { r.mutable_spec()->set_precision(static_cast<v1::Precision>(-1)); },
       "spec.precision",
       {"spec.precision is -1"}},
      {"kernel_unknown",
       [](auto& r) { Features(r)->set_kernel(static_cast<v1::Kernel>(99)); },
       "spec.features.kernel",
       {"spec.features.kernel is 99"}},
      {"estimator_unknown",
       [](auto& r) { Features(r)->set_estimator(static_cast<v1::Estimator>(11)); },
       "spec.features.estimator",
       {"spec.features.estimator is 11"}},
      {"nonlinearity_unknown",
       [](auto& r) {
         Features(r)->set_kernel(v1::KERNEL_GENERALIZED);
         Features(r)->clear_estimator();
         Features(r)->set_nonlinearity(static_cast<v1::Nonlinearity>(11));
       },
       "spec.features.nonlinearity",
       {"spec.features.nonlinearity is 11"}},
      {"projection_kind_unknown",
       [](auto& r) { ProjectionOf(r)->set_kind(static_cast<v1::ProjectionKind>(7)); },
       "spec.features.projection.kind",
       {"spec.features.projection.kind is 7"}},
      {"row_norms_unknown",
       [](auto& r) { ProjectionOf(r)->set_row_norms(static_cast<v1::RowNorms>(3)); },
       "spec.features.projection.row_norms",
       {"spec.features.projection.row_norms is 3"}},
      {"nonlinearity_of_a_kernel_without",
       [](auto& r) { Features(r)->set_nonlinearity(v1::NONLINEARITY_EXP); },
       "spec.features.nonlinearity",
       {"spec.features.nonlinearity", "takes none"}},
      {"estimator_of_a_kernel_without",
       [](auto& r) {
         Features(r)->set_kernel(v1::KERNEL_TAYLOR2);
         Features(r)->set_estimator(v1::ESTIMATOR_HYPERBOLIC);
       },
       "spec.features.estimator",
       {"spec.features.estimator", "takes none"}},
      {"gaussian_hyperbolic",
       [](auto& r) {
         Features(r)->set_kernel(v1::KERNEL_GAUSSIAN);
         Features(r)->set_estimator(v1::ESTIMATOR_HYPERBOLIC);
       },
       "spec.features.estimator",
       {"spec.features.estimator", "HYPERBOLIC"}},
      {"num_features_of_a_kernel_without",
       [](auto& r) {
         Features(r)->set_kernel(v1::KERNEL_ELU_PLUS_ONE);
         Features(r)->clear_estimator();
         Features(r)->set_num_features(16);
       },
       "spec.features.num_features",
       {"spec.features.num_features is 16", "no projection"}},
      {"taylor_of_too_many_dims",
       [](auto& r) {
         for (v1::Tensor* t : {r.mutable_queries(), r.mutable_keys()}) Resize(t, {2, 2, 5, 512});
         Features(r)->set_kernel(v1::KERNEL_TAYLOR2);
         Features(r)->clear_estimator();
       },
       "spec.features.kernel",
       {"spec.features.kernel", "131841", "65536"}},
      {"offset_of_a_kernel_without",
       [](auto& r) { Features(r)->set_polynomial_offset(2); },
       "spec.features.polynomial_offset",
       {"spec.features.polynomial_offset is 2", "takes none"}},
      {"negative_offset",
       [](auto& r) {
         Features(r)->set_kernel(v1::KERNEL_POLYNOMIAL2);
         Features(r)->clear_estimator();
         Features(r)->set_polynomial_offset(-0.5);
       },
       "spec.features.polynomial_offset",
       {"spec.features.polynomial_offset is -0.5", "from 0 to 1e+15"}},
      {"parity_of_an_estimator_without",
       [](auto& r) {
         Features(r)->set_estimator(v1::ESTIMATOR_HYPERBOLIC);
         Features(r)->mutable_epsilon_parity();
       },
       "spec.features.epsilon_parity",
       {"spec.features.epsilon_parity"}},
      {"negative_epsilon",
       [](auto& r) { Features(r)->mutable_epsilon_parity()->set_feature_epsilon(-1e-4); },
       "spec.features.epsilon_parity.feature_epsilon",
       {"feature_epsilon is -0.0001", "from 0 to 1"}},
      {"epsilon_nan",
       [](auto& r) { Features(r)->mutable_epsilon_parity()->set_causal_epsilon(kNaN); },
       "spec.features.epsilon_parity.causal_epsilon",
       {"causal_epsilon is nan", "from 0 to 1"}},
  };
  for (const auto& [name, scale] : std::vector<std::pair<std::string, double>>{
           {"zero", 0}, {"negative", -1}, {"nan", kNaN}, {"infinite", kInfinity}, {"minus_infinite", -kInfinity}}) {
    cases.push_back({"scale_" + name,
                     [scale = scale](auto& r) { r.mutable_spec()->set_scale(scale); },
                     "spec.scale",
                     {"spec.scale is", "must be"}});
  }
  // Positive and finite, but its square root or the product with an input is not a float32.
  for (const auto& [name, scale] : std::vector<std::pair<std::string, double>>{{"tiny", 1e-300}, {"huge", 1e300}}) {
    cases.push_back(
        {"scale_" + name, [scale = scale](auto& r) { r.mutable_spec()->set_scale(scale); }, "spec.scale", {"scale"}});
  }
  for (const int64_t count : {int64_t{0}, int64_t{-1}, int64_t{INT64_MIN}}) {
    cases.push_back({"num_features_" + std::to_string(cases.size()),
                     [count](auto& r) { Features(r)->set_num_features(count); },
                     "spec.features.num_features",
                     {"spec.features.num_features is " + std::to_string(count), "at least 1"}});
  }
  for (const int64_t count : {int64_t{65'537}, int64_t{70'000}, int64_t{INT64_MAX}}) {
    cases.push_back({"num_features_" + std::to_string(cases.size()),
                     [count](auto& r) { Features(r)->set_num_features(count); },
                     "spec.features.num_features",
                     {"spec.features.num_features is " + std::to_string(count), "at most 65536"}});
  }
  for (const v1::Estimator estimator : {v1::ESTIMATOR_HYPERBOLIC, v1::ESTIMATOR_TRIGONOMETRIC}) {
    cases.push_back({"num_features_doubled_by_" + v1::Estimator_Name(estimator),
                     [estimator](auto& r) {
                       Features(r)->set_estimator(estimator);
                       Features(r)->set_num_features(40'000);
                     },
                     "spec.features.num_features",
                     {"spec.features.num_features is 40000", "80000", "at most 65536"}});
  }
  return cases;
}

std::vector<Malformed> ProjectionCases() {
  const std::string matrix = "spec.features.projection.matrix";
  const std::string shape = matrix + ".shape";
  return {
      {"matrix_of_rank_1", [](auto& r) { Matrix(r, {8}); }, shape, {shape, "[8]", "8]"}},
      {"matrix_of_rank_4",
       [](auto& r) {
         Matrix(r, {1, 2, 16, 8});
       },
       shape,
       {shape, "[1, 2, 16, 8]"}},
      {"matrix_of_another_head_dim",
       [](auto& r) {
         Matrix(r, {16, 7});
       },
       shape,
       {shape, "[16, 7]", "8]"}},
      {"matrix_of_another_number_of_heads",
       [](auto& r) {
         Matrix(r, {3, 16, 8});
       },
       shape,
       {shape, "[3, 16, 8]"}},
      {"matrix_without_rows",
       [](auto& r) {
         Matrix(r, {0, 8});
       },
       shape,
       {shape, "[0, 8]"}},
      {"matrix_of_too_many_rows",
       [](auto& r) {
         Matrix(r, {65'537, 8});
       },
       shape,
       {shape, "[65537, 8]", "65536"}},
      {"matrix_of_negative_size",
       [](auto& r) {
         SetShape(Matrix(r, {16, 8}), {-16, 8});
       },
       shape,
       {shape, "-16"}},
      {"matrix_too_short",
       [](auto& r) {
         Matrix(r, {16, 8})->mutable_data()->pop_back();
       },
       matrix + ".data",
       {matrix + ".data", "bytes"}},
      {"matrix_type_unset",
       [](auto& r) {
         Matrix(r, {16, 8})->clear_data_type();
       },
       matrix + ".data_type",
       {matrix + ".data_type", "unset"}},
      {"matrix_type_unknown",
       [](auto& r) {
         Matrix(r, {16, 8})->set_data_type(static_cast<v1::DataType>(4));
       },
       matrix + ".data_type",
       {matrix + ".data_type", "4"}},
      {"matrix_nan",
       [](auto& r) {
         const auto nan = static_cast<float>(kNaN);
         Matrix(r, {16, 8})->mutable_data()->replace(4 * 11, 4, reinterpret_cast<const char*>(&nan), 4);
       },
       matrix,
       {"nan", "finite"}},
      {"matrix_and_another_num_features",
       [](auto& r) {
         Matrix(r, {16, 8}), Features(r)->set_num_features(17);
       },
       "spec.features.num_features",
       {"spec.features.num_features is 17", "16"}},
      {"matrix_and_seed",
       [](auto& r) {
         Matrix(r, {16, 8}), ProjectionOf(r)->set_seed(3);
       },
       "spec.features.projection.seed",
       {"spec.features.projection.seed is 3"}},
      {"matrix_and_row_norms",
       [](auto& r) {
         Matrix(r, {16, 8}), ProjectionOf(r)->set_row_norms(v1::ROW_NORMS_CHI);
       },
       "spec.features.projection.row_norms",
       {"spec.features.projection.row_norms"}},
      {"matrix_and_kind",
       [](auto& r) {
         Matrix(r, {16, 8}), ProjectionOf(r)->set_kind(v1::PROJECTION_KIND_IID);
       },
       "spec.features.projection.kind",
       {"spec.features.projection.kind", "IID"}},
      {"supplied_without_matrix",
       [](auto& r) { ProjectionOf(r)->set_kind(v1::PROJECTION_KIND_SUPPLIED); },
       matrix,
       {matrix, "unset"}},
      {"identity_of_softmax",
       [](auto& r) { ProjectionOf(r)->set_kind(v1::PROJECTION_KIND_IDENTITY); },
       "spec.features.projection.kind",
       {"spec.features.projection.kind", "IDENTITY"}},
      {"matrix_of_a_kernel_without",
       [](auto& r) {
         Matrix(r, {16, 8});
         Features(r)->set_kernel(v1::KERNEL_POLYNOMIAL2);
         Features(r)->clear_estimator();
       },
       matrix,
       {matrix, "no projection"}},
  };
}

// The good request with everything of its spec unset.
v1::AttendRequest Plain() {
  v1::AttendRequest request = GoodRequest();
  request.clear_spec();
  return request;
}

class MalformedRequest : public ::testing::TestWithParam<Malformed> {
 protected:
  static void SetUpTestSuite() { favord_ = new Favord; }
  static void TearDownTestSuite() {
    delete favord_;
    favord_ = nullptr;
  }

  static Favord* favord_;
};
Favord* MalformedRequest::favord_ = nullptr;

TEST_P(MalformedRequest, IsRefusedByNameAndTheServerGoesOn) {
  v1::AttendRequest request = Plain();
  GetParam().spoil(request);
  const AttendAnswer answer = Attend(favord_->channel(), request);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << Describe(answer.status);
  for (const std::string& part : GetParam().message) EXPECT_THAT(answer.status.error_message(), HasSubstr(part));
  EXPECT_THAT(BadFieldsOf(answer.status), ElementsAre(GetParam().field)) << Describe(answer.status);

  const AttendAnswer good = Attend(favord_->channel(), Plain());
  EXPECT_TRUE(good.ok()) << Describe(good.status);
}

std::string NameOf(const ::testing::TestParamInfo<Malformed>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Tensor, MalformedRequest, ::testing::ValuesIn(TensorCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Shapes, MalformedRequest, ::testing::ValuesIn(ShapeCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Spec, MalformedRequest, ::testing::ValuesIn(SpecCases()), NameOf);
INSTANTIATE_TEST_SUITE_P(Projection, MalformedRequest, ::testing::ValuesIn(ProjectionCases()), NameOf);

}  // namespace
}  // namespace favor::testing
