// Built at -O1: nothing here takes time.
#include "models/least_squares/closed_forms.hpp"

#include <fmt/format.h>

#include <boost/math/special_functions/zeta.hpp>
#include <cmath>

#include "models/framework/closed_form_list.hpp"
#include "models/least_squares/linear_methods/closed_form_problems.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/theory.hpp"
#include "numerics/constants.hpp"
#include "settings/theory_source.hpp"
#include "solvers/contour.hpp"
#include "spectra/compression.hpp"
#include "spectra/formulas.hpp"
#include "spectra/random_features.hpp"

namespace edgewise::models::least_squares {

namespace {

using Pair = ClosedFormList::Pair;
using spectra::power_law;

spectra::Spectrum spectrum_of(std::vector<double> eigenvalue, std::vector<double> multiplicity,
                              std::vector<double> target_power) {
  spectra::Spectrum s;
  s.eigenvalue = std::move(eigenvalue);
  s.multiplicity = std::move(multiplicity);
  s.target_power = std::move(target_power);
  return spectra::checked(std::move(s));
}

void record(LeastSquares& problem, std::vector<std::uint64_t> at) {
  problem.time.at = std::move(at);
  problem.time.steps = problem.time.at.back();
}

// A problem that starts at theta = 0 and is recorded at `at` (increasing, 0 not included).
LeastSquares problem_of(spectra::Spectrum spectrum, double eta, double batch, double sigma2,
                        std::vector<std::uint64_t> at) {
  LeastSquares problem = *linear_forms::data_of(std::move(spectrum), sigma2);
  problem.learning_rate = eta;
  problem.batch = batch;
  record(problem, std::move(at));
  return problem;
}

LeastSquaresTheory ode(FlowLevel level, FlowIntegrator integrator, double rtol) {
  return {.method = TheoryMethod::ode, .level = level, .integrator = integrator, .rtol = rtol};
}

double last_P(const LeastSquares& problem, const LeastSquaresTheory& theory = {}) {
  return solve_sgd(problem, theory).find("excess_mse")->value.back();
}

double last_std(const LeastSquares& problem, LeastSquaresTheory theory = {}) {
  theory.bands = true;
  return solve_sgd(problem, theory).find("excess_mse")->std.back();
}

double finding(const LeastSquares& problem, const std::string& name) {
  for (const Finding& f : sgd_stability(problem))
    if (f.name == name) return std::get<double>(f.value);
  return nan;
}

// Exact formulas that hold at parameters chosen here.
void add_formulas(ClosedFormList& table) {
  struct Isotropic {
    double d = 37, eta = 0.019, B = 3, sigma2 = 0.3, P0 = 1.7;
    double r() const { return (1 - eta) * (1 - eta) + eta * eta * (d + 1) / B; }
    double P_inf() const { return eta * d * sigma2 / (2 * B - eta * (B + 1 + d)); }
    /// In continuous time, level homog.
    double homog(double t) const {
      const double steady = eta * d * sigma2 / (2 * B - eta * d);
      return steady + std::exp(-(2 * eta - eta * eta * d / B) * t) * (P0 - steady);
    }
    LeastSquares problem(std::vector<std::uint64_t> at) const {
      return problem_of(spectrum_of({1}, {d}, {P0}), eta, B, sigma2, std::move(at));
    }
  };
  for (const std::uint64_t k : {7u, 150u, 100000u})
    table.add(fmt::format("isotropic-risk-{}", k), "P_k = P_inf + r^k (P_0 - P_inf), r = (1-eta)^2 + eta^2 (d+1)/B",
              "1.4", 1e-11, [k] {
                const Isotropic iso;
                return Pair(iso.P_inf() + std::pow(iso.r(), static_cast<double>(k)) * (iso.P0 - iso.P_inf()),
                            last_P(iso.problem({k})));
              });
  table.add("isotropic-steady-state", "P_inf = eta d sigma^2 / (2B - eta (B+1+d))", "1.4", 1e-13, [] {
    const Isotropic iso;
    return Pair(iso.P_inf(), finding(iso.problem({1}), "steady_excess_mse"));
  });
  table.add("isotropic-eta-max", "eta_max = 2B/(B+d+1)", "1.4", 1e-13, [] {
    const Isotropic iso;
    return Pair(2 * iso.B / (iso.B + iso.d + 1), finding(iso.problem({1}), "eta_max"));
  });
  table.add("isotropic-growth-factor", "r = (1-eta)^2 + eta^2 (d+1)/B", "1.4", 1e-13, [] {
    const Isotropic iso;
    return Pair(iso.r(), finding(iso.problem({1}), "growth_factor"));
  });
  table.add("isotropic-fastest-rate", "at eta = B/(B+d+1): r = 1 - B/(B+d+1)", "1.4", 1e-13, [] {
    Isotropic iso;
    iso.eta = iso.B / (iso.B + iso.d + 1);
    return Pair(1 - iso.B / (iso.B + iso.d + 1), finding(iso.problem({1}), "growth_factor"));
  });
  for (const auto& [word, integrator] :
       {std::pair("contour", FlowIntegrator::contour), std::pair("sdirk4", FlowIntegrator::sdirk4),
        std::pair("etd", FlowIntegrator::etd), std::pair("explicit", FlowIntegrator::explicit_)})
    table.add(fmt::format("isotropic-homog-{}", word),
              "P(t) = P_inf + e^{-(2 eta - eta^2 d/B) t} (P_0 - P_inf), P_inf = eta d sigma^2/(2B - eta d)", "1.4",
              1e-8, [integrator = integrator] {
                const Isotropic iso;
                return Pair(iso.homog(90), last_P(iso.problem({90}), ode(FlowLevel::homog, integrator, 1e-10)));
              });
  table.add("isotropic-volterra", "the same P(t) from P = F + H * (P + sigma^2)", "1.3", 1e-7, [] {
    const Isotropic iso;
    return Pair(iso.homog(90), last_P(iso.problem({90}), {.method = TheoryMethod::volterra}));
  });
  table.add("isotropic-variance", "E P_k^2 = M^k P_0^2, M = E A^4 + 2(d-1)(eta^2/B^2) E c A^2 + (d^2-1) S2 (sigma = 0)",
            "4", 1e-9, [] {
              Isotropic iso;
              iso.sigma2 = 0;
              const double B = iso.B, x = iso.eta / B, d = iso.d;
              const double c1 = B, c2 = B * (B + 2), c3 = c2 * (B + 4), c4 = c3 * (B + 6);
              const double A4 = 1 - 4 * x * c1 + 6 * x * x * c2 - 4 * x * x * x * c3 + x * x * x * x * c4;
              const double cA2 = c1 - 2 * x * c2 + x * x * c3;
              const double M = A4 + 2 * (d - 1) * x * x * cA2 + (d * d - 1) * x * x * x * x * c2;
              const double raw = std::pow(M, 25) * iso.P0 * iso.P0, mean = std::pow(iso.r(), 25) * iso.P0;
              return Pair(std::sqrt(raw - mean * mean), last_std(iso.problem({25})));
            });

  table.add(
      "two-eigenvalues-homog", "q(t) = q_inf + e^{M t} (q_0 - q_inf), M = [[-A1+b1, b1],[b2, -A2+b2]]", "1.4", 1e-11,
      [] {
        const double l1 = 1, l2 = 0.17, n1 = 5, n2 = 40, r1 = 2, r2 = 10, eta = 0.07, B = 2, sigma2 = 0.25, t = 33;
        const double b1 = eta * eta / B * n1 * l1 * l1, b2 = eta * eta / B * n2 * l2 * l2;
        const double m11 = -2 * eta * l1 + b1, m12 = b1, m21 = b2, m22 = -2 * eta * l2 + b2;
        const double half = (m11 + m22) / 2, determinant = m11 * m22 - m12 * m21;
        const double root = std::sqrt(half * half - determinant);
        // q_inf = -M^{-1} b sigma^2.
        const double q1 = -(m22 * b1 - m12 * b2) / determinant * sigma2;
        const double q2 = -(m11 * b2 - m21 * b1) / determinant * sigma2;
        const double y1 = l1 * r1 - q1, y2 = l2 * r2 - q2;
        // e^{Mt} = e^{half t} (cosh(root t) I + sinh(root t)/root (M - half I)): both rates are real.
        const double c = std::exp(half * t) * std::cosh(root * t), s = std::exp(half * t) * std::sinh(root * t) / root;
        const double P = q1 + q2 + c * (y1 + y2) + s * ((m11 - half + m21) * y1 + (m12 + m22 - half) * y2);
        return Pair(P, last_P(problem_of(spectrum_of({l1, l2}, {n1, n2}, {r1, r2}), eta, B, sigma2, {33}),
                              ode(FlowLevel::homog, FlowIntegrator::contour, 1e-11)));
      });
  table.add("gradient-descent", "B -> inf: P_k = sum lambda (1 - eta lambda)^{2k} rho", "1.4", 1e-12, [] {
    const auto s = power_law(50, 0.6, 0.3);
    double P = 0;
    for (std::size_t a = 0; a < s.modes(); ++a)
      P += s.eigenvalue[a] * s.target_power[a] * std::pow(1 - 0.8 * s.eigenvalue[a], 2 * 40);
    return Pair(P, last_P(problem_of(s, 0.8, infinity, 0.5, {40})));
  });
  table.add("scale-symmetry", "(K, eta, sigma) -> (cK, eta/c, sqrt(c) sigma): P -> cP", "1.4", 1e-12, [] {
    auto s = power_law(60, 0.7, 0.4);
    const double P = last_P(problem_of(s, 0.2, 2, 0.3, {70}));
    for (double& lambda : s.eigenvalue) lambda *= 3.7;
    return Pair(P, last_P(problem_of(s, 0.2 / 3.7, 2, 0.3 * 3.7, {70})) / 3.7);
  });
  table.add("rotation-in-eigenspace", "only the power in an eigenspace matters, not how it is spread", "1", 1e-12, [] {
    const auto apart = spectrum_of({1, 1, 0.5, 0.5, 0.5}, {1, 1, 1, 1, 1}, {3, 0, 1, 0.5, 0});
    const auto together = spectrum_of({1, 0.5}, {2, 3}, {3, 1.5});
    return Pair(last_P(problem_of(apart, 0.2, 1, 0.1, {45})), last_P(problem_of(together, 0.2, 1, 0.1, {45})));
  });
  const auto late = [](const LeastSquaresTheory& theory) {
    const auto problem = problem_of(power_law(80, 0.5, 0.2), 0.25, 2, 0.4, {10000000});
    const double kappa = kernel_norm(SgdModes(problem), problem.learning_rate);
    return Pair(0.4 * kappa / (1 - kappa), last_P(problem, theory));
  };
  table.add("steady-state", "P_inf = sigma^2 kappa/(1 - kappa) is the fixed point of the recursion", "1.1", 1e-11,
            [late] { return late({}); });
  for (const auto& [word, level] : {std::pair("diff", FlowLevel::diff), std::pair("log", FlowLevel::log)})
    table.add(fmt::format("steady-state-{}", word), "levels diff and log keep the exact fixed point", "1.2", 1e-9,
              [late, level = level] { return late(ode(level, FlowIntegrator::contour, 1e-10)); });
  table.add("kernel-integral", "int_0^inf H = eta tr K/(2B)", "1.3", 1e-12, [] {
    // sum over modes of b_a / A_a of the homog level, as the flow supplies them through its fixed point:
    // P_inf = sigma^2 I/(1 - I).
    const auto problem = problem_of(power_law(80, 0.5, 0.2), 0.1, 2, 1.0, {100000000});
    const double integral = 0.1 * problem.spectrum.trace() / 4;
    const double P = last_P(problem, ode(FlowLevel::homog, FlowIntegrator::contour, 1e-12));
    return Pair(integral, P / (1 + P));
  });
  table.add("growth-at-threshold", "the growth factor is 1 at eta_max", "1.1", 1e-11, [] {
    auto problem = problem_of(power_law(120, 0.45, 0.2), 0.1, 3, 0.1, {1});
    problem.learning_rate = largest_learning_rate(SgdModes(problem));
    return Pair(1.0, finding(problem, "growth_factor"));
  });
  table.add("growth-from-recursion", "P_{k+1}/P_k -> r, the root of the secular equation", "1.1", 1e-10, [] {
    auto problem = problem_of(power_law(120, 0.45, 0.2), 0.1, 3, 0.0, {1});
    problem.learning_rate = 1.1 * largest_learning_rate(SgdModes(problem));
    problem.time.at = {900, 901};
    const auto P = solve_sgd(problem, {}).find("excess_mse")->value;
    return Pair(finding(problem, "growth_factor"), P[1] / P[0]);
  });
  table.add("kurtosis-threshold", "Rademacher data: eta^2 lambda^2/B -> 0 fluctuation of a mode's own power", "1",
            1e-12, [] {
              // d = 1: x^2 = lambda exactly, so v' = (1 - eta lambda) v without label noise.
              auto problem = problem_of(spectrum_of({1}, {1}, {2}), 0.3, 1, 0.0, {12});
              problem.data = {ingredients::InputLaw::rademacher, -2};
              return Pair(2 * std::pow(0.7, 24), last_P(problem));
            });
}

// Power laws (section 7).
void add_power_laws(ClosedFormList& table) {
  struct Case {
    double alpha, beta, exponent;
  };
  for (const Case c : {Case{1, 0.5, 1}, Case{1, 0.75, 1.25}, Case{1, 1.5, 1.5}, Case{0.75, 0.3, 0.733333333333},
                       Case{0.75, 1.2, 1.33333333333}}) {
    const auto solve = [c] {
      const auto nodes = spectra::power_law_nodes(1e12, c.alpha, c.beta, 1e-8).spectrum;
      const double eta = 2 * 0.5 / nodes.trace();
      return std::pair(problem_of(nodes, eta, 1, 0, {1000000000000ull / 100, 1000000000000ull / 50}), eta);
    };
    table.add(
        fmt::format("power-law-slope-{}-{}", c.alpha, c.beta),
        "P ~ t^{-min(p, q)}, p = (2 alpha + 2 beta - 1)/(2 alpha), q = 2 - 1/(2 alpha), d = 1e12", "7", 2e-3,
        [c, solve] {
          const auto P =
              solve_sgd(solve().first, ode(FlowLevel::homog, FlowIntegrator::contour, 1e-10)).find("excess_mse")->value;
          return Pair(c.exponent, std::log(P[0] / P[1]) / std::log(2.0));
        });
    table.add(fmt::format("power-law-constant-{}-{}", c.alpha, c.beta),
              "P(t) -> F(t)/(1-kappa) + [beta > 1/2] H(t) zeta(2 beta)/(2 eta (1-kappa)^2), t = 1e10", "7", 3e-3,
              [c, solve] {
                const auto [problem, eta] = solve();
                const auto law = power_law_prediction(c.alpha, c.beta, eta, 1, 0.5);
                const auto P =
                    solve_sgd(problem, ode(FlowLevel::homog, FlowIntegrator::contour, 1e-10)).find("excess_mse")->value;
                return Pair(law.excess_mse(1e10), P[0]);
              });
  }
  table.add("bias-integral", "int_0^inf F dt = zeta(2 beta)/(2 eta), beta > 1/2", "7", 1e-9, [] {
    const auto nodes = spectra::power_law_nodes(1e15, 1, 1.5, 1e-10).spectrum;
    double total = 0;
    for (const double rho : nodes.target_power) total += rho / (2 * 0.3);
    return Pair(boost::math::zeta(3.0) / 0.6, total);
  });
}

// Reference values of docs/theory/least-squares-sgd.md, section 13, to the digits printed there.
void add_references(ClosedFormList& table) {
  const auto add = [&](const std::string& name, double value, double tolerance, std::function<double()> compute) {
    table.add_reference(name, "reference value", "13", tolerance,
                        [value, compute = std::move(compute)] { return Pair(value, compute()); });
  };
  struct Reference {
    std::uint64_t k;
    double P, std;
  };
  const auto curves = [&](const std::string& name, LeastSquares problem, std::vector<Reference> values) {
    for (const auto& v : values) {
      record(problem, {v.k});
      add(fmt::format("{}-risk-{}", name, v.k), v.P, 2e-11, [problem] { return last_P(problem); });
      if (v.std > 0) add(fmt::format("{}-std-{}", name, v.k), v.std, 2e-9, [problem] { return last_std(problem); });
    }
  };
  const auto scalar = [&](const std::string& name, const LeastSquares& problem, const char* key, double value,
                          double tolerance = 2e-11) {
    add(fmt::format("{}-{}", name, key), value, tolerance, [problem, key] { return finding(problem, key); });
  };
  const auto flow = [&](const std::string& name, LeastSquares problem, std::pair<const char*, FlowLevel> at,
                        std::uint64_t t, double value) {
    record(problem, {t});
    add(fmt::format("{}-{}-{}", name, at.first, t), value, 2e-10,
        [problem, level = at.second] { return last_P(problem, ode(level, FlowIntegrator::contour, 1e-11)); });
  };

  const std::pair homog("homog", FlowLevel::homog);
  const LeastSquares iso = problem_of(spectrum_of({1}, {100}, {1}), 0.01, 1, 0.25, {1});
  curves("iso-A", iso,
         {{1, 0.9927, 0.0142012323409},
          {50, 0.710344629457, 0.0677517047737},
          {100, 0.533322449340, 0.0662249040533},
          {300, 0.293914698602, 0.0422290493679}});
  scalar("iso-A", iso, "growth_factor", 0.9902);
  scalar("iso-A", iso, "kernel_norm", 0.505050505051);
  scalar("iso-A", iso, "steady_excess_mse", 0.255102040816);
  scalar("iso-A", iso, "eta_max", 0.0196078431373);
  scalar("iso-A", iso, "eta_variance", 0.0195844765711);
  flow("iso-A", iso, homog, 1, 0.992537375312);
  flow("iso-A", iso, homog, 50, 0.704897994804);
  flow("iso-A", iso, homog, 100, 0.525909580902);
  flow("iso-A", iso, homog, 300, 0.287340301285);
  for (const auto& [t, value] :
       {std::pair(1ull, 0.0144536), {50ull, 0.0681862}, {100ull, 0.0659351}, {300ull, 0.0410533}})
    add(fmt::format("iso-A-linear-noise-std-{}", t), value, 5e-6, [iso, t = t] {
      LeastSquares problem = iso;
      record(problem, {t});
      return last_std(problem, ode(FlowLevel::homog, FlowIntegrator::contour, 1e-10));
    });
  add("variance-threshold-10-1", 0.153561526, 5e-9,
      [] { return finding(problem_of(spectrum_of({1}, {10}, {1}), 0.01, 1, 0, {1}), "eta_variance"); });
  add("variance-threshold-100-10", 0.179466457, 5e-9,
      [] { return finding(problem_of(spectrum_of({1}, {100}, {1}), 0.01, 10, 0, {1}), "eta_variance"); });

  const LeastSquares pl = problem_of(power_law(200, 0.6, 0.5), 0.4, 4, 0.04, {1});
  curves("pl-A", pl,
         {{1, 0.872861811328, 0.321063266107},
          {10, 0.137852239740, 0.0394562680564},
          {100, 0.0221340295902, 0.00706266472802},
          {1000, 0.0112173129808, 0}});
  scalar("pl-A", pl, "kernel_norm", 0.214832360080);
  scalar("pl-A", pl, "steady_excess_mse", 0.0109445346016, 5e-11);
  scalar("pl-A", pl, "eta_max", 1.16263935042);
  scalar("pl-A", pl, "growth_factor", 0.998614482767);
  scalar("pl-A", pl, "trace", 3.85958589792);
  const struct {
    std::pair<const char*, FlowLevel> level;
    double values[4];
  } levels[] = {{homog, {.890092548288, .133243823951, .0203400283743, .00982872285}},
                {{"diff", FlowLevel::diff}, {1.00374913643, .152575767169, .0222714447082, .0112182922596}},
                {{"log", FlowLevel::log}, {.850914249683, .133248403618, .0218915007177, .0112116360907}}};
  const std::uint64_t at[] = {1, 10, 100, 1000};
  for (const auto& l : levels)
    for (int i = 0; i < 4; ++i) flow("pl-A", pl, l.level, at[i], l.values[i]);

  const LeastSquares two = problem_of(spectrum_of({1, 0.2}, {5, 40}, {2, 10}), 0.08, 2, 0.25, {1});
  curves("two-A", two,
         {{1, 3.725728, 0.3034789792}, {10, 2.2514931109, 0.380525416542}, {60, 0.577371680339, 0.124445301863}});
  scalar("two-A", two, "kernel_norm", 0.268326298561);
  scalar("two-A", two, "eta_max", 0.273379660096);
  scalar("two-A", two, "growth_factor", 0.974257925675);

  // Random features (section 10): W_jk = sqrt(2/d) sin(1 + 3j + 7k + jk).
  std::vector<double> weights;
  for (int k = 1; k <= 12; ++k)
    for (int j = 1; j <= 60; ++j) weights.push_back(std::sqrt(2.0 / 12) * std::sin(1.0 + 3 * j + 7 * k + j * k));
  const spectra::Spectrum features = spectra::random_features(60, 12, 0.7, 0.6, weights);
  add("plrf-A-floor", 0.158091837221, 1e-11, [features] { return features.unexplained_variance; });
  add("plrf-A-trace", 2.56361958722, 1e-11, [features] { return features.trace(); });
  for (const auto& [k, value] :
       {std::pair(0ull, 1.30459665703), {1ull, 0.958560473693}, {20ull, 0.269569229821}, {200ull, 0.207307391835}})
    add(fmt::format("plrf-A-total-excess-{}", k), value, 2e-11,
        [features, k = k] { return features.unexplained_variance + last_P(problem_of(features, 0.3, 2, 0.01, {k})); });

  const struct {
    const char* name;
    double alpha, beta, eta;
    double values[4], tolerance;
  } longs[] = {
      {"long-A", 1, 0.75, 0.60792710222, {3.054405266e-3, 8.085746243e-6, 2.34802119e-8, 7.203717e-11}, 2e-7},
      {"long-B", 0.35, 0.8, 5.99575839439e-4, {1.296078861, 1.382554968e-2, 3.022373328e-5, 2.205689012e-6}, 2e-7}};
  for (const auto& c : longs)
    for (int i = 0; i < 4; ++i) {
      const auto t = static_cast<std::uint64_t>(std::llround(std::pow(10.0, 2 + 2 * i)));
      add(fmt::format("{}-{}", c.name, t), c.values[i], c.tolerance, [c, t] {
        const auto nodes = spectra::power_law_nodes(1e9, c.alpha, c.beta, 1e-10).spectrum;
        return last_P(problem_of(nodes, c.eta, 1, 0, {t}), ode(FlowLevel::homog, FlowIntegrator::contour, 1e-10));
      });
    }
}

}  // namespace

std::vector<ClosedForm> least_squares_closed_forms() {
  ClosedFormList table("least-squares/", "least-squares-sgd");
  add_formulas(table);
  add_power_laws(table);
  add_references(table);
  return table.take();
}

}  // namespace edgewise::models::least_squares
