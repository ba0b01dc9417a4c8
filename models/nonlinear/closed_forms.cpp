// Built at -O1: nothing here takes time.
#include "models/nonlinear/closed_forms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/lambert_w.hpp>
#include <cmath>
#include <iterator>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/nonlinear/closed_form_problems.hpp"
#include "models/nonlinear/coordinate_drift.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/ema_sign.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/theory.hpp"
#include "numerics/constants.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::nonlinear {

namespace {

using Pair = ClosedFormList::Pair;
using SharedNoise = std::shared_ptr<const ingredients::Noise>;

constexpr double reference_tolerance = 2e-9;  // docs/theory/sign-and-clip.md, section 8: nine digits are to be trusted

// P after `steps` steps.
double P_at(const NonlinearProblem& problem, std::uint64_t steps, const std::string& method = "ode") {
  NonlinearTheory theory;
  theory.method = method;
  theory.rtol = 1e-10;
  return excess_after(problem, steps, theory).mean;
}

/// A number that is pinned, of a step or a batch.
struct Point {
  std::uint64_t step;
  double value;
};

void add_points(ClosedFormList& table, const std::string& name, const std::string& formula, const std::string& section,
                const std::function<NonlinearProblem()>& problem, const std::vector<Point>& points,
                const std::string& method = "ode") {
  for (const Point& p : points)
    table.add_reference(fmt::format("{}-{}-{}", name, method, p.step), formula, section, reference_tolerance,
                        [=] { return Pair(p.value, P_at(problem(), p.step, method)); });
}

double steady(const NonlinearProblem& problem) {
  return steady_states(problem, modes_of(problem), scalar_laws(problem)).at(0);
}

// W0(x e^x e^t) for x, t >= 0 where the argument may overflow: w + log w = log x + x + t by Newton's method.
double lambert_of_log(double log_argument) {
  if (log_argument < 600) return boost::math::lambert_w0(std::exp(log_argument));
  double w = log_argument;
  for (int i = 0; i < 50; ++i) w -= (w + std::log(w) - log_argument) / (1 + 1 / w);
  return w;
}

Covariance iso(int d) {
  return diagonal_covariance(spectra::isotropic(d, 1));
}
Covariance pl(int d, double alpha, double beta) {
  return diagonal_covariance(spectra::power_law(d, alpha, beta));
}

/// A law of docs/theory/sign-and-clip.md, section 8 (R8), with its values at P = 0.3, clip threshold 0.6, late batch 8.
struct Reference {
  std::string name;
  SharedNoise noise;
  double phi, mu, q, c2, late, threshold, progress, information;
};

const std::vector<Reference>& references() {
  static const std::vector<Reference> table = {
      {"gaussian", ingredients::gaussian_noise(0.25), 0.470174861806, 0.581507766553, 0.214545443460, 0.232320870614,
       2.94962440, infinity, 1.81818182, 1.81818182},
      {"laplace", ingredients::laplace_noise(0.5), 0.435292768631, 0.538358191297, 0.225378702927, 0.211536768954,
       2.53987559, 1.138223, 1.35198456, 1.35636341},
      {"student-3", ingredients::student_noise(3, 0.5), 0.423684670594, 0.527517149369, 0.228418475028, 0.195791059047,
       2.43179930, 1.136442, 1.28679028, 1.29772797},
      {"cauchy", ingredients::cauchy_noise(0.5), 0.348912600688, 0.435642356221, 0.251472415280, 0.155643981849,
       1.28716721, 0.665989, 0.75579737, 0.84291239},
      {"rademacher", ingredients::rademacher_noise(0.25), 0.419685619934, 0.550129070695, 0.225228352120,
       0.124332838939, 2.89240317, infinity, 1.81818182, 1.92676717},
      {"uniform", ingredients::uniform_noise(1.0 / 3), 0.407350496397, 0.525954754862, 0.230568551686, 0.133127003730,
       2.70776042, infinity, 1.57894737, 1.62843654},
      {"contaminated", ingredients::contaminated_noise(0.2, 5, 0.1), 0.545132483752, 0.636359857856, 0.197218863868,
       0.383449633116, 2.51111295, 0.720943, 2.06754217, 2.41434888},
      {"three-point", ingredients::three_point_noise(2, 0.25), 0.477667375236, 0.546331875287, 0.219168883546,
       0.364804504070, 2.05244051, 0.426195, 1.39424452, 2.05284981}};
  return table;
}

void add_residual_references(ClosedFormList& table) {
  constexpr double P = 0.3, h = 0.6;
  for (const Reference& r : references()) {
    const auto coefficients = [r] { return residual_coefficients(*huber_nonlinearity(h), *r.noise, P); };
    table.add_reference("mu-" + r.name, "mu = Pr(|r| < h), P = 0.3, h = 0.6", "8 (R8)", reference_tolerance,
                        [r, coefficients] { return Pair(r.mu, coefficients().mu); });
    table.add_reference("q-" + r.name, "q = E min(r^2, h^2)", "8 (R8)", reference_tolerance,
                        [r, coefficients] { return Pair(r.q, coefficients().q); });
    table.add_reference("c2-" + r.name, "c2 = 2 mu - 2h (p_r(h) + p_r(-h))", "8 (R8)", reference_tolerance,
                        [r, coefficients] { return Pair(r.c2, coefficients().c2); });
    table.add("optimal-threshold-" + r.name, "h* = argmax mu^2/q, inf for no clipping", "8 (R8)", 2e-6,
              [r] { return Pair(r.threshold, optimal_threshold(*r.noise, P).threshold); });
    table.add("best-progress-" + r.name, "max_h mu^2/q", "8 (R8)", 1e-8,
              [r] { return Pair(r.progress, optimal_threshold(*r.noise, P).progress); });
    table.add("information-" + r.name, "J = int p_r'^2/p_r dr >= mu^2/q for every chi", "8 (R8)", 1e-8,
              [r] { return Pair(r.information, residual_information(*r.noise, P)); });
  }
  struct Gain {
    const char* name;
    SharedNoise noise;
    double P, gain;
  };
  const SharedNoise laplace = ingredients::laplace_noise(2 * 0.70710678 * 0.70710678);
  const SharedNoise student = ingredients::student_noise(3, 0.57735027);
  for (const Gain& g : {Gain{"laplace", laplace, 0.001, 1.903407}, Gain{"laplace", laplace, 0.1, 1.361963},
                        Gain{"laplace", laplace, 1, 1.038643}, Gain{"student-3", student, 0.001, 1.971070},
                        Gain{"student-3", student, 0.1, 1.678093}, Gain{"student-3", student, 1, 1.165955},
                        Gain{"three-point", ingredients::three_point_noise(2, 0.25), 0.01, 42.131381}})
    table.add(fmt::format("clipping-gain-{}-{}", g.name, g.P), "max_h mu^2/nu, nu = q/(P + sigma^2)", "8", 1e-6,
              [g] { return Pair(g.gain, clipping_gain(*g.noise, g.P)); });
  table.add("clipping-gain-small-risk", "laplace: max mu^2/nu -> 2 as P -> 0, Huber's estimator against the mean",
            "5.3", 2e-3, [] { return Pair(2, clipping_gain(*ingredients::laplace_noise(1), 1e-8)); });
}

void add_residual_trajectories(ClosedFormList& table) {
  const auto clip_iso = [] { return problem_of(iso(500), "huber", ingredients::cauchy_noise(0.5), 0.5 / 500, 1, 0.7); };
  const auto clip_pl = [] {
    return problem_of(pl(500, 0.25, 0.5), "clip", ingredients::cauchy_noise(0.5), 0.01, 1, 3);
  };
  add_points(table, "clip-isotropic", "Cauchy noise 0.5, h = 0.7, eta d = 0.5, d = 500", "8 (R10)", clip_iso,
             {{500, 0.754799987360}, {3000, 0.222680746770}});
  add_points(table, "clip-isotropic", "the same, unit steps with c", "8 (R10)", clip_iso,
             {{500, 0.754777582443}, {3000, 0.222689814368}}, "recursion");
  table.add_reference("clip-isotropic-steady-state", "2 mu P = eta tr K q", "8 (R10)", reference_tolerance,
                      [=] { return Pair(0.135629512612, steady(clip_iso())); });
  table.add_reference("clip-power-law-threshold", "h = c/sqrt(tr K)", "8 (R11)", reference_tolerance, [=] {
    const NonlinearProblem p = clip_pl();
    return Pair(0.455995714683, threshold_at_risk(p, *p.noise, 1.0));
  });
  add_points(table, "clip-power-law", "Cauchy noise 0.5, c = 3, eta = 0.01, d = 500", "8 (R11)", clip_pl,
             {{500, 0.819895887192}, {2000, 0.162323424185}});
  add_points(table, "clip-power-law", "the same, unit steps with c", "8 (R11)", clip_pl,
             {{500, 0.819213833565}, {2000, 0.162292979591}}, "recursion");
  table.add_reference("clip-power-law-steady-state", "2 mu P = eta tr K q", "8 (R11)", reference_tolerance,
                      [=] { return Pair(0.0745335180944, steady(clip_pl())); });
  table.add_reference("mean-clip-mu", "tau^2 = 1.2, B = 4, c = 1.5, tr K = 10", "8 (R12)", reference_tolerance,
                      [] { return Pair(0.760977627104, mean_clip_factors(1.2, 4, 1.5, 10).mu); });
  table.add_reference("mean-clip-nu", "tau^2 = 1.2, B = 4, c = 1.5, tr K = 10", "8 (R12)", reference_tolerance,
                      [] { return Pair(0.609522219740, mean_clip_factors(1.2, 4, 1.5, 10).nu); });
  table.add("greedy-sgd", "eta* = P/(d (P + sigma^2)): P(t) = sigma^2 / W0(u e^(u + t/d)), u = sigma^2/P_0, t = 4d",
            "8 (R4)", 1e-8, [] {
              NonlinearProblem p = problem_of(iso(500), "sgd", ingredients::gaussian_noise(0.25), 1);
              p.greedy = true;
              return Pair(0.25 / lambert_of_log(std::log(0.25) + 0.25 + 4), P_at(p, 2000));
            });
  table.add_reference("greedy-sgd-reference", "the same, reference value", "8 (R4)", reference_tolerance,
                      [] { return Pair(0.118216560852, 0.25 / lambert_of_log(std::log(0.25) + 0.25 + 4)); });
}

void add_residual_identities(ClosedFormList& table) {
  table.add("gaussian-mu", "Gaussian noise: mu = erf(h/(tau sqrt 2))", "5.1", 1e-14, [] {
    const double tau = std::sqrt(0.3 + 0.25);
    return Pair(std::erf(0.6 / tau / std::sqrt(2.0)),
                residual_coefficients(*huber_nonlinearity(0.6), *ingredients::gaussian_noise(0.25), 0.3).mu);
  });
  table.add(
      "gaussian-q", "q = tau^2 [mu - sqrt(2/pi)(h/tau) e^{-h^2/(2 tau^2)}] + h^2 erfc(h/(tau sqrt 2))", "5.1", 1e-13,
      [] {
        const double tau = std::sqrt(0.3 + 0.25), x = 0.6 / tau;
        const double q = tau * tau * (std::erf(x / std::sqrt(2.0)) - std::sqrt(2 / pi) * x * std::exp(-x * x / 2)) +
                         0.36 * std::erfc(x / std::sqrt(2.0));
        return Pair(q, residual_coefficients(*huber_nonlinearity(0.6), *ingredients::gaussian_noise(0.25), 0.3).q);
      });
  table.add("huber-without-threshold", "h = inf is SGD", "9.5", 1e-12, [] {
    return Pair(
        P_at(problem_of(pl(60, 0.3, 0.4), "sgd", ingredients::laplace_noise(0.4), 0.01), 400, "recursion"),
        P_at(problem_of(pl(60, 0.3, 0.4), "huber", ingredients::laplace_noise(0.4), 0.01, 1, 1e6), 400, "recursion"));
  });
  table.add("huber-to-absolute", "h -> 0 at fixed eta h is least absolute deviations", "9.5", 1e-6, [] {
    return Pair(
        P_at(problem_of(iso(60), "lad", ingredients::cauchy_noise(0.4), 0.003), 900, "recursion"),
        P_at(problem_of(iso(60), "huber", ingredients::cauchy_noise(0.4), 0.003 / 1e-7, 1, 1e-7), 900, "recursion"));
  });
  table.add("median-is-absolute", "quantile 1/2 at twice the rate is least absolute deviations", "1", 1e-12, [] {
    return Pair(P_at(problem_of(iso(60), "lad", ingredients::cauchy_noise(0.4), 0.003), 900, "recursion"),
                P_at(problem_of(iso(60), "quantile", ingredients::cauchy_noise(0.4), 0.006, 1, 0.5), 900, "recursion"));
  });
  table.add("absolute-efficiency", "class I sign, Gaussian noise: a^2 (P + sigma^2)/b = 2/pi", "9.5", 1e-13, [] {
    const auto r = residual_coefficients(*sign_nonlinearity(), *ingredients::gaussian_noise(0.7), 0.2);
    return Pair(2 / pi, r.mu * r.mu * 0.9 / r.q);
  });
  table.add("sgd-steady-state", "P = eta tr K sigma^2/(2 - eta tr K)", "5.4", 1e-12, [] {
    const double eta = 0.004, trace = pl(80, 0.3, 0.5).trace();
    return Pair(eta * trace * 0.4 / (2 - eta * trace),
                steady(problem_of(pl(80, 0.3, 0.5), "sgd", ingredients::gaussian_noise(0.4), eta)));
  });
  table.add("clip-noiseless-steady-state", "no noise, eta tr K >> 1: P -> (pi/8)(eta tr K h)^2", "5.4", 1e-4, [] {
    const double eta = 2000, h = 0.3, d = 50;
    return Pair(pi / 8 * std::pow(eta * d * h, 2),
                steady(problem_of(iso(50), "huber", ingredients::no_noise(), eta, 1, h)));
  });
  table.add("mean-clip-one-example", "B = 1 is clipping per example", "5.2", 1e-13, [] {
    const double c = 1.3, trace = 7, h = c / std::sqrt(trace);
    return Pair(residual_coefficients(*huber_nonlinearity(h), *ingredients::gaussian_noise(0.9), 0.3).mu,
                mean_clip_factors(1.2, 1, c, trace).mu);
  });
  table.add("steady-state-is-the-limit", "the root of 2 mu P = eta tr K q is the ODE's value at t -> inf", "9.8", 1e-7,
            [] {
              const auto p = problem_of(pl(40, 0.25, 0.5), "clip", ingredients::student_noise(2, 0.5), 0.02, 1, 3);
              return Pair(steady(p), P_at(p, 30000));
            });
  table.add("oracle-reaches-information", "chi = E[w | r]: mu^2/q = J", "1", 1e-9, [] {
    const SharedNoise noise = ingredients::contaminated_noise(0.2, 5, 0.1);
    std::vector<double> bends;  // chi turns on the scale of the bulk, not on that of the outliers
    for (double r = -8; r <= 8; r += 0.5) bends.push_back(r);
    const auto chi = general_nonlinearity([&](double r) { return oracle_nonlinearity(*noise, 0.3, r); }, bends);
    const auto r = residual_coefficients(*chi, *noise, 0.3);
    return Pair(residual_information(*noise, 0.3), r.mu * r.mu / r.q);
  });
}

void add_sign_references(ClosedFormList& table) {
  constexpr double P = 0.3;
  for (const Reference& r : references()) {
    table.add_reference("phi-" + r.name, "phi = (2/pi) E exp(-eps^2/(2P)), P = 0.3", "8 (R8)", reference_tolerance,
                        [r] { return Pair(r.phi, sign_phi(*r.noise, P)); });
    table.add("late-drift-" + r.name, "a of the sign of a mean of 8 gradients, P = 0.3", "8 (R8)", 1e-8,
              [r] { return Pair(r.late, late_drift(*r.noise, P, 8)); });
  }
  // The reference constants are of Gaussian gradients: means of many examples.
  constexpr double many = 1e12;
  table.add_reference("ema-drift", "sign(EMA 0.9), B -> infinity: a tau/sqrt(B) = sqrt((2/pi)(1 + beta)/(1 - beta))",
                      "8 (R15)", reference_tolerance, [] {
                        NonlinearProblem p = problem_of(iso(4), "sign-ema", ingredients::gaussian_noise(0.5), 1);
                        p.ema = 0.9;
                        p.batch = many;
                        return Pair(3.47789816915, scalar_laws(p)(0.5).a / std::sqrt(many));
                      });
  table.add_reference("ema-noise", "N = 1 + 2 sum (2/pi) arcsin(beta^l), beta = 0.9", "8 (R15)", reference_tolerance,
                      [] { return Pair(13.2788686994, ema_sign_noise(0.9)); });
  table.add("ema-noise-many-examples", "sign(EMA 0.9), B -> infinity: N = 1 + 2 sum (2/pi) arcsin(beta^l)", "8 (R15)",
            1e-8, [] { return Pair(13.2788686994, ema_sign_noise(0.9, many)); });
  table.add("ema-gain-without-average", "beta = 0: the drift of the sign of a mean of 8 gradients", "3", 1e-11, [] {
    return Pair(late_drift(*ingredients::gaussian_noise(0.5), 0.3, 8) * std::sqrt(0.8), ema_sign_gain(0, 8));
  });
  table.add("ema-efficiency-limit", "a^2 tau^2/N -> 2/(pi ln 2) as beta -> 1", "3", 1e-3, [] {
    const double gain = ema_sign_gain(0.9995, 1);
    return Pair(2 / (pi * std::log(2.0)), gain * gain / ema_sign_noise(0.9995, 1));
  });
  table.add("majority-gain-5", "E|sum of 5 signs|", "8 (R15)", 1e-12, [] { return Pair(1.875, majority_gain(5)); });
  table.add("majority-gain-8", "E|sum of 8 signs|", "8 (R15)", 1e-12, [] { return Pair(2.1875, majority_gain(8)); });
  table.add_reference("exact-drift", "2 T_B(sqrt(B) rho/sqrt(1 - rho^2)) - 1, B = 4, rho = 0.3", "8 (R16)",
                      reference_tolerance, [] { return Pair(0.43650000, exact_sign_drift(4, 0.3)); });
  table.add("exact-drift-one", "B = 1: (2/pi) arcsin rho", "3", 1e-13,
            [] { return Pair(2 / pi * std::asin(0.37), exact_sign_drift(1, 0.37)); });
}

void add_sign_trajectories(ClosedFormList& table) {
  const auto sign_iso = [] { return problem_of(iso(500), "sign-late", ingredients::gaussian_noise(0.25), 0.4 / 500); };
  add_points(table, "isotropic", "Gaussian noise 0.5, eta d = 0.4, d = 500", "8 (R1)", sign_iso,
             {{1000, 0.556541355032}, {3000, 0.257956044381}});
  add_points(table, "isotropic", "the same, unit steps", "8 (R1r)", sign_iso,
             {{1000, 0.556441515145}, {3000, 0.257895288218}}, "recursion");
  struct Law {
    const char* name;
    SharedNoise noise;
    double value;
  };
  for (const Law& l : {Law{"gaussian", ingredients::gaussian_noise(0.25), 0.213996855219},
                       Law{"noiseless", ingredients::no_noise(), 0.0986960440109},
                       Law{"cauchy", ingredients::cauchy_noise(0.5), 0.318875928008}})
    table.add_reference(fmt::format("steady-state-{}", l.name), "sqrt(P) phi(P) = eta T/2, eta T = 0.4", "8 (R2)",
                        reference_tolerance,
                        [l] { return Pair(l.value, steady(problem_of(iso(500), "sign-late", l.noise, 0.4 / 500))); });
  table.add("steady-state-gaussian-formula", "P_inf = (c^2 + sqrt(c^4 + 4 c^2 sigma^2))/2, c = pi eta T/4", "2.4",
            1e-12, [=] {
              const double c = pi * 0.4 / 4;
              return Pair((c * c + std::sqrt(c * c * c * c + c * c)) / 2, steady(sign_iso()));
            });
  table.add("noiseless-isotropic", "sqrt P = q_inf (1 + W0(y exp(y - 2 eta t/(pi q_inf)))), q_inf = pi eta d/4", "2.5",
            reference_tolerance, [] {
              const double eta = 0.4 / 500, q = pi * eta * 500 / 4, y = (1 - q) / q;
              const double root = q * (1 + boost::math::lambert_w0(y * std::exp(y - 2 * eta * 1000 / (pi * q))));
              return Pair(root * root, P_at(problem_of(iso(500), "sign-late", ingredients::no_noise(), eta), 1000));
            });
  table.add_reference("noiseless-isotropic-reference", "the same, reference value", "8 (R3)", reference_tolerance, [] {
    return Pair(0.468389186062, P_at(problem_of(iso(500), "sign-late", ingredients::no_noise(), 0.4 / 500), 1000));
  });
  table.add("greedy-noiseless", "eta* = (2/pi) sqrt(P)/d: P = P_0 exp(-4t/(pi^2 d))", "2.5", 1e-8, [] {
    NonlinearProblem p = problem_of(iso(200), "sign-late", ingredients::no_noise(), 1);
    p.greedy = true;
    return Pair(std::exp(-4 * 1000 / (pi * pi * 200)), P_at(p, 1000));
  });
  table.add("greedy-gaussian", "P(t) = sigma^2 / W0(u e^(u + (4/pi^2) t/d)), u = sigma^2/P_0, t = 4d", "8 (R4)", 1e-8,
            [] {
              NonlinearProblem p = problem_of(iso(500), "sign-late", ingredients::gaussian_noise(0.25), 1);
              p.greedy = true;
              return Pair(0.25 / lambert_of_log(std::log(0.25) + 0.25 + 16 / (pi * pi)), P_at(p, 2000));
            });
  table.add_reference("greedy-gaussian-reference", "the same, reference value", "8 (R4)", reference_tolerance, [] {
    return Pair(0.329081711129, 0.25 / lambert_of_log(std::log(0.25) + 0.25 + 16 / (pi * pi)));
  });
  const auto sign_pl = [] {
    return problem_of(pl(500, 0.25, 0.5), "sign-late", ingredients::gaussian_noise(0.25), 0.002);
  };
  add_points(table, "power-law", "Gaussian noise 0.5, eta = 0.002, d = 500", "8 (R5)", sign_pl,
             {{1000, 0.720572068088}, {3000, 0.168191054371}});
  const auto ar = [] {
    return problem_of(autoregressive_covariance({300, 0.3, 0.6}), "sign-late", ingredients::gaussian_noise(0.25),
                      0.0015);
  };
  add_points(table, "autoregressive", "K_ij = (ij)^-0.3 0.6^|i-j|, d = 300, eta = 0.0015", "8 (R6)", ar,
             {{500, 0.0755610835450}, {2000, 0.0390492285271}});
  table.add_reference("autoregressive-start", "P(0) = v'Kv = sum kappa M", "8 (R6)", reference_tolerance,
                      [=] { return Pair(0.290395618315, modes_of(ar()).excess_mse()); });
  table.add_reference("autoregressive-noise-trace", "tr(K K_sigma) = sum kappa s", "8 (R6)", reference_tolerance,
                      [=] { return Pair(38.9805562896, modes_of(ar()).noise_trace()); });
  table.add_reference("autoregressive-largest", "kappa_max of Dg^(-1/4) K Dg^(-1/4)", "8 (R6)", reference_tolerance,
                      [=] { return Pair(2.25251014514, modes_of(ar()).largest()); });
  table.add_reference("autoregressive-steady-state", "sqrt(P) phi(P) = eta T/2, any covariance", "8 (R6)",
                      reference_tolerance, [=] { return Pair(0.0493845703329, steady(ar())); });
  const auto dct = [](double alpha) {
    return problem_of(cosine_covariance(spectra::power_law(300, alpha, 0.5)), "sign-late",
                      ingredients::gaussian_noise(0.25), 0.002);
  };
  add_points(table, "cosine", "power law (0.25, 0.5) along cosines, d = 300, eta = 0.002", "8 (R7)",
             [=] { return dct(0.25); }, {{500, 0.566737869321}, {2000, 0.120863574394}});
  table.add_reference("cosine-start", "P(0) = v'Kv", "8 (R7)", reference_tolerance,
                      [=] { return Pair(2.49700143971, modes_of(dct(0.25)).excess_mse()); });
  table.add_reference("cosine-noise-trace", "tr(K K_sigma)", "8 (R7)", reference_tolerance,
                      [=] { return Pair(48.2885348670, modes_of(dct(0.25)).noise_trace()); });
  table.add("cosine-flat-is-isotropic", "a rotation of K = I changes nothing", "9.11", 1e-9, [=] {
    return Pair(P_at(problem_of(pl(300, 0, 0.5), "sign-late", ingredients::gaussian_noise(0.25), 0.002), 500),
                P_at(dct(0), 500));
  });
}

void add_sign_identities(ClosedFormList& table) {
  for (const char* method : {"sign-early", "sign-majority"})
    table.add(std::string("one-example-") + method, "B = 1: late = early = majority", "9.3", 1e-13, [method] {
      return Pair(
          P_at(problem_of(pl(60, 0.3, 0.4), "sign-late", ingredients::cauchy_noise(0.4), 0.002), 300, "recursion"),
          P_at(problem_of(pl(60, 0.3, 0.4), method, ingredients::cauchy_noise(0.4), 0.002), 300, "recursion"));
    });
  table.add("late-integral", "its integral has the closed form of Gaussian noise", "3", 1e-12, [] {
    return Pair(late_drift(*ingredients::gaussian_noise(0.36), 0.2, 5),
                late_drift(*ingredients::contaminated_noise(0.6, 0.6, 0.3), 0.2, 5));
  });
  table.add("late-many", "B -> inf: a = sqrt(2B/pi)/sqrt(P + sigma^2)", "3", 1e-3, [] {
    return Pair(std::sqrt(2 * 2000.0 / pi) / std::sqrt(0.2 + 0.5),
                late_drift(*ingredients::laplace_noise(0.5), 0.2, 2000));
  });
  for (const Point& p : {Point{2, 0.5}, Point{4, 9.0 / 16}, Point{8, 0.59814453}})
    table.add(fmt::format("late-efficiency-{}", p.step), "a^2 (P + sigma^2)/B: 1/2, 9/16, 0.59814453, ... -> 2/pi", "3",
              1e-8, [=, batch = static_cast<double>(p.step)] {
                const double a = late_drift(*ingredients::gaussian_noise(0.5), 0.2, batch);
                return Pair(p.value, a * a * 0.7 / batch);
              });
  table.add("late-efficiency-limit", "a^2 (P + sigma^2)/B -> 2/pi", "9.9", 1e-5, [] {
    const double a = late_drift(*ingredients::gaussian_noise(0.5), 0.2, 1e5);
    return Pair(2 / pi, a * a * 0.7 / 1e5);
  });
  table.add("noise-compression-gaussian", "kappa_nc = 1 for Gaussian noise", "9.7", 1e-13,
            [] { return Pair(1, noise_compression(*ingredients::gaussian_noise(0.4), 0.07)); });
  table.add("noise-compression-contaminated", "kappa_nc of the mixture (0.2, 5, 0.1) at P = 0.1", "3", 1e-4,
            [] { return Pair(15.505, noise_compression(*ingredients::contaminated_noise(0.2, 5, 0.1), 0.1)); });
  table.add("phi-scaling", "a law scaled by k: phi_k(k^2 P) = phi(P)", "9.10", 1e-12, [] {
    return Pair(sign_phi(*ingredients::student_noise(1.7, 0.5), 0.3),
                sign_phi(*ingredients::student_noise(1.7, 1.5), 2.7));
  });
  struct Named {
    const char* name;
    std::function<Covariance()> covariance;
  };
  for (const Named& c :
       {Named{"isotropic", [] { return iso(60); }}, Named{"power-law", [] { return pl(60, 0.25, 0.5); }},
        Named{"autoregressive",
              [] {
                return autoregressive_covariance({60, 0.3, 0.6});
              }},
        Named{"cosine", [] { return cosine_covariance(spectra::power_law(60, 0.25, 0.5)); }}})
    table.add(fmt::format("steady-state-is-the-limit-{}", c.name), "the root of sqrt(P) phi = eta T/2 is P(inf)", "9.8",
              1e-7, [c] {
                const auto p = problem_of(c.covariance(), "sign-late", ingredients::laplace_noise(0.3), 0.01);
                return Pair(steady(p), P_at(p, 100000));
              });
  table.add("three-point-small-rate", "P_inf -> (pi eta T/(4 (1-q)))^2 as eta -> 0: like no noise", "2.4", 1e-9, [] {
    return Pair(std::pow(pi * 1e-3 / 4 / 0.75, 2),
                steady(problem_of(iso(50), "sign-late", ingredients::three_point_noise(2, 0.25), 1e-3 / 50)));
  });
}

}  // namespace

std::vector<ClosedForm> residual_closed_forms() {
  ClosedFormList table("residual-sgd/", "sign-and-clip");
  add_residual_references(table);
  add_residual_trajectories(table);
  add_residual_identities(table);
  std::vector<ClosedForm> out = table.take();
  std::ranges::move(custom_closed_forms(), std::back_inserter(out));
  std::ranges::move(residual_path_closed_forms(), std::back_inserter(out));
  return out;
}

std::vector<ClosedForm> sign_closed_forms() {
  ClosedFormList table("sign-sgd/", "sign-and-clip");
  add_sign_references(table);
  add_sign_trajectories(table);
  add_sign_identities(table);
  std::vector<ClosedForm> out = table.take();
  std::ranges::move(sign_path_closed_forms(), std::back_inserter(out));
  return out;
}

}  // namespace edgewise::models::nonlinear
