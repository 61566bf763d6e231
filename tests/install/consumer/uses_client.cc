// Calls a server that is not there: the whole client is linked and says so.
#include <cstdio>

#include "absl/status/status.h"
#include "client/client.h"

int main() {
  auto client = favor::client::Client::Connect(
      {.endpoint = "unix:/nonexistent/favord.sock", .deadline = absl::Seconds(5), .retries = {.max_retries = 0}});
  if (!client.ok()) {
    std::printf("%s\n", client.status().ToString().c_str());
    return 1;
  }
  const absl::Status status = client->GetServerInfo().status();
  std::printf("%s\n", status.ToString().c_str());
  return absl::IsUnavailable(status) ? 0 : 1;
}
