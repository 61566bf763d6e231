// How a server ends, and what it answers while it begins and ends.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "favor/v1/model.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "server/config/command_line.h"
#include "server/server.h"
#include "tests/support/fake_model.h"

namespace favor {
namespace {

const Log* QuietLog() {
  static const Log log(2, LogLevel::kError);
  return &log;
}

std::unique_ptr<Server> StartServer(std::vector<std::string> arguments, ModelRegistry::Loader loader) {
  arguments.insert(arguments.end(), {"--address", "127.0.0.1:0", "--threads", "1"});
  auto server = Server::Start(ParseCommandLine(arguments, {})->config, QuietLog(), std::move(loader));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

// Loads wait inside until Open().
class SlowLoader {
 public:
  ModelRegistry::Loader loader() {
    return [this](const std::string&) -> absl::StatusOr<std::shared_ptr<const Model>> {
      if (!begun_.HasBeenNotified()) begun_.Notify();
      open_.WaitForNotification();
      return testing::FakeModel();
    };
  }
  void WaitUntilBegun() { begun_.WaitForNotification(); }
  void Open() { open_.Notify(); }

 private:
  absl::Notification begun_, open_;
};

bool Answers(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  const bool answers = connect(connection, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  close(connection);
  return answers;
}

TEST(Server, StopsServingMetricsBeforeWhatTheyMeasureEnds) {
  SlowLoader slow;
  std::unique_ptr<Server> server = StartServer({"--metrics-address", "127.0.0.1:0", "--model", "a=/a"}, slow.loader());
  const std::string address = server->metrics_address();
  ASSERT_TRUE(Answers(address));
  EXPECT_TRUE(absl::IsCancelled(server->LoadModels([&](absl::Duration) {
    slow.WaitUntilBegun();
    return true;
  })));
  std::thread ending([&] { server.reset(); });  // waits for the load
  bool answers = true;
  for (const absl::Time end = absl::Now() + absl::Seconds(60); answers && absl::Now() < end;)
    answers = Answers(address);
  EXPECT_FALSE(answers);
  slow.Open();
  ending.join();
}

TEST(Server, AnswersCallsThatWaitForALoadWhenItDrains) {
  SlowLoader slow;
  std::unique_ptr<Server> server = StartServer(
      {"--metrics-address", "", "--model-admin", "true", "--drain-delay", "0s", "--grpc-threads", "1"}, slow.loader());
  ASSERT_TRUE(server->LoadModels([](absl::Duration) { return false; }).ok());
  const auto models =
      v1::ModelService::NewStub(grpc::CreateChannel(server->addresses()[0], grpc::InsecureChannelCredentials()));
  v1::LoadModelRequest request;
  request.set_path("/models/fake");
  grpc::CompletionQueue queue;
  grpc::ClientContext contexts[2];
  v1::LoadModelResponse responses[2];
  grpc::Status statuses[2];
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::LoadModelResponse>> calls[2];
  for (int i = 0; i < 2; ++i) {
    request.set_name(i == 0 ? "first" : "second");
    calls[i] = models->AsyncLoadModel(&contexts[i], request, &queue);
    calls[i]->Finish(&responses[i], &statuses[i], &statuses[i]);
    if (i == 0) slow.WaitUntilBegun();
  }
  grpc::ClientContext context;
  v1::ListModelsResponse list;
  ASSERT_TRUE(models->ListModels(&context, {}, &list).ok());  // behind the second, on the same connection

  std::thread draining([&] { server->Drain([](absl::Duration) { return false; }); });
  void* ended = nullptr;
  bool ok = false;
  EXPECT_EQ(queue.AsyncNext(&ended, &ok, absl::ToChronoTime(absl::Now() + absl::Seconds(60))),
            grpc::CompletionQueue::GOT_EVENT);
  EXPECT_EQ(ended, &statuses[1]);
  EXPECT_EQ(statuses[1].error_message(), "model second: the server stops");
  slow.Open();
  draining.join();
  queue.Shutdown();
  while (queue.Next(&ended, &ok)) {
  }
}

}  // namespace
}  // namespace favor
