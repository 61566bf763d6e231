#ifndef FAVOR_SERVER_EXECUTION_PROJECTION_DRAWS_H_
#define FAVOR_SERVER_EXECUTION_PROJECTION_DRAWS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "favor/base/cancellation.h"
#include "favor/projection/projection.h"
#include "favor/projection/projection_cache.h"
#include "server/execution/admission.h"
#include "server/execution/attend_work.h"
#include "server/execution/compute.h"

namespace favor {

// Draws projections and keeps them. Drawing is one long step (65,536 rows of 512 take seconds), which on the compute
// pool would keep a thread from everybody else: so it has two threads of its own, one for small projections, which then
// never wait for the end of a large one, and one for large. Thread-safe.
class ProjectionDraws {
 public:
  // max_bytes bounds the projections kept.
  explicit ProjectionDraws(int64_t max_bytes) : cache_(max_bytes) {}

  // A projection drawn before and still kept, or null. Never blocks.
  std::shared_ptr<const Projection> Find(const ProjectionSpec& spec) { return cache_.Find(spec); }

  // `waited` is the time the draw stood in line.
  using Done = std::function<void(absl::StatusOr<std::shared_ptr<const Projection>> projection, absl::Duration waited)>;

  // Draws, or finds what was drawn meanwhile, and calls `done` once, on a drawing thread. Never blocks. `cancellation`
  // must live until then.
  void Draw(const ProjectionSpec& spec, const Cancellation* cancellation, Done done);

 private:
  ProjectionCache cache_;
  Compute small_{1};
  Compute large_{1};
};

// Who pays for a projection that is kept already: a call is over before it matters that the next one may take its
// place, a stream holds on to it for as long as its client likes.
enum class KeptProjection : uint8_t { kIsFree, kIsReserved };

// The projection of a spec: the supplied one, one that is kept, or one that is drawn after `reservation` has grown by
// it; null where the spec takes none. Calls `done` once, on the caller's thread or a drawing thread. `reservation` and
// `cancellation` must live until then.
void FindProjection(const SpecWork& work, ProjectionDraws* draws, Admission::Reservation* reservation,
                    const Cancellation* cancellation, ProjectionDraws::Done done,
                    KeptProjection kept = KeptProjection::kIsFree);

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_PROJECTION_DRAWS_H_
