#include "settings/text_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "settings/settings.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise::settings;
using edgewise::temporary::Folder;

namespace {
std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
}  // namespace

TEST_CASE("a text file is read whole, without a byte order mark") {
  const Folder folder;
  CHECK(read_text_file(folder.file("a", "x = 1\r\n")) == "x = 1\r\n");
  CHECK(read_text_file(folder.file("b", "\xEF\xBB\xBFx = 1\n")) == "x = 1\n");
  CHECK(read_text_file(folder.file("c", "")).empty());
  CHECK(read_text_file("/dev/null").empty());
  const std::string large(300000, 'y');
  CHECK(read_text_file(folder.file("d", large)) == large);
}

TEST_CASE("what is no text is told with the path and the reason") {
  const Folder folder;
  const std::string none = folder / "none";
  CHECK(message([&] { read_text_file(none); }) == none + ": cannot be read: no such file");
  CHECK(message([&] { read_text_file(folder / ""); }).ends_with(": cannot be read: it is a folder"));
  const std::string wide = folder.file("wide", std::string("\xFF\xFEx\0=\0", 6));
  CHECK(message([&] { read_text_file(wide); }) == wide + ": cannot be read: it is written in UTF-16; save it as UTF-8");
  const std::string binary = folder.file("binary", std::string("a\0b", 3));
  CHECK(message([&] { read_text_file(binary); }) == binary + ": cannot be read: it is no text file");
  CHECK(message([&] { read_bytes(folder.file("long", "123456"), 5); }).find("more than 5 bytes") != std::string::npos);
  // A device without an end.
  CHECK(message([&] { read_bytes("/dev/zero", 1 << 20); }).find("more than 1048576 bytes") != std::string::npos);
  const std::string loop = folder / "loop";
  REQUIRE(::symlink("loop", loop.c_str()) == 0);
  CHECK(message([&] { read_text_file(loop); }) == loop + ": cannot be read: Too many levels of symbolic links");
}

TEST_CASE("sizes up to the limit, and files that cannot be read") {
  const Folder folder;
  CHECK(read_bytes(folder.file("five", "12345"), 5) == "12345");
  const std::string six = folder.file("six", "123456");
  CHECK(message([&] { read_bytes(six, 5); }) ==
        six + ": cannot be read: it holds more than 5 bytes; is it the right file?");
  // Pieces of 64 KiB, and one that is exactly full.
  for (const std::size_t size : {65535, 65536, 65537, 131072}) {
    std::string large;
    for (std::size_t i = 0; i < size; ++i) large += static_cast<char>('a' + i % 23);
    CHECK(read_bytes(folder.file("large", large), size) == large);
  }
  errno = EINTR;  // of some call before
  CHECK(read_text_file(folder.file("text", "x")) == "x");
  CHECK(message([] { read_bytes("/proc/self/mem", 100); }) == "/proc/self/mem: cannot be read: Input/output error");
  CHECK(message([] { read_bytes("", 100); }) == "the path of a file is empty");
  CHECK(message([] { read_bytes(std::string("a\0b", 3), 100); }) == "a\\x00b: cannot be read: no such file");
  const std::string big = folder.file("big", std::string("\xFE\xFF\0x", 4));
  CHECK(message([&] { read_text_file(big); }) == big + ": cannot be read: it is written in UTF-16; save it as UTF-8");
  CHECK(without_byte_order_mark("\xEF\xBB\xBF") == "");
  CHECK(without_byte_order_mark("x\xEF\xBB\xBF") == "x\xEF\xBB\xBF");
}
