#include "cli/results/trial_run.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <filesystem>
#include <new>
#include <string_view>

#include "settings/failure.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EDGEWISE_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(EDGEWISE_SANITIZED)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

constexpr int threw = 1;

template <typename Resource>
void limit(Resource resource, double soft) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return;
  if (now.rlim_max == RLIM_INFINITY || soft < static_cast<double>(now.rlim_max)) {
    now.rlim_cur = static_cast<rlim_t>(soft);
    ::setrlimit(resource, &now);
  }
}

void tell(int pipe, std::string_view words) {
  while (!words.empty()) {
    const ssize_t done = ::write(pipe, words.data(), words.size());
    if (done <= 0) return;
    words.remove_prefix(static_cast<std::size_t>(done));
  }
}

[[noreturn]] void run_and_exit(const std::string& path, double bytes, const std::function<void()>& work, int pipe) {
  for (const int number : {SIGINT, SIGTERM, SIGALRM, SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL})
    std::signal(number, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // What the library says as it dies is no word of ours.
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
  // A file of this program is read in milliseconds; a loop in a damaged one has no end.
  constexpr double patience = sanitized ? 20 : 2, bytes_per_second = 1e6;
  limit(RLIMIT_CPU, patience + bytes / bytes_per_second);
  if (trial_memory_is_limited) limit(RLIMIT_AS, 4e9 + 20 * bytes);
  try {
    work();
  } catch (const std::bad_alloc&) {
    tell(pipe, path + ": there is not enough memory for it, or it is damaged");
    ::_exit(threw);
  } catch (const settings::Error& e) {
    tell(pipe, e.what());
    ::_exit(threw);
  } catch (const std::exception& e) {
    tell(pipe, fmt::format("{}: {}", path, settings::said_by(e)));
    ::_exit(threw);
  }
  ::_exit(0);
}

/// All that comes through a pipe until its other end is closed.
std::string heard(int pipe) {
  std::string out;
  char part[512];
  for (;;) {
    const ssize_t done = ::read(pipe, part, sizeof part);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return out;
    out.append(part, static_cast<std::size_t>(done));
  }
}

}  // namespace

const bool trial_memory_is_limited = !sanitized;

void try_first(const std::string& path, const std::function<void()>& work) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC) != 0) return;  // neither a pipe nor a process to be had: it is done without a trial
  const pid_t child = ::fork();
  if (child == 0) run_and_exit(path, ignored ? 0 : static_cast<double>(size), work, ends[1]);
  ::close(ends[1]);
  const std::string words = child > 0 ? heard(ends[0]) : "";
  ::close(ends[0]);
  if (child < 0) return;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  if (WIFEXITED(status) && WEXITSTATUS(status) == threw && !words.empty()) throw settings::Error(words);
  throw settings::Error(fmt::format("{}: is damaged: the library that reads such files does not survive it", path));
}

}  // namespace edgewise::cli
