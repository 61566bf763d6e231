// Ten million tokens through one causal stream of a favord: memory, drift and cost per token; and small calls beside
// eight streams. Prints Markdown to standard output and progress to standard error.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "favor/projection/projection.h"
#include "tests/benchmarks/stream/double_prefix.h"
#include "tests/benchmarks/stream/stream_inputs.h"
#include "tests/integration/harness/attend_stream.h"
#include "tests/integration/harness/favord.h"
#include "tests/integration/harness/rpc.h"

namespace favor {
namespace {

using testing::AttendStreamClient;
using testing::Favord;

constexpr int64_t kHeads = 8, kDim = 64, kFeatures = 256, kChunk = 2048;
constexpr int64_t kHeadFloats = kChunk * kDim, kChunkFloats = kHeads * kHeadFloats;

// The head that the oracle follows.
constexpr int64_t kHead = 3;

v1::AttentionSpec Spec() {
  v1::AttentionSpec spec;
  spec.set_causal(true);
  spec.mutable_features()->set_num_features(kFeatures);
  return spec;
}

// [1, heads, length, dim], of which each head has kChunk rows.
void SetTensor(absl::Span<const float> chunk, int64_t length, v1::Tensor* tensor) {
  tensor->set_data_type(v1::DATA_TYPE_F32);
  for (const int64_t size : {int64_t{1}, kHeads, length, kDim}) tensor->add_shape(size);
  std::string& data = *tensor->mutable_data();
  data.reserve(kHeads * length * kDim * sizeof(float));
  for (int64_t head = 0; head < kHeads; ++head) {
    data.append(reinterpret_cast<const char*>(chunk.data() + head * kHeadFloats), length * kDim * sizeof(float));
  }
}

template <typename Message>
void SetTensors(const StreamInputs& inputs, int64_t index, int64_t length, Message* message) {
  SetTensor(inputs.Chunk(index, StreamTensor::kQueries), length, message->mutable_queries());
  SetTensor(inputs.Chunk(index, StreamTensor::kKeys), length, message->mutable_keys());
  SetTensor(inputs.Chunk(index, StreamTensor::kValues), length, message->mutable_values());
}

bool Start(AttendStreamClient& stream) {
  v1::AttendStreamRequest request;
  *request.mutable_start()->mutable_spec() = Spec();
  request.mutable_start()->set_report_every_chunk(true);
  return stream.Send(request);
}

bool SendChunk(AttendStreamClient& stream, const StreamInputs& inputs, int64_t index) {
  v1::AttendStreamRequest request;
  SetTensors(inputs, index, kChunk, request.mutable_chunk());
  return stream.Send(request);
}

double SecondsOf(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + 1e-9 * duration.nanos();
}

// What became of the long stream.
struct LongStream {
  std::map<int64_t, std::vector<float>> outputs;  // of kHead, by position
  std::vector<double> compute_seconds;            // of each chunk
  int64_t resident_before = 0, resident_peak = 0;
  double seconds = 0;
};

void ShowProgress(int64_t done, int64_t of, double seconds) {
  if (isatty(STDERR_FILENO) == 0 && done % 256 != 0 && done != of) return;
  const int width = static_cast<int>(40 * done / of);
  std::fprintf(stderr, "\r[%-40s] %5.1f%%  %.0f tokens/s ", std::string(width, '#').c_str(),
               100.0 * static_cast<double>(done) / static_cast<double>(of),
               static_cast<double>(done * kChunk) / seconds);
  if (done == of) std::fprintf(stderr, "\n");
}

// Where outputs are looked at: some 64 positions, evenly on a log scale, and the last one.
std::vector<int64_t> Positions(int64_t num_tokens) {
  std::vector<int64_t> positions;
  const double most = std::log(static_cast<double>(num_tokens));
  for (int i = 1; i <= 64; ++i) {
    const auto position = static_cast<int64_t>(std::exp(most * i / 64)) - 1;
    if (positions.empty() || position > positions.back()) positions.push_back(position);
  }
  positions.back() = num_tokens - 1;
  return positions;
}

LongStream RunLongStream(const StreamInputs& inputs, int64_t num_chunks, const std::vector<int64_t>& positions) {
  Favord favord({.flags = {"--threads", "2"}});
  AttendStreamClient stream(favord.channel(), absl::Hours(6));
  LongStream result;
  const absl::Time begin = absl::Now();
  std::thread sender([&] {
    Start(stream);
    for (int64_t index = 0; index < num_chunks && SendChunk(stream, inputs, index); ++index) {
    }
    stream.SendNoMore();
  });
  auto next = positions.begin();
  for (int64_t index = 0; index < num_chunks; ++index) {
    const auto answer = stream.Read();
    if (!answer) break;
    const auto* output = reinterpret_cast<const float*>(answer->output().data().data()) + kHead * kHeadFloats;
    for (; next != positions.end() && *next < (index + 1) * kChunk; ++next) {
      const float* row = output + *next % kChunk * kDim;
      result.outputs[*next].assign(row, row + kDim);
    }
    result.compute_seconds.push_back(SecondsOf(answer->report().compute_time()));
    if (index == 15) result.resident_before = favord.ResidentBytes();
    if (index % 16 == 0 && index > 15) result.resident_peak = std::max(result.resident_peak, favord.ResidentBytes());
    ShowProgress(index + 1, num_chunks, absl::ToDoubleSeconds(absl::Now() - begin));
  }
  sender.join();
  const grpc::Status status = stream.Finish();
  if (!status.ok()) {
    std::fprintf(stderr, "the stream ended: %s\n", status.error_message().c_str());
    std::exit(1);
  }
  result.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  return result;
}

// The largest error of a row over its largest entry, by position.
std::map<int64_t, double> Drift(const StreamInputs& inputs, const LongStream& stream, int64_t num_chunks) {
  const auto projection = DrawProjection({.num_features = kFeatures, .head_dim = kDim});
  DoublePrefix oracle((*projection)->Matrix(0), kDim, kDim);
  std::map<int64_t, double> drift;
  auto next = stream.outputs.begin();
  std::fprintf(stderr, "float64 oracle\n");
  const absl::Time begin = absl::Now();
  for (int64_t index = 0; index < num_chunks; ++index) {
    const auto at = [&](StreamTensor tensor) { return inputs.Chunk(index, tensor).data() + kHead * kHeadFloats; };
    const float *queries = at(StreamTensor::kQueries), *keys = at(StreamTensor::kKeys),
                *values = at(StreamTensor::kValues);
    int64_t folded = 0;
    const auto fold_until = [&](int64_t end) {
      oracle.Fold(keys + folded * kDim, values + folded * kDim, end - folded);
      folded = end;
    };
    for (; next != stream.outputs.end() && next->first < (index + 1) * kChunk; ++next) {
      const int64_t row = next->first % kChunk;
      fold_until(row + 1);
      const std::vector<double> expected = oracle.Read(queries + row * kDim);
      double error = 0, most = 0;
      for (int64_t c = 0; c < kDim; ++c) {
        error = std::max(error, std::abs(expected[c] - next->second[c]));
        most = std::max(most, std::abs(expected[c]));
      }
      drift[next->first] = error / most;
    }
    fold_until(kChunk);
    ShowProgress(index + 1, num_chunks, absl::ToDoubleSeconds(absl::Now() - begin));
  }
  return drift;
}

double Quantile(std::vector<double> values, double q) {
  const auto at = static_cast<int64_t>(q * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[at];
}

void ReportLongStream(const LongStream& stream, const std::map<int64_t, double>& drift) {
  const auto num_chunks = static_cast<int64_t>(stream.compute_seconds.size());
  std::printf("## One causal stream of %s tokens\n\n", absl::StrCat(num_chunks * kChunk).c_str());
  std::printf("H = %d, d = %d, m = %d, float32, chunks of %d tokens, two compute threads.\n\n", int{kHeads}, int{kDim},
              int{kFeatures}, int{kChunk});
  std::printf("| what | measured | bar |\n| --- | --- | --- |\n");
  std::printf("| growth of the server's resident memory after the first 16 chunks | %.1f MiB | 64 MiB |\n",
              static_cast<double>(stream.resident_peak - stream.resident_before) / (1 << 20));
  double worst = 0;
  for (const auto& [position, error] : drift) worst = std::max(worst, error);
  std::printf("| largest error over largest entry of an output row, %d positions, against float64 | %.1e | 1e-4 |\n",
              static_cast<int>(drift.size()), worst);
  std::printf("| the same at the last token | %.1e | 1e-4 |\n", drift.rbegin()->second);
  std::vector<double> tenths;
  for (int64_t i = 0; i < 10; ++i) {
    const auto begin = stream.compute_seconds.begin() + num_chunks * i / 10;
    tenths.push_back(Quantile({begin, stream.compute_seconds.begin() + num_chunks * (i + 1) / 10}, 0.5));
  }
  std::printf("| median compute time of a token, last tenth of the stream over the first | %.3f | 1.10 |\n",
              tenths.back() / tenths.front());
  std::printf("| the same, slowest tenth over fastest | %.3f | |\n",
              *std::max_element(tenths.begin(), tenths.end()) / *std::min_element(tenths.begin(), tenths.end()));
  std::printf("| compute time of a token | %.2f us | |\n", 1e6 * tenths.front() / kChunk);
  std::printf("| whole run, %.0f GB of tensors over loopback included | %.0f s, %.0f tokens/s | |\n\n",
              4 * 4e-9 * static_cast<double>(num_chunks * kChunkFloats), stream.seconds,
              static_cast<double>(num_chunks * kChunk) / stream.seconds);
}

// Milliseconds of small calls.
struct Latencies {
  std::vector<double> whole;      // as the caller sees it
  std::vector<double> in_server;  // queue and compute time of the report
};

// One small call after the other with a pause, for so long.
Latencies SmallCalls(const std::shared_ptr<grpc::Channel>& channel, const StreamInputs& inputs, absl::Duration time) {
  v1::AttendRequest request;
  SetTensors(inputs, 0, 16, &request);
  *request.mutable_spec() = Spec();
  const auto stub = v1::AttentionService::NewStub(channel);
  Latencies latencies;
  for (const absl::Time end = absl::Now() + time; absl::Now() < end; absl::SleepFor(absl::Milliseconds(5))) {
    grpc::ClientContext context;
    v1::AttendResponse response;
    const absl::Time begin = absl::Now();
    if (!stub->Attend(&context, request, &response).ok()) std::exit(1);
    latencies.whole.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
    latencies.in_server.push_back(1e3 * SecondsOf(response.report().queue_time()) +
                                  1e3 * SecondsOf(response.report().compute_time()));
  }
  return latencies;
}

void BesideStreams(const StreamInputs& inputs, absl::Duration time) {
  Favord favord({.flags = {"--threads", "2"}});
  std::fprintf(stderr, "small calls alone, then beside eight streams\n");
  SmallCalls(favord.channel(), inputs, absl::Seconds(1));
  const Latencies alone = SmallCalls(favord.channel(), inputs, time);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> num_chunks{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      AttendStreamClient stream(testing::ConnectTo(favord.address()), absl::Hours(1));
      Start(stream);
      while (!stop && SendChunk(stream, inputs, 0) && stream.Read()) ++num_chunks;
      stream.SendNoMore();
      stream.Finish();
    });
  }
  absl::SleepFor(absl::Seconds(1));
  num_chunks = 0;
  const Latencies beside = SmallCalls(favord.channel(), inputs, time);
  const double rate = static_cast<double>(num_chunks * kChunk) / absl::ToDoubleSeconds(time);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("## Small calls beside eight streams\n\n");
  std::printf(
      "Attend of 16 tokens (H = 8, d = 64, m = 256), one call at a time, while eight streams send chunks of %d "
      "tokens as fast as they are answered. Two cores for server, streams and caller together.\n\n",
      int{kChunk});
  std::printf("| | p50 | p90 | p99 | calls |\n| --- | --- | --- | --- | --- |\n");
  const auto print = [](const char* name, const std::vector<double>& latencies) {
    std::printf("| %s | %.2f ms | %.2f ms | %.2f ms | %d |\n", name, Quantile(latencies, 0.5), Quantile(latencies, 0.9),
                Quantile(latencies, 0.99), static_cast<int>(latencies.size()));
  };
  print("alone", alone.whole);
  print("beside eight streams", beside.whole);
  print("alone, queue and compute time on the server", alone.in_server);
  print("beside eight streams, queue and compute time on the server", beside.in_server);
  std::printf("\nThe streams together: %.0f tokens/s.\n", rate);
}

}  // namespace
}  // namespace favor

int main(int argc, char** argv) {
  using namespace favor;
  int64_t num_tokens = 10'000'000;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &num_tokens) || num_tokens < 100 * kChunk))) {
    std::fprintf(stderr, "usage: %s [TOKENS, at least %d, 10000000 by default]\n", argv[0], int{100 * kChunk});
    return 2;
  }
  const int64_t num_chunks = (num_tokens + kChunk - 1) / kChunk;
  const StreamInputs inputs(kChunkFloats);
  const LongStream stream = RunLongStream(inputs, num_chunks, Positions(num_chunks * kChunk));
  ReportLongStream(stream, Drift(inputs, stream, num_chunks));
  BesideStreams(inputs, absl::Seconds(std::min<int64_t>(60, num_tokens / 100'000)));
}
