// Built at -O1: nothing here takes time.
#include <cmath>
#include <string>
#include <utility>

#include "models/framework/closed_form_list.hpp"
#include "models/nonlinear/closed_form_problems.hpp"
#include "models/nonlinear/closed_forms.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Standard deviation of P of one run on K = 1 after `steps` steps, from P_0 = 1, Gaussian noise of variance 1/4.
double band(const std::string& method, double d, double eta, std::uint64_t steps) {
  NonlinearTheory theory;
  theory.bands = true;
  return excess_after(isotropic_problem(method, d, eta), steps, theory).std;
}

/// The exact one of SGD with one example a step (docs/theory/least-squares-sgd.md (4.1) with one block), c a chi-square
/// variate of one degree of freedom.
double exact_band_of_sgd(double d, double eta, std::uint64_t steps) {
  constexpr double sigma2 = 0.25;
  // E c^k = 1, 3, 15, 105.
  const double e4 = 1 - 4 * eta + 18 * eta * eta - 60 * std::pow(eta, 3) + 105 * std::pow(eta, 4);
  const double e20 = eta * eta * (1 - 6 * eta + 15 * eta * eta), s2 = 3 * std::pow(eta, 4);
  double mean = 1, second = 1;
  for (std::uint64_t k = 0; k < steps; ++k) {
    const double rQ = second + sigma2 * mean, Q2 = second + 2 * sigma2 * mean + sigma2 * sigma2;
    second = (e4 - 6 * e20 + 3 * s2) * second + 2 * (e20 - s2) * rQ * d + s2 * Q2 * d * d + 2 * s2 * (d * Q2 - 2 * rQ) +
             4 * e20 * rQ;
    mean = (1 - 2 * eta + 2 * eta * eta) * mean + eta * eta * d * (mean + sigma2);
  }
  return std::sqrt(second - mean * mean);
}

}  // namespace

std::vector<ClosedForm> residual_path_closed_forms() {
  ClosedFormList table("residual-sgd/path-std-isotropic-", "least-squares-sgd");
  // Linearised: exact as d -> infinity, 5/d off.
  for (const double share : {0.5, 1.0, 3.0}) {
    constexpr double d = 20000;
    const auto steps = static_cast<std::uint64_t>(share * d);
    table.add(std::to_string(steps), "K = 1, eta = 1/d, B = 1: the exact second moment of P, d = 20000",
              "docs/theory/least-squares-sgd.md (4.1)", 3e-4,
              [=] { return std::pair(exact_band_of_sgd(d, 1 / d, steps), band("sgd", d, 1 / d, steps)); });
  }
  return table.take();
}

std::vector<ClosedForm> sign_path_closed_forms() {
  ClosedFormList table("sign-sgd/path-std-isotropic-", "sign-and-clip");
  for (const std::uint64_t steps : {1, 300, 2000})
    table.add(std::to_string(steps),
              "V' = (1 + f'(P))^2 V + 4 eta^2 (P - a^2 P^2), a = (2/pi)/sqrt(P + sigma^2), K = 1", "2.7", 1e-10,
              [steps] {
                constexpr double d = 500, eta = 0.4 / 500, sigma2 = 0.25;
                double P = 1, V = 0;
                for (std::uint64_t k = 0; k < steps; ++k) {
                  const double a = 2 / pi / std::sqrt(P + sigma2);
                  const double slope = -2 * eta * a * (1 - P / (2 * (P + sigma2)));
                  V = std::pow(1 + slope, 2) * V + 4 * eta * eta * (P - a * a * P * P);
                  P += -2 * eta * a * P + eta * eta * d;
                }
                return std::pair(std::sqrt(V), band("sign-late", d, eta, steps));
              });
  return table.take();
}

}  // namespace edgewise::models::nonlinear
