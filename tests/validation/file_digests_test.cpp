#include "validation/file_digests.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "settings/settings.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;
using validation::FileDigests;

TEST_CASE("digests are those of what is in the files that an experiment names, beside it or anywhere") {
  const temporary::Folder folder;
  folder.file("a.csv", "hello");
  const std::string elsewhere = folder.file("empty.csv", "");
  const settings::Table experiment =
      settings::read_text("title = 'none.csv'\n[spectrum]\npath = 'a.csv'\n[schedule]\npath = '" + elsewhere +
                              "'\n[[optimizer.phase]]\n" + "one = 'a.csv'\nother = '.'\n",
                          folder / "x.toml");
  FileDigests files;
  validation::add_digests(experiment, files);
  // FNV-1a of 64 bits: its published values.
  const FileDigests expected = {{"a.csv", "a430d84680aabd0b"}, {elsewhere, "cbf29ce484222325"}};
  std::sort(files.begin(), files.end(), [](const auto& one, const auto& other) { return one.second < other.second; });
  CHECK(files == expected);
  CHECK(validation::text_of(FileDigests{{"a.csv", "12"}, {"b.csv", "34"}}) == "a.csv 12\nb.csv 34\n");
}
