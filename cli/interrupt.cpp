#include "cli/interrupt.hpp"

#include <unistd.h>

#include <csignal>

namespace edgewise::cli {
namespace {

std::atomic<bool> flag{false};
std::atomic<bool> may_finish{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler relies on it");

void handle(int) {
  if (may_finish.load() && !flag.exchange(true)) return;
  constexpr char line[] = "\nedgewise: interrupted\n";
  // The leading line end leaves a progress bar behind; without a terminal there is none.
  const int skip = ::isatty(STDERR_FILENO) ? 0 : 1;
  if (::write(STDERR_FILENO, line + skip, sizeof(line) - 1 - static_cast<std::size_t>(skip)) < 0) ::_exit(2);
  ::_exit(2);
}

}  // namespace

std::atomic<bool>& interrupted() {
  return flag;
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

Interruptible::Interruptible() {
  may_finish = true;
}
Interruptible::~Interruptible() {
  may_finish = false;
}

}  // namespace edgewise::cli
