#include "server/execution/model_registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "favor/model/weight_files.h"
#include "server/execution/warm_up.h"

namespace favor {
namespace {

absl::Status About(absl::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("model ", name, ": ", status.message()));
}

absl::Status Stopped(absl::string_view name) { return About(name, absl::CancelledError("the server stops")); }

}  // namespace

absl::StatusOr<NamedModel> ModelRegistry::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  if (name.empty() ? !expected_.empty() : expected_.count(name) > 0) {
    return absl::UnavailableError(absl::StrCat("model is '", name, "', models are still being loaded"));
  }
  if (name.empty() && models_.size() == 1) return models_.begin()->second;
  const auto found = models_.find(name);
  if (found == models_.end()) return UnknownModel(name);
  return found->second;
}

void ModelRegistry::Expect(const std::vector<std::string>& names) {
  absl::MutexLock lock(&mutex_);
  expected_.insert(names.begin(), names.end());
}

std::vector<NamedModel> ModelRegistry::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<NamedModel> list;
  for (const auto& entry : models_) list.push_back(entry.second);
  return list;
}

void ModelRegistry::Load(const std::string& name, const std::string& folder, Done done) {
  Request request{name, folder, std::move(done)};
  bool stopping = false;
  {
    absl::MutexLock lock(&mutex_);
    stopping = stopping_;
    if (!stopping) requests_.push_back(std::move(request));
  }
  if (stopping) return request.done(Stopped(name));
  Job job;
  job.phases.push_back({1, 1, [this](int64_t, int64_t) {
                          LoadNext();
                          return absl::OkStatus();
                        }});
  loading_.Submit(std::move(job), [](const absl::Status&) {});
}

void ModelRegistry::LoadNext() {
  Request request;
  {
    absl::MutexLock lock(&mutex_);
    if (requests_.empty()) return;  // Stop() took it
    request = std::move(requests_.front());
    requests_.pop_front();
  }
  absl::StatusOr<std::string> folder = FolderOf(request);
  if (!folder.ok()) return request.done(folder.status());
  absl::StatusOr<NamedModel> loaded = LoadNow(request, *std::move(folder));
  if (observe_) observe_(loaded);
  request.done(std::move(loaded));
}

absl::StatusOr<std::string> ModelRegistry::FolderOf(const Request& request) const {
  if (!request.folder.empty()) return request.folder;
  const absl::StatusOr<NamedModel> old = Find(request.name);
  if (!old.ok()) return old.status();
  return old->folder;
}

void ModelRegistry::Stop() {
  std::deque<Request> requests;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    requests.swap(requests_);
  }
  for (const Request& request : requests) request.done(Stopped(request.name));
}

void ModelRegistry::ReloadAll(const Done& done) {
  // No folder: by the time of its turn the model may have come from another, or be gone.
  for (const NamedModel& model : List()) Load(model.name, "", done);
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

absl::StatusOr<std::shared_ptr<const Model>> ModelRegistry::LoadAdmitted(const std::string& folder) {
  if (admission_ == nullptr) return loader_(folder);
  // What a model takes is known when it is loaded, and rarely less than its file: what can not fit is not even read.
  absl::StatusOr<Admission::ModelMemory> memory = admission_->HoldModel(WeightsFileBytes(folder));
  if (!memory.ok()) return memory.status();
  absl::StatusOr<std::shared_ptr<const Model>> model = loader_(folder);
  if (!model.ok()) return model;
  if (absl::Status status = memory->Resize((*model)->memory_bytes()); !status.ok()) return status;
  struct Held {
    Admission::ModelMemory memory;
    std::shared_ptr<const Model> model;  // ends first
  };
  auto held = std::make_shared<const Held>(Held{*std::move(memory), *std::move(model)});
  return std::shared_ptr<const Model>(held, held->model.get());
}

absl::StatusOr<NamedModel> ModelRegistry::LoadNow(const Request& request, std::string folder) {
  const std::string& name = request.name;
  const bool again = request.folder.empty();
  absl::StatusOr<std::shared_ptr<const Model>> model = LoadAdmitted(folder);
  if (!model.ok()) return About(name, model.status());
  if (absl::Status status = WarmUp(*model); !status.ok()) return About(name, status);
  NamedModel loaded{name, std::move(folder), *std::move(model)};
  NamedModel replaced = loaded;
  {
    absl::MutexLock lock(&mutex_);
    if (again && models_.find(name) == models_.end()) return UnknownModel(name);  // unloaded meanwhile
    std::swap(models_[name], replaced);
    expected_.erase(name);
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
