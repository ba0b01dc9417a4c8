// Built at -O1: nothing here takes time.
#include "models/muon/closed_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/math/special_functions/lambert_w.hpp>
#include <cmath>
#include <numeric>

#include "models/framework/closed_form_list.hpp"
#include "models/muon/findings.hpp"
#include "models/muon/learning_rates.hpp"
#include "models/muon/sign_coefficients.hpp"
#include "models/muon/spectral_coefficients.hpp"
#include "models/muon/theory.hpp"
#include "numerics/constants.hpp"
#include "settings/theory_source.hpp"
#include "spectra/compression.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::muon {

namespace {

using Pair = ClosedFormList::Pair;

// The reference digits stem from a quadrature that is accurate to 4e-9.
constexpr double reference_tolerance = 1e-8;
// Half a unit of the eighth decimal of numbers from 0.06 on.
constexpr double printed_digits = 8.5e-8;

MatrixLeastSquares problem_of(spectra::Spectrum spectrum, double m, double B, UpdateMap map) {
  MatrixLeastSquares p;
  p.spectrum = std::move(spectrum);
  p.outputs = m;
  p.output_spectrum.eigenvalue = {1};
  p.output_spectrum.multiplicity = {m};
  p.output_spectrum.target_power = {0};
  p.batch = B;
  p.map = map;
  p.schedule = ingredients::read_schedule(settings::Table("closed form", ""), "schedule", 0);
  return p;
}

void add_sign_factors(ClosedFormList& table) {
  table.add("phi-1", "phi_1 = (2/pi)^(3/2)", "4", 1e-12,
            [] { return Pair(std::pow(2 / pi, 1.5), sign_drift_factor(1)); });
  table.add("phi-large", "phi_B = sqrt(2/pi) (1 - 1/B + O(1/B^2)), B = 10^6", "4", 1e-11,
            [] { return Pair(std::sqrt(2 / pi) * (1 - 1e-6), sign_drift_factor(1e6)); });
  const std::array<Pair, 6> values{
      {{1, .5079490873}, {2, .6003947472}, {4, .6734537181}, {16, .7566235049}, {64, .7861867815}, {256, .7948242808}}};
  for (const auto& [B, phi] : values)
    table.add_reference(fmt::format("phi-B{}", B), "E|sum g_i a_i c_i|/sqrt(B)", "9", reference_tolerance,
                        [b = B, value = phi] { return Pair(value, sign_drift_factor(b)); });
}

void add_drift_limits(ClosedFormList& table) {
  const auto isotropic_drift = [](WeightLaw law, double n, double B) {
    const std::vector<double> one{1}, count{n};
    return signsvd_drift({one, count}, n, B, law)[0];
  };
  table.add("isotropic-unlimited", "8/(3 pi), K = I, m = n = B, Phi(rho) = rho", "3.2", 1e-11,
            [=] { return Pair(8 / (3 * pi), isotropic_drift(WeightLaw::unlimited, 100, 100)); });
  table.add("isotropic-unlimited-batch", "8/(3 pi) sqrt(B/n), K = I, m = n, Phi(rho) = rho", "3.2", 1e-11,
            [=] { return Pair(8 / (3 * pi) * std::sqrt(7.3), isotropic_drift(WeightLaw::unlimited, 100, 730)); });
  table.add("isotropic-vector", "3/4, K = I, m = n = B, vector labels", "3.2", 1e-11,
            [=] { return Pair(0.75, isotropic_drift(WeightLaw::vector, 64, 64)); });
  table.add_reference("isotropic-bilinear", "K = I, m = n = B", "3.2", reference_tolerance,
                      [=] { return Pair(.6475731787, isotropic_drift(WeightLaw::bilinear, 64, 64)); });
  table.add("drift-scaling", "hhat(c lambda) = sqrt(c) hhat(lambda)", "3", 1e-12, [] {
    spectra::Spectrum s = spectra::power_law(50, 0.6, 0);
    const auto h = signsvd_drift(s, 40, 30, WeightLaw::bilinear);
    for (double& lambda : s.eigenvalue) lambda *= 9;
    return Pair(3 * h[7], signsvd_drift(s, 40, 30, WeightLaw::bilinear)[7]);
  });
  table.add("rank", "sum_j Q_j = min(m, n, B)", "3.2", 1e-12, [] {
    const auto q = signsvd_noise(spectra::power_law(300, 0.9, 0), 37);
    return Pair(37, std::accumulate(q.begin(), q.end(), 0.0));
  });
  table.add("outputs-of-one-eigenvalue", "hhat_kj = hhat_j where Sigma = I", "3.4", 1e-10, [] {
    const spectra::Spectrum s = spectra::power_law(100, 0.5, 0);
    const std::vector<double> one{1}, m{50};
    return Pair(signsvd_drift(s, 50, 25, WeightLaw::bilinear)[9],
                signsvd_drift_matrix(s, {one, m}, 25, WeightLaw::bilinear)[9]);
  });
  // Square-root preconditioning at a large batch, and its loss at a small one.
  const auto of = [](double m, double B) {
    const spectra::Spectrum s = spectra::power_law(1000, 0.8, 0);
    return std::pair(s.eigenvalue, signsvd_drift(s, m, B, WeightLaw::bilinear));
  };
  const std::array<std::array<double, 3>, 4> large{
      {{3, .999, .500}, {30, .995, .503}, {300, .967, .515}, {900, .937, .520}}};
  for (const auto& [j, ratio, slope] : large) {
    const auto i = static_cast<std::size_t>(j) - 1;
    table.add(fmt::format("square-root-j{}", j), "hhat/sqrt(B lambda/m), alpha = 0.8, n = 1000, m = 4000, B = 10^5",
              "3.2", 6e-4, [=, r = ratio] {
                const auto [lambda, h] = of(4000, 1e5);
                return Pair(r, h[i] / std::sqrt(1e5 * lambda[i] / 4000));
              });
    table.add(fmt::format("square-root-slope-j{}", j), "dln hhat/dln lambda, the same", "3.2", 2e-3,
              [=, value = slope] {
                const auto [lambda, h] = of(4000, 1e5);
                return Pair(value, local_slopes(lambda, h)[i]);
              });
  }
  const std::array<Pair, 4> small{{{3, .533}, {30, .726}, {100, .907}, {900, .996}}};
  for (const auto& [j, slope] : small)
    table.add(fmt::format("crossover-slope-j{}", j), "dln hhat/dln lambda, alpha = 0.8, n = 1000, m = 4000, B = 100",
              "3.2", 2e-3, [=, i = static_cast<std::size_t>(j) - 1, value = slope] {
                const auto [lambda, h] = of(4000, 100);
                return Pair(value, local_slopes(lambda, h)[i]);
              });
  table.add("crossover-index", "j_c = kappa^(-1/(2 alpha)), alpha = 0.8, n = 1000, B = 100", "3.2", 1e-3,
            [] { return Pair(54.8, std::pow(effective_ridge(spectra::power_law(1000, 0.8, 0), 100), -1 / 1.6)); });
  table.add("crossover-index-limit", "j_c -> r sin(pi/(2 alpha)) 2 alpha/pi, alpha = 0.8, r = 50, n = 10^9", "3.2",
            0.02, [] {
              const double kappa = effective_ridge(spectra::power_law_nodes(1e9, 0.8, 0, 1e-6).spectrum, 50);
              return Pair(50 * std::sin(pi / 1.6) * 1.6 / pi, std::pow(kappa, -1 / 1.6));
            });
}

void add_drift_values(ClosedFormList& table) {
  constexpr std::array<std::size_t, 3> places{1, 10, 100};
  struct Row {
    double m, B, alpha, total, ridge;
    std::array<double, 3> drift, noise;  // at those places
  };
  const std::array<Row, 5> rows{{{100,
                                  25,
                                  .5,
                                  4.0304821640,
                                  .09082165483,
                                  {.4327152114, .0864761772, .0107434386},
                                  {.9167401432, .5240495377, .0991850413}},
                                 {100, 100, .5, 12.8103483354, 0, {.9509449697, .2514645251, .0490464394}, {1, 1, 1}},
                                 {100, 400, .5, 30.4194646602, 0, {1.9531389221, .5634383744, .1359111987}, {1, 1, 1}},
                                 {200, 100, .75, 5.0139564868, 0, {.6940319808, .1070492935, .0104738309}, {1, 1, 1}},
                                 {50,
                                  400,
                                  .5,
                                  35.7874238252,
                                  .02471895625,
                                  {2.7201287186, .7243577400, .1264197815},
                                  {.9758773310, .8018027332, .2880270919}}}};
  for (const Row& row : rows) {
    const std::string name = fmt::format("m{}-B{}-alpha{}", row.m, row.B, row.alpha);
    const double rank = std::min({row.m, row.B, 100.0});
    const auto spectrum = [row] { return spectra::power_law(100, row.alpha, 0); };
    const auto drift = [=] { return signsvd_drift(spectrum(), row.m, row.B, WeightLaw::bilinear); };
    const std::string where = "bilinear, n = 100, lambda_j = j^(-2 alpha)";
    for (std::size_t i = 0; i < 3; ++i)
      table.add_reference(fmt::format("drift-{}-{}", places[i], name), fmt::format("hhat_{}, {}", places[i], where),
                          "9", reference_tolerance, [=] { return Pair(row.drift[i], drift()[places[i] - 1]); });
    table.add_reference("drift-sum-" + name, "sum_j hhat_j = E|Ghat|_*/m, " + where, "9", reference_tolerance, [=] {
      const auto h = drift();
      return Pair(row.total, std::accumulate(h.begin(), h.end(), 0.0));
    });
    table.add_reference("ridge-" + name, "kappa, " + where, "9", reference_tolerance,
                        [=] { return Pair(row.ridge, effective_ridge(spectrum(), rank)); });
    for (std::size_t i = 0; i < 3; ++i)
      table.add_reference(fmt::format("noise-{}-{}", places[i], name), fmt::format("Q_{}, {}", places[i], where), "9",
                          reference_tolerance,
                          [=] { return Pair(row.noise[i], signsvd_noise(spectrum(), rank)[places[i] - 1]); });
  }
}

void add_recursions(ClosedFormList& table) {
  struct Row {
    double alpha, beta, B, eta_svd, eta_sign;
    std::array<double, 3> svd, sign;
  };
  const std::array<Row, 4> rows{
      {{0, 0, 128, .05, .05, {.92486180, .77565555, .51116066}, {.89324052, .68968972, .37793815}},
       {.4, .3, 128, .02, .02, {.70496675, .35909780, .19315915}, {.46078215, .24692237, .17680403}},
       {.4, .3, 32, .02, .02, {.86513206, .62881216, .33009360}, {.69297996, .44794613, .36205855}},
       {.75, .3, 128, .01, .005, {.71027370, .30359746, .06351775}, {.42588759, .15337493, .06967590}}}};
  const std::array<std::uint64_t, 3> at{30, 100, 300};
  for (const Row& row : rows)
    for (const bool svd : {true, false})
      for (std::size_t i = 0; i < at.size(); ++i)
        table.add_reference(
            fmt::format("recursion-{}-alpha{}-B{}-k{}", svd ? "signsvd" : "signsgd", row.alpha, row.B, at[i]),
            "P_k/P_0 of the bare recursion, n = m = 128, sigma^2 = P_0/4", "8", printed_digits, [=] {
              MatrixLeastSquares p = problem_of(spectra::power_law(128, row.alpha, row.beta), 128, row.B,
                                                svd ? UpdateMap::signsvd : UpdateMap::signsgd);
              p.noise_variance = p.spectrum.signal() / 4;
              const double eta = svd ? row.eta_svd : row.eta_sign / std::sqrt(128.0);
              const MatrixDynamics dynamics(p, {});
              MatrixRecursion recursion(p, dynamics, {});
              for (std::uint64_t k = 0; k < at[i]; ++k) recursion.step(eta);
              return Pair((svd ? row.svd : row.sign)[i], recursion.excess() / p.spectrum.signal());
            });
}

double isotropic_drift_of(const MatrixLeastSquares& p) {
  return MatrixDynamics(p, {}).drift[0];
}

void add_consequences(ClosedFormList& table) {
  const auto case_of = [](UpdateMap map) {
    MatrixLeastSquares p = problem_of(spectra::isotropic(64, 64), 64, 256, map);
    p.learning_rate = 0.02;
    return p;
  };
  const auto solved = [=](double t) {
    MatrixLeastSquares p = case_of(UpdateMap::signsvd);
    p.time.at = {0, static_cast<std::uint64_t>(t)};
    MatrixTheory theory;
    theory.method = "ode";
    theory.rtol = 1e-11;
    return solve_matrix(p, MatrixDynamics(p, {}), theory).columns[0].value.back();
  };
  const auto lambert = [=](double t) {
    const MatrixLeastSquares p = case_of(UpdateMap::signsvd);
    const double h = isotropic_drift_of(p), floor = p.learning_rate * 64 / (2 * h);
    const double a = (std::sqrt(64.0) - floor) / floor;
    const double root = floor * (1 + boost::math::lambert_w0(a * std::exp(a - p.learning_rate * h * t / floor)));
    return root * root;
  };
  const std::string form = "sqrt P = u (1 + W0(a exp(a - eta hhat t/u))), u = eta r/(2 hhat), a = (sqrt P_0 - u)/u";
  for (const double t : {10.0, 100.0, 400.0})
    table.add(fmt::format("lambert-t{}", t), form, "6", 1e-8, [=] { return Pair(lambert(t), solved(t)); });
  table.add_reference("lambert-reference-drift", "hhat, K = I, n = m = 64, B = 256", "9", reference_tolerance,
                      [=] { return Pair(1.5816346464, isotropic_drift_of(case_of(UpdateMap::signsvd))); });
  table.add_reference("lambert-reference-t100", form, "9", reference_tolerance,
                      [=] { return Pair(25.36966379, solved(100)); });
  table.add_reference("lambert-reference-t1000", form, "9", printed_digits,
                      [=] { return Pair(.16373729, solved(1000)); });
  for (const UpdateMap map : {UpdateMap::signsvd, UpdateMap::signsgd})
    table.add(map == UpdateMap::signsvd ? "floor-signsvd" : "floor-signsgd",
              "P_inf = (eta/2) N sqrt(P_inf + sigma^2), N = sum lambda Q/hhat: the fixed point of the recursion", "6",
              1e-9, [=] {
                MatrixLeastSquares p = problem_of(spectra::power_law(32, 0.4, 0.3), 32, 32, map);
                p.noise_variance = 0.1;
                const double eta = map == UpdateMap::signsvd ? 0.02 : 0.004;
                const MatrixDynamics dynamics(p, {});
                MatrixRecursion recursion(p, dynamics, {});
                for (int k = 0; k < 40000; ++k) recursion.step(eta);
                return Pair(noise_floor(eta, dynamics.noise_to_drift(), p), recursion.excess());
              });
  table.add("gamma-max", "the slowest mode neither grows nor decays at gamma = 2/N", "6", 1e-9, [] {
    const MatrixLeastSquares p = problem_of(spectra::power_law(64, 0.6, 0.3), 48, 32, UpdateMap::signsvd);
    const MatrixDynamics d(p, {});
    const double gamma = largest_gamma(d);
    double mass = 0;  // of the Volterra kernel gamma^2 sum lambda Q exp(-2 gamma hhat t)
    for (std::size_t i = 0; i < d.size(); ++i) mass += gamma * d.weight[i] * d.noise[i] / (2 * d.drift[i]);
    return Pair(1, mass);
  });
  table.add("gamma-isotropic", "gamma = hhat/r", "6", 1e-5, [=] {
    const MatrixLeastSquares p = case_of(UpdateMap::signsvd);
    return Pair(isotropic_drift_of(p) / 64, best_gamma(MatrixDynamics(p, {})).gamma);
  });
  table.add("rate-isotropic", "dP/dt = -(hhat^2/r) P at the optimal gamma", "6", 1e-9, [=] {
    const MatrixLeastSquares p = case_of(UpdateMap::signsgd);
    const double h = isotropic_drift_of(p);
    return Pair(h * h / (64.0 * 64), best_gamma(MatrixDynamics(p, {})).rate);
  });
  const auto rate_ratio = [](double n, double m) {
    const MatrixLeastSquares svd = problem_of(spectra::isotropic(n, n), m, 1e9 * m, UpdateMap::signsvd);
    const MatrixLeastSquares sign = problem_of(spectra::isotropic(n, n), m, 1e9 * m, UpdateMap::signsgd);
    const double h = isotropic_drift_of(svd), k = isotropic_drift_of(sign);
    return (h * h / std::min(n, m)) / (k * k / (n * m));
  };
  table.add("rate-ratio-tall", "pi/2: best rates of SignSVD over SignSGD, K = I, m >> n, large batch", "6", 1e-4,
            [=] { return Pair(pi / 2, rate_ratio(64, 64e5)); });
  table.add("rate-ratio-square", "32/(9 pi), K = I, m = n, large batch", "6", 1e-6,
            [=] { return Pair(32 / (9 * pi), rate_ratio(64, 64)); });
}

void add_asymptotics(ClosedFormList& table) {
  struct Row {
    double alpha, beta, svd, sign;
  };
  const std::array<Row, 4> rows{{{.3, 1, .175608, .00955768},
                                 {.75, 1, .0024981, 9.31795e-5},
                                 {1.5, .5, 7.5874e-5, 4.3275e-4},
                                 {1.5, 2, 6.03948e-5, 2.3113e-6}}};
  for (const Row& row : rows)
    for (const bool svd : {true, false})
      table.add(fmt::format("adaptive-{}-alpha{}-beta{}", svd ? "signsvd" : "signsgd", row.alpha, row.beta),
                "P(10^3 m/B)/P_0, protocol A, gamma = gamma_max/2, idealised coefficients, n = 10^4", "9", 0.01, [=] {
                  MatrixLeastSquares p = problem_of(spectra::power_law_nodes(1e4, row.alpha, row.beta, 1e-6).spectrum,
                                                    1e4, 1e4, svd ? UpdateMap::signsvd : UpdateMap::signsgd);
                  p.protocol = Protocol::adaptive;
                  p.time.at = {0, 1000};
                  MatrixTheory theory;
                  theory.method = "ode";
                  theory.coefficients.source = CoefficientSource::idealised;
                  const Trajectory t = solve_matrix(p, MatrixDynamics(p, theory.coefficients), theory);
                  return Pair(svd ? row.svd : row.sign, t.columns[0].value.back() / t.columns[0].value.front());
                });
}

}  // namespace

std::vector<ClosedForm> matrix_closed_forms() {
  ClosedFormList table("matrix-least-squares/", "muon-phases");
  add_sign_factors(table);
  add_drift_limits(table);
  add_drift_values(table);
  add_recursions(table);
  add_consequences(table);
  add_asymptotics(table);
  return table.take();
}

}  // namespace edgewise::models::muon
