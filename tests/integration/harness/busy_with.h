#ifndef FAVOR_TESTS_INTEGRATION_HARNESS_BUSY_WITH_H_
#define FAVOR_TESTS_INTEGRATION_HARNESS_BUSY_WITH_H_

#include <memory>
#include <thread>
#include <utility>

#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/integration/harness/await.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor::testing {

// Keeps `favord` busy with one long call until the object goes.
class BusyWith {
 public:
  BusyWith(Favord& favord, v1::AttendRequest request) : channel_(ConnectTo(favord.address())) {
    const double before = favord.Metrics().Sum("grpc_server_started_total");
    thread_ = std::thread([this, request = std::move(request)] {
      answer_ = Attend(channel_, request, {.deadline = absl::Minutes(5), .context = &context_});
    });
    // Past admission and at the kernels, as far as can be seen from outside.
    EXPECT_TRUE(Eventually([&] {
      const Exposition metrics = favord.Metrics();
      return metrics.Sum("grpc_server_started_total") > before && metrics.Sum("favor_admitted_bytes") > 0;
    }));
  }
  ~BusyWith() {
    context_.TryCancel();
    thread_.join();
  }

  // Once the call has ended.
  const AttendAnswer& Join() {
    thread_.join();
    thread_ = std::thread([] {});
    return answer_;
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  AttendAnswer answer_;
  std::thread thread_;
};

}  // namespace favor::testing

#endif  // FAVOR_TESTS_INTEGRATION_HARNESS_BUSY_WITH_H_
