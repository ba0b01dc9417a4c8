#include "cli/results/output_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/small_files.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::contents;
using testing::Folder;
using testing::SmallFiles;
namespace fs = std::filesystem;

namespace {

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a file is written whole or not at all, and keeps its mode") {
  const Folder folder;
  const std::string path = folder / "a.txt";
  write_file(path, "first");
  CHECK(contents(path) == "first");
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  {
    const SmallFiles limit(1000);
    CHECK(complaint([&] { write_file(path, std::string(5000, 'x')); }) ==
          path + ": cannot be written: it is larger than files may be here (ulimit -f)");
    CHECK(complaint([&] { write_file(folder / "b.txt", std::string(5000, 'x')); }).find("b.txt: cannot be written") !=
          std::string::npos);
  }
  CHECK(contents(path) == "first");
  CHECK(folder.files() == 1);
  write_file(path, "second");
  CHECK(contents(path) == "second");
  CHECK((fs::status(path).permissions() & fs::perms::all) == static_cast<fs::perms>(0640));
  // As long as a name may be.
  const std::string longest = folder / std::string(255, 'n');
  write_file(longest, "x");
  CHECK(contents(longest) == "x");
  const std::string odd = folder / "two\nlines.txt";
  write_file(odd, "y");
  CHECK(contents(odd) == "y");
  CHECK(folder.files() == 3);
}

TEST_CASE("through a symbolic link its target is written, and the link stays") {
  const Folder folder;
  fs::create_directory(folder / "there");
  const std::string target = folder.file("there/t.txt", "old"), link = folder / "l.txt", second = folder / "m.txt";
  fs::create_symlink("there/t.txt", link);
  fs::create_symlink(link, second);
  write_file(second, "new");
  CHECK(contents(target) == "new");
  CHECK(fs::is_symlink(link));
  CHECK(fs::is_symlink(second));
  CHECK_FALSE(fs::is_symlink(target));
  // A target that is not there yet is made.
  fs::create_symlink("there/none.txt", folder / "n.txt");
  write_file(folder / "n.txt", "made");
  CHECK(contents(folder / "there/none.txt") == "made");
  CHECK(fs::is_symlink(folder / "n.txt"));
  const std::string loop = folder / "o.txt";
  fs::create_symlink("o.txt", loop);
  CHECK(complaint([&] { write_file(loop, "x"); }) == loop + ": cannot be written: its symbolic links lead in a circle");
  fs::create_symlink("/no/such/folder/x", folder / "p.txt");
  CHECK(complaint([&] { require_writable(folder / "p.txt"); }).find("there is no such folder") != std::string::npos);
  CHECK(folder.files() == 6);
}

TEST_CASE("what cannot be written is refused before and after") {
  const Folder folder;
  CHECK(complaint([&] { require_writable(folder / "no/such/a.txt"); }).ends_with("there is no such folder"));
  CHECK(complaint([&] { require_writable(folder / ""); }).ends_with("it is a folder"));
  CHECK(complaint([] { require_writable(""); }) == "--output: cannot be written: the path is empty");
  CHECK_NOTHROW(require_writable(folder / "a.txt"));
  CHECK(folder.files() == 0);
  CHECK(complaint([] { write_file("/dev/full", "x"); }) == "/dev/full: cannot be written: the disk is full");
  CHECK_NOTHROW(write_file("/dev/null", "x"));
  if (::geteuid() != 0) {
    const std::string kept = folder.file("kept", "x");
    REQUIRE(::chmod(kept.c_str(), 0444) == 0);
    CHECK(complaint([&] { require_writable(kept); }).find("Permission denied") != std::string::npos);
  }
}

TEST_CASE("two names of one file") {
  const Folder folder;
  const std::string file = folder.file("a", "x");
  CHECK(same_file(file, folder / "./a"));
  CHECK(same_file(folder / "none", folder / "b/../none"));
  CHECK_FALSE(same_file(file, folder / "none"));
  fs::create_symlink(file, folder / "link");
  CHECK(same_file(file, folder / "link"));
  const fs::path before = fs::current_path();
  fs::current_path(folder / "");
  CHECK(same_file("none", folder / "none"));
  fs::current_path(before);
}

TEST_CASE("endings") {
  CHECK(ending("a/b.CSV") == ".csv");
  CHECK(ending("a.b/c") == "");
  CHECK(with_ending("a/b.csv", ".svg") == "a/b.svg");
}
