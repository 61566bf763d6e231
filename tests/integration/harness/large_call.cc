#include "tests/integration/harness/large_call.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "client/client.h"
#include "gtest/gtest.h"
#include "tests/support/random.h"
#include "tests/support/sanitizer.h"

namespace favor::testing {

LargeCall CallWithTokens(Favord& favord, int64_t num_tokens) {
  constexpr int64_t kHeads = 8, kDim = 64;
  // Queries, keys and values are the same memory here, and are sent three times all the same. A pattern long enough
  // that no row is like another.
  Random random(1);
  std::vector<float> pattern(1'000'003);
  for (float& value : pattern) value = static_cast<float>(random.Gaussian());
  std::vector<float> tensor(kHeads * num_tokens * kDim);
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = pattern[i % pattern.size()];

  LargeCall call;
  client::ClientOptions connection;
  connection.endpoint = favord.address();
  const auto client = client::Client::Connect(connection);
  EXPECT_TRUE(client.ok()) << client.status();
  const client::TensorView view = client::Float32View(tensor, {1, kHeads, num_tokens, kDim});
  client::AttendOptions options;
  options.spec.causal = true;
  options.deadline = absl::Minutes(5);
  const auto result = client->Attend({.queries = view, .keys = view, .values = view}, options);
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return call;
  EXPECT_EQ(result->report.num_features, 256);
  EXPECT_EQ(result->report.degenerate_rows, 0);
  EXPECT_EQ(result->output.shape(), view.shape);
  EXPECT_EQ(result->output.bytes().size(), tensor.size() * sizeof(float));
  // The first query sees one key, and answers with its value.
  float first = 0;
  std::memcpy(&first, result->output.bytes().data(), sizeof(first));
  EXPECT_NEAR(first, tensor[0], 1e-5);
  call.request_bytes = result->request_bytes;
  call.response_bytes = result->response_bytes;
  call.peak_resident_bytes = favord.PeakResidentBytes();
  return call;
}

bool MemoryIsMeasurable() { return !kSanitized; }

}  // namespace favor::testing
