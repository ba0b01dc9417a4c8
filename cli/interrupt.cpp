#include "cli/interrupt.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "settings/shown.hpp"

namespace edgewise::cli {
namespace {

/// Text that a signal handler may read while others write it: one that is being changed is empty.
class SharedText {
 public:
  void set(std::string_view text) {
    size_ = 0;
    const std::size_t size = text.size() < sizeof text_ ? text.size() : 0;
    text.copy(text_, size);
    text_[size] = '\0';
    size_ = size;
  }
  const char* c_str() const { return size_ > 0 ? text_ : ""; }
  std::size_t size() const { return size_; }

 private:
  char text_[4096] = {};
  std::atomic<std::size_t> size_{0};
};

std::atomic<bool> flag{false};
std::atomic<bool> may_finish{false};
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handlers rely on it");
static_assert(std::atomic<std::size_t>::is_always_lock_free, "the signal handlers rely on it");
SharedText unfinished, words;
timer_t deadline{};
bool has_deadline = false;
double asked = 0;  ///< when, in seconds of the clock below

/// When an interrupted program has not ended by itself, it is ended.
constexpr timespec patience{1, 300'000'000};
/// What can be given up is given up before, so that there is time to write what is finished.
constexpr double earlier_patience = 0.8;

void write_error(const char* text, std::size_t size) {
  while (size > 0) {
    const ssize_t done = ::write(STDERR_FILENO, text, size);
    if (done <= 0) return;
    text += done;
    size -= static_cast<std::size_t>(done);
  }
}

[[noreturn]] void end() {
  if (unfinished.size() > 0) ::unlink(unfinished.c_str());
  // The leading line end leaves a progress bar behind; without a terminal there is none.
  if (::isatty(STDERR_FILENO)) write_error("\n", 1);
  constexpr std::string_view line = "edgewise: interrupted";
  write_error(line.data(), line.size());
  write_error(words.c_str(), words.size());
  write_error("\n", 1);
  ::_exit(2);
}

double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void handle_stop(int) {
  if (!may_finish.load() || flag.load()) end();
  asked = seconds_now();
  if (has_deadline) {
    const itimerspec once{{}, patience};
    ::timer_settime(deadline, 0, &once, nullptr);
  }
  flag = true;
}

void handle_deadline(int) {
  end();
}

void install(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigfillset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

std::atomic<bool>& interrupted() {
  return flag;
}

void catch_interrupts() {
  install(SIGALRM, handle_deadline);
  has_deadline = ::timer_create(CLOCK_MONOTONIC, nullptr, &deadline) == 0;
  install(SIGINT, handle_stop);
  install(SIGTERM, handle_stop);
}

Interruptible::Interruptible(const std::string& last_words) {
  words.set(settings::shown(last_words, 1000));
  may_finish = true;
}
Interruptible::~Interruptible() {
  may_finish = false;
  words.set("");
}

bool out_of_patience() {
  return flag && seconds_now() - asked > earlier_patience;
}

void leave(const std::string& message) {
  if (!message.empty()) {
    // A progress bar may stand there.
    const std::string line = (::isatty(STDERR_FILENO) ? "\r\x1b[K" : "") + ("edgewise: " + message) + "\n";
    write_error(line.data(), line.size());
  }
  ::_exit(2);
}

void remove_when_interrupted(const std::string& path) {
  unfinished.set(path);
}

}  // namespace edgewise::cli
