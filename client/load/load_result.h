#ifndef FAVOR_CLIENT_LOAD_LOAD_RESULT_H_
#define FAVOR_CLIENT_LOAD_LOAD_RESULT_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/load/duration_histogram.h"

namespace favor::load {

// How one call went.
struct CallOutcome {
  absl::Status status;
  // As the server reports them; an echo has none.
  absl::Duration queue_time = absl::ZeroDuration();
  absl::Duration compute_time = absl::ZeroDuration();
  int64_t request_bytes = 0;
  int64_t response_bytes = 0;
  int64_t num_tokens = 0;  // that were embedded
};

// What a load found out: counted are the arrivals after the warm-up. Every call that was planned was either sent or
// dropped, and every call that was sent succeeded or failed. Times are those of the calls that succeeded.
struct LoadResult {
  struct Failures {
    int64_t count = 0;
    std::string first_message;
  };

  int64_t planned = 0;
  int64_t sent = 0;
  int64_t succeeded = 0;
  // Arrivals that found every slot taken until the end of the load, and were never sent.
  int64_t dropped = 0;
  // Of those sent: more than kLate after their arrival, because every slot was taken or this machine was too busy.
  int64_t late = 0;
  std::map<absl::StatusCode, Failures> failures;
  // The server had gone: the load ended before its time.
  bool stopped_early = false;

  // The counted time: from the end of the warm-up to that of the load.
  absl::Duration elapsed = absl::ZeroDuration();
  // What the server did in that time, for arrivals of the warm-up too. A call that is under way at one of its ends
  // counts by the part of its round trip that lies inside.
  struct Work {
    double calls = 0;
    double bytes = 0;
    double tokens = 0;
  };
  Work work;
  int64_t num_tokens = 0;            // of the calls that succeeded
  DurationHistogram latency;         // from the planned arrival to the answer
  DurationHistogram round_trip;      // from sending to the answer
  DurationHistogram queue;           // in the server, before its threads took the work up
  DurationHistogram compute;         // in the server's kernels
  DurationHistogram beside_compute;  // round trip - compute, call by call

  static constexpr absl::Duration kLate = absl::Milliseconds(1);

  int64_t failed() const { return sent - succeeded; }
  double CallsPerSecond() const { return PerSecond(work.calls); }
  double BytesPerSecond() const { return PerSecond(work.bytes); }
  double TokensPerSecond() const { return PerSecond(work.tokens); }

  // Adds a load that ran after this one.
  void Merge(const LoadResult& other);

 private:
  double PerSecond(double amount) const {
    const double seconds = absl::ToDoubleSeconds(elapsed);
    return seconds > 0 ? amount / seconds : 0;
  }
};

}  // namespace favor::load

#endif  // FAVOR_CLIENT_LOAD_LOAD_RESULT_H_
