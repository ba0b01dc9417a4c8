#include "models/ingredients/coupled_rates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/recursion.hpp"

namespace edgewise::models::ingredients {

namespace {
/// A run whose loss exceeds this many times what it started from is of no use to a search.
constexpr double hopeless = 1e12;
}  // namespace

std::vector<double> CoupledRates::losses(std::span<const double> rates) const {
  const auto system = law_.at(rates);
  std::vector<double> M = law_.start, p(system->shared()), rate(M.size()), source(M.size()), out;
  for (std::uint64_t k = 0;; ++k) {
    solvers::shared_scalars(*system, M, p);
    const double loss = p[law_.scalar];
    out.push_back(loss <= hopeless * law_.scale ? std::max(loss, 0.0) : std::numeric_limits<double>::infinity());
    if (k == law_.steps || std::isinf(out.back())) return out;
    solvers::advance(*system, k, p, M, rate, source);
  }
}

double CoupledRates::value(std::span<const double> rates) const {
  return losses(rates).back();
}

double CoupledRates::gradient(std::span<const double> rates, std::span<double> slope) const {
  const auto accept = [&](std::uint64_t, std::span<const double> p) { return p[law_.scalar] <= hopeless * law_.scale; };
  const solvers::Gradient found = solvers::gradient(*law_.at(rates), law_.start, law_.steps,
                                                    solvers::final_scalar(law_.steps, law_.scalar), accept);
  if (std::isfinite(found.value)) std::ranges::copy(found.by_control, slope.begin());
  return std::max(found.value, 0.0);
}

RatePath CoupledRates::path(std::span<const double> rates) const {
  RatePath out{losses(rates), {}};
  if (!std::isfinite(out.loss.back())) throw std::runtime_error("the run at these learning rates diverges");
  return out;
}

}  // namespace edgewise::models::ingredients
