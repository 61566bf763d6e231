#include "server/rpc/status_mapping.h"

#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/convert/field_error.h"
#include "server/execution/retry_delay.h"

namespace favor {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST(ToGrpcStatus, KeepsCodeAndMessage) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "why");
    EXPECT_EQ(status.error_details(), "");
  }
}

TEST(ToGrpcStatus, AFieldErrorCarriesBadRequest) {
  const grpc::Status status = ToGrpcStatus(FieldError("keys.shape", "keys.head_dim is 48, queries.head_dim is 64"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const google::rpc::Status details = Details(status);
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(details.details_size(), 1);
  EXPECT_EQ(details.details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest");
  ASSERT_TRUE(details.details(0).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "keys.shape");
  EXPECT_EQ(bad_request.field_violations(0).description(), "keys.head_dim is 48, queries.head_dim is 64");
}

TEST(ToGrpcStatus, AnErrorOfTheLibraryNamesItsTensor) {
  const grpc::Status status = ToGrpcStatus(absl::InvalidArgumentError("values[0, 1, 2, 3] is inf, must be finite"));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(Details(status).details(0).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "values");
}

TEST(ToGrpcStatus, OverloadCarriesRetryInfo) {
  const grpc::Status status = ToGrpcStatus(OverloadedError("full", absl::Milliseconds(1250)));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  google::rpc::RetryInfo retry_info;
  ASSERT_TRUE(Details(status).details(0).UnpackTo(&retry_info));
  EXPECT_EQ(retry_info.retry_delay().seconds(), 1);
  EXPECT_EQ(retry_info.retry_delay().nanos(), 250'000'000);
}

TEST(ToGrpcStatus, BoundsTheMessageSoThatItFitsATrailer) {
  EXPECT_LE(ToGrpcStatus(FieldError("f", std::string(100000, 'x'))).error_details().size(), 4096u);
}

}  // namespace
}  // namespace favor
