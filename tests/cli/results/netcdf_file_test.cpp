#include "cli/results/netcdf_file.hpp"

#include <doctest/doctest.h>
#include <netcdf.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "cli/results/netcdf_filler.hpp"
#include "cli/results/output_file.hpp"
#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::Folder;
using Lengths = std::vector<std::size_t>;

namespace {

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

/// A table of numbers and one of texts, with attributes.
std::string sample(const Folder& folder) {
  NetcdfFile file("f.nc");
  file.create();
  NetcdfFiller filler(file);
  const int two = filler.dimension("two", 2), three = filler.dimension("three", 3);
  filler.numbers("loss", {two, three}, "of the runs", {1, 2, 3, 4, 5, 6}, "steps");
  filler.texts("word", {three}, "of them", {"a", "b", ""});
  filler.integers("code", {}, "one", {7});
  const double half = 0.5;
  file.check(nc_put_att_double(file.id, NC_GLOBAL, "half", NC_DOUBLE, 1, &half));
  put_text(file, NC_GLOBAL, "empty", "");
  filler.fill();
  const std::string path = folder / "f.nc", bytes = file.finish();
  // As long as it says itself, not as the memory that it was made in.
  CHECK(bytes.size() < 20000);
  write_file(path, bytes);
  return path;
}

}  // namespace

TEST_CASE("what a file holds is read as it is, and refused as what it is not") {
  const Folder folder;
  NetcdfFile file("shown.nc");
  file.open(sample(folder));
  const int loss = variable_named(file, "loss"), word = variable_named(file, "word"),
            code = variable_named(file, "code");
  CHECK(name_of(file, word) == "word");
  CHECK(dimension_name(file, 1) == "three");
  CHECK(attribute_name(file, 0) == "half");
  CHECK(attribute_name(file, 1) == "empty");
  CHECK(shape_of(file, loss) == Lengths{2, 3});
  CHECK(shape_of(file, code).empty());
  CHECK(get(file, loss, {2, 3}) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(get(file, code, {}) == std::vector<double>{7});
  CHECK(get_strings(file, "word", {3}) == std::vector<std::string>{"a", "b", ""});
  CHECK(holds_strings(file, word));
  CHECK_FALSE(holds_strings(file, loss));
  CHECK(get_text(file, loss, "units") == "steps");
  CHECK(get_text(file, word, "long_name") == "of them");
  CHECK(get_text(file, NC_GLOBAL, "half").empty());
  CHECK(get_text(file, NC_GLOBAL, "empty").empty());
  CHECK(get_text(file, NC_GLOBAL, "none").empty());
  CHECK(has_dimension(file, "three"));
  CHECK_FALSE(has_dimension(file, "four"));
  CHECK(length_of(file, "three") == 3);
  const std::string damaged = "shown.nc: is damaged, or no file of edgewise: ";
  CHECK(refusal([&] { length_of(file, "four"); }) == damaged + "there is no dimension 'four'");
  CHECK(refusal([&] { variable_named(file, "none"); }) == damaged + "there is no variable 'none'");
  CHECK(refusal([&] { get(file, word, {3}); }) == damaged + "'word' holds no numbers");
  CHECK(refusal([&] { get_strings(file, "loss", {2, 3}); }) == damaged + "'loss' holds no texts");
  CHECK(refusal([&] { get(file, loss, {3, 2}); }) == damaged + "'loss' has other lengths than it must");
  CHECK(refusal([&] { get_strings(file, "word", {}); }) == damaged + "'word' has other lengths than it must");
}

TEST_CASE("names may be as long as the library lets them be") {
  const Folder folder;
  NetcdfFile file("f.nc");
  file.create();
  NetcdfFiller filler(file);
  const std::string longest(NC_MAX_NAME, 'n');
  filler.numbers(longest, {filler.dimension(longest, 1)}, "", {1});
  put_text(file, NC_GLOBAL, longest, "x");
  filler.fill();
  write_file(folder / "f.nc", file.finish());
  NetcdfFile back("f.nc");
  back.open(folder / "f.nc");
  CHECK(name_of(back, 0) == longest);
  CHECK(dimension_name(back, 0) == longest);
  CHECK(attribute_name(back, 0) == longest);
}

TEST_CASE("a file can hold a million values, and 1100 for each of its bytes") {
  const Folder folder;
  const NetcdfFile none("x.nc");
  CHECK(refusal([&] { none.require_room(1e6); }).empty());
  CHECK(refusal([&] { none.require_room(1e6 + 1); }) ==
        "x.nc: is damaged, or no file of edgewise: it claims to hold 1e+06 values");
  CHECK(refusal([&] { none.require_room(std::strtod("nan", nullptr)); }).ends_with(": it claims to hold nan values"));
  NetcdfFile file("x.nc");
  const std::string path = sample(folder);
  file.open(path);
  const double most = 1e6 + 1100 * static_cast<double>(testing::contents(path).size());
  CHECK(refusal([&] { file.require_room(most); }).empty());
  CHECK_FALSE(refusal([&] { file.require_room(most + 1); }).empty());
}

TEST_CASE("what cannot be opened, and what the library says, is told in words") {
  const Folder folder;
  const auto open = [&](const std::string& path) {
    return refusal([&] {
      NetcdfFile file("x.nc");
      file.open(path);
    });
  };
  CHECK(open(folder / "none.nc") == "x.nc: cannot be read: No such file or directory");
  CHECK(open(folder / "") == "x.nc: cannot be read: it is no regular file");
  CHECK(open(folder.file("text.nc", "no NetCDF")) == "x.nc: it is no NetCDF file, or damaged");
  const NetcdfFile file("x.nc");
  const auto said = [&](int status) { return refusal([&] { file.check(status); }); };
  CHECK(said(NC_NOERR).empty());
  CHECK(said(EACCES) == std::string("x.nc: ") + std::strerror(EACCES));
  CHECK(said(NC_ENOMEM) == "x.nc: there is not enough memory for it");
  CHECK(said(NC_EHDFERR) == "x.nc: it is damaged or cut short");
  for (const int name : {NC_EBADNAME, NC_EMAXNAME, NC_ENAMEINUSE})
    CHECK(said(name) == "x.nc: a name in it cannot stand in NetCDF, or stands there twice");
  for (const int other : {NC_ENOTNC, NC_EINVAL}) CHECK(said(other) == "x.nc: it is no NetCDF file, or damaged");
  for (const int part : {NC_ENOTVAR, NC_EBADDIM, NC_ENOTATT}) CHECK(said(part) == "x.nc: a part of it is missing");
  CHECK(said(NC_ERANGE) == "x.nc: it is damaged, or no file that this program writes (NetCDF's number -60)");
}
