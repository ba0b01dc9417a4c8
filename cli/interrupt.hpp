#pragma once
/// \file
/// Ctrl-C (SIGINT) and SIGTERM: work that can stop halfway is asked to, all other work ends at once with one line.
/// Whatever runs, the program ends within two seconds.
#include <atomic>
#include <string>

namespace edgewise::cli {

/// True once the user has asked to stop.
std::atomic<bool>& interrupted();

/// Installs the handlers; called by the program, not by tests that run commands inside their own process.
void catch_interrupts();

/// While one lives, a first signal sets `interrupted()` and leaves some two seconds to end; then, or at a second signal,
/// the program is ended. Outside, a signal writes "edgewise: interrupted" to standard error and exits with status 2.
class Interruptible {
 public:
  /// \param last_words  behind "edgewise: interrupted" where the time does not suffice, e.g. "; x is kept in y"
  explicit Interruptible(const std::string& last_words = "");
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
};

/// True when the user asked to stop a while ago, so that what has not ended by itself must be given up.
bool out_of_patience();

/// Ends the program with "edgewise: MESSAGE", or without a word, and status 2, without waiting for threads that still compute.
[[noreturn]] void leave(const std::string& message);

/// A file that an interruption removes before it ends the program; "" for none. There is one at a time.
void remove_when_interrupted(const std::string& path);

}  // namespace edgewise::cli
