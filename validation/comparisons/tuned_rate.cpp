#include "validation/comparisons/tuned_rate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "numerics/roots.hpp"

namespace edgewise::validation {

TunedRate tune_rate(const std::function<double(double)>& loss, double from, double to) {
  constexpr std::size_t points = 33, widening = 8, widenings = 6;
  constexpr double worst = std::numeric_limits<double>::max();  // Brent's method wants numbers
  const auto at = [&](double log_rate) {
    const double value = loss(std::exp(log_rate));
    return value < worst ? value : worst;
  };
  const double spacing = std::log(to / from) / static_cast<double>(points - 1);
  std::vector<double> x, y;
  for (std::size_t i = 0; i < points; ++i) {
    x.push_back(std::log(from) + spacing * static_cast<double>(i));
    y.push_back(at(x.back()));
  }
  const auto best = [&] { return static_cast<std::size_t>(std::ranges::min_element(y) - y.begin()); };
  const auto on_edge = [&] { return best() == 0 || best() + 1 == y.size(); };
  for (std::size_t w = 0; w < widenings && on_edge(); ++w)
    for (std::size_t i = 0; i < widening; ++i) {
      const bool below = best() == 0;
      x.insert(below ? x.begin() : x.end(), below ? x.front() - spacing : x.back() + spacing);
      y.insert(below ? y.begin() : y.end(), at(below ? x.front() : x.back()));
    }
  const std::size_t i = best();
  TunedRate out{std::exp(x[i]), y[i] < worst ? y[i] : std::numeric_limits<double>::infinity(), on_edge()};
  if (out.on_edge || !std::isfinite(out.loss)) return out;
  const numerics::Minimum found = numerics::minimum(at, x[i - 1], x[i + 1]);
  if (found.value <= out.loss) {
    out.rate = std::exp(found.at);
    out.loss = found.value;
  }
  return out;
}

}  // namespace edgewise::validation
