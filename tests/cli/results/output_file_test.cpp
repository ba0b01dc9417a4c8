#include "cli/results/output_file.hpp"

#include <doctest/doctest.h>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::contents;
using testing::Folder;

TEST_CASE("a file is written whole or not at all") {
  const Folder folder;
  const std::string path = folder / "a.txt";
  write_text(path, "first");
  CHECK(contents(path) == "first");
  const auto failing = [](const std::string& temporary) {
    std::ofstream(temporary) << "half";
    throw std::runtime_error("broke");
  };
  CHECK_THROWS_AS(write_atomically(path, failing), std::runtime_error);
  CHECK(contents(path) == "first");
  CHECK(folder.files() == 1);
}

TEST_CASE("what cannot be written is refused before and after") {
  const Folder folder;
  CHECK_THROWS_AS(require_writable(folder / "no/such/a.txt"), settings::Error);
  CHECK_THROWS_AS(require_writable(folder / ""), settings::Error);
  CHECK_THROWS_AS(require_writable(""), settings::Error);
  CHECK_NOTHROW(require_writable(folder / "a.txt"));
  CHECK(folder.files() == 0);
  CHECK_THROWS_AS(write_text("/dev/full", "x"), settings::Error);
}

TEST_CASE("endings") {
  CHECK(ending("a/b.CSV") == ".csv");
  CHECK(ending("a.b/c") == "");
  CHECK(with_ending("a/b.csv", ".svg") == "a/b.svg");
}
