#ifndef FAVOR_TESTS_SERVER_CONVERT_ATTEND_REQUEST_H_
#define FAVOR_TESTS_SERVER_CONVERT_ATTEND_REQUEST_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/convert/attend_request_conversion.h"
#include "tests/server/convert/pieces.h"

namespace favor {

inline void SetTensor(v1::Tensor* tensor, const std::vector<int64_t>& shape, float value = 0.5f) {
  tensor->Clear();
  tensor->set_data_type(v1::DATA_TYPE_F32);
  int64_t size = 1;
  for (const int64_t axis : shape) {
    tensor->add_shape(axis);
    size *= axis;
  }
  const std::vector<float> values(size, value);
  tensor->set_data(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}

// Two sequences, four heads on two key heads, lengths 5 and 5, head_dim 8, value_dim 6.
inline v1::AttendRequest GoodRequest() {
  v1::AttendRequest request;
  SetTensor(request.mutable_queries(), {2, 4, 5, 8});
  SetTensor(request.mutable_keys(), {2, 2, 5, 8});
  SetTensor(request.mutable_values(), {2, 2, 5, 6});
  return request;
}

inline absl::StatusOr<AttendWork> Convert(const v1::AttendRequest& request) {
  absl::StatusOr<AttendMessage> message = ReadMessage(request.SerializeAsString());
  if (!message.ok()) return message.status();
  return ToAttendWork(*std::move(message));
}

inline v1::FeatureSpec& Features(v1::AttendRequest& r) { return *r.mutable_spec()->mutable_features(); }
inline v1::Projection& Projection_(v1::AttendRequest& r) { return *Features(r).mutable_projection(); }

}  // namespace favor

#endif  // FAVOR_TESTS_SERVER_CONVERT_ATTEND_REQUEST_H_
