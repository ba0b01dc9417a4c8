#include "cli/figures/axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/figures/gnuplot.hpp"
#include "numerics/constants.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {
namespace {

constexpr int most_labels = 7;

/// To gnuplot's axes what is nearer to 0 is 0.
double drawn(double value) {
  constexpr double least = 1e-300;
  return std::abs(value) < least ? 0 : value;
}

std::string tick(const std::string& label, double position, int level) {
  return fmt::format("{} {} {}", gnuplot_string(label), settings::text_of(position), level);
}

std::string power_label(int exponent) {
  if (exponent == 0) return "1";
  if (exponent == 1) return "10";
  return fmt::format("10^{{{}}}", exponent < 0 ? fmt::format("−{}", -exponent) : fmt::format("{}", exponent));
}

/// Below this exponent doubles are subnormal and their powers of ten inexact.
double power_of_ten(int exponent) {
  return std::pow(10.0, exponent);
}

std::vector<std::string> log_ticks(double low, double high) {
  std::vector<std::string> out;
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  const auto inside = [&](double x) { return x >= low * (1 - 1e-12) && x <= high * (1 + 1e-12); };
  int decades = 0;
  for (int e = first; e <= last; ++e)
    if (inside(power_of_ten(e))) ++decades;
  const int every = std::max(1, (decades + most_labels - 1) / most_labels);
  const bool between = decades < 2;  // too few powers of ten to read the axis by
  for (int e = first; e <= last; ++e) {
    const double power = power_of_ten(e);
    const bool labelled = (e % every + every) % every == 0;
    if (!labelled && every > 8) continue;
    // Beside 0.2 and 0.5 a power of ten reads better as 0.1.
    const std::string label_of_power = between && e >= -3 && e <= 3 ? settings::text_of(power) : power_label(e);
    if (inside(power)) out.push_back(tick(labelled ? label_of_power : "", power, labelled ? 0 : 1));
    if (every > 1) continue;
    for (int m = 2; m <= 9; ++m) {
      const double x = m * power;
      if (!inside(x)) continue;
      const bool named = between && (m == 2 || m == 5);
      std::string label;
      if (named)
        label = e >= -3 && e <= 3 ? settings::text_of(std::stod(fmt::format("{:.1g}", x)))
                                  : fmt::format("{}×{}", m, power_label(e));
      out.push_back(tick(label, x, named ? 0 : 1));
    }
  }
  return out;
}

std::vector<std::string> linear_ticks(double low, double high) {
  std::vector<std::string> out;
  const double rough = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power;
  for (const double m : {1.0, 2.0, 5.0, 10.0})
    if (m * power >= rough) {
      step = m * power;
      break;
    }
  const double largest = std::max(std::abs(low), std::abs(high));
  const int exponent = static_cast<int>(std::floor(std::log10(largest)));
  const bool scientific = exponent >= 5 || exponent < -3;
  for (double k = std::ceil(low / step); k * step <= high; k += 1) {
    const double x = k * step;
    std::string label;
    if (x == 0) {
      label = "0";
    } else if (scientific) {
      label = fmt::format("{:.4g}×{}", x / std::pow(10.0, exponent), power_label(exponent));
    } else {
      label = fmt::format("{:.6g}", x);
    }
    if (label.starts_with("-")) label = "−" + label.substr(1);
    out.push_back(tick(label, x, 0));
  }
  return out;
}

}  // namespace

double Axis::place(double value) const {
  if (!log) return (value - low) / (high - low);
  return value > 0 ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low)) : nan;
}

std::string Axis::ticks() const {
  return "(" + settings::join(log ? log_ticks(low, high) : linear_ticks(low, high), ", ") + ")";
}

Axis axis_of(const std::vector<double>& decisive, const std::vector<double>& values, bool ignore_zero, double margin) {
  Axis axis;
  double least = std::numeric_limits<double>::infinity(), greatest = -least;
  for (const double value : decisive) {
    const double x = drawn(value);
    if (!std::isfinite(x) || (ignore_zero && x == 0)) continue;
    least = std::min(least, x);
    greatest = std::max(greatest, x);
  }
  axis.log = least > 0 && std::log10(greatest) - std::log10(least) > 1;

  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    const double x = drawn(value);
    if (!std::isfinite(x) || (axis.log && x <= 0)) continue;
    low = std::min(low, x);
    high = std::max(high, x);
  }
  if (!(low <= high)) {
    low = 0;
    high = 1;
  }
  if (axis.log) {
    const double share = std::exp(margin * (std::log(high) - std::log(low)));
    axis.low = std::max(low / share, 1e-307);
    axis.high = std::min(high * share, 1e307);
    return axis;
  }
  double width = high - low;
  if (!(width > 0)) width = low == 0 ? 1 : std::abs(low);
  axis.low = low - margin * width;
  axis.high = high + margin * width;
  // Quantities that never become negative start at 0 when they come near it.
  if (low >= 0 && low < 0.3 * high) axis.low = 0;
  return axis;
}

}  // namespace edgewise::cli
