#include "client/load/load_result.h"

namespace favor::load {

void LoadResult::Merge(const LoadResult& other) {
  planned += other.planned;
  sent += other.sent;
  succeeded += other.succeeded;
  dropped += other.dropped;
  late += other.late;
  for (const auto& [code, failure] : other.failures) {
    Failures& mine = failures[code];
    if (mine.count == 0) mine.first_message = failure.first_message;
    mine.count += failure.count;
  }
  stopped_early = stopped_early || other.stopped_early;
  elapsed += other.elapsed;
  work.calls += other.work.calls;
  work.bytes += other.work.bytes;
  work.tokens += other.work.tokens;
  num_tokens += other.num_tokens;
  latency.Merge(other.latency);
  round_trip.Merge(other.round_trip);
  queue.Merge(other.queue);
  compute.Merge(other.compute);
  beside_compute.Merge(other.beside_compute);
}

}  // namespace favor::load
