#ifndef FAVOR_SERVER_OBSERVABILITY_PROCESS_STATS_H_
#define FAVOR_SERVER_OBSERVABILITY_PROCESS_STATS_H_

namespace favor {

// What the kernel knows about this process; 0 where it does not tell.
struct ProcessStats {
  double cpu_seconds = 0;  // user and system
  double resident_memory_bytes = 0;
  double virtual_memory_bytes = 0;
  double start_time_seconds = 0;  // since the Unix epoch
  double open_fds = 0;
  double max_fds = 0;
};

// Reads /proc/self.
ProcessStats ReadProcessStats();

}  // namespace favor

#endif  // FAVOR_SERVER_OBSERVABILITY_PROCESS_STATS_H_
