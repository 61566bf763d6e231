#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_WIRE_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_WIRE_H_

#include "favor/v1/attention.pb.h"
#include "tests/support/attention_case.h"
#include "tests/support/tensor.h"

namespace favor::testing {

// How tensors travel.
struct WireForm {
  DataType type = DataType::kFloat32;
  v1::Layout layout = v1::LAYOUT_UNSPECIFIED;
  v1::DataType output_type = v1::DATA_TYPE_F32;
};

v1::DataType ToWire(DataType type);
v1::Tensor ToWire(const DoubleTensor& tensor, DataType type, v1::Layout layout);

// The request that asks for what the case says; its projection, if there is one, goes along as a supplied matrix, and
// the kernels that could do without one are told so where there is none.
v1::AttendRequest ToRequest(const AttentionCase& attention_case, const WireForm& form = {});

// A tensor of rank 4 from the wire. It must be well formed.
DoubleTensor FromWire(const v1::Tensor& wire, v1::Layout layout);

// The case with queries, keys and values rounded to what the type can hold.
AttentionCase Rounded(AttentionCase attention_case, DataType type);

// A request that any server answers: FAVOR+ of some queries, keys and values of length 5.
v1::AttendRequest GoodRequest();

// One that takes many seconds on any CPU though its tensors are small: 1024 * length^2 flops of exact attention, half a
// minute of one thread. To be cancelled.
v1::AttendRequest LongRequest(int64_t length = 50'000);

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_ATTEND_WIRE_H_
