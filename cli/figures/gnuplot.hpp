#pragma once
/// \file
/// Running gnuplot, and how text gets into its scripts.
#include <string>
#include <string_view>

namespace edgewise::cli {

/// Runs a script that sets no output, without a display and without the user's own settings. \return what it drew.
/// \throws settings::Error when gnuplot is not installed (naming the package), fails or draws nothing.
std::string run_gnuplot(const std::string& script);

/// `text` as a string of gnuplot's that means these bytes and nothing else: no command in backquotes, no end before its
/// end. The only way for text into a script. A line end stays one; what is no letter of UTF-8 becomes a blank.
std::string gnuplot_string(std::string_view text);

}  // namespace edgewise::cli
