// Built at -O1: nothing here takes time.
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>
#include <limits>

#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/theory.hpp"
#include "models/least_squares/typical_growth.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "solvers/contour.hpp"
#include "solvers/periodic_phases.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

// Largest root of the secular equation less 1: what the mean risk grows by per step at long times. Modes that no step
// moves within double precision are left out, as those of eigenvalue 0 are.
double growth(const SgdModes& modes, double eta) {
  std::vector<double> decay, input, weight;
  double lowest = std::numeric_limits<double>::infinity();
  const double largest = largest_eigenvalue(modes);
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    if (solvers::is_null(modes.eigenvalue[a], largest)) continue;
    decay.push_back(modes.contraction(a, eta));
    const double x = eta * modes.eigenvalue[a];  // of any units
    input.push_back(std::isinf(modes.batch) ? 0 : x * x / modes.batch * modes.multiplicity[a]);
    weight.push_back(1);
    lowest = std::min(lowest, decay.back());
  }
  return solvers::leading_shift(decay, input, weight) - lowest;
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
  // Rates are found times the largest eigenvalue: over a subnormal one they may be beyond the doubles, and read inf.
  const SgdModes relative = in_largest_eigenvalues(modes);
  const double reach = largest_stiffness(modes), unit = largest_eigenvalue(modes), eta_max = reach / unit,
               kappa = kernel_norm(modes, eta);
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
    eta_variance = variance_threshold(variance, reach) / largest;
  }
  add("eta_variance", eta_variance, "learning rate at which the variance of the risk diverges (Gaussian data)");
  // Where the direction of the error does not matter.
  constexpr double widest = 1e6;
  if (modes.eigenvalue.size() == 1 && problem.data.gaussian() && modes.batch <= widest &&
      modes.multiplicity[0] <= widest) {
    const double lambda = modes.eigenvalue[0], n = modes.multiplicity[0];
    add("growth_factor_typical", std::exp(typical_log_growth(eta * lambda, modes.batch, n)),
        "factor per step of a single run's excess risk at long times, almost surely (label noise aside)");
    add("eta_typical", typical_threshold(modes.batch, n, reach) / lambda,
        "learning rate at which it reaches 1; from eta_max to there single runs decay though their mean grows");
  }
  const double factor = 1 + growth(modes, eta);
  add("growth_factor", factor, "factor per step of the mean risk at long times (label noise aside)");
  const double steady = stable ? modes.noise_variance * kappa / (1 - kappa) : unstable_limit(modes, eta, factor);
  // The largest eigenvalue of a symmetric matrix that is convex in eta: there is one minimum.
  const auto fastest = numerics::minimum([&](double share) { return growth(relative, share * reach); }, 0, 1);
  add("eta_best", fastest.at * reach / unit, "learning rate at which the mean risk decays fastest at long times");
  add("growth_factor_best", 1 + fastest.value, "growth_factor there");
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
  // p = (2 alpha + 2 beta - 1)/(2 alpha), which is q to the last bit where beta = alpha.
  const double q = 2 - 1 / (2 * alpha), p = q + (beta - alpha) / alpha;
  // Where 2 alpha > 1 the whole kernel has acted long before t: its resummation multiplies all terms.
  const double resummed = 2 * alpha > 1 ? 1 / (1 - kappa) : 1;
  if (!(eta > 0))
    out.phase = "no power law (nothing moves)";
  else if (!(2 * alpha + 2 * beta > 1))
    out.phase = "no power law (alpha + beta <= 1/2)";
  else if (!(kappa < 1))
    out.phase = "no power law (unstable)";
  if (!out.phase.empty()) return out;
  out.bias_exponent = p;
  out.bias_constant = resummed * boost::math::tgamma(p) / (2 * alpha) * std::pow(2 * eta, -p);
  const double kernel = q > 0 && std::isfinite(batch)
                            ? eta * eta / batch * boost::math::tgamma(q) / (2 * alpha) * std::pow(2 * eta, -q)
                            : 0;  // of H(t) ~ kernel t^(-q)
  if (kernel > 0 && beta > 0.5) {
    out.kernel_exponent = q;
    out.kernel_constant = resummed * resummed * kernel * boost::math::zeta(2 * beta) / (2 * eta);
  }
  if (kernel > 0 && 2 * alpha > 1) {
    out.floor_exponent = q - 1;
    out.floor_constant = resummed * resummed * kernel / (q - 1);
  }
  out.judge();
  return out;
}

void PowerLawPrediction::judge() {
  if (kernel_constant == 0 || (kernel_exponent > 0 && bias_exponent < kernel_exponent))
    phase = "bias-limited";
  else if (kernel_exponent == 0)
    phase = "kernel-limited (a plateau)";
  else if (bias_exponent > kernel_exponent)
    phase = "kernel-limited";
  else
    phase = "boundary";
}

PowerLawPrediction power_law_prediction(double alpha, double beta, const LeastSquares& problem) {
  const SgdModes modes(problem);
  const double eta = problem.learning_rate;
  const double kappa = eta < largest_learning_rate(modes) ? kernel_norm(modes, eta) : infinity;
  PowerLawPrediction out = power_law_prediction(alpha, beta, eta, modes.batch, kappa);
  if (out.bias_exponent == 0) return out;
  if (!problem.alignment) {
    out = {};
    out.phase = "no power law (the start is not a multiple of the target)";
    return out;
  }
  // rho_j(0) = amplitude j^(-2 beta), and lambda_1 = 1.
  const double amplitude = modes.power[0];
  // The sum over k of F_k is that of rho/(eta (2 - eta lambda (1 + own/B))): above the flow's zeta(2 beta)/(2 eta) at the
  // stiff modes.
  double sum_of_squares = 0, stiff = 0;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) {
    const double lambda = modes.eigenvalue[a], second = lambda * (1 + modes.own_noise / modes.batch);
    sum_of_squares += modes.multiplicity[a] * lambda * lambda;
    stiff += modes.power[a] * second / (2 * (2 - eta * second));
  }
  out.bias_constant *= amplitude;
  if (beta > 0.5 && std::isfinite(modes.batch)) {
    const double flow = boost::math::zeta(2 * beta) / (2 * eta);
    if (out.kernel_exponent > 0)
      out.kernel_constant *= amplitude + stiff / flow;
    else
      out.kernel_constant = eta * eta / modes.batch * sum_of_squares * (amplitude * flow + stiff);
  }
  out.floor_constant *= modes.noise_variance;
  if (modes.noise_variance == 0) out.floor_exponent = 0;
  out.judge();
  return out;
}

std::vector<Finding> power_law_findings(double alpha, double beta, const LeastSquares& problem) {
  const PowerLawPrediction law = power_law_prediction(alpha, beta, problem);
  std::vector<Finding> findings{
      {"phase", law.phase, "which term rules P at long times, before finite size is felt"},
      {"bias_exponent", law.bias_exponent, "p of P ~ t^(-p)"},
      {"bias_constant", law.bias_constant, "its constant, t in steps"},
      {"kernel_exponent", law.kernel_exponent, "q of P ~ t^(-q); 0 when the term is absent or a plateau"},
      {"kernel_constant", law.kernel_constant, "its constant, t in steps; 0 when the term is absent"}};
  if (law.bias_constant > 0 && law.kernel_constant > 0 && law.bias_exponent != law.kernel_exponent)
    findings.push_back(
        {"crossover_steps",
         std::pow(law.bias_constant / law.kernel_constant, 1 / (law.bias_exponent - law.kernel_exponent)),
         "where the two terms are equal"});
  if (law.floor_exponent > 0) {
    findings.push_back({"floor_exponent", law.floor_exponent,
                        "of label noise: P - (the terms above) nears steady_excess_mse from below, as t^(-this)"});
    findings.push_back({"floor_constant", law.floor_constant, "its constant, t in steps"});
  }
  return findings;
}

double PowerLawPrediction::excess_mse(double t) const {
  double P = 0;
  if (bias_constant > 0) P += bias_constant * std::pow(t, -bias_exponent);
  if (kernel_constant > 0) P += kernel_constant * std::pow(t, -kernel_exponent);
  return P;
}

}  // namespace edgewise::models::least_squares
