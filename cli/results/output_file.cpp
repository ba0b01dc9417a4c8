#include "cli/results/output_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "settings/settings.hpp"

namespace edgewise::cli {
namespace fs = std::filesystem;
namespace {

settings::Error unwritable(const std::string& path, const std::string& why) {
  return settings::Error(fmt::format("{}: cannot be written: {}", path, why));
}

std::string temporary_name(const std::string& path) {
  return fmt::format("{}.part-{}", path, ::getpid());
}

bool special(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  return fs::exists(status) && !fs::is_regular_file(status);
}

}  // namespace

void require_writable(const std::string& path) {
  if (path.empty()) throw unwritable("--output", "the path is empty");
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw unwritable(path, "it is a folder");
  if (special(path)) {
    if (::access(path.c_str(), W_OK) != 0) throw unwritable(path, std::strerror(errno));
    return;
  }
  const std::string probe = temporary_name(path);
  const int file = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) throw unwritable(path, std::strerror(errno));
  ::close(file);
  ::unlink(probe.c_str());
}

void write_atomically(const std::string& path, const std::function<void(const std::string&)>& write) {
  require_writable(path);
  if (special(path)) {
    write(path);
    return;
  }
  const std::string temporary = temporary_name(path);
  try {
    write(temporary);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    ::unlink(temporary.c_str());
    throw unwritable(path, why);
  }
}

void write_text(const std::string& path, const std::string& text) {
  write_atomically(path, [&](const std::string& temporary) {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary);
    out << text;
    out.close();
    if (!out) throw unwritable(path, errno ? std::strerror(errno) : "is the disk full?");
  });
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
