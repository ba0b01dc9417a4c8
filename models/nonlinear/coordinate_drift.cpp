#include "models/nonlinear/coordinate_drift.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/owens_t.hpp>
#include <cmath>
#include <span>
#include <stdexcept>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/theory.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

std::vector<ModeColumn> residual_table(const NonlinearProblem& p, Steps steps) {
  const ModeSystem modes = modes_of(p);
  const double P = modes.excess_mse();
  const ScalarLaws laws = scalar_laws(p);
  LawValues law = P > 0 ? laws.exact(P) : laws(P);  // as P falls to 0, where the theory starts there
  const bool endless = P == 0 && endless_drift_at_optimum(laws);
  if (P == 0) law.b *= step_at_optimum(p).share;
  const bool settles = !p.greedy && p.threshold_rule != "optimal";
  const std::vector<double> steady = settles ? steady_states(p, modes, laws, steps) : std::vector<double>{};
  if (settles && !endless && steady.empty())
    throw std::domain_error("the steady state of an unstable method is undefined; `edgewise stability` says why");
  std::vector<double> settled(modes.kappa.size(), steady.empty() ? nan : 0);
  if (!steady.empty() && steady.front() > 0) settled = steady_parts(p, modes, laws.exact(steady.front()), steps);
  std::vector<ModeColumn> out = {
      {"kappa", "input^2", "eigenvalue of K", {}},
      {"multiplicity", "1", "dimension of its eigenspace", {}},
      {"start", "parameter^2", "M(0), power of the error in it", {}},
      {"excess_mse", "label^2", "its part kappa M of P at the start", {}},
      {"decay", "1", "2 eta a kappa - eta^2 c kappa^2, per step at the start; nan where a is infinite", {}},
      {"noise", "parameter^2", "eta^2 b s, put in per step at the start", {}},
      {"steady_excess_mse", "label^2", "its part of P where P settles", {}}};
  const DriftPowers powers = start_powers(modes, steps);
  const double best = !p.greedy ? 1 : powers.Q > 0 ? greedy_rate(law, powers, modes.noise_trace()) : 0;
  const double eta = p.learning_rate * best;
  for (std::size_t i = 0; i < modes.kappa.size(); ++i) {
    const double k = modes.kappa[i];
    const double row[] = {k,
                          modes.count[i],
                          modes.initial[i],
                          k * modes.initial[i],
                          endless ? nan : eta * k * (2 * law.a - eta * law.c * k),
                          eta * eta * law.b * modes.s[i],
                          settled[i]};
    for (std::size_t c = 0; c < out.size(); ++c) out[c].value.push_back(row[c]);
  }
  return out;
}

}  // namespace

double one_sign_drift(const ingredients::Noise& noise, double P, double k) {
  const double alone = std::max(1 - k / P * k, 0.0), zero = 0;
  double sum = 0;
  // The sharpest feature is that of the residual once x_i is known.
  for (const ingredients::MixtureNode& node :
       noise.nodes({.width = std::sqrt(P * std::max(alone, 1e-12)), .kinks = std::span(&zero, 1)})) {
    const double s = std::sqrt(P + node.variance), rho = k / s, rest = std::sqrt(std::max((1 - rho) * (1 + rho), 0.0));
    sum += node.probability * 4 *
           (rest > 0 ? boost::math::owens_t(node.mean / s, rho / rest)
                     : std::copysign(0.25 * std::erfc(std::abs(node.mean) / s / std::sqrt(2.0)), rho));
  }
  return sum;
}

double majority_of(double one, double batch) {
  const double p = (1 + one) / 2;
  // Pr(more than half are positive) - Pr(more than half are negative).
  const double needed = std::floor(batch / 2) + 1, others = batch - needed + 1;
  return boost::math::ibeta(needed, others, p) - boost::math::ibeta(needed, others, 1 - p);
}

double exact_sign_drift(double batch, double rho) {
  const boost::math::students_t law(batch);
  return 2 * boost::math::cdf(law, std::sqrt(batch) * rho / std::sqrt(1 - rho * rho)) - 1;
}

std::optional<double> exact_drift(const NonlinearProblem& problem, const ingredients::Noise& noise, double P,
                                  double k) {
  const Method method = problem.method;
  const double B = problem.batch;
  const bool sign_of_mean = method == Method::sign_late || method == Method::ema_sign;
  if (!sign_of_mean && method != Method::sign_early && method != Method::sign_majority) return std::nullopt;
  if (k == 0) return 0;  // the coordinate knows nothing of the residual
  if (method == Method::sign_early) return one_sign_drift(noise, P, k);
  if (method == Method::sign_majority) return majority_of(one_sign_drift(noise, P, k), B);
  if (B == 1) return one_sign_drift(noise, P, k);
  if (!noise.gaussian()) return std::nullopt;
  const double rho = k / std::sqrt(P + noise.variance());
  return std::abs(rho) < 1 ? exact_sign_drift(B, rho) : std::copysign(1.0, rho);
}

std::vector<double> initial_pull(const Covariance& K) {
  std::vector<double> out(K.d, 0.0);
  for (std::size_t j = 0; j < K.d; ++j) {
    if (K.diagonal)
      out[j] = -K.eigenvalue[j] * K.target[j] / std::sqrt(K.copies(j));
    else
      for (std::size_t i = 0; i < K.d; ++i) out[i] -= K.matrix[j * K.d + i] * K.target[j];
  }
  return out;
}

double largest_pull(const Covariance& K) {
  const std::vector<double> variance = K.diagonal_entries(), pull = initial_pull(K);
  double most = 0;
  for (std::size_t i = 0; i < K.d; ++i)
    if (variance[i] > 0) most = std::max(most, std::abs(pull[i]) / std::sqrt(variance[i]));
  return most;
}

std::vector<ModeColumn> nonlinear_mode_table(const NonlinearProblem& p, Steps steps) {
  if (!p.coordinatewise()) return residual_table(p, steps);
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(p);
  const std::vector<double> variance = p.covariance.diagonal_entries(), pull = initial_pull(p.covariance);
  // Without a residual there is no pull, and what is proportional to it is 0 whatever its factor.
  const double P = p.covariance.signal(), width = P > 0 ? residual_width(*noise, P) : 1;
  const bool moments = p.method == Method::per_example_adam;
  const double a = P > 0 && !moments ? scalar_laws(p).exact(P).a : 1, total = P + noise->variance();
  std::vector<ModeColumn> out = {
      {"variance", "input^2", "K_ii", {}},
      {"error", "parameter", "v_i at the start", {}},
      {"correlation",
       "1",
       "(K v)_i/sqrt(K_ii) over the residual's width as signs feel it, 2 sqrt(P)/(pi phi): of Gaussian noise rho_i",
       {}}};
  if (moments) {
    out.push_back({"second_moment", "gradient^2", "mu_i^2 + zeta s_i^2, what n_i aims at, at the start", {}});
    out.push_back({"preconditioner", "1/gradient", "1/(sqrt(n_i) + floor) there", {}});
  } else {
    out.push_back({"linear_drift", "1", "a (K v)_i/sqrt(K_ii), the theory's mean step over the rate", {}});
    out.push_back({"exact_drift", "1", "that mean at finite dimension; nan where it is not known", {}});
  }
  out.push_back({"late_snr_squared", "1", "squared mean over variance of the sign of the mean gradient", {}});
  out.push_back({"early_snr_squared", "1", "that of the mean of the examples' signs, gradients taken as Gaussian", {}});
  for (std::size_t i = 0; i < p.covariance.d; ++i) {
    const double k = variance[i] > 0 ? pull[i] / std::sqrt(variance[i]) : 0, rho = k / width;
    double row[] = {variance[i], -p.covariance.target[i] / std::sqrt(p.covariance.copies(i)), rho, a * k, nan, nan,
                    nan};
    if (moments) {
      const double mean2 = pull[i] * pull[i], noise2 = variance[i] * total + mean2;
      row[3] = std::isinf(p.zeta) ? noise2 : mean2 + p.zeta * noise2;
      row[4] = 1 / (std::sqrt(row[3]) + p.floor);
    } else {
      row[4] = exact_drift(p, *noise, P, k).value_or(nan);
    }
    if (std::isfinite(total)) {
      const double mean =
          k == 0 ? 0 : k / std::sqrt(total + k * k);  // in standard deviations of one example's gradient
      row[5] = late_snr_squared(mean, p.batch);
      row[6] = early_snr_squared(mean, p.batch);
    }
    for (std::size_t c = 0; c < out.size(); ++c) out[c].value.push_back(row[c]);
  }
  return out;
}

}  // namespace edgewise::models::nonlinear
