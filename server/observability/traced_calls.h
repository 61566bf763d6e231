#ifndef FAVOR_SERVER_OBSERVABILITY_TRACED_CALLS_H_
#define FAVOR_SERVER_OBSERVABILITY_TRACED_CALLS_H_

#include <cstdint>

namespace favor {

// What became of the calls that were recorded for traces, since the start.
struct TracedCalls {
  int64_t exported = 0;
  int64_t dropped = 0;  // too many waited
  int64_t failed = 0;   // the collector refused them, or was not there at the end
};

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_TRACED_CALLS_H_
