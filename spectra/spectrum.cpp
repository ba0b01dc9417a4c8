#include "spectra/spectrum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "spectra/kinds.hpp"

namespace edgewise::spectra {

double Spectrum::dimension() const {
  return std::accumulate(multiplicity.begin(), multiplicity.end(), 0.0);
}

double Spectrum::trace() const {
  return std::inner_product(eigenvalue.begin(), eigenvalue.end(), multiplicity.begin(), 0.0);
}

double Spectrum::trace_of_square() const {
  double sum = 0;
  for (std::size_t a = 0; a < modes(); ++a) sum += multiplicity[a] * eigenvalue[a] * eigenvalue[a];
  return sum;
}

double Spectrum::largest() const {
  return *std::max_element(eigenvalue.begin(), eigenvalue.end());
}

double Spectrum::smallest_positive() const {
  double smallest = INFINITY;
  for (const double lambda : eigenvalue)
    if (lambda > 0) smallest = std::min(smallest, lambda);
  return smallest;
}

double Spectrum::signal() const {
  return std::inner_product(eigenvalue.begin(), eigenvalue.end(), target_power.begin(), 0.0);
}

bool Spectrum::whole_multiplicities() const {
  return std::all_of(multiplicity.begin(), multiplicity.end(), [](double n) { return n == std::floor(n); });
}

namespace {

void require(bool good, const std::string& message) {
  if (!good) throw std::invalid_argument(message);
}

void reorder(std::vector<double>& values, const std::vector<std::size_t>& order) {
  std::vector<double> sorted(values.size());
  for (std::size_t a = 0; a < order.size(); ++a) sorted[a] = values[order[a]];
  values = std::move(sorted);
}

}  // namespace

void clear_rounding(std::vector<double>& eigenvalues) {
  double largest = 0;
  for (const double lambda : eigenvalues)
    if (std::isfinite(lambda)) largest = std::max(largest, lambda);
  const double rounding =
      std::max(1e-12, 4 * static_cast<double>(eigenvalues.size()) * std::numeric_limits<double>::epsilon()) * largest;
  for (double& lambda : eigenvalues)
    if (lambda < 0 && lambda >= -rounding) lambda = 0;
}

Spectrum checked(Spectrum s) {
  clear_rounding(s.eigenvalue);
  const std::size_t n = s.modes();
  require(n > 0, "the spectrum is empty");
  require(s.multiplicity.size() == n,
          fmt::format("{} eigenvalues but {} multiplicities: give one for each", n, s.multiplicity.size()));
  require(s.target_power.size() == n,
          fmt::format("{} eigenvalues but {} target powers: give one for each", n, s.target_power.size()));
  for (std::size_t a = 0; a < n; ++a) {
    require(std::isfinite(s.eigenvalue[a]) && s.eigenvalue[a] >= 0,
            fmt::format("eigenvalue {} is {}: eigenvalues must be finite and >= 0", a + 1, s.eigenvalue[a]));
    require(std::isfinite(s.multiplicity[a]) && s.multiplicity[a] > 0,
            fmt::format("multiplicity {} is {}: multiplicities must be finite and > 0", a + 1, s.multiplicity[a]));
    require(std::isfinite(s.target_power[a]) && s.target_power[a] >= 0,
            fmt::format("target power {} is {}: target powers must be finite and >= 0", a + 1, s.target_power[a]));
  }
  require(std::isfinite(s.unexplained_variance) && s.unexplained_variance >= 0,
          fmt::format("unexplained_variance is {}: it must be finite and >= 0", s.unexplained_variance));
  require(s.largest() > 0, "no eigenvalue is positive");
  if (!std::is_sorted(s.eigenvalue.begin(), s.eigenvalue.end(), std::greater<>())) {
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    // Stable, so that equal eigenvalues keep the order in which the user gave them.
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return s.eigenvalue[a] > s.eigenvalue[b]; });
    reorder(s.eigenvalue, order);
    reorder(s.multiplicity, order);
    reorder(s.target_power, order);
  }
  require(std::isfinite(s.trace_of_square()) && std::isfinite(s.signal()),
          "the sums of the spectrum overflow: eigenvalues, multiplicities or target powers are too large");
  return s;
}

Spectrum merged(const Spectrum& spectrum) {
  const Spectrum sorted = checked(spectrum);
  Spectrum out = sorted;
  out.eigenvalue.clear();
  out.multiplicity.clear();
  out.target_power.clear();
  for (std::size_t a = 0; a < sorted.modes(); ++a) {
    if (!out.eigenvalue.empty() && out.eigenvalue.back() == sorted.eigenvalue[a]) {
      out.multiplicity.back() += sorted.multiplicity[a];
      out.target_power.back() += sorted.target_power[a];
    } else {
      out.eigenvalue.push_back(sorted.eigenvalue[a]);
      out.multiplicity.push_back(sorted.multiplicity[a]);
      out.target_power.push_back(sorted.target_power[a]);
    }
  }
  return out;
}

}  // namespace edgewise::spectra
