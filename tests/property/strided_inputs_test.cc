// Tensors of any layout, stride, alignment and element type.
#include "absl/strings/str_cat.h"
#include "tests/property/every_map.h"
#include "tests/support/laws/verdict.h"
#include "tests/support/oracle/attention.h"
#include "tests/support/strided_tensor.h"

namespace favor::testing {
namespace {

// Half a unit in the last place of the output's type, twice: the rounded result of float32 may fall on the other side.
double RoundingOf(DataType type) {
  return type == DataType::kFloat32 ? 0 : type == DataType::kFloat16 ? 0x1p-10 : 0x1p-7;
}

// Storage of one call. Queries, keys and values have the same kind of memory, the output its own.
struct Storage {
  DataType input_type = DataType::kFloat32;
  DataType output_type = DataType::kFloat32;
  Strides (*strides)(Random&, const Shape&) = nullptr;
  int64_t misalignment = 0;
};

class StridedInputs : public EveryMap {
 protected:
  // Hands the case over in the given storage and compares with the oracle on the very same views.
  void Check(const AttentionCase& attention_case, const Storage& storage, uint64_t seed) {
    Random random(seed);
    const auto make = [&](const Shape& shape, DataType type) {
      return StridedTensor(shape, type, storage.strides(random, shape), storage.misalignment);
    };
    StridedTensor queries = make(attention_case.queries.shape, storage.input_type);
    StridedTensor keys = make(attention_case.keys.shape, storage.input_type);
    StridedTensor values = make(attention_case.values.shape, storage.input_type);
    StridedTensor output = make(attention_case.shape().output(), storage.output_type);
    queries.Fill(attention_case.queries);
    keys.Fill(attention_case.keys);
    values.Fill(attention_case.values);
    const AttentionInputs inputs = {
        queries.view(),           keys.view(), values.view(), attention_case.query_lengths, attention_case.key_lengths,
        attention_case.projection};
    const absl::Status status = Attend(attention_case.spec, inputs, output.mutable_view());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(output.GuardsIntact()) << "wrote outside the output";
    const OracleOutput expected = OracleAttend(attention_case.spec, inputs);
    const Verdict verdict = CompareRows(Decode(output.view()), expected.output, expected.rounding,
                                        kFloat32Tolerance + RoundingOf(storage.output_type));
    EXPECT_TRUE(verdict.holds) << "seed " << seed << ", " << attention_case.Describe() << ": " << verdict;
  }
};

Strides AnyStrides(Random& random, const Shape& shape) { return RandomStrides(random, shape); }
Strides SequenceMajor(Random&, const Shape& shape) { return BatchLengthHeadsDim(shape); }
Strides HeadMajor(Random&, const Shape& shape) { return BatchHeadsLengthDim(shape); }

TEST_P(StridedInputs, InBatchLengthHeadsDimOrder) {
  for (const bool causal : {false, true})
    Check(CaseOf({2, 4, 2, 50, 50, 9, 5}, 61, causal), {.strides = SequenceMajor}, 61);
}

TEST_P(StridedInputs, OfAnyAxisOrderWithGaps) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Check(CaseOf({2, 4, 2, 50, 50, 9, 5}, seed, seed % 2 == 0), {.strides = AnyStrides}, seed);
  }
}

TEST_P(StridedInputs, AtAddressesOfAnyAlignment) {
  for (const int64_t misalignment : {1, 2, 3, 4, 20, 63}) {
    Check(CaseOf({1, 2, 1, 50, 50, 9, 5}, misalignment, misalignment % 2 == 0),
          {.strides = HeadMajor, .misalignment = misalignment}, 67);
  }
}

TEST_P(StridedInputs, OfHalfFloats) {
  for (const bool causal : {false, true}) {
    for (const DataType type : {DataType::kFloat16, DataType::kBFloat16}) {
      SCOPED_TRACE(absl::StrCat(causal ? "causal " : "", std::string(NameOf(type))));
      const AttentionCase attention_case = CaseOf({2, 2, 1, 50, 50, 9, 5}, 71, causal);
      Check(attention_case, {.input_type = type, .strides = HeadMajor}, 71);
      Check(attention_case, {.input_type = type, .output_type = type, .strides = AnyStrides, .misalignment = 1}, 73);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, StridedInputs, ::testing::ValuesIn(ServedMaps()), MapName);

}  // namespace
}  // namespace favor::testing
