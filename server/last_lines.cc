#include "server/last_lines.h"

#include <signal.h>
#include <time.h>

#include <atomic>

namespace favor {
namespace {

constexpr int kLooks = 500;  // of a millisecond each

std::atomic<const Log*> crashing_log = nullptr;  // handlers of signals carry no context

void WaitAndDie(int number) {
  const timespec look = {0, 1'000'000};
  for (int i = 0; i < kLooks && !crashing_log.load()->is_idle(); ++i) nanosleep(&look, nullptr);
  raise(number);  // with its default action, once this handler has returned
}

}  // namespace

void WriteLastLinesOnCrash(const Log* log) {
  crashing_log = log;
  struct sigaction action = {};
  action.sa_handler = WaitAndDie;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    struct sigaction present = {};
    if (sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_DFL) {
      sigaction(number, &action, nullptr);
    }
  }
}

}  // namespace favor
