#include "cli/results/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cli/interrupt.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {
namespace fs = std::filesystem;
namespace {

settings::Error unwritable(const std::string& path, const std::string& why) {
  return settings::Error(fmt::format("{}: cannot be written: {}", path, why));
}

settings::Error unwritable(const std::string& path, int error) {
  switch (error) {
    case ENOSPC:
      return unwritable(path, "the disk is full");
    case EDQUOT:
      return unwritable(path, "there is no room left in the disk quota");
    case EFBIG:
      return unwritable(path, "it is larger than files may be here (ulimit -f)");
    case ENOENT:
      return unwritable(path, "there is no such folder");
    case ELOOP:
      return unwritable(path, "its symbolic links lead in a circle");
    default:
      return unwritable(path, std::strerror(error));
  }
}

bool special(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  return fs::exists(status) && !fs::is_regular_file(status);
}

/// What a chain of symbolic links leads to, there or not yet.
std::string behind_links(const std::string& path) {
  fs::path at = path;
  constexpr int most = 40;  // as the system follows them
  for (int i = 0; i < most; ++i) {
    std::error_code error;
    if (!fs::is_symlink(fs::symlink_status(at, error))) return at.string();
    const fs::path next = fs::read_symlink(at, error);
    if (error) throw unwritable(path, error.value());
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  throw unwritable(path, ELOOP);
}

/// A new file beside another one, removed unless it takes its place.
class Neighbour {
 public:
  Neighbour(const std::string& shown, const std::string& target) : shown_(shown), target_(target) {
    static std::atomic<unsigned> count{0};
    const std::string name = fmt::format(".edgewise-{}-{}", ::getpid(), count++);
    path_ = (fs::path(target).parent_path() / name).string();
    remove_when_interrupted(path_);
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file_ < 0) {
      const int error = errno;
      remove_when_interrupted("");
      throw unwritable(shown_, error);
    }
  }
  ~Neighbour() {
    if (file_ >= 0) ::close(file_);
    if (!path_.empty()) ::unlink(path_.c_str());
    remove_when_interrupted("");
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  int file() const { return file_; }

  void replace_target() {
    struct stat before {};
    if (::stat(target_.c_str(), &before) == 0) {
      // Another's file stays another's where that is allowed.
      if (::fchown(file_, before.st_uid, before.st_gid) != 0) errno = 0;
      if (::fchmod(file_, before.st_mode & 07777U) != 0) errno = 0;
    }
    const bool closed = ::close(std::exchange(file_, -1)) == 0;
    if (!closed || ::rename(path_.c_str(), target_.c_str()) != 0) throw unwritable(shown_, errno);
    path_.clear();
  }

 private:
  std::string shown_, target_, path_;
  int file_ = -1;
};

void write_all(const std::string& shown, int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(file, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw unwritable(shown, errno);
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

void write_special(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) throw unwritable(path, errno);
  try {
    write_all(path, file, bytes);
  } catch (...) {
    ::close(file);
    throw;
  }
  if (::close(file) != 0) throw unwritable(path, errno);
}

}  // namespace

void require_writable(const std::string& path) {
  if (path.empty()) throw unwritable("--output", "the path is empty");
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw unwritable(path, "it is a folder");
  const std::string target = special(path) ? path : behind_links(path);
  if (fs::exists(target, ignored) && ::access(target.c_str(), W_OK) != 0) throw unwritable(path, errno);
  if (!special(path)) const Neighbour probe(path, target);
}

void write_file(const std::string& path, std::string_view bytes) {
  require_writable(path);
  if (special(path)) {
    write_special(path, bytes);
    return;
  }
  Neighbour next(path, behind_links(path));
  write_all(path, next.file(), bytes);
  next.replace_target();
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::equivalent(a, b, error) && !error) return true;
  const auto resolved = [&](const std::string& path) {
    try {
      return fs::weakly_canonical(fs::absolute(behind_links(path), error), error);
    } catch (const settings::Error&) {
      return fs::path();  // links in a circle lead to no file
    }
  };
  const fs::path resolved_a = resolved(a), resolved_b = resolved(b);
  return !resolved_a.empty() && resolved_a == resolved_b;
}

std::string ending(const std::string& path) {
  std::string out = fs::path(path).extension().string();
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string with_ending(const std::string& path, const std::string& new_ending) {
  return fs::path(path).replace_extension(new_ending).string();
}

}  // namespace edgewise::cli
