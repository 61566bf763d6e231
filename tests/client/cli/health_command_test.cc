#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cli/console.h"
#include "client/cli/json.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeServer;
using favor::testing::FavorRun;
using favor::testing::RunFavor;
using ::testing::HasSubstr;

TEST(HealthCommand, ExitCodeTellsServingFromTheRest) {
  FakeServer server;
  const FavorRun serving = RunFavor({"health", "--endpoint", server.endpoint()});
  EXPECT_EQ(serving.exit_code, kExitOk);
  EXPECT_EQ(serving.out, "SERVING\n");
  server.SetHealth(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  const FavorRun not_serving = RunFavor({"health", "--endpoint", server.endpoint()});
  EXPECT_EQ(not_serving.exit_code, kExitFailure);
  EXPECT_EQ(not_serving.out, "NOT_SERVING\n");
}

TEST(HealthCommand, FailsForAnUnknownServiceAndAnAbsentServer) {
  std::string endpoint;
  {
    FakeServer server;
    endpoint = server.endpoint();
    const FavorRun unknown = RunFavor({"health", "--endpoint", endpoint, "--service", "other"});
    EXPECT_EQ(unknown.exit_code, kExitFailure);
    EXPECT_THAT(unknown.error, HasSubstr("NOT_FOUND: no such service"));
  }
  const FavorRun absent = RunFavor({"health", "--endpoint", endpoint, "--json"});
  EXPECT_EQ(absent.exit_code, kExitFailure);
  EXPECT_THAT(absent.error, HasSubstr("is favord running at " + endpoint));
  EXPECT_EQ(Json::parse(absent.out)["error"]["code"], "UNAVAILABLE");
}

TEST(HealthCommand, PrintsJson) {
  FakeServer server;
  const FavorRun run =
      RunFavor({"health", "--endpoint", server.endpoint(), "--service", "favor.v1.AttentionService", "--json"});
  EXPECT_EQ(run.out, "{\"service\":\"favor.v1.AttentionService\",\"status\":\"SERVING\"}\n");
}

TEST(HealthCommand, WatchEndsAtTheDeadlineWithTheLastStatus) {
  FakeServer server;
  const std::vector<std::string> arguments = {"health", "--watch", "--deadline",
                                              "100ms",  "--json",  "--endpoint=" + server.endpoint()};
  const FavorRun serving = RunFavor(arguments);
  EXPECT_EQ(serving.exit_code, kExitOk);
  EXPECT_EQ(serving.out, "{\"service\":\"\",\"status\":\"SERVING\"}\n");
  server.SetHealth(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(RunFavor(arguments).exit_code, kExitFailure);
}

TEST(InfoCommand, SaysWhatIsWrongWithAnApiKeyFile) {
  const auto error = [](const std::string& file) { return RunFavor({"info", "--api-key-file", file}).error; };
  EXPECT_THAT(error("/dev/null"), HasSubstr("INVALID_ARGUMENT: --api-key-file: /dev/null has no key"));
  EXPECT_THAT(error("/no/such"), HasSubstr("NOT_FOUND: --api-key-file: cannot read /no/such"));
  EXPECT_THAT(error("/"), HasSubstr("NOT_FOUND: --api-key-file: cannot read /"));
}

TEST(InfoCommand, PrintsTextAndJson) {
  FakeServer server;
  const FavorRun text = RunFavor({"info", "--endpoint", server.endpoint()});
  EXPECT_EQ(text.exit_code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("9.8.7"));
  EXPECT_THAT(text.out, HasSubstr("256 MiB"));
  EXPECT_THAT(text.out, HasSubstr("most inputs        65535\n"));
  const Json json = Json::parse(RunFavor({"info", "--json", "--endpoint", server.endpoint()}).out);
  EXPECT_EQ(json["version"], "9.8.7");
  EXPECT_EQ(json["limits"]["max_value_dim"], 511);
  EXPECT_EQ(json["limits"]["max_inputs_per_request"], 65535);
}

}  // namespace
}  // namespace favor::cli
