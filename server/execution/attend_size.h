#ifndef FAVOR_SERVER_EXECUTION_ATTEND_SIZE_H_
#define FAVOR_SERVER_EXECUTION_ATTEND_SIZE_H_

#include "favor/base/thread_pool.h"
#include "server/execution/attend_work.h"
#include "server/execution/forecast.h"

namespace favor {

// How much there is to do in a call that was planned as `job`: nominal operations, two to a multiplication and its
// addition; exponentials are free. What differs in speed has a kind of its own: narrow and short work above all, whose
// few operations are mostly overhead. `projection` is the one that was found for the call, or null.
JobSize AttendSize(const AttendWork& work, const Projection* projection, const Job& job);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_ATTEND_SIZE_H_
