// Built at -O1: nothing here takes time.
#include <string>
#include <vector>

#include "models/nonlinear/closed_forms.hpp"
#include "models/nonlinear/nonlinear_model.hpp"

namespace edgewise::models::nonlinear {

const Model& residual_sgd_model();

namespace {

using settings::Description;
using settings::Parameter;

/// Squares of smaller ones leave the range of numbers.
constexpr double least_threshold = 1e-140;

std::vector<Parameter> thresholds(const std::string& meaning) {
  return {
      settings::number("threshold", meaning + "; under a threshold_rule its k or its probability; inf for none")
          .at_least(least_threshold)
          .or_infinite(),
      settings::text("threshold_rule",
                     "how the threshold h on |r| follows the risk. constant; sqrt-risk: h = threshold sqrt(P); "
                     "quantile: Pr(|r| < h) = threshold; optimal: the h of fastest decrease. The simulation replays "
                     "the theory's h")
          .one_of({"constant", "sqrt-risk", "quantile", "optimal"})
          .otherwise(std::string("constant"))};
}

std::vector<Description> residual_methods() {
  return {
      method("sgd", "mini-batch SGD on Gaussian data, as the linear member of the class", "chi(r) = r", "1"),
      method("clip", "per-example gradients clipped by norm",
             "v' = v - (eta/B) sum_b g_b min(1, c/|g_b|), g_b = r_b x_b;  theory: chi(r) = clip(r, -h, h), "
             "h = c/sqrt(tr K)",
             "5", thresholds("c, largest norm of an example's gradient")),
      method("huber", "residuals clipped", "chi(r) = clip(r, -h, h)", "1", thresholds("h, largest |residual|")),
      method("lad", "least absolute deviations (normalised SGD)", "chi(r) = sign(r)", "1"),
      method("quantile", "quantile regression", "chi(r) = 1{r > 0} - tau", "1",
             {settings::number("tau", "the quantile").above(0).below(1).otherwise(0.5)}),
      method("reject", "examples with large residuals are left out", "chi(r) = r 1{|r| < h}", "1",
             thresholds("h, largest |residual| that counts")),
      method("custom", "a nonlinearity of one's own",
             "chi(r) as given, e.g. chi = \"r / (1 + abs(r))\"; averages by quadrature", "1, 10",
             {settings::text("chi",
                             "formula in r: + - * / ^, comparisons, c ? a : b, abs, min, max, sqrt, exp, ln, "
                             "tanh, erf, sign, ...; finite everywhere, growing no faster than a power")
                  .must()}),
      method("mean-clip", "the mini-batch gradient clipped by norm",
             "v' = v - eta g min(1, c/|g|), g the mean of B gradients; Gaussian noise, B << intrinsic dimension", "5.2",
             {settings::number("threshold", "c, largest norm of the mean gradient")
                  .at_least(least_threshold)
                  .or_infinite()
                  .must()})};
}

}  // namespace

const Model& residual_sgd_model() {
  static const DeclaredModel model([] {
    ModelDeclaration out = nonlinear_declaration(
        {"residual-sgd",
         "SGD through a nonlinearity of the residual: clipping, Huber, least absolute deviations, ...",
         "x ~ N(0, K), y = <x, theta*> + eps, v = theta - theta*, r = <x, v> - eps, P = v'Kv\n"
         "v' = v - (eta/B) sum_b chi(r_b) x_b\n"
         "mu = E chi'(r), q = E chi^2, c2 = E (chi^2)''(r):  E[chi x] = mu K v,  E[chi^2 x x'] = q K + c2 Kv (Kv)'\n"
         "ode:       dD_i/dt = -2 eta mu lambda_i D_i + eta^2 (q/B) lambda_i,   P = sum lambda_i D_i\n"
         "recursion: unit steps, with eta^2 [c2/B + (1 - 1/B) mu^2] lambda_i^2 D_i",
         "Marshall, Xiao, Agarwala, Paquette 2024; docs/theory/sign-and-clip.md",
         {}},
        residual_methods(), residual_closed_forms, "compare");
    for (const char* kind : {"clip", "huber", "reject", "mean-clip"})
      out.start_of.emplace_back(kind, "optimizer.threshold = 1.0");
    out.start_of.emplace_back("custom", "optimizer.chi = \"r / (1 + abs(r))\"");
    return out;
  }());
  return model;
}

}  // namespace edgewise::models::nonlinear
