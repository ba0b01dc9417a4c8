#pragma once
/// \file
/// Ctrl-C (SIGINT) and SIGTERM: work that can stop halfway is asked to, all other work ends at once with one line.
#include <atomic>

namespace edgewise::cli {

/// True once the user has asked to stop.
std::atomic<bool>& interrupted();

/// Installs the handlers; called by the program, not by tests that run commands inside their own process.
void catch_interrupts();

/// While one lives, a first signal only sets `interrupted()`; a second one ends the program.
/// Outside, a signal writes "edgewise: interrupted" to standard error and exits with status 2.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
};

}  // namespace edgewise::cli
