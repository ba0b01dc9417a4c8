#pragma once
/// \file
/// Tables of text as spreadsheets, R, NumPy and pandas write them.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgewise::settings {

/// A line that is no comment.
struct DelimitedLine {
  std::size_t number = 0;     ///< in the file, from 1
  bool first_quoted = false;  ///< its first cell stands in quotes, as the row names of R do
  std::vector<std::string> cells;
};

/// A table of cells, and the comments around it.
///
/// The separator is a semicolon, a tab, a comma or a run of blanks: the first of these that stands outside of quotes in
/// the first line that has one. A cell in double quotes may hold separators and line ends, and a quote written twice;
/// outside of quotes blanks around a cell do not count. Empty lines are skipped. Lines that start with # are comments.
/// A first line "sep=;", as Excel understands it, names the separator.
struct DelimitedText {
  struct Comment {
    std::size_t number = 0;
    std::string text;  ///< with its #
  };
  char separator = ',';        ///< ',', ';', '\t', or ' ' for runs of blanks
  bool decimal_comma = false;  ///< numbers are written 0,5, which a separator other than the comma allows
  std::vector<Comment> comments;
  std::vector<DelimitedLine> lines;

  /// The number in a cell, "inf" and "nan" and Fortran's exponents (1.5D-3) included; nothing where it holds none.
  std::optional<double> number(std::string_view cell) const;
  /// True when every line is two whole numbers with a comma between them, and some are odd as two numbers: 0,5 or 1,05.
  bool looks_like_decimal_commas() const;
  /// What messages of lines that are longer than the line of names, the first, go on to say where every line is, by one
  /// cell, as R writes a table without quotes; else "".
  std::string row_names_remark() const;
  /// What the separator is called in messages: "commas", "semicolons", "tabs", "blanks".
  std::string_view separator_name() const;
};

/// \throws Error "line N: ..." for a quote that is not closed, or a first line that names a separator which is none.
DelimitedText split_delimited(std::string_view text);

/// Takes off the row numbers that pandas and R put into a first column: one without a name ("" or "Unnamed: 0"), or
/// one in quotes that the line of names passes over, being a cell shorter than all others. The first line must be one of names.
void drop_row_names(DelimitedText& table);

/// The number that a text is, also .5, 5., +5, inf and nan; nothing for anything else.
std::optional<double> number_of(std::string_view text);

}  // namespace edgewise::settings
