// Built at -O1: nothing here takes time.
#include <cmath>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/nonlinear/closed_form_problems.hpp"
#include "models/nonlinear/closed_forms.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "numerics/constants.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::nonlinear {

namespace {

using Pair = ClosedFormList::Pair;
using SharedNoise = std::shared_ptr<const ingredients::Noise>;

constexpr double given_P = 0.3;

/// mu, q and c2 of chi under residuals N(0, Q), Q = P + sigma^2.
void add_gaussian(ClosedFormList& table, const std::string& name, const std::string& chi, const std::string& said,
                  double mu, double q, double c2) {
  constexpr double tolerance = 1e-11;
  const auto coefficients = [chi] {
    return residual_coefficients(*custom_nonlinearity(chi), *ingredients::gaussian_noise(0.25), given_P);
  };
  table.add(name + "-mu", "chi = " + chi + ": mu of " + said, "1", tolerance,
            [=] { return Pair(mu, coefficients().mu); });
  table.add(name + "-q", "chi = " + chi + ": q of " + said, "1", tolerance, [=] { return Pair(q, coefficients().q); });
  table.add(name + "-c2", "chi = " + chi + ": c2 of " + said, "1", tolerance,
            [=] { return Pair(c2, coefficients().c2); });
}

/// P after 60 steps on a power law, by the recursion.
double excess_of(const std::string& method, const std::string& chi, double threshold, const SharedNoise& noise) {
  NonlinearProblem problem =
      problem_of(diagonal_covariance(spectra::power_law(30, 0.4, 0.3)), method, noise, 0.02, 3, threshold);
  if (!chi.empty()) problem.nonlinearity = custom_nonlinearity(chi);
  return excess_after(problem, 60).mean;
}

}  // namespace

std::vector<ClosedForm> custom_closed_forms() {
  ClosedFormList table("residual-sgd/custom-", "sign-and-clip");
  const double Q = given_P + 0.25;
  add_gaussian(table, "cube", "r^3", "N(0, Q): 3 Q, 15 Q^3, 90 Q^2", 3 * Q, 15 * Q * Q * Q, 90 * Q * Q);
  add_gaussian(table, "bump", "r * exp(-r^2/2)",
               "N(0, Q): (1 + Q)^(-3/2), Q (1 + 2 Q)^(-3/2), 2 (1 - Q) (1 + 2 Q)^(-5/2)", std::pow(1 + Q, -1.5),
               Q * std::pow(1 + 2 * Q, -1.5), 2 * (1 - Q) * std::pow(1 + 2 * Q, -2.5));
  add_gaussian(table, "erf", "erf(r / sqrt(2))",
               "N(0, Q): sqrt(2/(pi (1 + Q))), (2/pi) arcsin(Q/(1 + Q)), 4/(pi (1 + Q) sqrt(1 + 2 Q))",
               std::sqrt(2 / (pi * (1 + Q))), 2 / pi * std::asin(Q / (1 + Q)),
               4 / (pi * (1 + Q) * std::sqrt(1 + 2 * Q)));
  // The built-in methods, by their formulas.
  struct Known {
    const char* method;
    const char* chi;
    double threshold;
  };
  for (const Known& known :
       {Known{"huber", "max(-0.7, min(0.7, r))", 0.7}, Known{"lad", "sign(r)", 0},
        Known{"quantile", "(r > 0) - 0.3", 0.3}, Known{"reject", "r * (abs(r) < 1.2)", 1.2}, Known{"sgd", "r", 0}})
    for (const bool heavy : {false, true}) {
      const std::string method = known.method;
      if (heavy && method == "sgd") continue;  // infinite under Cauchy noise
      const SharedNoise noise = heavy ? ingredients::cauchy_noise(0.3) : ingredients::laplace_noise(0.25);
      table.add(method + (heavy ? "-cauchy" : "-laplace"), method + " written out, P after 60 steps", "1", 1e-9,
                [known, noise, method] {
                  return Pair(excess_of(method, "", known.threshold, noise), excess_of("custom", known.chi, 0, noise));
                });
    }
  table.add("linear-isotropic", "chi = r, K = 1: P_k = P_inf + r^k (P_0 - P_inf), r = (1 - eta)^2 + eta^2 (d + 1)/B",
            "1", 1e-11, [] {
              const double d = 100, eta = 0.01, sigma2 = 0.25, floor = eta * d * sigma2 / (2 - eta * (2 + d));
              const double r = std::pow(1 - eta, 2) + eta * eta * (d + 1);
              NonlinearProblem problem = isotropic_problem("custom", d, eta);
              problem.nonlinearity = custom_nonlinearity("r");
              return Pair(floor + std::pow(r, 100) * (1 - floor), excess_after(problem, 100).mean);
            });
  return table.take();
}

}  // namespace edgewise::models::nonlinear
