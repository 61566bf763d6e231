#ifndef FAVOR_SERVER_LAST_LINES_H_
#define FAVOR_SERVER_LAST_LINES_H_

#include "server/observability/log.h"

namespace favor {

// From now on a signal by which a crash ends the process (SIGABRT, SIGSEGV and their like) waits for some moments until
// the log's thread has written what came before. Then it ends the process as it would have; handlers that others have
// set, as sanitizers do, stay. For the whole process; the log must outlive it.
void WriteLastLinesOnCrash(const Log* log);

}  // namespace favor

#endif  // FAVOR_SERVER_LAST_LINES_H_
