#ifndef FAVOR_CLIENT_LOAD_LOAD_RUN_H_
#define FAVOR_CLIENT_LOAD_LOAD_RUN_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "client/load/clock.h"
#include "client/load/load_plan.h"
#include "client/load/load_result.h"

namespace favor::load {

// Makes one call and blocks until it has ended. `caller` counts from 0 to concurrency - 1: calls of one caller never
// overlap, those of different ones do.
using LoadCall = std::function<CallOutcome(int caller)>;

// For whoever watches. Thread-safe.
struct LoadProgress {
  std::atomic<int64_t> succeeded{0};
  std::atomic<int64_t> failed{0};
};

// Carries out the plan, with a thread for each caller, and returns when the last call has been answered.
//
// Latency counts from the moment a call was planned for, not from the moment it could be sent: a server that stalls is
// charged for all the calls that it kept waiting, not only for those in flight. What arrives while every caller is busy
// is sent as soon as one is free, and dropped if that is not before the end.
//
// Once the server has gone (LoadPlan::gone_after) nothing more is sent. A shorter outage is part of the result; a
// caller of a closed loop then pauses after each call, which would do nothing but fail.
LoadResult RunLoad(const LoadPlan& plan, const LoadCall& call, Clock* clock, LoadProgress* progress = nullptr);

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_LOAD_RUN_H_
