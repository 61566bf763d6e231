#include "server/execution/projection_draws.h"

#include <utility>

namespace favor {
namespace {

// Multiply-adds of orthogonalising: some 20 ms.
constexpr int64_t kMaxSmallCost = int64_t{1} << 24;

int64_t CostOf(const ProjectionSpec& spec) {
  // A structured row costs its norm, a sum of as many Gaussians, each some 20 multiply-adds.
  if (spec.kind == ProjectionKind::kStructured) return spec.num_features * StructuredSize(spec.head_dim) * 20;
  return spec.num_features * spec.head_dim * spec.head_dim;
}

}  // namespace

void ProjectionDraws::Draw(const ProjectionSpec& spec, const Cancellation* cancellation, Done done) {
  using Drawn = absl::StatusOr<std::shared_ptr<const Projection>>;
  auto drawn = std::make_shared<Drawn>(nullptr);
  Job job;
  job.phases.push_back({1, 1, [this, spec, cancellation, drawn](int64_t, int64_t) {
                          *drawn = cache_.Get(spec, cancellation);
                          return drawn->status();
                        }});
  // The same projection always goes to the same thread, so nobody there ever waits inside the cache for another draw.
  Compute& thread = CostOf(spec) <= kMaxSmallCost ? small_ : large_;
  thread.Submit(std::move(job), cancellation, [drawn, done = std::move(done)](absl::Status status, Timing timing) {
    if (!status.ok()) return done(std::move(status), timing.queue_time);
    done(*std::move(drawn), timing.queue_time);
  });
}

void FindProjection(const SpecWork& work, ProjectionDraws* draws, Admission::Reservation* reservation,
                    const Cancellation* cancellation, ProjectionDraws::Done done, KeptProjection kept) {
  if (!work.drawn_projection) return done(work.supplied_projection, absl::ZeroDuration());
  const ProjectionSpec& spec = *work.drawn_projection;
  auto found = draws->Find(spec);
  if (found == nullptr || kept == KeptProjection::kIsReserved) {
    absl::Status admitted = reservation->Grow(DrawnProjectionBytes(spec), "the projection");
    if (!admitted.ok()) return done(std::move(admitted), absl::ZeroDuration());
  }
  if (found != nullptr) return done(std::move(found), absl::ZeroDuration());
  draws->Draw(spec, cancellation, std::move(done));
}

}  // namespace favor
