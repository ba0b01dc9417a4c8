#include "cli/figures/gnuplot.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "settings/settings.hpp"
#include "settings/shown.hpp"

extern char** environ;

namespace edgewise::cli {
namespace {

constexpr const char* too_large = "the figure, or what it is drawn from, is larger than files may be here (ulimit -f)";

/// Whether a file of that size cannot have become larger: gnuplot does not tell what it could not write.
bool fills_limit(std::size_t size) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && size >= limit.rlim_cur;
}

/// A file in memory; gone when closed.
class Scratch {
 public:
  Scratch() : descriptor_(::memfd_create("edgewise", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail();
  }
  ~Scratch() { ::close(descriptor_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  int descriptor() const { return descriptor_; }
  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t done = ::write(descriptor_, text.data(), text.size());
      if (done < 0 && errno != EINTR) fail();
      text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(done, 0)));
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  std::string read() {
    std::string out;
    char buffer[65536];
    ::lseek(descriptor_, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(descriptor_, buffer, sizeof buffer)) != 0;) {
      if (got < 0 && errno != EINTR) fail();
      out.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    return out;
  }

 private:
  [[noreturn]] static void fail() {
    if (errno == EFBIG) throw settings::Error(too_large);
    throw settings::Error(fmt::format("gnuplot: no memory for its script and figure: {}", std::strerror(errno)));
  }
  int descriptor_;
};

std::string find_program(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return {};
}

/// The line of gnuplot's complaint that says what is wrong.
std::string complaint(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find("line ") != std::string::npos && line.find(": ") != std::string::npos) out = line;
    if (out.empty() && line.find_first_not_of(" \t^") != std::string::npos) out = line;
  }
  return out.empty() ? "no message" : out;
}

}  // namespace

std::string gnuplot_string(std::string_view text) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::size_t size = settings::letter_size(text, at);
    if (c == '\n')
      out += "\\n";
    else if (c == '"' || c == '\\' || c == '`')
      out += fmt::format("\\{:03o}", static_cast<unsigned>(c));
    else if (size == 0)
      out += ' ';
    else
      out += text.substr(at, size);
    at += std::max<std::size_t>(size, 1);
  }
  return out + "\"";
}

std::string run_gnuplot(const std::string& script) {
  const std::string program = find_program("gnuplot");
  if (program.empty())
    throw settings::Error("gnuplot is not installed; figures need it (Debian's package gnuplot-nox)");
  Scratch input, figure, said;
  input.write(script);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.descriptor(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, figure.descriptor(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, said.descriptor(), STDERR_FILENO);
  std::string name = "gnuplot", no_settings = "--default-settings";
  char* arguments[] = {name.data(), no_settings.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw settings::Error(fmt::format("{}: {}", program, std::strerror(failed)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw settings::Error(fmt::format("gnuplot: {}", std::strerror(errno)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw settings::Error(fmt::format("gnuplot failed: {}", settings::shown(complaint(said.read()), 300)));
  std::string drawn = figure.read();
  if (fills_limit(drawn.size())) throw settings::Error(too_large);
  if (drawn.empty()) throw settings::Error("gnuplot drew nothing");
  return drawn;
}

}  // namespace edgewise::cli
