#include "settings/text_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::settings {

namespace {

/// No text that is meant for this program comes near it; a device without an end does.
constexpr std::size_t largest_text = std::size_t{1} << 28U;

Error unreadable(const std::string& path, std::string_view why) {
  constexpr std::size_t longest = 300;
  return Error(fmt::format("{}: cannot be read: {}", shown(path, longest), why));
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (number_ < 0) throw unreadable(path, errno == ENOENT ? "no such file" : std::strerror(errno));
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

}  // namespace

std::string read_bytes(const std::string& path, std::size_t largest) {
  if (path.empty()) throw Error("the path of a file is empty");
  if (path.find('\0') != std::string::npos) throw unreadable(path, "no such file");
  const Descriptor file(path);
  struct stat about {};
  if (::fstat(file.number(), &about) == 0 && S_ISDIR(about.st_mode)) throw unreadable(path, "it is a folder");
  std::string out;
  constexpr std::size_t block = std::size_t{1} << 16U;
  for (std::size_t used = 0;;) {
    out.resize(used + block);
    const ssize_t got = ::read(file.number(), out.data() + used, block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw unreadable(path, std::strerror(errno));
    used += static_cast<std::size_t>(got);
    if (used > largest)
      throw unreadable(path, fmt::format("it holds more than {} bytes; is it the right file?", largest));
    if (got > 0) continue;
    out.resize(used);
    return out;
  }
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  return text;
}

std::string read_text_file(const std::string& path) {
  const std::string bytes = read_bytes(path, largest_text);
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"))
    throw unreadable(path, "it is written in UTF-16; save it as UTF-8");
  if (bytes.find('\0') != std::string::npos) throw unreadable(path, "it is no text file");
  return std::string(without_byte_order_mark(bytes));
}

}  // namespace edgewise::settings
