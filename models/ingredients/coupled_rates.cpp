#include "models/ingredients/coupled_rates.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/mode_sums.hpp"

namespace edgewise::models::ingredients {

namespace {
/// A run whose loss exceeds this many times what it started from is of no use to a search.
constexpr double hopeless = 1e12;

bool of_use(const CoupledRatesLaw& law, double loss) {
  return loss <= hopeless * law.scale;
}

/// J at the modes' numbers, and its slopes by them.
double gradient_of(const CoupledRatesLaw& law, const solvers::ControlledModes& modes, std::span<double> slope) {
  const auto accept = [&](std::uint64_t, std::span<const double> p) { return of_use(law, p[0]); };
  const solvers::Gradient found =
      solvers::gradient(modes, law.start, law.facts.steps, solvers::final_scalar(law.facts.steps, 0), accept);
  if (std::isfinite(found.value)) std::ranges::copy(found.by_control, slope.begin());
  return std::max(found.value, 0.0);
}

/// A run, of which `see` is told the shared scalars before every step and at the end; it says whether to go on.
void run(const CoupledRatesLaw& law, const solvers::ControlledModes& modes,
         const std::function<bool(std::uint64_t step, std::span<const double> p)>& see) {
  std::vector<double> M = law.start, p(modes.shared()), next(p.size());
  for (std::size_t l = 0; l < p.size(); ++l) p[l] = solvers::dot(modes.weights(l).data(), M.data(), M.size());
  for (std::uint64_t k = 0;; ++k) {
    if (!see(k, p) || k == law.facts.steps) return;
    modes.step(k, p, M, M, next);
    std::swap(p, next);
  }
}

class Shares final : public RateShares {
 public:
  Shares(const CoupledRatesLaw& law, double cap) : law_(law), cap_(cap) {}
  std::vector<double> of(std::span<const double> rates) const override {
    std::vector<double> out(rates.begin(), rates.end());
    run(law_, *law_.modes(rates, {}), [&](std::uint64_t k, std::span<const double> p) {
      out[k] = std::min(out[k] / largest(k, p), 1.0);
      return k + 1 < out.size();
    });
    return out;
  }
  std::vector<double> rates(std::span<const double> shares) const override {
    std::vector<double> out(shares.begin(), shares.end());
    run(law_, *law_.modes(shares, cap_), [&](std::uint64_t k, std::span<const double> p) {
      out[k] *= largest(k, p);
      return k + 1 < out.size();
    });
    return out;
  }
  double gradient(std::span<const double> shares, std::span<double> slope) const override {
    return gradient_of(law_, *law_.modes(shares, cap_), slope);
  }

 private:
  double largest(std::uint64_t k, std::span<const double> p) const { return std::min(law_.bound(k, p), cap_); }
  const CoupledRatesLaw& law_;
  double cap_;
};
}  // namespace

std::vector<double> CoupledRates::losses(std::span<const double> rates) const {
  std::vector<double> out;
  run(law_, *law_.modes(rates, {}), [&](std::uint64_t, std::span<const double> p) {
    out.push_back(of_use(law_, p[0]) ? std::max(p[0], 0.0) : std::numeric_limits<double>::infinity());
    return std::isfinite(out.back());
  });
  return out;
}

double CoupledRates::value(std::span<const double> rates) const {
  return losses(rates).back();
}

double CoupledRates::gradient(std::span<const double> rates, std::span<double> slope) const {
  return gradient_of(law_, *law_.modes(rates, {}), slope);
}

std::unique_ptr<RateShares> CoupledRates::shares(double cap) const {
  return law_.bound ? std::make_unique<Shares>(law_, cap) : nullptr;
}

RatePath CoupledRates::path(std::span<const double> rates) const {
  RatePath out{losses(rates), {}};
  if (!std::isfinite(out.loss.back())) throw std::runtime_error("the run at these learning rates diverges");
  return out;
}

}  // namespace edgewise::models::ingredients
