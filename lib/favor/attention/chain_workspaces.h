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

// Gives every chain of a phase a workspace for as long as it is under way, and passes it on to the next chain: no more
// workspaces exist than chains run at once. Thread-safe.
template <typename Workspace>
class ChainWorkspaces {
 public:
  // Makes a workspace for a chain. What Release() passes on has to do for any chain.
  using Make = std::function<absl::StatusOr<std::unique_ptr<Workspace>>(int64_t chain)>;

  ChainWorkspaces(int64_t num_chains, Make make) : make_(std::move(make)), of_chain_(num_chains) {}

  // The chain's workspace, made or taken over at its first step; contents are then arbitrary.
  absl::StatusOr<Workspace*> Get(int64_t chain) {
    std::unique_ptr<Workspace>& mine = of_chain_[chain];  // steps of one chain never run at once
    if (mine != nullptr) return mine.get();
    {
      absl::MutexLock lock(&mutex_);
      if (!free_.empty()) {
        mine = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (mine == nullptr) {
      absl::StatusOr<std::unique_ptr<Workspace>> made = make_(chain);
      if (!made.ok()) return made.status();
      mine = *std::move(made);
    }
    return mine.get();
  }

  // After the chain's last step.
  void Release(int64_t chain) {
    absl::MutexLock lock(&mutex_);
    free_.push_back(std::move(of_chain_[chain]));
  }

 private:
  const Make make_;
  std::vector<std::unique_ptr<Workspace>> of_chain_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace favor::internal

#endif  // FAVOR_ATTENTION_CHAIN_WORKSPACES_H_
