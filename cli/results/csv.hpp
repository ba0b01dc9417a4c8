#pragma once
/// \file
/// Results as CSV: `#` lines of provenance, a line of column names, then numbers that read back to the same double.
///
///     # NAME: TEXT            one line of provenance
///     # NAME: |               ... of several lines: each follows, behind "#   "
///     # observable NAME [UNIT]: MEANING
#include <string>

#include "cli/results/results.hpp"

namespace edgewise::cli {

std::string csv_text(const Result& result);

/// \throws settings::Error naming `origin` and the line when the text is no result of this program.
Result read_csv(const std::string& text, const std::string& origin);

/// A field of a CSV line, in quotes where it must be.
std::string csv_quoted(std::string_view text);

}  // namespace edgewise::cli
