#include "client/cli/load_flags.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/flag_values.h"

namespace favor::cli {
namespace {

constexpr int kOpenLoopConcurrency = 32;
constexpr int kClosedLoopConcurrency = 4;
constexpr int kMaxConcurrency = 4096;

constexpr std::array kOpenLoopFlags = {"rate", "arrivals"};

}  // namespace

template <>
absl::Span<const Named<load::Arrivals>> NamesOf<load::Arrivals>() {
  static constexpr Named<load::Arrivals> kNames[] = {{load::Arrivals::kPoisson, "poisson"},
                                                     {load::Arrivals::kConstant, "constant"}};
  return kNames;
}

void LoadFlags::AddTo(FlagSet* flags) {
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
  flags->Add("duration", "TIME",
             absl::StrCat("Of the load that counts. It ends early once every call has been UNAVAILABLE for ",
                          absl::FormatDuration(load::kGoneAfter), ". Default 10s."),
             &plan.duration);
  flags->Add("warm-up", "TIME", "Of load before that, which does not count. Default 1s.", &plan.warm_up);
  flags->Add("seed", "N", "Of the inputs and the gaps. Default 0.", &plan.seed);
}

absl::Status LoadFlags::Complete(const FlagSet& flags) {
  plan.loop = closed_loop ? load::Loop::kClosed : load::Loop::kOpen;
  plan.concurrency = concurrency.value_or(closed_loop ? kClosedLoopConcurrency : kOpenLoopConcurrency);
  if (!(plan.rate > 0 && plan.rate <= 1e6)) {
    return absl::InvalidArgumentError(absl::StrCat("--rate is ", plan.rate, ", it must be above 0 and at most 1e6"));
  }
  if (plan.duration == absl::InfiniteDuration() || plan.warm_up == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError("--duration and --warm-up must end");
  }
  if (absl::Status status = CheckWithin("concurrency", plan.concurrency, 1); !status.ok()) return status;
  if (absl::Status status = CheckWithin("connections", connections, 1); !status.ok()) return status;
  if (plan.concurrency > kMaxConcurrency || connections > kMaxConcurrency) {
    return absl::InvalidArgumentError(absl::StrCat("--concurrency and --connections are at most ", kMaxConcurrency));
  }
  for (const char* flag : kOpenLoopFlags) {
    if (closed_loop && flags.IsSet(flag)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, " is of the open loop, --closed-loop has none"));
    }
  }
  return absl::OkStatus();
}

}  // namespace favor::cli
