#pragma once
/// \file
/// What all figures share: colours, text and terminals of gnuplot.
#include <cstddef>
#include <string>

namespace edgewise::cli {

/// Okabe & Ito's palette, told apart by colour-blind readers, in an order that also differs in lightness.
inline constexpr const char* palette[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
inline constexpr std::size_t palette_size = sizeof(palette) / sizeof(palette[0]);
inline constexpr const char* grey = "#555555";

/// Text on one line as gnuplot's string, for where markup is off (noenhanced).
std::string plain(const std::string& text);
/// The same for the label of a tick, which gnuplot takes for a format.
std::string tick_text(const std::string& text);
/// Text that is to stand as it is between markup, in a string that is `gnuplot_string` as a whole.
std::string unmarked(const std::string& text);

/// Greek letters for their names, where these are whole words: "alpha = 1/2" becomes "α = 1/2".
std::string with_greek(const std::string& text);

/// A name as a figure writes it: words for underscores, abbreviations in capitals, Greek letters as such.
std::string shown_name(const std::string& name);

/// Letters of a text in UTF-8.
std::size_t letters(const std::string& text);

/// "set terminal ..." for the ending (.svg, .png, .pdf) at a size in points of a screen (600 x 420 is one panel).
/// \throws settings::Error for another ending.
std::string terminal(const std::string& ending, double width, double height);

}  // namespace edgewise::cli
