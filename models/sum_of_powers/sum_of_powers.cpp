#include "models/sum_of_powers/sum_of_powers.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::sum_of_powers {

namespace {

/// sum a_i (mu_i - nu_i) t^-mu_i p^-nu_i over the sum of the absolute values: above 0 more steps pay, below more size.
double balance(const std::vector<PowerTerm>& terms, double log_t, double log_p) {
  double largest = -infinity, sum = 0, absolute = 0;
  const auto log_of = [&](const PowerTerm& i) {
    return std::log(i.weight) - i.step_exponent * log_t - i.size_exponent * log_p;
  };
  for (const PowerTerm& i : terms) largest = std::max(largest, log_of(i));
  for (const PowerTerm& i : terms) {
    const double part = (i.step_exponent - i.size_exponent) * std::exp(log_of(i) - largest);
    sum += part;
    absolute += std::abs(part);
  }
  return absolute > 0 ? sum / absolute : 0;
}

double balanced(const std::vector<PowerTerm>& terms, double log_p) {
  const auto off = [&](double log_t) { return balance(terms, log_t, log_p); };
  for (double reach = 1; reach <= 1e4; reach *= 2)
    if (off(log_p - reach) > 0 && off(log_p + reach) < 0) return numerics::root(off, log_p - reach, log_p + reach);
  throw std::domain_error(
      "no compute-optimal horizon: some term must fall faster with steps than with size (mu > nu), and some the other "
      "way round");
}

}  // namespace

double SumOfPowers::loss(double t, double p) const {
  double sum = floor;
  for (const PowerTerm& i : terms) sum += i.weight * std::pow(t, -i.step_exponent) * std::pow(p, -i.size_exponent);
  return sum;
}

double SumOfPowers::horizon(double p) const {
  return std::exp(balanced(terms, std::log(p)));
}

HorizonLaw SumOfPowers::law() const {
  balanced(terms, 0);
  // d(g) = min_i (mu_i g + nu_i)/(1 + g) rises with g where its term has mu > nu and falls where mu < nu: it is largest
  // where two of different kind cross. A term with mu = nu is the same at any g: it has no say in g and kappa.
  std::vector<PowerTerm> sloped;
  for (const PowerTerm& i : terms)
    if (i.step_exponent != i.size_exponent) sloped.push_back(i);
  const auto exponent = [](const PowerTerm& i, double g) { return i.step_exponent * g + i.size_exponent; };
  const auto least_of = [&](const std::vector<PowerTerm>& some, double g) {
    double least = infinity;
    for (const PowerTerm& k : some) least = std::min(least, exponent(k, g));
    return least;
  };
  HorizonLaw out;
  double largest = -infinity;
  for (const PowerTerm& i : sloped)
    for (const PowerTerm& j : sloped) {
      if (!(i.step_exponent > i.size_exponent) || !(j.step_exponent < j.size_exponent)) continue;
      const double g = (j.size_exponent - i.size_exponent) / (i.step_exponent - j.step_exponent);
      if (!(g > 0) || !(least_of(sloped, g) / (1 + g) > largest)) continue;
      largest = least_of(sloped, g) / (1 + g);
      out.exponent = g;
    }
  if (!std::isfinite(largest) || !(largest > 0))
    throw std::domain_error("no compute-optimal horizon as size grows: the loss does not fall with compute");
  const auto tied_of = [&](const std::vector<PowerTerm>& some) {
    const double least = least_of(some, out.exponent);
    std::vector<PowerTerm> tied;
    for (const PowerTerm& k : some)
      if (exponent(k, out.exponent) - least <= 1e-9 * least) tied.push_back(k);
    return tied;
  };
  out.prefactor = std::exp(balanced(tied_of(sloped), 0));
  out.loss_exponent = least_of(terms, out.exponent);
  out.frontier_exponent = out.loss_exponent / (1 + out.exponent);
  out.tied = tied_of(terms);
  out.correction_exponent = infinity;
  for (const PowerTerm& k : terms)
    if (const double gap = exponent(k, out.exponent) - out.loss_exponent; gap > 1e-9 * out.loss_exponent)
      out.correction_exponent = std::min(out.correction_exponent, gap);
  return out;
}

double normalised_limit(const HorizonLaw& law, double x) {
  double sum = 0, end = 0;
  for (const PowerTerm& i : law.tied) {
    const double weight = i.weight * std::pow(law.prefactor, -i.step_exponent);
    sum += weight * std::pow(x, -i.step_exponent);
    end += weight;
  }
  return sum / end;
}

}  // namespace edgewise::models::sum_of_powers
