#include "spectra/csv.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "settings/settings.hpp"
#include "spectra/kinds.hpp"

using namespace edgewise;
using namespace edgewise::spectra;

namespace {

/// A folder of its own for every test, removed at the end.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("edgewise-csv-" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

std::string complaint(const std::string& text) {
  const Folder folder;
  const std::string path = folder.write("s.csv", text);
  try {
    read_csv(path);
  } catch (const std::runtime_error& error) {
    const std::string what = error.what();
    // Without the folder, which differs from run to run.
    const auto at = what.find("s.csv");
    return at == std::string::npos ? what : what.substr(at);
  }
  return "no complaint";
}

}  // namespace

TEST_CASE("columns in order, comments, blank lines, Windows line ends") {
  const Folder folder;
  const std::string path = folder.write("s.csv", "# of a test\r\n2.5, 3, 0.5\r\n\r\n# more\n1e-3,1,+4\r\n");
  const Spectrum s = read_csv(path);
  CHECK(s.eigenvalue == std::vector<double>{2.5, 1e-3});
  CHECK(s.multiplicity == std::vector<double>{3, 1});
  CHECK(s.target_power == std::vector<double>{0.5, 4});
  CHECK(s.unexplained_variance == 0);
  CHECK(s.provenance == "file s.csv: of a test");
}

TEST_CASE("named columns in any order, defaults for those left out") {
  const Folder folder;
  const Spectrum s =
      read_csv(folder.write("s.csv", "# unexplained_variance = 0.25\ntarget_power,eigenvalue\n7,2\n8,1\n"));
  CHECK(s.eigenvalue == std::vector<double>{2, 1});
  CHECK(s.multiplicity == std::vector<double>{1, 1});
  CHECK(s.target_power == std::vector<double>{7, 8});
  CHECK(s.unexplained_variance == 0.25);
  CHECK(read_csv(folder.write("one.csv", "3\n2\n")).target_power == std::vector<double>{1, 1});
}

TEST_CASE("what is written reads back to the same doubles") {
  Spectrum s;
  s.eigenvalue = {1.0 / 3, 1e-17, 0};
  s.multiplicity = {1, 2.5, 1e15};
  s.target_power = {0.1 + 0.2, 5e-324, 1e300};
  s.unexplained_variance = 2.0 / 7;
  s.provenance = "a test";
  const Folder folder;
  const std::string path = (folder.path / "out.csv").string();
  write_csv(s, path, "edgewise measure x");
  const Spectrum back = read_csv(path);
  CHECK(back.eigenvalue == s.eigenvalue);
  CHECK(back.multiplicity == s.multiplicity);
  CHECK(back.target_power == s.target_power);
  CHECK(back.unexplained_variance == s.unexplained_variance);
  CHECK(csv_text(s, "edgewise measure x").starts_with("# a test\n# made by: edgewise measure x\n"));
  CHECK_THROWS_WITH_AS(write_csv(s, "/nonexistent/x.csv"), "cannot write '/nonexistent/x.csv'", std::runtime_error);
}

TEST_CASE("every fault is named with its line") {
  CHECK(complaint("1,1,1\n2,x,1\n") == "s.csv:2: multiplicity 'x' is not a number");
  CHECK(complaint("1,1,1\n2,1.5.2,1\n") == "s.csv:2: multiplicity '1.5.2' is not a number");
  CHECK(complaint("1,1\n2\n") == "s.csv:2: has 1 columns, expected 2");
  CHECK(complaint("1,1,1,1\n") == "s.csv:1: has 4 columns, at most 3 are known");
  CHECK(complaint("eigenvalue\n-1\n") == "s.csv:2: eigenvalue must be finite and >= 0, got -1");
  CHECK(complaint("1,0\n") == "s.csv:1: multiplicity must be finite and > 0, got 0");
  CHECK(complaint("nan\n").find("must be finite") != std::string::npos);
  CHECK(complaint("1,1,-2\n") == "s.csv:1: target_power must be finite and >= 0, got -2");
  CHECK(complaint("# x\neigenvalu\n1\n") ==
        "s.csv:2: 'eigenvalu' is neither a number nor one of the columns eigenvalue, multiplicity, target_power, did "
        "you mean 'eigenvalue'?");
  CHECK(complaint("eigenvalue,eigenvalue\n") == "s.csv:1: column 'eigenvalue' is named twice");
  CHECK(complaint("multiplicity\n1\n") == "s.csv:1: no column is named eigenvalue");
  CHECK(complaint("# unexplained_variance = much\n1\n") ==
        "s.csv:1: unexplained_variance must be a number >= 0, got 'much'");
  CHECK(complaint("# nothing\n") == "s.csv' holds no eigenvalue");
}

TEST_CASE("the path is relative to the experiment file; shipped spectra are found by name") {
  const Folder folder;
  folder.write("s.csv", "1,2\n3,4\n");
  const std::string origin = (folder.path / "e.toml").string();
  const auto built = [&](const std::string& path) {
    return build(settings::read_text("[spectrum]\nkind = \"file\"\npath = \"" + path + "\"", origin));
  };
  CHECK(built("s.csv").eigenvalue == std::vector<double>{3, 1});
  const Spectrum shipped = built("fashion-mnist.csv");
  CHECK(shipped.modes() == 784);
  CHECK(shipped.signal() + shipped.unexplained_variance == doctest::Approx(1).epsilon(1e-10));
  CHECK_THROWS_WITH_AS(built("none.csv"),
                       (origin + ": spectrum.path: cannot read '" + (folder.path / "none.csv").string() +
                        "': no such file, or not readable")
                           .c_str(),
                       settings::Error);
  folder.write("zero.csv", "0\n");
  CHECK_THROWS_WITH_AS(built("zero.csv"), (origin + ": spectrum.path: no eigenvalue is positive").c_str(),
                       settings::Error);
}
