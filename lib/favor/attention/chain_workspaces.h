#ifndef FAVOR_ATTENTION_CHAIN_WORKSPACES_H_
#define FAVOR_ATTENTION_CHAIN_WORKSPACES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace favor::internal {

// Workspaces that chains pass on to each other. When all chains that were announced have had theirs, the memory goes
// back: a job has many phases and lives until the last of them ends. Thread-safe.
template <typename Workspace>
class WorkspacePool {
 public:
  // Announces chains; before the first of them takes a workspace.
  void Expect(int64_t num_chains) {
    absl::MutexLock lock(&mutex_);
    num_expected_ += num_chains;
  }

  // Null when there is none to be passed on.
  std::unique_ptr<Workspace> Take() {
    absl::MutexLock lock(&mutex_);
    if (free_.empty()) return nullptr;
    std::unique_ptr<Workspace> workspace = std::move(free_.back());
    free_.pop_back();
    return workspace;
  }

  // When a chain has ended.
  void Give(std::unique_ptr<Workspace> workspace) {
    std::vector<std::unique_ptr<Workspace>> unneeded;  // freed without the lock
    absl::MutexLock lock(&mutex_);
    free_.push_back(std::move(workspace));
    if (--num_expected_ == 0) unneeded.swap(free_);
  }

 private:
  absl::Mutex mutex_;
  int64_t num_expected_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Workspace>> free_ ABSL_GUARDED_BY(mutex_);
};

// Gives every chain of a phase a workspace for as long as it is under way, and passes it on to the next chain: no more
// workspaces exist than chains run at once. Thread-safe.
//
// Chains of several calls may share a pool. What a workspace knows of the call that it was made for must not reach the
// chains of another one, so whoever makes workspaces says what becomes of one that is passed on.
template <typename Workspace>
class ChainWorkspaces {
 public:
  // Makes a workspace for a chain: of `used`, which Release() passed on and which is that of any chain of the pool, or
  // from nothing where it is null.
  using Make =
      std::function<absl::StatusOr<std::unique_ptr<Workspace>>(int64_t chain, std::unique_ptr<Workspace> used)>;
  using Pool = WorkspacePool<Workspace>;

  // Of workspaces that do for any chain of the pool as they are.
  static Make OfAnyChain(std::function<absl::StatusOr<std::unique_ptr<Workspace>>()> make) {
    return [make = std::move(make)](int64_t, std::unique_ptr<Workspace> used) {
      return used != nullptr ? absl::StatusOr<std::unique_ptr<Workspace>>(std::move(used)) : make();
    };
  }

  // Every chain is released once.
  ChainWorkspaces(int64_t num_chains, Make make, std::shared_ptr<Pool> pool = nullptr)
      : make_(std::move(make)),
        of_chain_(num_chains),
        pool_(pool != nullptr ? std::move(pool) : std::make_shared<Pool>()) {
    pool_->Expect(num_chains);
  }

  // The chain's workspace, made or taken over at its first step; contents are then arbitrary.
  absl::StatusOr<Workspace*> Get(int64_t chain) {
    std::unique_ptr<Workspace>& mine = of_chain_[chain];  // steps of one chain never run at once
    if (mine != nullptr) return mine.get();
    absl::StatusOr<std::unique_ptr<Workspace>> made = make_(chain, pool_->Take());
    if (!made.ok()) return made.status();
    mine = *std::move(made);
    return mine.get();
  }

  // After the chain's last step.
  void Release(int64_t chain) { pool_->Give(std::move(of_chain_[chain])); }

 private:
  const Make make_;
  std::vector<std::unique_ptr<Workspace>> of_chain_;
  const std::shared_ptr<Pool> pool_;
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_CHAIN_WORKSPACES_H_
