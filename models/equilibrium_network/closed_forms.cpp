// Built at -O1: nothing here takes time.
#include "models/equilibrium_network/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <tuple>

#include "models/equilibrium_network/depth_theory.hpp"
#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "models/equilibrium_network/nonlinear_theory.hpp"
#include "models/framework/closed_form_list.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

using Pair = ClosedFormList::Pair;

const Family iid = family_of(FamilyKind::iid, 0, 2), haar = family_of(FamilyKind::haar, 0, 2),
             goe = family_of(FamilyKind::goe, 0, 2), anti = family_of(FamilyKind::anti, 0, 2);
Family elliptic(double tau) {
  return family_of(FamilyKind::elliptic, tau, 2);
}

/// Without its closed form: what is compared with formulas of linear and of ReLU networks.
StateFunction solved_for(const std::string& name) {
  StateFunction phi = state_function(name);
  phi.linear_share.reset();
  return phi;
}

void linear_formulas(ClosedFormList& list) {
  for (const double g : {0.2, 0.45, 0.9}) {
    const double g2 = g * g;
    const auto moment = [&](const char* name, const char* formula, const Family& family, double m1, double m2) {
      list.add(fmt::format("{}-m1-{}", name, g), formula, "1.2", 1e-13,
               [=] { return Pair(m1, linear_moments(family, g).m1); });
      list.add(fmt::format("{}-m2-{}", name, g), "m2 of the same", "1.2", 1e-12,
               [=] { return Pair(m2, linear_moments(family, g).m2); });
    };
    moment("iid", "m1 = 1/(1 - g^2)", iid, 1 / (1 - g2), std::pow(1 - g2, -4));
    moment("haar", "m1 = 1/(1 - g^2)", haar, 1 / (1 - g2), (1 + g2) / std::pow(1 - g2, 3));
    moment("anti", "m1 = (sqrt(1 + 4g^2) - 1)/(2g^2)", anti, (std::sqrt(1 + 4 * g2) - 1) / (2 * g2),
           1 / std::sqrt(1 + 4 * g2));
    moment("bi-invariant", "a2 = (kurtosis - 2) g^4: m2 = (1 + a2)/(1 - a1)^4",
           family_of(FamilyKind::bi_invariant, 0, 3.5), 1 / (1 - g2), (1 + 1.5 * g2 * g2) * std::pow(1 - g2, -4));
    if (g < 0.5)
      moment("goe", "m1 = ((1 - 4g^2)^(-1/2) - 1)/(2g^2)", goe, (1 / std::sqrt(1 - 4 * g2) - 1) / (2 * g2),
             std::pow(1 - 4 * g2, -2.5));
    list.add(fmt::format("iid-smallest-{}", g), "sigma_min^2 = g^2 (r-3)^3/(8(r-1)), r = sqrt(1 + 8/g^2)", "1.3", 1e-10,
             [=] {
               const double r = std::sqrt(1 + 8 / g2);
               return Pair(g2 * std::pow(r - 3, 3) / (8 * (r - 1)), smallest_singular_value_squared(iid, g));
             });
    if (g < 0.5)
      list.add(fmt::format("goe-smallest-{}", g), "sigma_min^2 = (1 - 2g)^2", "1.3", 1e-10,
               [=] { return Pair((1 - 2 * g) * (1 - 2 * g), smallest_singular_value_squared(goe, g)); });
    list.add(fmt::format("anti-smallest-{}", g), "sigma_min -> 1", "1.3", 1e-12,
             [=] { return Pair(1, smallest_singular_value_squared(anti, g)); });
    for (const std::uint64_t k : {1u, 2u, 7u, 100u}) {
      const auto steps = static_cast<double>(k);
      list.add(fmt::format("untied-{}-{}", g, k), "iid, haar: L_k = (1 - g^2k)/(1 - g^2)", "1.3", 1e-13, [=] {
        return Pair((1 - std::pow(g2, steps)) / (1 - g2), iteration_lengths(haar, g, std::array{k}).front());
      });
      list.add(fmt::format("goe-residual-{}-{}", g, k), "c_kk = Cat_k g^2k", "1.3", 1e-11, [=] {
        const double log_catalan = std::lgamma(2 * steps + 1) - 2 * std::lgamma(steps + 1) - std::log(steps + 1);
        return Pair(std::exp(log_catalan + 2 * steps * std::log(g)), iteration_residual(goe, g, k));
      });
    }
  }
  list.add("iid-smallest-edge", "sigma_min^2 ~ (32/27)(1 - g)^3", "1.3", 1e-3,
           [] { return Pair(32.0 / 27 * 1e-12, smallest_singular_value_squared(iid, 1 - 1e-4)); });
  list.add("residual-at-a-million", "c_kk ~ (2g)^2k k^(-3/2)/sqrt(pi), goe, g = .5, k = 1e6", "1.3", 3e-6,
           [] { return Pair(1e-9 / std::sqrt(pi), iteration_residual(goe, 0.5, 1000000)); });
  list.add("lengths-end-in-m1", "L_k -> m1, elliptic tau = .3, g = .6, k = 1e9", "1.3", 1e-13, [] {
    return Pair(linear_moments(elliptic(0.3), 0.6).m1,
                iteration_lengths(elliptic(0.3), 0.6, std::array<std::uint64_t, 1>{1000000000}).front());
  });
  // d log L/d tau is .89.
  list.add("lengths-elliptic-goe", "elliptic at tau = 1 - 1e-9 is goe", "1.3", 1e-9, [] {
    const std::array<std::uint64_t, 1> k{30};
    return Pair(iteration_lengths(goe, 0.4, k).front(), iteration_lengths(elliptic(1 - 1e-9), 0.4, k).front());
  });
  list.add("linear-edge", "g (1 + tau) = 1, by continuation", "1.2 and 1.5", 1e-11,
           [] { return Pair(1 / 1.3, edge(elliptic(0.3), solved_for("linear"), 2.0)); });
  list.add("linear-self-consistency", "the nonlinear theory of phi(u) = u: E z^2 = q_h m1", "1.5", 1e-12, [] {
    return Pair(3 * linear_moments(elliptic(0.5), 0.5).m1,
                equilibrium(elliptic(0.5), solved_for("linear"), 3, 0.5).length);
  });
  list.add("linear-response", "chi = gamma", "1.5", 1e-12, [] {
    return Pair(linear_moments(elliptic(-0.5), 0.9).gamma,
                equilibrium(elliptic(-0.5), solved_for("linear"), 3, 0.9).chi);
  });
  list.add("linear-rate", "radius g (1 + |tau|)", "1.5", 1e-12,
           [] { return Pair(0.9 * 1.5, equilibrium(elliptic(-0.5), solved_for("linear"), 3, 0.9).rate); });
  list.add("linear-tangent-kernel", "Theta = g^2 m1^2 q_h rho_h", "1.2 and 1.5", 1e-12, [] {
    const StateFunction phi = solved_for("linear");
    const Equilibrium at = equilibrium(iid, phi, 2, 0.7);
    return Pair(0.49 / std::pow(0.51, 2) * 2 * 0.3, tangent_kernels(pair_equilibrium(phi, 2, 0.3, at), 0.7).of_state);
  });
}

void linear_values(ClosedFormList& list) {
  const auto value = [&](const char* name, double number, int decimals, const std::function<double()>& compute) {
    list.printed(name, "section 1.6's table", "1.6", number, decimals, compute);
  };
  const auto m1 = [](Family f, double g) { return [=] { return linear_moments(f, g).m1; }; };
  const auto m2 = [](Family f, double g) { return [=] { return linear_moments(f, g).m2; }; };
  value("table-iid-.5-m1", 1.3333333333, 10, m1(iid, .5));
  value("table-iid-.5-m2", 3.1604938272, 10, m2(iid, .5));
  value("table-iid-.8-m1", 2.7777777778, 10, m1(iid, .8));
  value("table-iid-.8-m2", 59.5374180765, 10, m2(iid, .8));
  value("table-iid-.5-smallest", 0.1361674427, 10, [] { return smallest_singular_value_squared(iid, .5); });
  value("table-iid-.8-smallest", 0.0091690347, 10, [] { return smallest_singular_value_squared(iid, .8); });
  const double transient[] = {2.56, 2.7648, 2.4855134815, 2.048};
  for (std::uint64_t k = 1; k <= 4; ++k)
    list.printed(fmt::format("table-transient-{}", k), "|W^k|^2 = g^2k (k+1)^(k+1)/k^k, g = .8", "1.3 and 1.6",
                 transient[k - 1], 10, [k] { return worst_transient(iid, .8, k); });
  value("table-haar-.5-m2", 2.9629629630, 10, m2(haar, .5));
  value("table-haar-.8-m2", 35.1508916324, 10, m2(haar, .8));
  value("table-goe-.3-m1", 1.3888888889, 10, m1(goe, .3));
  value("table-goe-.4-m1", 2.0833333333, 10, m1(goe, .4));
  value("table-goe-.3-m2", 3.0517578125, 10, m2(goe, .3));
  value("table-goe-.4-m2", 12.8600823045, 10, m2(goe, .4));
  value("table-anti-.5-m1", 0.8284271247, 10, m1(anti, .5));
  value("table-anti-1.5-m1", 0.4805061467, 10, m1(anti, 1.5));
  value("table-anti-.5-m2", 0.7071067812, 10, m2(anti, .5));
  value("table-anti-1.5-m2", 0.3162277660, 10, m2(anti, 1.5));
  value("table-elliptic-.5-m1", 2.0896309997, 10, m1(elliptic(.5), .5));
  value("table-elliptic--.5-m1", 1.1058023961, 10, m1(elliptic(-.5), .9));
  value("table-elliptic-.5-m2", 14.3125222501, 10, m2(elliptic(.5), .5));
  value("table-elliptic--.5-m2", 2.7148360074, 10, m2(elliptic(-.5), .9));
  const std::array<std::uint64_t, 4> depths{2, 4, 8, 12};
  const auto lengths = [&](const char* name, const Family& f, double g, const std::array<double, 4>& values) {
    for (std::size_t i = 0; i < 4; ++i)
      list.printed(fmt::format("table-length-{}-{}", name, depths[i]), "L_k of the tied network", "1.6", values[i], 8,
                   [=] { return iteration_lengths(f, g, depths)[i]; });
  };
  lengths("goe", goe, .4, {1.16, 1.65408, 1.97340074, 2.05173165});
  lengths("anti", anti, .45, {1.2025, .75700633, .82564211, .84229526});
  lengths("elliptic", elliptic(.5), .6, {1.36, 2.234512, 3.29374072, 3.84353496});
  // Kurtosis at one length map: g of iid, haar from m1 = 1/(1 - g^2), of goe from its own.
  const double matched[5][4] = {{1.5, 2.25, 2, 1.7725388683},
                                {2, 4, 3, 2.7725424859},
                                {4, 16, 7, 9.5131397208},
                                {10, 100, 19, 68.754545154},
                                {40, 1600, 79, 2525.0005}};
  for (const auto& row : matched) {
    const double length = row[0], g = std::sqrt(1 - 1 / length);
    // With x = sqrt(1 - 4g^2) m1 of goe is 2/(x (1 + x)).
    const double x = (std::sqrt(1 + 8 / length) - 1) / 2, g_goe = std::sqrt(1 - x * x) / 2;
    const std::pair<const char*, std::pair<Family, double>> cases[] = {
        {"iid", {iid, g}}, {"haar", {haar, g}}, {"goe", {goe, g_goe}}};
    for (int i = 0; i < 3; ++i)
      list.printed(fmt::format("kurtosis-{}-at-m1-{}", cases[i].first, length), "m2/m1^2 at one length map", "1.2",
                   row[i + 1],
                   length < 10   ? 10
                   : length < 40 ? 9
                                 : 4,
                   [c = cases[i].second] { return linear_moments(c.first, c.second).kurtosis(); });
  }
}

struct NonlinearRow {
  const char* name;
  const char* phi;
  Family family;
  double g, q_h;
  double q, chi, square, d1, d2, stability;  ///< 0: not in the table
};

void nonlinear_values(ClosedFormList& list) {
  const NonlinearRow rows[] = {
      {"tanh-iid-.9", "tanh", iid, .9, .5, .7838765106, 0, .3504648279, .5085770010, .3793839989, .4119473708},
      {"tanh-iid-1.2", "tanh", iid, 1.2, 1, 1.7082092486, 0, .4918119782, 0, 0, .5384539732},
      {"tanh-goe-.6", "tanh", goe, .6, .5, .6445290868, .7575542918, .4014696855, 0, 0, .2731327030},
      {"tanh-anti-.9", "tanh", anti, .9, .5, .6783475440, .5641771964, .2201821530, 0, 0, .2735910932},
      {"relu-goe-.5", "relu", goe, .5, 1, 1.2071067812, .5857864376, .8284271247, 0, 0, 0},
      {"relu-anti-1", "relu", anti, 1, 1, 1.3660254038, .3660254038, .3660254038, 0, 0, 0},
      {"hard-tanh-iid-.9", "hard-tanh", iid, .9, .5, .9010505418, .7078779761, .4951241257, 0, 0, 0},
      {"hard-tanh-goe-.5", "hard-tanh", goe, .5, .5, .6302216778, .8629791248, .5208867114, 0, 0, 0}};
  for (const NonlinearRow& r : rows) {
    const auto value = [&](const char* what, double number, double Equilibrium::*of) {
      if (number != 0)
        list.printed(fmt::format("table-{}-{}", r.name, what), "by self-consistency", "1.6", number, 10,
                     [r, of] { return equilibrium(r.family, solved_for(r.phi), r.q_h, r.g).*of; });
    };
    value("q", r.q, &Equilibrium::q);
    value("chi", r.chi, &Equilibrium::chi);
    value("length", r.square, &Equilibrium::length);
    value("d1", r.d1, &Equilibrium::d1);
    value("d2", r.d2, &Equilibrium::d2);
    value("S", r.stability, &Equilibrium::stability);
  }
  list.printed("rate-tanh-goe-.6", "lambda^2 = min g^2 E[D/(1 - mD)]/m", "1.5", 0.8328821, 7,
               [] { return equilibrium(goe, state_function("tanh"), .5, .6).rate; });
  const std::tuple<const char*, Family, double, double> edges[] = {{"iid-.1", iid, .1, 1.4092809},
                                                                   {"goe-.1", goe, .1, 0.7637685},
                                                                   {"goe-.5", goe, .5, 0.9585999599},
                                                                   // Those of docs/equilibrium-networks.md.
                                                                   {"iid-1", iid, 1, 1.8556},
                                                                   {"goe-1", goe, 1, 1.0790}};
  for (const auto& entry : edges) {
    const Family family = std::get<1>(entry);
    const double q_h = std::get<2>(entry), value = std::get<3>(entry);
    list.printed(fmt::format("edge-tanh-{}", std::get<0>(entry)), "S = 1", "1.5", value,
                 q_h == .5  ? 10
                 : q_h == 1 ? 4
                            : 7,
                 [=] { return edge(family, state_function("tanh"), q_h); });
  }
  const std::array<double, 3> kernels[] = {{1, 0, .2172336282}, {1, .5, .5827101283}, {.8, -.5, -.2787583857}};
  for (const auto& k : kernels)
    list.printed(fmt::format("relu-kernel-{}-{}", k[0], k[1]), "rho = (g^2/2) k1(rho) + (1 - g^2/2) rho_h", "1.6", k[2],
                 10, [k] {
                   const StateFunction phi = solved_for("relu");
                   return pair_equilibrium(phi, 1, k[1], equilibrium(iid, phi, 1, k[0])).correlation;
                 });
}

void depth_formulas(ClosedFormList& list) {
  const double q_h = .7, g = .9, g2 = g * g;
  const auto curves = [=](const char* phi) {
    const StateFunction f = state_function(phi);
    return depth_curves(f, q_h, g, {}, {equilibrium(iid, f, q_h, g).length, 0}, {1, 2});
  };
  list.add("erf-depth-2", "L_2 = (2/pi) asin(q/(1 + q)), q = q_h + g^2 (2/pi) asin(q_h/(1 + q_h))", "1.5", 1e-12, [=] {
    const double q = q_h + g2 * 2 / pi * std::asin(q_h / (1 + q_h));
    return Pair(2 / pi * std::asin(q / (1 + q)), curves("erf").length[1]);
  });
  list.add("relu-residual-1", "|z_2 - z_1|^2/n = (q_h + q)/2 - sqrt(q_h q) k1(sqrt(q_h/q)), q = q_h (1 + g^2/2)", "1.5",
           1e-9, [=] {
             const double q = q_h * (1 + g2 / 2), r = std::sqrt(q_h / q);
             const double k1 = (std::sqrt(1 - r * r) + r * (pi - std::acos(r))) / pi;
             return Pair((q_h + q) / 2 - std::sqrt(q_h * q) * k1, curves("relu").residual[0]);
           });
  for (const auto& [family, name, scale] : {std::tuple(goe, "goe", .4), std::tuple(anti, "anti", .45)})
    list.add(fmt::format("memory-linear-{}", name), "(1.5) of phi(u) = u, L_12, by sampled paths", "1.5", 1e-11,
             [tau = family.tau, at = scale] {
               return Pair(iteration_lengths(elliptic(tau), at, std::array<std::uint64_t, 1>{12})[0],
                           depth_curves_with_memory(tau, state_function("linear"), 1, at, {}, {12}).length[0]);
             });
  for (const double power : {1e-60, 1e60})
    list.add(fmt::format("gelu-edge-{}", power > 1 ? "large" : "small"),
             "of gelu: sqrt(2)/(1 + tau) at a large input, as ReLU, 2/(1 + tau) at a small one, tau = .5", "1.5", 1e-13,
             [power] {
               return Pair((power > 1 ? std::sqrt(2.0) : 2) / 1.5, edge(elliptic(.5), state_function("gelu"), power));
             });
}

void nonlinear_formulas(ClosedFormList& list) {
  for (const double tau : {-0.6, 0.0, 0.7}) {
    const double g = 0.6, t = tau * g * g, q_h = 2.5;
    const double chi = 1 / (1 + std::sqrt(1 - 2 * t)), q = q_h / (1 - 2 * g * g * chi * chi);
    const auto relu = [=] { return equilibrium(elliptic(tau), solved_for("relu"), q_h, g); };
    const auto add = [&](const char* what, const char* formula, double value, double Equilibrium::*of) {
      list.add(fmt::format("relu-{}-{}", what, tau), formula, "1.5", 5e-12, [=] { return Pair(value, relu().*of); });
    };
    add("chi", "chi = (1 - sqrt(1 - 2t))/(2t)", chi, &Equilibrium::chi);
    add("q", "q = q_h/(1 - 2g^2 chi^2)", q, &Equilibrium::q);
    add("length", "E z^2 = 2 chi^2 q", 2 * chi * chi * q, &Equilibrium::length);
    add("S", "S = 2g^2 chi^2", 2 * g * g * chi * chi, &Equilibrium::stability);
    add("rate", "(1 + |tau|) g/sqrt 2, goe sqrt(2) g", (1 + std::abs(tau)) * g / std::sqrt(2.0), &Equilibrium::rate);
    list.add(fmt::format("relu-edge-{}", tau), "g = sqrt(2)/(1 + tau)", "1.5", 1e-11,
             [=] { return Pair(std::sqrt(2.0) / (1 + tau), edge(elliptic(tau), solved_for("relu"), q_h)); });
    const auto clipped = [=] { return equilibrium(elliptic(tau), state_function("hard-tanh"), q_h, g); };
    list.add(fmt::format("hard-tanh-length-{}", tau),
             "E z^2 = (q/(1-c)^2)(P - a sqrt(2/pi) e^(-a^2/2)) + 1 - P, a = (1-c)/sqrt q, P = erf(a/sqrt 2)", "1.5",
             1e-10, [=] {
               const Equilibrium at = clipped();
               const double a = (1 - at.c) / std::sqrt(at.q), P = std::erf(a / std::sqrt(2.0));
               return Pair((P - a * std::sqrt(2 / pi) * std::exp(-a * a / 2)) / (a * a) + 1 - P, at.length);
             });
    list.add(fmt::format("hard-tanh-S-{}", tau), "S = g^2 P/(1-c)^2", "1.5", 1e-10, [=] {
      const Equilibrium at = clipped();
      const double a = (1 - at.c) / std::sqrt(at.q);
      return Pair(g * g * std::erf(a / std::sqrt(2.0)) / std::pow(1 - at.c, 2), at.stability);
    });
  }
  list.add("hard-tanh-rate-goe", "lambda = 2g sqrt P", "1.5", 1e-9, [] {
    const Equilibrium at = equilibrium(goe, state_function("hard-tanh"), .5, .5);
    return Pair(std::sqrt(std::erf((1 - at.c) / std::sqrt(2 * at.q))), at.rate);
  });
  list.add("relu-tangent-kernel", "Sigma/(1 - Sigma_dot), Sigma = (g^2/2) q k1, Sigma_dot = (g^2/2) k0", "1.5", 1e-11,
           [] {
             const StateFunction phi = solved_for("relu");
             const double g = 1.1;
             const Equilibrium at = equilibrium(iid, phi, 1, g);
             const PairEquilibrium pair = pair_equilibrium(phi, 1, .4, at);
             const double r = pair.correlation, angle = std::acos(r);
             const double k1 = (std::sqrt(1 - r * r) + r * (pi - angle)) / pi, k0 = (pi - angle) / pi;
             return Pair(g * g / 2 * at.q * k1 / (1 - g * g / 2 * k0), tangent_kernels(pair, g).of_preactivation);
           });
  list.add("erf-kernel", "E erf erf = (2/pi) asin(c/(1 + q)), q = 1.7, c = .6 q", "1.5", 1e-9, [] {
    return Pair(2 / pi * std::asin(0.6 * 1.7 / 2.7), pair_moments(state_function("erf"), 1.7, 0, 0.6).states);
  });
  list.add("jacobian-linear", "of phi(u) = u the moments of section 1.2", "1.5", 1e-12, [] {
    return Pair(linear_moments(haar, .7).m2, jacobian_moments(haar, equilibrium(haar, solved_for("linear"), 1, .7)).m2);
  });
}

}  // namespace

std::vector<ClosedForm> equilibrium_closed_forms() {
  ClosedFormList list("equilibrium-network/", "networks-and-kernels");
  linear_formulas(list);
  linear_values(list);
  nonlinear_values(list);
  depth_formulas(list);
  nonlinear_formulas(list);
  return list.take();
}

}  // namespace edgewise::models::equilibrium_network
