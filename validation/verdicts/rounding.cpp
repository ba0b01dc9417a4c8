// Built at -O1: nothing here takes time.
#include "validation/verdicts/rounding.hpp"

#include <fmt/format.h>

namespace edgewise::validation {

std::string percent(double value) {
  return fmt::format("{:.2g}%", 100 * value);
}

namespace {

/// As many digits as a double has.
constexpr int most_digits = 17;

/// `text` of both with `fewest` digits, or more until they differ.
template <class Text>
std::pair<std::string, std::string> told_apart(double a, double b, int fewest, const Text& text) {
  for (int digits = fewest; a != b && digits <= most_digits; ++digits)
    if (auto both = std::pair(text(a, digits), text(b, digits)); both.first != both.second) return both;
  return {text(a, fewest), text(b, fewest)};
}

}  // namespace

std::pair<std::string, std::string> distinct_percent(double a, double b) {
  return told_apart(a, b, 2, [](double x, int digits) { return fmt::format("{:.{}g}%", 100 * x, digits); });
}

std::pair<std::string, std::string> distinct(double a, double b) {
  return told_apart(a, b, 2, [](double x, int digits) { return fmt::format("{:.{}f}", x, digits); });
}

}  // namespace edgewise::validation
