#pragma once
// What a flow says of its own derivatives, which a solver's steps need but its answers hardly show.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "solvers/coupled_modes.hpp"

namespace edgewise::models::testing {

/// sensitivity() against central differences of -rate M + source in every shared scalar.
inline void check_sensitivity(const solvers::CoupledModes& flow, double t, const std::vector<double>& p,
                              const std::vector<double>& M, double tolerance) {
  const std::size_t n = flow.size();
  REQUIRE(p.size() == flow.shared());
  const auto rhs = [&](const std::vector<double>& at) {
    std::vector<double> rate(n), source(n);
    flow.coefficients(t, at, rate, source);
    for (std::size_t i = 0; i < n; ++i) source[i] -= rate[i] * M[i];
    return source;
  };
  std::vector<double> u(n * p.size());
  flow.sensitivity(t, p, M, u);
  for (std::size_t l = 0; l < p.size(); ++l) {
    std::vector<double> above = p, below = p;
    const double step = 1e-4 * p[l];
    above[l] += step;
    below[l] -= step;
    const std::vector<double> high = rhs(above), low = rhs(below);
    double largest = 0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(high[i] - low[i]) / (2 * step));
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(l);
      CAPTURE(i);
      CHECK(std::abs(u[l * n + i] - (high[i] - low[i]) / (2 * step)) <= tolerance * largest);
    }
  }
}

}  // namespace edgewise::models::testing
