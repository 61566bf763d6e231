#ifndef FAVOR_PROJECTION_PROJECTION_CACHE_H_
#define FAVOR_PROJECTION_PROJECTION_CACHE_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/cancellation.h"
#include "favor/projection/projection.h"

namespace favor {

// Keeps drawn projections, the most recently used ones, up to a bound in bytes. Thread-safe.
class ProjectionCache {
 public:
  // max_bytes >= 0 bounds the projections kept here; those that callers still hold after they were dropped do not
  // count, nor do those being drawn. A projection larger than that is drawn but not kept.
  explicit ProjectionCache(int64_t max_bytes) : max_bytes_(max_bytes) {}
  ProjectionCache(const ProjectionCache&) = delete;
  ProjectionCache& operator=(const ProjectionCache&) = delete;

  // As DrawProjection(). A first request draws on the calling thread; those for the same spec that come meanwhile wait
  // for it. When the one who draws fails or is cancelled, only he gets the error: one of the waiting draws instead.
  // A waiting caller honours his own cancellation (may be null) within some milliseconds.
  absl::StatusOr<std::shared_ptr<const Projection>> Get(const ProjectionSpec& spec,
                                                        const Cancellation* cancellation = nullptr);

  // The projection if it is kept here, else null. Never draws and never waits.
  std::shared_ptr<const Projection> Find(const ProjectionSpec& spec);

  // Bytes of the projections kept.
  int64_t num_bytes() const;

 private:
  // Kind, row norms, seed, num_features, head_dim.
  using Key = std::tuple<ProjectionKind, RowNorms, uint64_t, int64_t, int64_t>;
  struct Entry {
    Key key;
    std::shared_ptr<const Projection> projection;
  };
  // A draw under way, shared by the one who draws and those who wait. Guarded by mutex_.
  struct Draw {
    bool ended = false;
    std::shared_ptr<const Projection> projection;  // null: it failed
  };

  static Key KeyOf(const ProjectionSpec& spec);
  std::shared_ptr<const Projection> Use(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(const Key& key, std::shared_ptr<const Projection> projection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WaitFor(const Draw& draw, const Cancellation* cancellation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_bytes_;
  mutable absl::Mutex mutex_;
  absl::CondVar draw_ended_;
  int64_t num_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  std::map<Key, std::list<Entry>::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, std::shared_ptr<Draw>> draws_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor

#endif  // FAVOR_PROJECTION_PROJECTION_CACHE_H_
