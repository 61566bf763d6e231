#ifndef FAVOR_SERVER_EXECUTION_MODEL_REGISTRY_H_
#define FAVOR_SERVER_EXECUTION_MODEL_REGISTRY_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "favor/base/thread_pool.h"
#include "favor/model/model.h"
#include "server/execution/admission.h"

namespace favor {

struct NamedModel {
  std::string name;    // that requests give
  std::string folder;  // it was loaded from
  std::shared_ptr<const Model> model;
};

// The models that requests may name. Whoever holds a model goes on with it after it was replaced or forgotten.
// Thread-safe.
class ModelRegistry {
 public:
  using Loader = std::function<absl::StatusOr<std::shared_ptr<const Model>>(const std::string& folder)>;
  using Done = std::function<void(absl::StatusOr<NamedModel>)>;

  using Observer = std::function<void(const absl::StatusOr<NamedModel>&)>;

  // `observe`, which may be null, is told how every load went that was tried, on the loading thread and before whoever
  // asked for it: not of a name that has no folder, nor of one that Stop() came before. `admission`, which may be null
  // and must outlive every model, lends the memory of each to whoever last holds it: a model that replaces another
  // needs room beside it.
  explicit ModelRegistry(Loader loader, Observer observe = nullptr, Admission* admission = nullptr)
      : loader_(std::move(loader)), observe_(std::move(observe)), admission_(admission) {}
  // Stops, then waits for the load under way.
  ~ModelRegistry() { Stop(); }

  // The model of that name; empty: the only one. NotFoundError lists the names there are; UnavailableError while models
  // of Expect() are to come, of which it may be one.
  absl::StatusOr<NamedModel> Find(absl::string_view name) const;
  // In the order of their names.
  std::vector<NamedModel> List() const;

  // These names will be loaded: until they are, to ask for them is early, not wrong.
  void Expect(const std::vector<std::string>& names);

  // Loads a model, makes it embed something, then puts it in the place of the one of that name, if there is one. When
  // anything fails the old one stays. An empty folder is the one that the old one came from. Never blocks: loads run
  // one after the other on a thread of their own, and so does `done`, or within Stop().
  void Load(const std::string& name, const std::string& folder, Done done);
  // Loads every model anew, from where it came from when its turn comes; `done` runs for each, with NotFoundError for
  // one that is unloaded by then.
  void ReloadAll(const Done& done);

  // Loads that have not begun, now and from now on, end as cancelled, at once.
  void Stop();

  // NotFoundError lists the names there are.
  absl::Status Unload(absl::string_view name);

 private:
  struct Request {
    std::string name;
    std::string folder;
    Done done;
  };

  void LoadNext();
  // Where to load from.
  absl::StatusOr<std::string> FolderOf(const Request& request) const;
  // The model in memory that was admitted.
  absl::StatusOr<std::shared_ptr<const Model>> LoadAdmitted(const std::string& folder);
  absl::StatusOr<NamedModel> LoadNow(const Request& request, std::string folder);
  absl::Status UnknownModel(absl::string_view name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Loader loader_;
  const Observer observe_;
  Admission* const admission_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Request> requests_ ABSL_GUARDED_BY(mutex_);  // that have not begun
  std::set<std::string, std::less<>> expected_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, NamedModel, std::less<>> models_ ABSL_GUARDED_BY(mutex_);
  ThreadPool loading_{1};  // last: ends first, and its jobs use the rest
};

}  // namespace favor

#endif  // FAVOR_SERVER_EXECUTION_MODEL_REGISTRY_H_
