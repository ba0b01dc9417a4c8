#include "models/ingredients/networks/activations.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/approx.hpp"
#include "tests/models/ingredients/networks/literal_network.hpp"

using namespace edgewise::models::ingredients::networks;
using edgewise::tests::Approx;
namespace literal = edgewise::literal;

namespace {

const Activation all[] = {{ActivationKind::identity},    {ActivationKind::tanh}, {ActivationKind::erf},
                          {ActivationKind::relu},        {ActivationKind::gelu}, {ActivationKind::beta_gelu, 0.3},
                          {ActivationKind::beta_gelu, 4}};

}  // namespace

TEST_CASE("activations and their derivatives are those of the definition") {
  const double h = 1e-4;
  for (const Activation& a : all)
    for (const double s : {-3.1, -0.7, -0.02, 0.3, 1.4, 2.6}) {
      const auto at = [&](double t) { return literal::activation(a, t); };
      const ActivationValues phi = evaluate(a, s);
      CHECK(phi.value == Approx(at(s)).epsilon(1e-13).scale(1));
      CHECK(phi.first == Approx((at(s + h) - at(s - h)) / (2 * h)).epsilon(3e-7).scale(1));
      CHECK(std::abs(phi.second - (evaluate(a, s + h).first - evaluate(a, s - h).first) / (2 * h)) < 1e-6);
    }
}

TEST_CASE("activations far out are their limits, and what is no number stays none") {
  for (const Activation& a : all)
    for (const double s : {1e3, 1e160, 1e308}) {
      const ActivationValues up = evaluate(a, s), down = evaluate(a, -s);
      const bool bounded = a.kind == ActivationKind::tanh || a.kind == ActivationKind::erf;
      CHECK(up.value == (bounded ? 1 : s));
      CHECK(down.value == (bounded ? -1 : a.kind == ActivationKind::identity ? -s : 0));
      CHECK(up.first == (bounded ? 0 : 1));
      CHECK(up.second == 0);
      CHECK(down.second == 0);
    }
  for (const Activation& a : all) CHECK(std::isnan(evaluate(a, std::nan("")).value));
}

TEST_CASE("the largest second derivative, and relu with that of a GELU") {
  for (const Activation& a : all) {
    double largest = 0;
    for (int k = -40000; k <= 40000; ++k) largest = std::max(largest, std::abs(evaluate(a, 1e-4 * k).second));
    CHECK(largest_second(a) == Approx(largest).epsilon(1e-7));
  }
  const Activation synthetic{ActivationKind::relu, 1, 4};
  CHECK(!synthetic.piecewise_linear());
  CHECK(largest_second(synthetic) == largest_second({ActivationKind::beta_gelu, 4}));
  for (const double s : {-.3, 0., .01, .7}) {
    CHECK(evaluate(synthetic, s).value == std::max(s, 0.0));
    CHECK(evaluate(synthetic, s).first == (s > 0 ? 1 : 0));
    CHECK(evaluate(synthetic, s).second == evaluate({ActivationKind::beta_gelu, 4}, s).second);
  }
}

TEST_CASE("the kink of relu and the start of beta-GELU") {
  CHECK(evaluate({ActivationKind::relu}, 0).first == 0);
  CHECK(evaluate({ActivationKind::beta_gelu, 8}, 0).second == Approx(16 / std::sqrt(2 * M_PI)));  // 2 b pdf(0)
}
