#include "client/cli/bench_flags.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/transport/channel.h"

namespace favor::cli {
namespace {

constexpr int kOpenLoopConcurrency = 32;
constexpr int kClosedLoopConcurrency = 4;
constexpr int kMaxConcurrency = 4096;

constexpr std::array kOpenLoopFlags = {"rate", "arrivals"};
constexpr std::array kFeatureFlags = {"kernel", "estimator", "num-features", "projection"};

absl::Status AtLeastOne(const char* flag, int64_t value) {
  if (value >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " is ", value, ", the least is 1"));
}

}  // namespace

template <>
absl::Span<const Named<load::Arrivals>> NamesOf<load::Arrivals>() {
  static constexpr Named<load::Arrivals> kNames[] = {{load::Arrivals::kPoisson, "poisson"},
                                                     {load::Arrivals::kConstant, "constant"}};
  return kNames;
}

void BenchFlags::AddTo(FlagSet* flags) {
  flags->BeginSection("Load");
  flags->Add("rate", "R", "Calls per second, sent by the clock whether earlier ones are answered or not. Default 10.",
             &plan.rate);
  flags->Add("arrivals", "KIND", "Gaps between calls, at random or all the same. Default poisson.", &plan.arrivals);
  flags->Add("closed-loop", "Instead: send a caller's next call when its last one is answered, to find the throughput.",
             &closed_loop);
  flags->Add("concurrency", "N",
             absl::StrCat("Callers, so calls in flight at most. Default ", kOpenLoopConcurrency,
                          ", with --closed-loop ", kClosedLoopConcurrency, "."),
             &concurrency);
  flags->Add("connections", "N", "Connections that the callers share. Default 1.", &connections);
  flags->Add("duration", "TIME", "Of the load that counts. Default 10s.", &plan.duration);
  flags->Add("warm-up", "TIME", "Of load before that, which does not count. Default 1s.", &plan.warm_up);
  flags->Add("seed", "N", "Of the inputs and the gaps. Default 0.", &plan.seed);

  flags->BeginSection("Echo");
  flags->Add("echo",
             "In turn with Attend, send the same bytes to a plain gRPC echo that is started on this machine, and tell "
             "what part of the time is the transport's.",
             &echo);
  flags->Add("echo-endpoint", "ADDRESS", "The same with an echo that runs already: favor echo-server.", &echo_endpoint);

  flags->BeginSection("Attention");
  flags->Add("batch", "N", "Sequences. Default 1.", &shape.batch_size);
  flags->Add("heads", "N", "Default 8.", &shape.num_heads);
  flags->Add("key-heads", "N", "Default: as heads.", &key_heads);
  flags->Add("length", "N", "Queries of a sequence. Default 4096.", &shape.query_length);
  flags->Add("key-length", "N", "Keys of a sequence. Default: as queries.", &key_length);
  flags->Add("head-dim", "N", "Default 64.", &shape.head_dim);
  flags->Add("value-dim", "N", "Default: as head-dim.", &value_dim);
  flags->Add("data-type", "TYPE", "Of all tensors. Default f32.", &shape.type);
  flags->Add("mode", "MODE", "Default features.", &mode);
  flags->Add("causal", "A query sees the keys up to its own position.", &options.spec.causal);
  flags->Add("precision", "PRECISION", "Of the arithmetic; bf16 where the server's CPU has it. Default f32.",
             &options.spec.precision);
  flags->Add("kernel", "KERNEL", "Default softmax.", &features.kernel);
  flags->Add("estimator", "ESTIMATOR", "Default positive, which is FAVOR+.", &features.estimator);
  flags->Add("num-features", "N", "Default 4 * head-dim.", &features.num_features);
  flags->Add("projection", "KIND", "Default orthogonal.", &features.projection.kind);
}

absl::Status BenchFlags::Complete(const FlagSet& flags, const ConnectionFlags& connection) {
  plan.loop = closed_loop ? load::Loop::kClosed : load::Loop::kOpen;
  plan.concurrency = concurrency.value_or(closed_loop ? kClosedLoopConcurrency : kOpenLoopConcurrency);
  shape.num_key_heads = key_heads.value_or(shape.num_heads);
  shape.key_length = key_length.value_or(shape.query_length);
  shape.value_dim = value_dim.value_or(shape.head_dim);
  options.spec.mode = features;
  if (mode == Mode::kExact) options.spec.mode = client::ExactSpec();
  if (mode == Mode::kAuto) return absl::InvalidArgumentError("--mode is auto, it must be features or exact");

  if (!(plan.rate > 0 && plan.rate <= 1e6)) {
    return absl::InvalidArgumentError(absl::StrCat("--rate is ", plan.rate, ", it must be above 0 and at most 1e6"));
  }
  if (plan.duration == absl::InfiniteDuration() || plan.warm_up == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError("--duration and --warm-up must end");
  }
  const std::pair<const char*, int64_t> counts[] = {
      {"concurrency", plan.concurrency}, {"connections", connections},       {"batch", shape.batch_size},
      {"heads", shape.num_heads},        {"key-heads", shape.num_key_heads}, {"length", shape.query_length},
      {"key-length", shape.key_length},  {"head-dim", shape.head_dim},       {"value-dim", shape.value_dim}};
  for (const auto& [flag, value] : counts) {
    if (absl::Status status = AtLeastOne(flag, value); !status.ok()) return status;
  }
  if (plan.concurrency > kMaxConcurrency || connections > kMaxConcurrency) {
    return absl::InvalidArgumentError(absl::StrCat("--concurrency and --connections are at most ", kMaxConcurrency));
  }
  for (const char* flag : kOpenLoopFlags) {
    if (closed_loop && flags.IsSet(flag)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, " is of the open loop, --closed-loop has none"));
    }
  }
  for (const char* flag : kFeatureFlags) {
    if (mode != Mode::kFeatures && flags.IsSet(flag)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, " needs --mode features, the mode is exact"));
    }
  }
  if (echo && !echo_endpoint.empty()) return absl::InvalidArgumentError("give either --echo or --echo-endpoint");
  if (echo && !client::IsLocal(connection.endpoint)) {
    return absl::InvalidArgumentError(absl::StrCat("--echo measures on this machine and --endpoint is ",
                                                   connection.endpoint,
                                                   ": run favor echo-server there, and give --echo-endpoint"));
  }
  return absl::OkStatus();
}

}  // namespace favor::cli
