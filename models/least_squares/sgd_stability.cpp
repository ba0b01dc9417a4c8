// Built at -O1: nothing here takes time.
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>
#include <limits>

#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/theory.hpp"
#include "numerics/constants.hpp"
#include "solvers/contour.hpp"
#include "solvers/periodic_phases.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

// Largest root of the secular equation: the factor by which the mean risk grows per step at long times. Modes that no
// step moves within double precision are left out, as those of eigenvalue 0 are.
double growth_factor(const SgdModes& modes, double eta) {
  std::vector<double> decay, input, weight;
  double lowest = std::numeric_limits<double>::infinity();
  const double largest = largest_eigenvalue(modes);
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    if (solvers::is_null(modes.eigenvalue[a], largest)) continue;
    decay.push_back(modes.contraction(a, eta));
    input.push_back(std::isinf(modes.batch) ? 0 : modes.feedback(a, eta));
    weight.push_back(modes.eigenvalue[a]);
    lowest = std::min(lowest, decay.back());
  }
  return 1 + (solvers::leading_shift(decay, input, weight) - lowest);
}

/// P at infinite time where not every mode decays: without bound wherever something feeds what grows, else nan.
double unstable_limit(const SgdModes& modes, double eta, double growth) {
  double start = 0;
  bool grows = false;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    start += modes.eigenvalue[a] * modes.power[a];
    grows = grows || (modes.power[a] > 0 && eta * modes.eigenvalue[a] > 2);
  }
  if (eta == 0) return nan;
  // Gradient noise couples every mode to every other.
  if (!std::isinf(modes.batch)) grows = modes.noise_variance > 0 || (start > 0 && growth > 1);
  return grows ? infinity : nan;
}

}  // namespace

std::vector<Finding> sgd_stability(const LeastSquares& problem) {
  const SgdModes modes(problem);
  const double eta = problem.learning_rate;
  const double eta_max = largest_learning_rate(modes), kappa = kernel_norm(modes, eta);
  const bool stable = eta > 0 && eta < eta_max;  // at eta = 0 nothing decays
  std::vector<Finding> findings;
  const auto add = [&](std::string name, auto value, std::string doc) {
    findings.push_back({std::move(name), value, std::move(doc)});
  };
  add("learning_rate", eta, "eta, the raw rate per step");
  add("gamma", eta * problem.spectrum.trace(), "eta tr K");
  add("batch", problem.batch, "B");
  add("trace", problem.spectrum.trace(), "tr K");
  add("noise_variance", modes.noise_variance, "sigma^2, label noise and unexplained variance");
  add("kernel_norm", kappa, "kappa(eta); the mean risk is bounded iff it is below 1");
  add("eta_max", eta_max, "learning rate at which kappa reaches 1");

  double eta_variance = nan;
  if (std::isinf(problem.batch)) {
    eta_variance = eta_max;
  } else if (problem.data.gaussian()) {
    // O(n^3) per trial rate: nodes in place of many modes.
    spectra::Spectrum joint = problem.spectrum;
    if (joint.modes() > 160) joint = spectra::compress(joint, 1e-7).spectrum;
    VarianceProblem variance;
    const double largest = joint.largest();
    for (std::size_t a = 0; a < joint.modes(); ++a) {
      if (solvers::is_null(joint.eigenvalue[a], largest)) continue;
      variance.eigenvalue.push_back(joint.eigenvalue[a] / largest);
      variance.multiplicity.push_back(joint.multiplicity[a]);
    }
    variance.initial_power.assign(variance.eigenvalue.size(), 0.0);
    variance.batch = problem.batch;
    eta_variance = variance_threshold(variance, eta_max * largest) / largest;
  }
  add("eta_variance", eta_variance, "learning rate at which the variance of the risk diverges (Gaussian data)");
  const double growth = growth_factor(modes, eta);
  add("growth_factor", growth, "factor per step of the mean risk at long times (label noise aside)");
  const double steady = stable ? modes.noise_variance * kappa / (1 - kappa) : unstable_limit(modes, eta, growth);
  add("steady_excess_mse", steady, "P at infinite time; inf where it grows without bound");
  add("steady_risk", (steady + modes.noise_variance) / 2, "risk at infinite time; inf where it grows without bound");
  add("stable", stable, "kappa < 1 and every mode decays");
  add("reason",
      std::string(stable             ? "stable"
                  : eta == 0         ? "frozen: no mode moves"
                  : kappa < infinity ? "unstable: kappa is >= 1"
                                     : "unstable: a mode does not decay"),
      "which of the two decides");
  add("heavy_tailed", eta >= (std::isfinite(eta_variance) ? eta_variance : eta_max),
      "the variance of the risk grows without bound: sample means lie");
  return findings;
}

PowerLawPrediction power_law_prediction(double alpha, double beta, double eta, double batch, double kappa) {
  PowerLawPrediction out;
  out.kernel_norm = kappa;
  const double p = (2 * alpha + 2 * beta - 1) / (2 * alpha), q = 2 - 1 / (2 * alpha);
  if (p > 0) {
    out.bias_exponent = p;
    out.bias_constant = boost::math::tgamma(p) / (2 * alpha) * std::pow(2 * eta, -p);
  }
  if (beta > 0.5 && q > 0 && std::isfinite(batch)) {
    out.kernel_exponent = q;
    const double forced = boost::math::zeta(2 * beta) / (2 * eta);  // int_0^inf F dt
    out.kernel_constant = eta * eta / batch * boost::math::tgamma(q) / (2 * alpha) * std::pow(2 * eta, -q) * forced;
  }
  // Where 2 alpha > 1 the whole kernel has acted long before t: its resummation multiplies both terms.
  if (2 * alpha > 1) {
    out.bias_constant /= 1 - kappa;
    out.kernel_constant /= (1 - kappa) * (1 - kappa);
  }
  if (out.bias_exponent == 0)
    out.phase = "no power law (alpha + beta <= 1/2)";
  else if (out.kernel_exponent == 0 || out.bias_exponent < out.kernel_exponent)
    out.phase = "bias-limited";
  else if (out.bias_exponent > out.kernel_exponent)
    out.phase = "kernel-limited";
  else
    out.phase = "boundary";
  return out;
}

double PowerLawPrediction::excess_mse(double t) const {
  double P = 0;
  if (bias_exponent > 0) P += bias_constant * std::pow(t, -bias_exponent);
  if (kernel_exponent > 0) P += kernel_constant * std::pow(t, -kernel_exponent);
  return P;
}

}  // namespace edgewise::models::least_squares
