#pragma once
/// \file
/// The lines with # above a CSV table: what is said of it, by name.
#include <string>
#include <vector>

#include "settings/delimited.hpp"

namespace edgewise::cli {

struct HeaderLine {
  std::string name;
  std::string text;  ///< may have several lines, no final line end
};

/// Appends "# NAME: TEXT", or "# NAME: |" and the lines of the text behind "#   ".
void append_header_line(std::string& out, const std::string& name, const std::string& text);

/// Reads the comments above a table back; others than these are passed over. A spreadsheet that has filled the lines up
/// with separators is forgiven.
std::vector<HeaderLine> header_lines(const settings::DelimitedText& table);

}  // namespace edgewise::cli
