#include "models/equilibrium_network/nonlinear_theory.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "numerics/constants.hpp"
#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/named_families.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::models::equilibrium_network::testing::elliptic;
using edgewise::tests::Approx;

namespace {

/// The same phi without its closed form: by the solver.
StateFunction solved(const std::string& name) {
  StateFunction phi = state_function(name);
  phi.linear_share.reset();
  return phi;
}

double tanh_slope(double u) {
  return 1 - std::tanh(u) * std::tanh(u);
}

/// The definition written out: damped iteration from q_h + g^2/2 and chi = 1/2, Newton for u on a grid of xi.
struct Literal {
  double q = 0, chi = 0, length = 0, stability = 0;
};
Literal literal_tanh(double tau, double q_h, double g) {
  Literal out{q_h + g * g / 2, 0.5, 0, 0};
  constexpr int nodes = 301;
  for (int iteration = 0; iteration < 80; ++iteration) {
    const double c = tau * g * g * out.chi;
    double weight = 0, z2 = 0, response = 0, square = 0;
    for (int i = 0; i < nodes; ++i) {
      const double x = -9 + 18.0 * i / (nodes - 1), w = std::exp(-x * x / 2), xi = std::sqrt(out.q) * x;
      double u = xi;
      for (int newton = 0; newton < 8; ++newton) u -= (u - c * std::tanh(u) - xi) / (1 - c * tanh_slope(u));
      weight += w;
      z2 += w * std::tanh(u) * std::tanh(u);
      const double s = tanh_slope(u) / (1 - c * tanh_slope(u));
      response += w * s;
      square += w * s * s;
    }
    out.length = z2 / weight;
    out.stability = g * g * square / weight;
    out.q += (q_h + g * g * out.length - out.q) / 2;
    out.chi += (response / weight - out.chi) / 2;
  }
  return out;
}

}  // namespace

TEST_CASE("self-consistency is that of its definition written out") {
  for (const auto& point : {std::pair{0.0, 0.9}, {1.0, 0.6}, {-1.0, 0.9}, {0.4, 0.7}, {-0.3, 1.2}}) {
    const double tau = point.first, g = point.second;
    CAPTURE(tau);
    const Literal literal = literal_tanh(tau, 0.5, g);
    const Equilibrium at = equilibrium(elliptic(tau), state_function("tanh"), 0.5, g);
    CHECK(at.q == Approx(literal.q).epsilon(1e-9));
    CHECK(at.chi == Approx(literal.chi).epsilon(1e-9));
    CHECK(at.length == Approx(literal.length).epsilon(1e-9));
    CHECK(at.stability == Approx(literal.stability).epsilon(1e-9));
  }
}

TEST_CASE("a formula of the user's is the named function, kinks and all") {
  const StateFunction written = custom_state_function("tanh(u)", {});
  const Equilibrium a = equilibrium(elliptic(0.4), written, 0.5, 0.7),
                    b = equilibrium(elliptic(0.4), state_function("tanh"), 0.5, 0.7);
  CHECK(a.length == Approx(b.length).epsilon(1e-9));
  CHECK(a.stability == Approx(b.stability).epsilon(1e-8));
  const StateFunction clipped = custom_state_function("min(max(u, -1), 1)", {1, -1});
  CHECK(equilibrium(elliptic(0.4), clipped, 0.5, 0.6).stability ==
        Approx(equilibrium(elliptic(0.4), state_function("hard-tanh"), 0.5, 0.6).stability).epsilon(1e-8));
  // Without its kinks the rule is visibly wrong, and says so.
  const StateFunction blind = custom_state_function("min(max(u, -0.9), 0.9)", {});
  CHECK(quadrature_error(blind, equilibrium(elliptic(0), blind, 0.5, 0.6)) > 1e-8);
  CHECK(quadrature_error(clipped, equilibrium(elliptic(0), clipped, 0.5, 0.6)) < 1e-9);
  CHECK_THROWS_AS(custom_state_function("log10(u)", {}), std::invalid_argument);
  CHECK_THROWS_AS(custom_state_function("v", {}), std::invalid_argument);
}

TEST_CASE("beyond S = 1 there is no equilibrium, however the scale is reached") {
  const Family goe = family_of(FamilyKind::goe, 0, 2);
  const StateFunction phi = state_function("tanh");
  for (const double g : {0.97, 1.5, 2.0, 50.0})
    CHECK_THROWS_WITH_AS(equilibrium(goe, phi, 0.5, g), doctest::Contains("the edge g = 0.9585999"), std::domain_error);
  // Next to the edge the message has the digits that differ.
  CHECK_THROWS_WITH_AS(equilibrium(family_of(FamilyKind::iid, 0, 2), state_function("relu"), 1, 1.4142135623731),
                       doctest::Contains("9, before g = 1.4142135623731"), std::domain_error);
  const Equilibrium near = equilibrium(goe, phi, 0.5, 0.9585);
  CHECK(near.stability < 1);
  CHECK(near.rate < 1);
  CHECK(edge(goe, phi, 0.5) == Approx(0.9585999599).epsilon(1e-9));
  // The antisymmetric family: the fixed point lives on where the plain iteration does not converge.
  const Equilibrium anti = equilibrium(family_of(FamilyKind::anti, 0, 2), phi, 0.5, 2);
  CHECK(anti.stability < 1);
  CHECK(anti.rate > 1);
}

TEST_CASE("units: a piecewise linear network is the same at any size of its input") {
  const Equilibrium unit = equilibrium(elliptic(0.5), state_function("relu"), 1, 0.7);
  const StateFunction relu = solved("relu");
  for (const double scale : {1e-60, 1e-3, 1e60}) {
    const Equilibrium at = equilibrium(elliptic(0.5), relu, scale, 0.7);
    CHECK(std::abs(at.q / (scale * unit.q) - 1) < 1e-11);
    CHECK(std::abs(at.stability / unit.stability - 1) < 1e-11);
  }
  // Small inputs make tanh linear, large ones a sign.
  CHECK(equilibrium(elliptic(0.5), state_function("tanh"), 1e-12, 0.5).length ==
        Approx(equilibrium(elliptic(0.5), state_function("linear"), 1e-12, 0.5).length).epsilon(1e-9));
  CHECK(equilibrium(elliptic(0), state_function("tanh"), 1e30, 0.5).length == Approx(1).epsilon(1e-9));
  CHECK(equilibrium(elliptic(0), state_function("tanh"), 0.5, 0).q == 0.5);
}

TEST_CASE("the closed forms of linear and ReLU networks are what the solver finds") {
  for (const char* name : {"linear", "relu"})
    for (const double tau : {-1.0, -0.4, 0.0, 0.6, 1.0}) {
      CAPTURE(name);
      CAPTURE(tau);
      const StateFunction phi = state_function(name), by_solver = solved(name);
      CHECK_FALSE(by_solver.linear());
      const double g = 0.8 / (1 + std::abs(tau)), q_h = 0.3;
      const Equilibrium a = equilibrium(elliptic(tau), phi, q_h, g), b = equilibrium(elliptic(tau), by_solver, q_h, g);
      for (const auto of : {&Equilibrium::q, &Equilibrium::chi, &Equilibrium::length, &Equilibrium::d1,
                            &Equilibrium::d2, &Equilibrium::stability, &Equilibrium::rate})
        CHECK(std::abs(b.*of / (a.*of) - 1) < 1e-11);
      CHECK(std::abs(b.c - a.c) < 1e-11);
      const double end = edge(elliptic(tau), phi, q_h);
      if (tau > -1)
        CHECK(std::abs(edge(elliptic(tau), by_solver, q_h) / end - 1) < 1e-10);
      else
        CHECK(std::isinf(end));
    }
}

TEST_CASE("the states of two inputs: identical, opposite, and by the plane's own sum") {
  const StateFunction phi = state_function("tanh");
  const Equilibrium at = equilibrium(elliptic(0.4), phi, 0.5, 0.7);
  CHECK(pair_equilibrium(phi, 0.5, 1, at).overlap == Approx(at.length).epsilon(1e-9));
  CHECK(pair_equilibrium(phi, 0.5, -1, at).overlap == Approx(-at.length).epsilon(1e-9));
  CHECK(std::abs(pair_equilibrium(phi, 0.5, 0, at).overlap) < 1e-9);
  for (const char* name : {"tanh", "relu", "hard-tanh"}) {
    const StateFunction f = state_function(name);
    for (const double rho : {-0.7, 0.3, 0.95}) {
      const double q = 1.3;
      double plane = 0, slopes = 0;
      constexpr int nodes = 301;
      const double h = 12.0 / (nodes - 1);
      for (int i = 0; i < nodes; ++i)
        for (int j = 0; j < nodes; ++j) {
          const double x = -6 + h * i, y = -6 + h * j, w = std::exp(-(x * x + y * y) / 2);
          const double u = std::sqrt(q) * x, v = std::sqrt(q) * (rho * x + std::sqrt(1 - rho * rho) * y);
          plane += w * f.value(u) * f.value(v);
          slopes += w * f.slope(u) * f.slope(v);
        }
      CAPTURE(name);
      CAPTURE(rho);
      const PairMoments moments = pair_moments(f, q, 0, rho);
      CHECK(std::abs(moments.states - plane * h * h / (2 * pi)) < 1e-4);
      CHECK(std::abs(moments.slopes - slopes * h * h / (2 * pi)) < 8e-3);  // jumps on a grid: a guard
    }
  }
  // Nearly identical inputs: the layer where kinks are crossed is thin. 1 - k1(1 - e) = e + O(e^1.5).
  const double eps = 1e-10;
  CHECK(pair_moments(state_function("relu"), 1, 0, 1 - eps).states == Approx(0.5 * (1 - eps)).epsilon(1e-12));
}

TEST_CASE("slopes of far saturated states: the few inputs where the function is not flat") {
  // E phi'(u) phi'(u') -> density at 0 times (integral of phi')^2 of two inputs, of phi'^2 of one: 4 and 4/3 of tanh.
  for (const double q : {1e8, 1e24, 1e40}) {
    CAPTURE(q);
    const StateFunction phi = state_function("tanh");
    const double rho = 0.6;
    CHECK(pair_moments(phi, q, 0, 1).slopes == Approx(4.0 / 3 / std::sqrt(2 * pi * q)).epsilon(1e-7));
    CHECK(pair_moments(phi, q, 0, -1).slopes == Approx(4.0 / 3 / std::sqrt(2 * pi * q)).epsilon(1e-7));
    CHECK(pair_moments(phi, q, 0, rho, true).slopes ==
          Approx(4 / (2 * pi * q * std::sqrt(1 - rho * rho))).epsilon(1e-6));
  }
}

TEST_CASE("opposite inputs of an odd network have opposite states at any scale") {
  for (const char* name : {"tanh", "erf", "hard-tanh"})
    for (const double g : {0.5875, 0.6, 0.7125}) {
      const StateFunction phi = state_function(name);
      const Equilibrium at = equilibrium(elliptic(0), phi, 0.5, g);
      CHECK(pair_equilibrium(phi, 0.5, -1, at).overlap == -at.length);
      CHECK(pair_equilibrium(phi, 0.5, -1, at).correlation == -1);
      // A formula is not known to be odd: its root is the end of the bracket.
      if (phi.name != "tanh") continue;
      const StateFunction formula = custom_state_function("tanh(u)", {});
      CHECK(pair_equilibrium(formula, 0.5, -1, at).overlap == Approx(-at.length).epsilon(1e-7));
    }
}

TEST_CASE("-phi is phi: the weights' sign is not seen") {
  for (const double tau : {1.0, 0.5, -0.7}) {
    const Equilibrium rising = equilibrium(elliptic(tau), custom_state_function("tanh(u)", {}), 0.5, 0.6),
                      falling = equilibrium(elliptic(tau), custom_state_function("0 - tanh(u)", {}), 0.5, 0.6);
    for (const auto of : {&Equilibrium::q, &Equilibrium::length, &Equilibrium::stability, &Equilibrium::rate})
      CHECK(falling.*of == Approx(rising.*of).epsilon(1e-10));
    CHECK(falling.c == Approx(-rising.c).epsilon(1e-10));
  }
}

TEST_CASE("relu of antisymmetric weights has an equilibrium at any scale") {
  for (const double g : {1e-5, 1.0, 1e12, 1e20}) {
    const Equilibrium at = equilibrium(elliptic(-1), state_function("relu"), 1, g);
    const double chi = 1 / (1 + std::sqrt(1 + 2 * g * g));
    CHECK(at.chi == Approx(chi).epsilon(1e-12));
    CHECK(at.q == Approx(1 / (2 * chi)).epsilon(1e-12));
    CHECK(at.length == Approx(chi).epsilon(1e-12));
  }
  CHECK(std::isinf(edge(elliptic(-1), state_function("relu"), 1)));
}

TEST_CASE("edges at inputs of any size: the linear one at small, that of the function's ends at large") {
  for (const double tau : {1.0, 0.5, 0.0, -0.5}) {
    CAPTURE(tau);
    const Family family = elliptic(tau);
    const StateFunction tanh = state_function("tanh"), gelu = state_function("gelu");
    CHECK(std::abs(edge(family, tanh, 1e-60) * (1 + tau) - 1) < 1e-14);
    CHECK(std::abs(edge(family, gelu, 1e-60) * (1 + tau) / 2 - 1) < 1e-14);
    CHECK(std::abs(edge(family, gelu, 1e60) * (1 + tau) / std::sqrt(2.0) - 1) < 1e-14);
    // A sign of the input: only a share 1/sqrt q of the states feels its neighbours, S depends on g/q^(1/4).
    CHECK(std::abs(edge(family, tanh, 1e60) / edge(family, tanh, 1e40) / 1e5 - 1) < 1e-6);
    CHECK(equilibrium(family, tanh, 1e60, 0.4).length == Approx(1).epsilon(1e-12));
    CHECK(std::abs(equilibrium(family, tanh, 1e-60, 0.4).length /
                       equilibrium(family, state_function("linear"), 1e-60, 0.4).length -
                   1) < 1e-12);
  }
  // tanh iid: S = 1 at q^3 = 3 q_h/4, where g^2 = 1/(1 - 2q), to leading order in a small q_h.
  const double q = std::cbrt(0.75e-12);
  CHECK(std::abs((edge(elliptic(0), state_function("tanh"), 1e-12) - 1) / q - 1) < 1e-3);
  CHECK(std::isinf(edge(elliptic(-1), state_function("tanh"), 1e60)));
  CHECK(std::isinf(edge(elliptic(-1), solved("linear"), 1e-60)));
  // Where the length map folds before S = 1 the branch ends there.
  const StateFunction convex = custom_state_function("0.1 * u * u", {});
  const double end = edge(elliptic(0), convex, 1);
  const Equilibrium near = equilibrium(elliptic(0), convex, 1, end * (1 - 1e-9));
  CHECK(near.stability < 0.8);
  // E phi^2 = 3 q^2/100: q = 1 + g^2 3 q^2/100 has a double root at g^2 = 100/12, q = 2.
  CHECK(end == Approx(std::sqrt(100.0 / 12)).epsilon(1e-9));
  CHECK(near.q == Approx(2).epsilon(1e-3));
  CHECK_THROWS_WITH_AS(equilibrium(elliptic(0), convex, 1, 3), doctest::Contains("the edge g = 2.886751"),
                       std::domain_error);
  // Nothing comes back, or always the same.
  const StateFunction constant = custom_state_function("0.5 + 0 * u", {});
  CHECK(equilibrium(elliptic(0.5), constant, 2, 3).q == Approx(2 + 9 * 0.25));
  CHECK(std::isinf(edge(elliptic(0.5), constant, 2)));
  const StateFunction nothing = custom_state_function("0 * u", {});
  CHECK(equilibrium(elliptic(0.5), nothing, 2, 1e3).q == 2);
  CHECK(std::isinf(edge(elliptic(0.5), nothing, 2)));
}

TEST_CASE("a formula that jumps is refused, with the place, whether or not it is named a kink") {
  struct Case {
    const char *formula, *place;
  };
  for (const Case& jump : {Case{"u > 0 ? 1 : 0 - 1", "jumps at u = 0:"},
                           {"u > 0.3 ? u : 0", "jumps at u = 0.3"},
                           {"u > 40 ? u + 0.001 : u", "jumps at u = 40"},
                           {"u < -2.5 ? -1 : tanh(u)", "jumps at u = -2.5"}})
    for (const std::vector<double>& kinks : {std::vector<double>{}, {0.0, 0.3}}) {
      CAPTURE(jump.formula);
      CHECK_THROWS_WITH_AS(custom_state_function(jump.formula, kinks), doctest::Contains(jump.place),
                           std::invalid_argument);
    }
  for (const char* formula :
       {"abs(u)", "max(u, 0)", "tanh(1000*u)", "u/(1 + abs(u))", "u^3/(1 + u^2)", "min(1, max(-1, 50*u))"})
    CHECK_NOTHROW(custom_state_function(formula, {0}));
}

TEST_CASE("at width n the fixed point has a term in 1/n") {
  // A linear phi: 2 g^2 (1 + (kurtosis - 2) g^2)/(1 - g^2)^3 at any input, and the variance 2 m2, or 2 (m2 - m1^2).
  const StateFunction linear = custom_state_function("u", {});
  for (const double kurtosis : {1.0, 2.0, 3.0}) {
    CAPTURE(kurtosis);
    Family family;
    family.kind = FamilyKind::bi_invariant;
    family.kurtosis = kurtosis;
    const double g2 = .36, q_h = .7, m1 = 1 / (1 - g2), m2 = (1 + (kurtosis - 2) * g2 * g2) * std::pow(m1, 4);
    const Equilibrium at = equilibrium(family, linear, q_h, std::sqrt(g2));
    const WidthMoments gaussian = width_moments(family, linear, q_h, true, at),
                       fixed = width_moments(family, linear, q_h, false, at);
    CHECK(gaussian.bias == Approx(q_h * 2 * g2 * std::pow(m1, 3) * (1 + (kurtosis - 2) * g2)).epsilon(1e-9));
    CHECK(fixed.bias == Approx(gaussian.bias).epsilon(1e-9));
    CHECK(gaussian.variance == Approx(2 * q_h * q_h * m2).epsilon(1e-9));
    CHECK(fixed.variance == Approx(2 * q_h * q_h * (m2 - m1 * m1)).epsilon(1e-9));
  }
  // By numpy, its own quadrature (400 Gauss-Legendre nodes on either side of 0).
  struct Row {
    const char* phi;
    double g, q_h, kurtosis;
    bool gaussian;
    double bias, variance;
  };
  for (const Row& r : {Row{"tanh", .9, .5, 2, false, 0.1385091473, 0.09151085816},
                       {"tanh", .9, .5, 2, true, 0.02308463439, 0.1300508064},
                       {"tanh", .9, .5, 1, false, 0.1402679892, 0.0790877566},
                       {"relu", .9, .5, 2, false, 2.403334047, 2.140261348},
                       {"relu", .9, .5, 3, true, 2.792674163, 2.656932041}}) {
    CAPTURE(r.phi);
    CAPTURE(r.bias);
    Family family;
    family.kind = FamilyKind::bi_invariant;
    family.kurtosis = r.kurtosis;
    const StateFunction phi = state_function(r.phi);
    const WidthMoments m = width_moments(family, phi, r.q_h, r.gaussian, equilibrium(family, phi, r.q_h, r.g));
    CHECK(m.bias == Approx(r.bias).epsilon(2e-9));
    CHECK(m.variance == Approx(r.variance).epsilon(2e-9));
    // Of relu: (E u^8/2 - 4 E u^6/4 + ...)/(5/4)^2 at E u^2 = 1.
    if (r.phi == std::string("relu")) CHECK(m.kurtosis == Approx(39.5625 / 1.5625).epsilon(1e-9));
  }
}
