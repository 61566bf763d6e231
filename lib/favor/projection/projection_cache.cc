#include "favor/projection/projection_cache.h"

#include <utility>

#include "absl/time/time.h"

namespace favor {
namespace {

// Cancellation::Cancel() wakes nobody, so a waiting caller looks at it this often.
constexpr absl::Duration kCancellationPeriod = absl::Milliseconds(2);

}  // namespace

ProjectionCache::Key ProjectionCache::KeyOf(const ProjectionSpec& spec) {
  const RowNorms row_norms = TakesRowNorms(spec.kind) ? spec.row_norms : RowNorms::kChi;
  return {spec.kind, row_norms, spec.seed, spec.num_features, spec.head_dim};
}

absl::StatusOr<std::shared_ptr<const Projection>> ProjectionCache::Get(const ProjectionSpec& spec,
                                                                       const Cancellation* cancellation) {
  const Key key = KeyOf(spec);
  const auto draw = std::make_shared<Draw>();
  {
    absl::MutexLock lock(&mutex_);
    while (true) {
      if (std::shared_ptr<const Projection> found = Use(key)) return found;
      const auto [other, inserted] = draws_.try_emplace(key, draw);
      if (inserted) break;
      const std::shared_ptr<const Draw> others_draw = other->second;
      if (absl::Status status = WaitFor(*others_draw, cancellation); !status.ok()) return status;
      if (others_draw->projection != nullptr) return others_draw->projection;
    }
  }
  absl::StatusOr<std::shared_ptr<const Projection>> drawn = DrawProjection(spec, cancellation);

  absl::MutexLock lock(&mutex_);
  draws_.erase(key);
  draw->ended = true;
  if (drawn.ok()) {
    draw->projection = *drawn;
    Insert(key, *drawn);
  }
  draw_ended_.SignalAll();
  return drawn;
}

std::shared_ptr<const Projection> ProjectionCache::Find(const ProjectionSpec& spec) {
  absl::MutexLock lock(&mutex_);
  return Use(KeyOf(spec));
}

int64_t ProjectionCache::num_bytes() const {
  absl::MutexLock lock(&mutex_);
  return num_bytes_;
}

std::shared_ptr<const Projection> ProjectionCache::Use(const Key& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->projection;
}

void ProjectionCache::Insert(const Key& key, std::shared_ptr<const Projection> projection) {
  const int64_t bytes = projection->num_bytes();
  if (bytes > max_bytes_) return;
  while (num_bytes_ > max_bytes_ - bytes) {
    const Entry& oldest = entries_.back();
    num_bytes_ -= oldest.projection->num_bytes();
    index_.erase(oldest.key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(projection)});
  index_[key] = entries_.begin();
  num_bytes_ += bytes;
}

absl::Status ProjectionCache::WaitFor(const Draw& draw, const Cancellation* cancellation) {
  while (!draw.ended) {
    if (cancellation == nullptr) {
      draw_ended_.Wait(&mutex_);
      continue;
    }
    if (absl::Status status = cancellation->Check(); !status.ok()) return status;
    draw_ended_.WaitWithTimeout(&mutex_, kCancellationPeriod);
  }
  return absl::OkStatus();
}

}  // namespace favor
