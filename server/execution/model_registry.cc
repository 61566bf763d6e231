#include "server/execution/model_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/execution/warm_up.h"

namespace favor {

absl::StatusOr<NamedModel> ModelRegistry::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  if (name.empty() && models_.size() == 1) return models_.begin()->second;
  const auto found = models_.find(name);
  if (found == models_.end()) return UnknownModel(name);
  return found->second;
}

std::vector<NamedModel> ModelRegistry::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<NamedModel> list;
  for (const auto& entry : models_) list.push_back(entry.second);
  return list;
}

void ModelRegistry::Load(const std::string& name, const std::string& folder, Done done) {
  auto loaded = std::make_shared<absl::StatusOr<NamedModel>>(absl::UnknownError("not loaded"));
  Job job;
  job.phases.push_back({1, 1, [this, name, folder, loaded](int64_t, int64_t) {
                          *loaded = LoadNow(name, folder);
                          return absl::OkStatus();
                        }});
  loading_.Submit(std::move(job), [this, loaded, done = std::move(done)](absl::Status) {
    if (observe_) observe_(loaded->status());
    done(*std::move(loaded));
  });
}

void ModelRegistry::ReloadAll(const Done& done) {
  for (const NamedModel& model : List()) Load(model.name, model.folder, done);
}

absl::Status ModelRegistry::Unload(absl::string_view name) {
  NamedModel last;  // let go of after the lock: freeing a model takes time
  absl::MutexLock lock(&mutex_);
  const auto found = models_.find(name);
  if (found == models_.end()) return UnknownModel(name);
  last = std::move(found->second);
  models_.erase(found);
  return absl::OkStatus();
}

absl::StatusOr<NamedModel> ModelRegistry::LoadNow(const std::string& name, std::string folder) {
  const auto about = [&name](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat("model ", name, ": ", status.message()));
  };
  if (stopping_) return about(absl::CancelledError("the server stops"));
  if (folder.empty()) {
    const absl::StatusOr<NamedModel> old = Find(name);
    if (!old.ok()) return old.status();
    folder = old->folder;
  }
  absl::StatusOr<std::shared_ptr<const Model>> model = loader_(folder);
  if (!model.ok()) return about(model.status());
  if (absl::Status status = WarmUp(*model); !status.ok()) return about(status);
  NamedModel loaded{name, std::move(folder), *std::move(model)};
  NamedModel replaced = loaded;
  {
    absl::MutexLock lock(&mutex_);
    std::swap(models_[name], replaced);
  }
  return loaded;
}

absl::Status ModelRegistry::UnknownModel(absl::string_view name) const {
  if (models_.empty()) return absl::NotFoundError("no model is loaded");
  const std::string names =
      absl::StrJoin(models_, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first); });
  if (name.empty()) {
    return absl::NotFoundError(absl::StrCat("model is empty, more than one is loaded; there are: ", names));
  }
  return absl::NotFoundError(absl::StrCat("model is '", name, "', which is not loaded; there are: ", names));
}

}  // namespace favor
