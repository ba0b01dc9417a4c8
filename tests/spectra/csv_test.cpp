#include "spectra/csv.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "settings/settings.hpp"
#include "spectra/kinds.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

/// A folder of its own, removed at the end.
struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("edgewise-csv-" + std::to_string(::getpid()) + "-" + std::to_string(made++));
  inline static int made = 0;
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
  const std::string path = folder.write("s.csv", "#   of a test  \r\n2.5, 3, 0.5\r\n\r\n# more\n1e-3,1,+4\r\n");
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
      read_csv(folder.write("s.csv", "#  unexplained_variance  =  0.25  \ntarget_power,eigenvalue\n7,2\n8,1\n"));
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
  CHECK(complaint("1,1\n2\n") == "s.csv:2: has 1 column, expected 2; cells are separated by commas here");
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
  CHECK(shipped.signal() + shipped.unexplained_variance == Approx(1).epsilon(1e-10));
  CHECK_THROWS_WITH_AS(
      built("none.csv"),
      (origin + ": spectrum.path: " + (folder.path / "none.csv").string() + ": cannot be read: no such file").c_str(),
      settings::Error);
  folder.write("zero.csv", "0\n");
  CHECK_THROWS_WITH_AS(built("zero.csv"), (origin + ": spectrum.path: no eigenvalue is positive").c_str(),
                       settings::Error);
}

TEST_CASE("what spreadsheets, R, NumPy and pandas write by default is read") {
  const Folder folder;
  const char* const files[] = {
      ("\xEF\xBB\xBF"
       "eigenvalue,multiplicity,target_power\r\n1.0,1,1.0\r\n0.25,3,0.5\r\n"),  // Excel, CSV UTF-8
      "eigenvalue;multiplicity;target_power\r\n1;1;1\r\n0,25;3;0,5\r\n",        // the same in Germany
      "Eigenvalue\tMultiplicity\tTarget Power\n1\t1\t1\n0.25\t3\t0.5\n",        // pasted from a sheet
      "eigenvalue,multiplicity,target_power,\n1.0,1,1.0,\n0.25,3,0.5,\n,,,\n",
      "\"eigenvalue\",\"multiplicity\",\"target_power\"\n1.0,1,1.0\n0.25,3,0.5\n",               // R, row.names = FALSE
      "\"\",\"eigenvalue\",\"multiplicity\",\"target_power\"\n\"1\",1,1,1\n\"2\",0.25,3,0.5\n",  // R, write.csv
      "\"eigenvalue\" \"multiplicity\" \"target_power\"\n\"1\" 1 1 1\n\"2\" 0.25 3 0.5\n",       // R, write.table
      "\"\";\"eigenvalue\";\"multiplicity\";\"target_power\"\n\"1\";1;1;1\n\"2\";0,25;3;0,5\n",  // R, write.csv2
      "1.000000000000000000e+00 1.000000000000000000e+00 1.0\n2.5e-01 3.0 0.5\n",                // numpy.savetxt
      "# target_power eigenvalue multiplicity\n1.0e+00 1.0e+00 1\n5e-01 2.5e-01 3\n",            // its header = ...
      ",eigenvalue,multiplicity,target_power\n0,1.0,1,1.0\n1,0.25,3,0.5\n",                      // pandas
      ",0,1,2\n0,1.0,1,1.0\n1,0.25,3,0.5\n",                                                     // of an array
      "\"\",\"V1\",\"V2\",\"V3\"\n\"1\",1,1,1\n\"2\",0.25,3,0.5\n",                              // R, of a matrix
      "1.0 , 1,1.0\n\n 0.25,3 ,0.5",
  };
  for (const char* text : files) {
    CAPTURE(text);
    const Spectrum s = read_csv(folder.write("s.csv", text));
    CHECK(s.eigenvalue == std::vector<double>{1, 0.25});
    CHECK(s.multiplicity == std::vector<double>{1, 3});
    CHECK(s.target_power == std::vector<double>{1, 0.5});
  }
  for (const char* text :
       {",0\n0,1.0\n1,0.25\n", "\"\",\"x\"\n\"1\",1\n\"2\",0.25\n", "lambda\n1\n0.25\n", "Eigenvalues\n1\n0.25\n"}) {
    CAPTURE(text);
    const Spectrum s = read_csv(folder.write("s.csv", text));
    CHECK(s.eigenvalue == std::vector<double>{1, 0.25});
    CHECK(s.multiplicity == std::vector<double>{1, 1});
  }
}

TEST_CASE("what would be read wrongly is refused, with the column or the separator that is the trouble") {
  const auto says = [](const std::string& text, const std::string& words) {
    CAPTURE(text);
    const std::string said = complaint(text);
    CAPTURE(said);
    CHECK(said.find(words) != std::string::npos);
  };
  says("0,1.0\n1,0.25\n", "the first column counts 0, 1, ... as row numbers do");
  says("\"1\" 1.0\n\"2\" 0.25\n", "the first column counts 1, 2, ... as row numbers do");
  says("0,1,1,1\n1,2,1,1\n", "the first counts the rows: leave it out");
  says("0\n1.5\n0.25\n", "the name that pandas gives to a column without one");
  says("eigenvalue,multiplicity\n1.0;2\n", "s.csv:2: has 1 column, expected 2; cells are separated by commas here");
  says("eigenvalue|multiplicity\n1|2\n", "cells are separated by commas here");
  says("eigenvalue|multiplicity,target_power\n1|2,3\n", "cells are separated by commas here");
  says("eigenvalue,multiplicity\n1.0,\n2.0,1\n", "s.csv:2: multiplicity is missing: the cell is empty");
  says("eigenvalue;multiplicity\n1,5;2\n2.5;1\n",
       "eigenvalue '1,5' is not a number; numbers are written with a decimal point");
  says("eigenvalue\n\"1,234.5\"\n", "numbers are written with a decimal point, without separators");
  says("eigenvalue,multiplicity\n1.0,\"2\n", "line 2: a quote is not closed");
  says("eigenvalue\n" + std::string(100000, 'x'), "xx...xx");
  CHECK(complaint("eigenvalue\n" + std::string(100000, 'x')).size() < 200);
}

TEST_CASE("two whole numbers with a comma between that may be one number are not taken for two") {
  for (const std::string text : {"1,5\n0,5\n0,25\n", "1,05\n2,5\n", "0,5\n", "\"0\",\"5\"\n"}) {
    CAPTURE(text);
    CHECK(complaint(text).find("or the eigenvalue") != std::string::npos);
  }
  for (const std::string text : {"1,5\n3,5\n", "0.0,5\n2,5\n", "eigenvalue,multiplicity\n0,5\n1,5\n", "0 5\n2 5\n"}) {
    CAPTURE(text);
    CHECK(complaint(text) == "no complaint");
  }
}

TEST_CASE("without names a second number that cannot be a multiplicity is not taken for one") {
  for (const char* text : {"1,0.5,0.25\n", "1;0,5\n0,5;1\n", "1.5 2\n0.5 0.7\n"}) {
    CAPTURE(text);
    CHECK(complaint(text).find("would be a multiplicity, and is not whole; name the columns") != std::string::npos);
  }
  CHECK(complaint("eigenvalue,multiplicity\n1,2.5\n") == "no complaint");
  CHECK(complaint("1,2\n0.5,1e3\n") == "no complaint");
}

TEST_CASE("a first line that was meant as a number is no name") {
  for (const char* first : {"1D", "1..5", "1\xc2\xa0", "+-1", ".5.", "-1e", "NA", "3 %"}) {
    const std::string line = first;
    CAPTURE(line);
    CHECK(complaint(line + "\n0.5\n").starts_with("s.csv:1: "));
    CHECK(complaint("0.5\n" + line + "\n").starts_with("s.csv:2: "));
  }
  const Folder folder;
  // Any other name is one.
  for (const char* name : {"lambda", "eigenwert", "V1", "_x"})
    CHECK(read_csv(folder.write("s.csv", std::string(name) + "\n2.5\n0.5\n")).eigenvalue ==
          std::vector<double>{2.5, 0.5});
}

TEST_CASE("eigenvalues below 0 by rounding count as 0") {
  const Folder folder;
  const Spectrum s =
      read_csv(folder.write("s.csv", "eigenvalue,target_power\n1.0,1\n0.25,0.5\n3.1e-17,0\n-2.4e-17,0\n"));
  CHECK(s.eigenvalue == std::vector<double>{1, 0.25, 3.1e-17, 0});
  CHECK(complaint("eigenvalue\n1\n-1e-11\n") == "s.csv:3: eigenvalue must be finite and >= 0, got -1e-11");
  // In units in which the others are small it is no rounding.
  CHECK(complaint("eigenvalue\n1e-17\n-2.4e-17\n") == "s.csv:3: eigenvalue must be finite and >= 0, got -2.4e-17");
  std::vector<double> lambda{1, -1e-12, -1.1e-12};
  clear_rounding(lambda);
  CHECK(lambda == std::vector<double>{1, 0, -1.1e-12});
  std::vector<double> many(10000, 1.0);
  many.back() = -8e-12;  // 4 n eps is 8.9e-12
  clear_rounding(many);
  CHECK(many.back() == 0);
  const auto listed = [](const std::string& values) {
    return build(settings::read_text("[spectrum]\nkind = 'list'\neigenvalues = " + values, "e.toml"));
  };
  CHECK(listed("[-1e-17, 2, 1]").eigenvalue == std::vector<double>{2, 1, 0});
  CHECK_THROWS_WITH_AS(listed("[2, -1]"), "e.toml: spectrum.eigenvalues: must be >= 0, got -1", settings::Error);
}

TEST_CASE("comments: the first is the title, names above the rows are those of the columns, below them a remark") {
  const Folder folder;
  const Spectrum s = read_csv(folder.write(
      "s.csv",
      "# a title\n# unexplained_variance = 0.125\n1,20,3\n# target_power eigenvalue multiplicity\n0.5,30,1\n"));
  CHECK(s.eigenvalue == std::vector<double>{1, 0.5});
  CHECK(s.multiplicity == std::vector<double>{20, 30});
  CHECK(s.target_power == std::vector<double>{3, 1});
  CHECK(s.unexplained_variance == 0.125);
  CHECK(s.provenance == "file s.csv: a title");
  CHECK(read_csv(folder.write("t.csv", "#   target_power eigenvalue\n# below\n3,1\n")).provenance ==
        "file t.csv: below");
  CHECK(read_csv(folder.write("u.csv", "1\n")).provenance == "file u.csv");
}

TEST_CASE("a spectrum as text: where it is from, what made it, and numbers that read back") {
  Spectrum s;
  s.eigenvalue = {2, 1.0 / 3};
  s.multiplicity = {1, 4};
  s.target_power = {0.5, 0};
  s.unexplained_variance = 0.25;
  s.provenance = "from here";
  const std::string table =
      "# unexplained_variance = 0.25\neigenvalue,multiplicity,target_power\n2,1,0.5\n0.3333333333333333,4,0\n";
  CHECK(csv_text(s) == "# from here\n" + table);
  CHECK(csv_text(s, "edgewise measure x") == "# from here\n# made by: edgewise measure x\n" + table);
  const Folder folder;
  const std::string path = folder.write("s.csv", "");
  write_csv(s, path);
  const Spectrum again = read_csv(path);
  CHECK(again.eigenvalue == s.eigenvalue);
  CHECK(again.unexplained_variance == 0.25);
  CHECK(again.provenance == "file s.csv: from here");
  CHECK_THROWS_WITH_AS(write_csv(s, "/no/such/place/s.csv"), "cannot write '/no/such/place/s.csv'", std::runtime_error);
}

TEST_CASE("tables of R and Excel that say more than the cells: read, or told what they are") {
  const Folder folder;
  for (const char* text : {"sep=;\r\neigenvalue;multiplicity\r\n0,5;3\r\n2;1\r\n", "sep=,\n0.5,3\n2.0,1\n",
                           ",eigenvalue,multiplicity\n1,0.5,3\n2,2,1\n",           // R, write.csv(quote = FALSE)
                           "\teigenvalue\tmultiplicity\na\t0.5\t3\nb\t2\t1\n"}) {  // write.table(col.names = NA, ...)
    CAPTURE(text);
    const Spectrum s = read_csv(folder.write("s.csv", text));
    CHECK(s.eigenvalue == std::vector<double>{0.5, 2});
    CHECK(s.multiplicity == std::vector<double>{3, 1});
  }
  const std::string remark =
      "; if the first of them holds row names, as R writes them, leave it out (row.names = FALSE)";
  CHECK(complaint("eigenvalue,multiplicity\n1,0.5,3\n2,2,1\n") ==
        "s.csv:2: has 3 columns, expected 2; cells are separated by commas here" + remark);
  CHECK(complaint("eigenvalue multiplicity\na 0.5 3\nb 2 1\n") ==
        "s.csv:2: has 3 columns, expected 2; cells are separated by blanks here" + remark);
  CHECK(complaint("eigenvalue\n1 0.5\n2 2\n") ==
        "s.csv:2: has 2 columns, expected 1; cells are separated by blanks here" + remark);
  CHECK(complaint("eigenvalue,multiplicity\n1,0.5,3\n2,2\n") ==
        "s.csv:2: has 3 columns, expected 2; cells are separated by commas here");
  CHECK(complaint("1,2\n2,3,4\n") == "s.csv:2: has 3 columns, expected 2; cells are separated by commas here");
  CHECK(complaint("sep=|\n1|2\n") ==
        "s.csv: line 1: 'sep=|' names a separator that is not read; write semicolons, tabs or commas");
}

TEST_CASE("lines without names: what counts the rows, and what only looks like it") {
  CHECK(complaint("0,1.0\n1,0.25\n") ==
        "s.csv:1: the first column counts 0, 1, ... as row numbers do; leave it out, or name the columns in a first "
        "line: eigenvalue,multiplicity,target_power");
  CHECK(complaint("1,1,1,1\n2,2,1,1\n") ==
        "s.csv:1: has 4 columns, at most 3 are known; the first counts the rows: leave it out");
  CHECK(complaint("1,1,1,1\n5,2,1,1\n") == "s.csv:1: has 4 columns, at most 3 are known");
  CHECK(complaint("0,1,1,1\n") == "s.csv:1: has 4 columns, at most 3 are known");
  for (const char* fine : {"5,1\n1,2\n2,3\n", "1,2\n2,3\n", "\"1\",2\n", "\"2\",2\n\"3\",1\n", "0\n1\n", "0\n1.5\n2\n",
                           "0,5\n1.5,2\n", "0,1\n2,3.0\n5,1\n", "1\n2.5\n", "0.0\n1.5\n"}) {
    CAPTURE(fine);
    const std::string said = complaint(fine);
    // Of two whole numbers the comma may be a decimal one; else nothing is wrong.
    CHECK((said == "no complaint" || said.find("or the eigenvalue") != std::string::npos));
  }
  const Folder folder;
  const auto read = [&](const std::string& text) { return read_csv(folder.write("s.csv", text)); };
  CHECK(read("5,1\n1,2\n2,3\n").eigenvalue == std::vector<double>{5, 1, 2});
  CHECK(read("1,2\n2,3\n").multiplicity == std::vector<double>{2, 3});
  CHECK(read("0\n1.5\n2\n").eigenvalue == std::vector<double>{0, 1.5, 2});
  CHECK(complaint("0\n1.5\n0.25\n") ==
        "s.csv:1: '0' may be an eigenvalue or the name that pandas gives to a column without one; name the column "
        "eigenvalue, or write 0.0");
  CHECK(complaint("0,1\n1.5,2\n").find("the name that pandas gives") != std::string::npos);
  CHECK(complaint("0\n1e3\n").find("the name that pandas gives") != std::string::npos);
  CHECK(complaint("1\n-1\n2\n") == "s.csv:2: eigenvalue must be finite and >= 0, got -1");
  CHECK(complaint("\n1\n\n3\n-0.5\n") == "s.csv:5: eigenvalue must be finite and >= 0, got -0.5");
  CHECK(complaint("1,5\n0,5\n") ==
        "s.csv:1: '1,5' may be 1.5 or the eigenvalue 1 with multiplicity 5; name the columns in a first line, or write "
        "decimal points");
  CHECK(complaint("1,0.5,1\n") ==
        "s.csv:1: the second number, 0.5, would be a multiplicity, and is not whole; name the columns in a first line "
        "(eigenvalue, multiplicity, target_power), or write one eigenvalue a line");
  CHECK(complaint("") == "s.csv' holds no eigenvalue");
  CHECK(complaint("eigenvalue\n") == "s.csv' holds no eigenvalue");
}

TEST_CASE("names of columns in every spelling, and lines that are none") {
  const Folder folder;
  for (const char* names :
       {"Target-Power,EIGENVALUE,Multiplicities", "target powers,eigenvalues,multiplicity", ",2,0,1", "V2,V0,V1"}) {
    const std::string first = names;
    CAPTURE(first);
    const bool numbered = first.front() == ',' || first.front() == 'V';
    const std::string text = first.front() == ',' ? first + "\n0,3,2.0,4\n" : first + "\n3,2.0,4\n";
    if (numbered) {
      CHECK(complaint(text).find("is neither a number nor one of the columns") != std::string::npos);
      continue;
    }
    const Spectrum s = read_csv(folder.write("s.csv", text));
    CHECK(s.eigenvalue == std::vector<double>{2});
    CHECK(s.multiplicity == std::vector<double>{4});
    CHECK(s.target_power == std::vector<double>{3});
  }
  // In order, numbers are names that pandas and R give: from 0 or from 1.
  for (const char* names : {",0,1", ",1,2", ",V1,V2", ",V0,V1"}) {
    const std::string first = names;
    CAPTURE(first);
    CHECK(read_csv(folder.write("s.csv", first + "\n7,2.0,4\n")).multiplicity == std::vector<double>{4});
  }
  CHECK(complaint(",0,2\n7,2.0,4\n").find("'0' is neither a number nor one of the columns") != std::string::npos);
  CHECK(complaint(",0,1,2,3\n7,2.0,4,1,1\n") == "s.csv:1: has 4 columns, at most 3 are known");
  CHECK(complaint("NA\n1\n") ==
        "s.csv:1: 'NA' is not a number, and not the name of a column either; name it eigenvalue");
  CHECK(complaint("eigenvalue multiplicity,x\n1,2\n") ==
        "s.csv:1: 'eigenvalue multiplicity' is neither a number nor one of the columns eigenvalue, multiplicity, "
        "target_power; cells are separated by commas here");
  CHECK(complaint("eigenvalue,multiplicity\n1 5,2\n") ==
        "s.csv:2: eigenvalue '1 5' is not a number; is the separator the same in every line?");
  CHECK(complaint("eigenvalue;multiplicity\n1.5;1,5\n") ==
        "s.csv:2: multiplicity '1,5' is not a number; numbers are written with a decimal point, without separators");
  CHECK(complaint("eigenvalue,multiplicity\n1,inf\n") == "s.csv:2: multiplicity must be finite and > 0, got inf");
  CHECK(complaint("target_power,eigenvalue\n-1,1\n") == "s.csv:2: target_power must be finite and >= 0, got -1");
  CHECK(complaint("eigenvalue\ninf\n") == "s.csv:2: eigenvalue must be finite and >= 0, got inf");
  for (const char* bad : {"-0.5", "inf", "nan", "x"})
    CHECK(complaint(std::string("1\n# unexplained_variance = ") + bad + "\n") ==
          std::string("s.csv:2: unexplained_variance must be a number >= 0, got '") + bad + "'");
  CHECK(read_csv(folder.write("s.csv", "#unexplained_variance=0\n1\n")).unexplained_variance == 0);
  // A remark that holds an equals sign is one.
  CHECK(read_csv(folder.write("s.csv", "# x = 3\n# y\n1\n")).provenance == "file s.csv: x = 3");
}

TEST_CASE("a file beside the experiment goes before the shipped one of its name; an empty path names none") {
  const Folder folder;
  folder.write("fashion-mnist.csv", "7\n");
  const std::string origin = (folder.path / "e.toml").string();
  const auto built = [&](const std::string& path) {
    return build(settings::read_text("[spectrum]\nkind = \"file\"\npath = \"" + path + "\"", origin));
  };
  CHECK(built("fashion-mnist.csv").eigenvalue == std::vector<double>{7});
  CHECK(built((folder.path / "fashion-mnist.csv").string()).eigenvalue == std::vector<double>{7});
  CHECK_THROWS_WITH_AS(built(""), (origin + ": spectrum.path: is empty; it must be the path of a file").c_str(),
                       settings::Error);
  const std::string none = (folder.path / "no" / "fashion-mnist.csv").string();
  CHECK_THROWS_WITH_AS(built(none), (origin + ": spectrum.path: " + none + ": cannot be read: no such file").c_str(),
                       settings::Error);
  CHECK(found_file("/no/x.csv", "x.csv") == "/no/x.csv");
}
