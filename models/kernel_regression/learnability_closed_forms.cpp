// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

#include "models/ingredients/learnability/bound.hpp"
#include "models/ingredients/learnability/kernel_norms.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/kernel_regression/closed_forms.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using ingredients::learnability::Bound;
using ingredients::learnability::bound;
using ingredients::learnability::inverse_power_remainder;
using ingredients::learnability::kernel_norms;
using ingredients::learnability::KernelNorms;
using ingredients::learnability::read_formula;
using ingredients::learnability::taylor_series;

constexpr const char* papers = "What the papers themselves do";
constexpr std::size_t terms = 1500;

std::string newton_formula(double r) {
  return fmt::format("(1 + {0}^2 - 2*{0}*x)^(-1/2)", r);
}

}  // namespace

void add_learnability_closed_forms(ClosedFormList& list) {
  struct Slope {
    const char *name, *formula;
    double slope;
  };
  const Slope slopes[] = {{"scaled", "0.1*e", 0.1}, {"sum", "s + 0.1*e", 1.1}, {"product", "s + s*e", 3}};
  for (const Slope& s : slopes) {
    list.add(fmt::format("slope-{}", s.name), fmt::format("f~'(1) of {}", s.formula), papers, 1e-14,
             [s] { return std::pair(s.slope, bound(read_formula(s.formula)).slope); });
    list.add(fmt::format("zeta-{}", s.name), fmt::format("(f~'(1) + f~(0))^2 of {}", s.formula), papers, 1e-13,
             [s] { return std::pair(s.slope * s.slope, bound(read_formula(s.formula)).zeta()); });
  }
  list.add("product-rule", "(f g)~'(1) <= f~' g~ + f~ g~'", "4.5", 1e-14, [] {
    const Bound f = bound(read_formula("exp(x) + 2")), g = bound(read_formula("1/(3 - y)"));
    return std::pair(f.slope * g.one + f.one * g.slope, bound(read_formula("(exp(x) + 2)*(1/(3 - y))")).slope);
  });
  list.add("composition", "g~(f~(y)) of exp(x^2/2)", "4.5", 1e-14,
           [] { return std::pair(std::exp(0.5), bound(read_formula("exp(x^2/2)")).slope); });
  const std::pair<double, double> newton[] = {{0.3, 1.8324618537}, {0.5, 4.8944271910}, {0.8, 100.7808688094}};
  for (const auto& entry : newton) {
    list.printed(fmt::format("newton-sqrt-zeta-{}", entry.first),
                 "(1 + r^2)^-1/2 [(beta/2)(1 - beta)^-3/2 + 1], beta = 2r/(1 + r^2)", "4.5", entry.second, 10,
                 [r = entry.first] { return bound(read_formula(newton_formula(r))).sqrt_zeta(); });
    list.add(fmt::format("newton-formula-{}", entry.first), "the same as a formula", "4.5", 1e-12, [r = entry.first] {
      const double beta = 2 * r / (1 + r * r);
      return std::pair((beta / 2 * std::pow(1 - beta, -1.5) + 1) / std::sqrt(1 + r * r),
                       bound(read_formula(newton_formula(r))).sqrt_zeta());
    });
  }
  struct Chain {
    double r, exact, second, first;
    int decimals[3];
  };
  const Chain chains[] = {{0.3, 1.21264, 1.27385, 5.27972, {5, 5, 5}},
                          {0.5, 2.85844, 4.12850, 57.3300, {5, 5, 4}},
                          {0.8, 97.52, 152.19, 16618.6, {2, 2, 1}}};
  for (const Chain& c : chains) {
    const auto norms = [r = c.r] {
      return kernel_norms(taylor_series(read_formula(newton_formula(r)), 1, terms),
                          *ingredients::learning_curves::relu_kernel("ntk", true), 3);
    };
    list.printed(fmt::format("newton-norm-{}", c.r), "H = sum v_k^2/lambda_k, ntk with bias, d = 3", "4.5", c.exact,
                 c.decimals[0], [norms] { return norms().exact; });
    list.printed(fmt::format("newton-second-{}", c.r), "B2 = sum a_k^2 beta^(2k)/b_k", "4.5", c.second, c.decimals[1],
                 [norms] { return norms().second; });
    list.printed(fmt::format("newton-first-{}", c.r), "B1 = (sum |a_k| beta^k/sqrt b_k)^2", "4.5", c.first,
                 c.decimals[2], [norms] { return norms().first; });
  }
  struct Force {
    int order;
    double sqrt_zeta, remainder;
    int decimals;
  };
  const Force forces[] = {
      {2, 13136.899368, 2.40996, 6}, {4, 8008421.5597, 0.72112, 4}, {6, 3.5419117195e9, 0.20560, -1}};
  for (const Force& f : forces) {
    list.printed(fmt::format("force-order-{}", f.order), "sqrt(2) y D0^(-3/2) S_p(6 y^2/D0 + 1), D from .2 to .6",
                 "4.5", f.sqrt_zeta, f.decimals,
                 [p = f.order] { return bound(read_formula(fmt::format("force(1, 0.2, 0.6, {})", p))).sqrt_zeta(); });
    list.printed(fmt::format("force-remainder-{}", f.order), "D0^(-3/2) sum_{l > p} |binom(-3/2, l)| delta^l", "4.5",
                 f.remainder, 5, [p = f.order] { return inverse_power_remainder(1.5, 0.2, 0.6, p); });
  }
  list.add("allocation", "n_i ~ (D_i sqrt(zeta_i + log(c/delta)))^(2/3)", papers, 1e-14, [] {
    const double log_term = std::log(2 / 0.1), a = std::cbrt(0.09 * (1 + log_term)),
                 b = std::cbrt(0.49 * (9 + log_term));
    return std::pair(a / (a + b), ingredients::learnability::allocation({0.3, 0.7}, {1, 9}, 0.1)[0]);
  });
}

}  // namespace edgewise::models::kernel_regression
