// Built at -O1: nothing here takes time.
#include <string>
#include <vector>

#include "models/nonlinear/closed_forms.hpp"
#include "models/nonlinear/nonlinear_model.hpp"

namespace edgewise::models::nonlinear {

const Model& sign_sgd_model();

namespace {

using settings::Description;
using settings::Parameter;

Parameter average() {
  return settings::number("ema", "beta of the exponential average, m' = beta m + (1 - beta) input, m = 0 at first")
      .at_least(0)
      .below(1)
      .otherwise(0.9);
}

Parameter beta2(const std::string& doc, double fallback) {
  return settings::number("beta2", doc).at_least(0).below(1).otherwise(fallback);
}

Description adam_method() {
  return method(
      "adam", "Adam; effective equation (conjectured)",
      "m' = beta1 m + (1 - beta1) g, n' = beta2 n + (1 - beta2) g^2, bias corrected, u = m'/(sqrt(n') + floor)\n"
      "a = c1 sqrt(B)/sqrt(nhat), b = c2 (P + sigma^2)/nhat, nhat = bias-corrected exponential average of P + sigma^2 "
      "at beta2\n"
      "c1, c2: averages over a stationary scalar process;  ode and stability: nhat = P + sigma^2\n"
      "other noise than Gaussian: a(P) and b(P) of that process, diagonal covariance",
      "4.1",
      {settings::number("beta1", "memory of the gradient").at_least(0).below(1).otherwise(0.9),
       beta2("memory of its square; the theory needs it above 0", 0.99),
       settings::number("floor", "added to sqrt(n); the theory takes it as 0, and warns where it is not small")
           .at_least(0)
           .otherwise(1e-8)});
}

Description per_example_method() {
  Description out = method(
      "per-example-adam",
      "Adam's denominator with a share zeta of the variance over examples, no momentum; closure (conjectured) for a "
      "diagonal covariance",
      "V_i = variance of g_bi over the B examples, n' = beta2 n + (1 - beta2)(gbar^2 + (zeta - 1/B) V), bias "
      "corrected;  zeta = inf: V alone\n"
      "v' = v - eta gbar/(sqrt(max(n', 0)) + floor)\n"
      "mu_i^2 = lambda_i^2 D_i, s_i^2 = lambda_i (P + sigma^2) + mu_i^2, n_i' = beta2 n_i + (1 - beta2)(mu_i^2 + zeta "
      "s_i^2)\n"
      "D_i' = D_i - 2 eta A_i lambda_i D_i + eta^2 A_i^2 (mu_i^2 + s_i^2/B),  A_i = 1/(sqrt(nhat_i) + floor)\n"
      "unreliable where zeta < 1/B and noise exceeds the signal of every coordinate",
      "4.2",
      {settings::text(
           "second_moment",
           "what n averages: mean (zeta = 0), adam (zeta = 1/B), per-example (zeta = 1), variance (zeta = inf)")
           .one_of({"mean", "adam", "per-example", "variance"})
           .otherwise(std::string("per-example")),
       settings::number("zeta", "share of the variance over examples, instead of second_moment")
           .at_least(0)
           .or_infinite()
           .computed("second_moment"),
       beta2("memory of n", 0.95), settings::number("floor", "added to sqrt(n)").at_least(0).otherwise(1e-3)});
  out.source = "Roulet, Agarwala 2025; " + out.source;
  return out;
}

std::vector<Description> sign_methods() {
  return {method("sign-late", "sign of the mean gradient (signSGD)",
                 "u = sign((1/B) sum_b g_b);  a = sqrt(2/pi) E[sum_b r_b w_b/|r|]/P, b = 1", "2, 3"),
          method("sign-early", "mean of the signs of every example's gradient",
                 "u = (1/B) sum_b sign(g_b);  a = phi/sqrt(P), b = 1/B, c = (1 - 1/B) a^2", "3"),
          method("sign-majority", "sign of the sum of signs, ties 0",
                 "u = sign(sum_b sign(g_b));  a = a_1 E|sum of B signs|, b = 1 - Pr(tie)", "3"),
          method("sign-ema", "sign of an exponential average of gradients; theory for Gaussian noise",
                 "m' = beta m + (1 - beta) g, u = sign(m');  a -> sqrt(B (2/pi)(1+beta)/(1-beta)/(P+sigma^2)), "
                 "b -> 1 + 2 sum_l (2/pi) arcsin(beta^l) for many examples; exact for few, whose gradients are no "
                 "Gaussians (models/nonlinear/ema_sign.hpp)",
                 "3", {average()}),
          method("ema-sign", "exponential average of the signs of mean gradients",
                 "m' = beta m + (1 - beta) sign(g), u = m';  a and b of sign-late at times beyond 1/(1 - beta)", "3",
                 {average()}),
          adam_method(),
          per_example_method()};
}

}  // namespace

const Model& sign_sgd_model() {
  static const DeclaredModel model(nonlinear_declaration(
      {"sign-sgd",
       "signSGD: every coordinate moves by the learning rate, whatever the size of its gradient",
       "x ~ N(0, K), y = <x, theta*> + eps, v = theta - theta*, r = <x, v> - eps, P = v'Kv, Dg = diag K\n"
       "v' = v - eta sign(r x), element by element; B > 1: sign of the mean, mean of the signs, majority\n"
       "Dg^(-1/4) K Dg^(-1/4) = U diag(kappa) U',  M_i = E (U' Dg^(1/4) v)_i^2,  K_sigma = (2/pi) arcsin(correlation)\n"
       "dM_i/dt = -2 eta a(P) kappa_i M_i + eta^2 b s_i,   P = sum kappa_i M_i,   s = diag(U' Dg^(1/4) K_sigma "
       "Dg^(1/4) "
       "U)\n"
       "B = 1: a = phi/sqrt(P), b = 1, phi = (2/pi) E exp(-eps^2/(2P))",
       "Xiao, Marshall, Agarwala, Paquette 2024; Roulet, Agarwala 2025; docs/theory/sign-and-clip.md",
       {}},
      sign_methods(), sign_closed_forms, "norm_spread"));
  return model;
}

}  // namespace edgewise::models::nonlinear
