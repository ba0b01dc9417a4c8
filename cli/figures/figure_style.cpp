#include "cli/figures/figure_style.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "cli/figures/gnuplot.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

std::string plain(const std::string& text) {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return gnuplot_string(line);
}

std::string tick_text(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '%' ? "%%" : std::string(1, c);
  return plain(out);
}

std::string unmarked(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\{}^_@&~").find(c) != std::string_view::npos) out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string with_greek(const std::string& text) {
  static constexpr std::array<std::pair<const char*, const char*>, 16> greek = {{{"alpha", "α"},
                                                                                 {"beta", "β"},
                                                                                 {"gamma", "γ"},
                                                                                 {"delta", "δ"},
                                                                                 {"epsilon", "ε"},
                                                                                 {"zeta", "ζ"},
                                                                                 {"eta", "η"},
                                                                                 {"theta", "θ"},
                                                                                 {"kappa", "κ"},
                                                                                 {"lambda", "λ"},
                                                                                 {"mu", "μ"},
                                                                                 {"rho", "ρ"},
                                                                                 {"sigma", "σ"},
                                                                                 {"tau", "τ"},
                                                                                 {"phi", "φ"},
                                                                                 {"omega", "ω"}}};
  std::string out, word;
  const auto flush = [&] {
    for (const auto& [latin, letter] : greek)
      if (word == latin) word = letter;
    out += word;
    word.clear();
  };
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      word += c;
    } else {
      flush();
      out += c;
    }
  }
  flush();
  return out;
}

std::string shown_name(const std::string& name) {
  std::string out, word;
  bool greek = false, subscript = false;  // of the word before
  const auto flush = [&] {
    const std::string letter = with_greek(word);
    const bool index = greek && word.size() == 1 && std::isalpha(static_cast<unsigned char>(word[0]));
    const bool argument =
        subscript && !word.empty() && std::ranges::all_of(word, [](unsigned char c) { return std::isdigit(c); });
    greek = letter != word;
    subscript = index;
    if (index || argument) {  // rho_c_1 is rho_c of the first layer
      out += index ? "_" + word : "(" + word + ")";
      word.clear();
      return;
    }
    if (word == "mse" || word == "ntk" || word == "sgd" || word == "svd")
      std::transform(word.begin(), word.end(), word.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    out += (out.empty() || word.empty() ? "" : " ") + with_greek(word);
    word.clear();
  };
  for (const char c : name) {
    if (c == '_')
      flush();
    else
      word += c;
  }
  flush();
  return out;
}

std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string terminal(const std::string& ending, double width, double height) {
  if (ending == ".svg")
    return fmt::format(
        "set terminal svg enhanced size {:.0f},{:.0f} font 'Helvetica,Arial,sans-serif,14' background 'white'", width,
        height);
  if (ending == ".png")
    return fmt::format(
        "set terminal pngcairo enhanced size {:.0f},{:.0f} font 'Helvetica,10.5' fontscale 2.5 linewidth 2.5 "
        "pointscale 2.5 background 'white'",
        2.5 * width, 2.5 * height);
  if (ending == ".pdf")
    return fmt::format(
        "set terminal pdfcairo enhanced size {:.2f}in,{:.2f}in font 'Helvetica,8.2' fontscale 1 linewidth 1.6 "
        "pointscale 0.8",
        4.7 / 600 * width, 4.7 / 600 * height);
  throw settings::Error(fmt::format("a figure's file must end in .svg, .png or .pdf, not '{}'", ending));
}

}  // namespace edgewise::cli
