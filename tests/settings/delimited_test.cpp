#include "settings/delimited.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "settings/settings.hpp"

using namespace edgewise::settings;

namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows rows(const std::string& text) {
  Rows out;
  for (const DelimitedLine& line : split_delimited(text).lines) out.push_back(line.cells);
  return out;
}

Rows without_row_names(const std::string& text) {
  DelimitedText table = split_delimited(text);
  drop_row_names(table);
  Rows out;
  for (const DelimitedLine& line : table.lines) out.push_back(line.cells);
  return out;
}

}  // namespace

TEST_CASE("one table, as different programs separate it") {
  const Rows expected{{"a", "b"}, {"1", "2.5"}, {"3", ""}};
  CHECK(rows("a,b\n1,2.5\n3,\n") == expected);
  CHECK(rows("\xEF\xBB\xBF"
             "a,b\r\n1,2.5\r\n3,\r\n") == expected);
  CHECK(rows("\"a\";\"b\"\n1;2.5\n3;\"\"") == expected);
  CHECK(rows("a\tb\n1\t2.5\n3\t\n") == expected);
  CHECK(rows("a , b\n1,  2.5\n\n3 ,\n") == expected);
  CHECK(rows("a,b\r1,2.5\r3,\r") == expected);
  CHECK(rows("a,b,\n1,2.5,\n3,,\n") == expected);
  CHECK(rows("a;b;;;\n1;2.5;;;\n3;;;;\n;;;;\n") == expected);
  const Rows blanks{{"a", "b"}, {"1", "2.5"}, {"3", "4"}};
  CHECK(rows("a b\n1 2.5\n3 4") == blanks);
  CHECK(rows("  a   b\n 1\t2.5 \n  3  4   \n") == blanks);
  CHECK(rows("  a   b\n 1  2.5 \n  3  4   \n\n") == blanks);
}

TEST_CASE("quotes hold separators, line ends and quotes") {
  CHECK(rows("\"x, y\",\"he said \"\"no\"\"\"\n\"two\nlines\",2\n") ==
        Rows{{"x, y", "he said \"no\""}, {"two\nlines", "2"}});
  const DelimitedText table = split_delimited("\"two\nlines\",2\n3,4\n");
  CHECK(table.lines[1].number == 3);
  CHECK(table.lines[0].first_quoted);
  CHECK_FALSE(table.lines[1].first_quoted);
  CHECK_THROWS_WITH_AS(split_delimited("a,b\n1,\"2\n3,4\n"), "line 2: a quote is not closed", Error);
  CHECK(rows("\"x\"\n# a, b\n\"1\" 2\n") == Rows{{"x"}, {"1", "2"}});
  // The first line with a separator decides on the separator by what stands outside of quotes.
  CHECK(split_delimited("\"a;b\",c\n").separator == ',');
  CHECK(split_delimited("\"a b\"\n1\n").lines.size() == 2);
}

TEST_CASE("comments are kept with their lines; spreadsheets quote them") {
  const DelimitedText table = split_delimited("# one, two\n\n\"# say \"\"x\"\"\",,\na;b\n# three\n1;2\n");
  REQUIRE(table.comments.size() == 3);
  CHECK(table.comments[0].text == "# one, two");
  CHECK(table.comments[1].text == "# say \"x\"");
  CHECK(table.comments[2].number == 5);
  CHECK(table.separator == ';');
  CHECK(table.lines.size() == 2);
  CHECK(table.lines[1].number == 6);
}

TEST_CASE("decimal commas where the separator allows them") {
  const DelimitedText commas = split_delimited("x;y\n1,5;2\n0,25;3e-1\n");
  CHECK(commas.decimal_comma);
  CHECK(*commas.number("1,5") == 1.5);
  CHECK(*commas.number("2") == 2);
  CHECK(!commas.number("1,2,3"));
  CHECK_FALSE(split_delimited("x;y\n1.5;2\n").decimal_comma);
  // Whole numbers, and commas that are none of a number, say nothing.
  CHECK_FALSE(split_delimited("x;y\n1;2\n").decimal_comma);
  CHECK_FALSE(split_delimited("x;y\na,b;2\n").decimal_comma);
  // Both in one table: neither is guessed.
  const DelimitedText both = split_delimited("x;y\n1,5;2.5\n");
  CHECK_FALSE(both.decimal_comma);
  CHECK(!both.number("1,5"));
  CHECK_FALSE(split_delimited("1,5\n2,5\n").decimal_comma);
}

TEST_CASE("exponents of Fortran") {
  const DelimitedText points = split_delimited("x\n1.5D-3\n"), commas = split_delimited("x;y\n1,5D+00;2d1\n");
  CHECK(*points.number("1.5D-3") == 1.5e-3);
  CHECK(*points.number("-2.d2") == -200);
  CHECK(*commas.number("1,5D+00") == 1.5);
  CHECK(*commas.number("2d1") == 20);
  for (const char* none : {"D5", "1D", "1D5D5", "2dogs", "1e5D2", "infD1", "nand"}) {
    CAPTURE(none);
    CHECK(!points.number(none));
  }
}

TEST_CASE("row names of pandas and R") {
  const Rows expected{{"x", "y"}, {"1.5", "2"}, {"2.5", "3"}};
  CHECK(without_row_names(",x,y\n0,1.5,2\n1,2.5,3\n") == expected);
  CHECK(without_row_names("\"\",\"x\",\"y\"\n\"1\",1.5,2\n\"2\",2.5,3\n") == expected);
  CHECK(without_row_names("\"x\" \"y\"\n\"1\" 1.5 2\n\"2\" 2.5 3\n") == expected);
  CHECK(without_row_names("Unnamed: 0,x,y\n0,1.5,2\n1,2.5,3\n") == expected);
  CHECK(without_row_names("x,y\n1.5,2\n2.5,3\n") == expected);
  // Cells too many are a fault, not row names.
  CHECK(without_row_names("x,y\n1.5,2,3\n") == Rows{{"x", "y"}, {"1.5", "2", "3"}});
  // A ragged table is left for its reader to complain of.
  CHECK(without_row_names("x,y\n1.5,2\n0,2.5,3\n") == Rows{{"x", "y"}, {"1.5", "2"}, {"0", "2.5", "3"}});
}

TEST_CASE("numbers however they are written") {
  CHECK(*number_of(".5") == 0.5);
  CHECK(*number_of("-.5e1") == -5);
  CHECK(*number_of("5.") == 5);
  CHECK(*number_of("+3") == 3);
  CHECK(*number_of("1e-3") == 0.001);
  CHECK(*number_of("1E5") == 1e5);
  CHECK(*number_of("inf") == std::numeric_limits<double>::infinity());
  CHECK(*number_of("-Infinity") == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(*number_of("NaN")));
  CHECK(*number_of("1e400") == std::numeric_limits<double>::infinity());
  CHECK(*number_of("-1e-400") == 0);
  CHECK(*number_of("4.9e-324") == 5e-324);
  for (const char* none : {"", "+", "-", "+-1", "++1", "1 2", "0x10", "1D5", "1,5", "NA", "e5", ".", "1e"}) {
    CAPTURE(none);
    CHECK(!number_of(none));
  }
}

TEST_CASE("Excel's first line names the separator, whatever the others hold") {
  const Rows expected{{"a", "b,c"}, {"1", "2"}};
  for (const std::string line : {"sep=;\n", "sep=;\r\n", "\xEF\xBB\xBFsep=;\n", "SEP=;\n", "\"sep=;\"\n"}) {
    CAPTURE(line);
    const DelimitedText table = split_delimited(line + "a;b,c\n1;2\n");
    CHECK(rows(line + "a;b,c\n1;2\n") == expected);
    CHECK(table.separator == ';');
    CHECK(table.lines[0].number == 2);
  }
  CHECK(rows("sep=,\na;b,c\n1;2,3\n") == Rows{{"a;b", "c"}, {"1;2", "3"}});
  CHECK(rows("sep=\t\na;b\tc d\n") == Rows{{"a;b", "c d"}});
  CHECK(split_delimited("sep=;\n").lines.empty());
  // It is that of the first line alone.
  CHECK(rows("a\nsep=;\n") == Rows{{"a"}, {"sep=", ""}});
  CHECK_THROWS_WITH_AS(split_delimited("sep=|\na|b\n"),
                       "line 1: 'sep=|' names a separator that is not read; write semicolons, tabs or commas", Error);
}

TEST_CASE("which separator a first line has") {
  const std::pair<const char*, char> cases[] = {
      {"a\n1\n", ','},          {"a b;c,d\n", ';'},     {"a b\tc,d\n", '\t'},         {"a b,c\n", ','},
      {"a b\n", ' '},           {" a \n b \n", ','},    {"\ta\tb\n", '\t'},           {"\n# x;y\n a  b \n", ' '},
      {"\"a b\"\n1;2\n", ';'},  {"a\n1 2\n3;4\n", ' '}, {"a\nb\n1;2\n", ';'},         {"\"a;b\" \"c\"\n", ' '},
      {"\"a\n;b\"\tc\n", '\t'}, {"a#b c\n", ' '},       {"a\n  # b;c\n1\t2\n", '\t'}, {"\"a\"\"b;c\",d\n", ','},
  };
  for (const auto& [text, separator] : cases) {
    const std::string written = text;
    CAPTURE(written);
    CHECK(split_delimited(written).separator == separator);
  }
  const std::pair<std::string, std::string> named[] = {
      {"a;b", "semicolons"}, {"a\tb", "tabs"}, {"a b", "blanks"}, {"a,b", "commas"}, {"a", "commas"}};
  for (const auto& [text, name] : named) CHECK(split_delimited(text).separator_name() == name);
}

TEST_CASE("cells at their ends") {
  CHECK(rows("a,,b\n,1,\n") == Rows{{"a", "", "b"}, {"", "1", ""}});
  CHECK(rows("\"a\" x,\" b \"\n") == Rows{{"a" + std::string("x"), " b "}});
  CHECK(rows("\"\"\"\"") == Rows{{"\""}});
  CHECK(rows("\"a\"\"\",b") == Rows{{"a\"", "b"}});
  CHECK(rows("\"a\r\nb\" 1\n") == Rows{{"a\r\nb", "1"}});
  CHECK(rows("a;\t b\t;c\n") == Rows{{"a", "b", "c"}});
  CHECK(rows("a \"b c\" d\n") == Rows{{"a", "b c", "d"}});
  const DelimitedText table = split_delimited("\r\n  # x\r\n\"# a, \"\"b\"\" \", ,\r\n\"a\n\nb\",1\n\n2,3\n");
  REQUIRE(table.comments.size() == 2);
  CHECK(table.comments[0].number == 2);
  CHECK(table.comments[0].text == "  # x");
  CHECK(table.comments[1].number == 3);
  CHECK(table.comments[1].text == "# a, \"b\" ");
  REQUIRE(table.lines.size() == 2);
  CHECK(table.lines[0].number == 4);
  CHECK(table.lines[1].number == 8);
  CHECK_THROWS_WITH_AS(split_delimited("\"a\nb\"\n\n1,\"2\n\n"), "line 4: a quote is not closed", Error);
  CHECK_THROWS_WITH_AS(split_delimited("a,\"b\"\"\n"), "line 1: a quote is not closed", Error);
  // A last column of nothing in every line is none; one that a line fills is.
  CHECK(rows("a,b,\n1,2,\n") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(rows("a,b,\n1,2,3\n") == Rows{{"a", "b", ""}, {"1", "2", "3"}});
  CHECK(rows("a,\n\"\",\n1,\n") == Rows{{"a"}, {"1"}});
}

TEST_CASE("decimal commas, and two numbers that may be one") {
  const auto odd = [](const char* text) { return split_delimited(text).looks_like_decimal_commas(); };
  CHECK(odd("1,5\n0,25\n"));
  CHECK(odd("1,05\n2,5\n"));
  CHECK(odd("3,00\n"));
  CHECK_FALSE(odd("1,0\n2,5\n"));
  CHECK_FALSE(odd("1,5\n2,25\n"));
  CHECK_FALSE(odd("0,5\n1,2,3\n"));
  CHECK_FALSE(odd("0,5\n1\n"));
  CHECK_FALSE(odd("0,5\n1,-2\n"));
  CHECK_FALSE(odd("0,5\n-1,2\n"));
  CHECK_FALSE(odd("0,5\nx,2\n"));
  CHECK_FALSE(odd("0,5\n,2\n"));
  CHECK_FALSE(odd("0,5\n1,\n"));
  CHECK_FALSE(odd("0;5\n"));
  CHECK_FALSE(odd("0.0,5\n"));
  for (const char* text : {"x;y\n1,5;2\n", "x;y\n2;1,5D3\n", "x;y\n-1,5e-3;a,b\n", "x y\n1,5 2\n"})
    CHECK(split_delimited(text).decimal_comma);
  for (const char* text : {"x;y\n1,5;2.5\n", "x;y\n1,5,2;2\n", "x;y\n1,5.2;2\n", "x;y\n1.5;2\n", "x;a.b\n1;2\n"})
    CHECK_FALSE(split_delimited(text).decimal_comma);
  // A point that is none of a number does not count.
  CHECK(split_delimited("x;a.b\n1,5;2\n").decimal_comma);
}

TEST_CASE("row names that the line of names passes over without quotes") {
  const auto passed_over = [](const std::string& text) { return !split_delimited(text).row_names_remark().empty(); };
  CHECK(passed_over("x,y\n1,1.5,2\n2,2.5,3\n"));
  CHECK(passed_over("x y\na 1.5 2\nb 2.5 3\n"));
  CHECK(passed_over("x\n1;1.5\n2;2.5\n"));
  // Two numbers under one name may be two numbers.
  CHECK_FALSE(passed_over("x\n1;1.5\n"));
  CHECK_FALSE(passed_over("x\n1;1.5\n3;2.5\n"));
  CHECK_FALSE(passed_over("x\n2;1.5\n3;2.5\n"));
  CHECK_FALSE(passed_over("x\n7;1.5\n3;2.5\n3;2.5\n"));  // the last line counts alone
  CHECK_FALSE(passed_over("x,y\n1,1.5,2\n2,2.5\n"));
  CHECK_FALSE(passed_over("x,y\n1,1.5\n2,2.5\n"));
  CHECK_FALSE(passed_over("x,y\n"));
  CHECK_FALSE(passed_over(""));
  // Lines of which nothing is left.
  DelimitedText table = split_delimited(",x\n1\n2\n");
  drop_row_names(table);
  CHECK(table.row_names_remark().empty());
  CHECK(split_delimited("x,y\n1,1.5,2\n").row_names_remark() ==
        "; if the first of them holds row names, as R writes them, leave it out (row.names = FALSE)");
}

TEST_CASE("row names are taken off where all lines have them") {
  CHECK(without_row_names("\"x\",\"y\"\n\"1\",1.5,2\n2,2.5,3\n") ==
        Rows{{"x", "y"}, {"1", "1.5", "2"}, {"2", "2.5", "3"}});
  CHECK(without_row_names("\"x\",\"y\"\n\"1\",1.5,2\n\"2\",2.5,3,4\n") ==
        Rows{{"x", "y"}, {"1", "1.5", "2"}, {"2", "2.5", "3", "4"}});
  CHECK(without_row_names("\"x\",\"y\"\n\"1\",1.5\n") == Rows{{"x", "y"}, {"1", "1.5"}});
  CHECK(without_row_names("x,\n1,2\n") == Rows{{"x", ""}, {"1", "2"}});
  CHECK(without_row_names(",x\n") == Rows{{"x"}});
  CHECK(without_row_names("\"\"\n1\n") == Rows{{"1"}});
  CHECK(without_row_names("").empty());
}

TEST_CASE("Fortran's exponents, and numbers at the ends of the range") {
  const DelimitedText commas = split_delimited("x;y\n1,5;2\n"), points = split_delimited("x;y\n1.5;2\n");
  CHECK(*commas.number("-0,5d-1") == -0.05);
  CHECK(!points.number("-0,5d-1"));
  CHECK(*points.number("5D1") == 50);
  CHECK(*points.number("nan") != *points.number("nan"));
  CHECK(*number_of("+inf") == std::numeric_limits<double>::infinity());
  CHECK(*number_of("-1e400") == -std::numeric_limits<double>::infinity());
  CHECK(*number_of("1e-400") == 0);
  CHECK(!number_of("1e400x"));
  CHECK(!number_of(" 1"));
  CHECK(!number_of("+"));
}
