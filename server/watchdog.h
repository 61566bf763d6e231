#ifndef FAVOR_SERVER_WATCHDOG_H_
#define FAVOR_SERVER_WATCHDOG_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace favor {

// Tells a supervisor that all is well for as long as something that could get stuck answers. Thread-compatible.
class Watchdog {
 public:
  // `ping` has the function that it is given run by what is watched; `tell` tells the supervisor.
  Watchdog(std::function<void(std::function<void()>)> ping, std::function<void()> tell)
      : ping_(std::move(ping)), tell_(std::move(tell)) {}

  // To be called at least twice in the time in which the supervisor wants to hear something.
  void Look() {
    if (!answered_->exchange(false)) return;  // no answer to the last ping yet: nothing is told, and nothing more asked
    tell_();
    ping_([answered = answered_] { answered->store(true); });
  }

 private:
  const std::function<void(std::function<void()>)> ping_;
  const std::function<void()> tell_;
  // Shared: an answer may come when nobody looks any more.
  const std::shared_ptr<std::atomic<bool>> answered_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace favor

#endif  // FAVOR_SERVER_WATCHDOG_H_
