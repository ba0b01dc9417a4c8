#include "cli/inputs.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using edgewise::cli::testing::Folder;

TEST_CASE("an experiment reads itself and every file that a section names, beside it or by its full path") {
  const Folder folder;
  const settings::Table table = settings::read_text(
      "path = 'top.csv'\n[schedule]\npath = 'rates.csv'\n[schedule.batch]\npath = '/full/batch.csv'\n[[part]]\npath = "
      "'one.csv'\n[[part]]\npath = 'two.csv'\nkind = 'x'\n[other]\npath = 3\n",
      folder / "e.toml");
  std::vector<std::string> files = inputs_of(table);
  CHECK(files.front() == folder / "e.toml");
  std::vector<std::string> expected = {folder / "e.toml", folder / "top.csv", folder / "rates.csv",
                                       "/full/batch.csv", folder / "one.csv", folder / "two.csv"};
  std::sort(files.begin(), files.end());
  std::sort(expected.begin(), expected.end());
  CHECK(files == expected);
}

TEST_CASE("the images and labels of a data set are inputs; a section that cannot be read names none") {
  const Folder folder;
  const auto files = [&](const std::string& text) {
    return inputs_of(settings::read_text("[spectrum]\nkind = 'dataset'\n" + text, folder / "e.toml"));
  };
  CHECK(files("folder = '" + (folder / "") + "'\n").size() > 1);
  CHECK(files("folder = 3\n").size() == 1);
}

TEST_CASE("a target that is an input is refused, under whatever name") {
  const Folder folder;
  const std::string input = folder.file("in.csv", "1"), other = folder.file("out.csv", "1");
  std::filesystem::create_symlink("in.csv", folder / "link.csv");
  CHECK_NOTHROW(keep_inputs({{other, "csv"}, {std::nullopt, "csv"}}, {input}, "this command"));
  for (const std::string& target : {input, folder / "link.csv"})
    CHECK_THROWS_WITH_AS(keep_inputs({{other, "csv"}, {target, "csv"}}, {other + ".not", input}, "this command"),
                         (target + ": is read by this command; give --output another name").c_str(), settings::Error);
}
