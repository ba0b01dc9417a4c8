// Thresholds, steady states and tables of modes of the linear methods against literal second-moment maps.
#include "models/least_squares/linear_methods/stability.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "linear_algebra/dense.hpp"
#include "models/least_squares/theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise::tests;
using edgewise::linear_algebra::Matrix;
using edgewise::tests::Approx;

namespace {

/// Spectral radius of the second moments of all modes over a period, moment by moment.
double literal_radius(const LinearProblem& problem) {
  const auto system = periodic(problem);
  const std::size_t n = system.modes.x.size();
  // Without the moments of constants (theta*), which only force the others.
  std::size_t moments = 0;
  for (const std::size_t r : system.sizes) moments += r * (r + 1) / 2;
  moments -= system.constants.size();
  Matrix map(moments * n, moments * n);
  const auto each = [&](edgewise::solvers::LinearPhases& state, auto act) {
    std::size_t at = 0;
    for (std::size_t b = 0; b < system.sizes.size(); ++b)
      for (std::size_t i = 0; i < system.sizes[b]; ++i)
        for (std::size_t j = i; j < system.sizes[b]; ++j)
          for (std::size_t mode = 0; !(system.is_constant(b, i) && system.is_constant(b, j)) && mode < n; ++mode)
            act(at++, state.moment(b, i, j)[mode]);
  };
  for (std::size_t column = 0; column < moments * n; ++column) {
    edgewise::solvers::LinearPhases state(system.modes, system.sizes);
    each(state, [&](std::size_t at, double& value) { value = at == column ? 1 : 0; });
    for (const auto& run : system.period)
      for (std::uint64_t k = 0; k < run.repeat; ++k) state.apply(run.phase);
    each(state, [&](std::size_t at, double& value) { map(at, column) = value; });
  }
  double radius = 0;
  for (const auto& value : edgewise::linear_algebra::eigenvalues(map)) radius = std::max(radius, std::abs(value));
  return radius;
}

LinearProblem with(LinearProblem problem, const std::string& name, double value) {
  problem.hyperparameters.set(name, value);
  return problem;
}

std::shared_ptr<LeastSquares> groups(std::vector<double> eigenvalue, std::vector<double> multiplicity, double kurtosis,
                                     double sigma2 = 0.1) {
  edgewise::spectra::Spectrum s;
  s.target_power.assign(eigenvalue.size(), 1);
  s.eigenvalue = std::move(eigenvalue);
  s.multiplicity = std::move(multiplicity);
  auto data = data_of(edgewise::spectra::checked(std::move(s)), sigma2);
  data->data.excess_kurtosis = kurtosis - 3;
  return data;
}

const Finding& finding(const std::vector<Finding>& all, const std::string& name) {
  return *std::ranges::find(all, name, &Finding::name);
}
double number(const std::vector<Finding>& all, const std::string& name) {
  return std::get<double>(finding(all, name).value);
}

struct Method {
  std::string name, optimizer;
};
const Method methods[] = {
    {"sgd", "learning_rate = 0.1"},
    {"sgd", "learning_rate = 0.1\nweight_decay = 0.05\nbatch = 2"},
    {"momentum", "learning_rate = 0.1\nmomentum = 0.8"},
    {"momentum", "learning_rate = 0.1\nmomentum = 0.9\nmomentum_kind = 'nesterov'\nbatch = 4"},
    {"ema", "learning_rate = 0.1\naverage_decay = 0.5"},
    {"lookahead", "learning_rate = 0.1\ninner_steps = 5\nouter_learning_rate = 0.4"},
    {"lookahead", "learning_rate = 0.1\ninner_steps = 4\nouter_learning_rate = 1.3\nweight_decay = 0.02\nbatch = 3"},
    {"la-diloco", "learning_rate = 0.1\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.5"},
    {"sla",
     "learning_rate = 0.1\ninner_steps = 6\nworkers = 2\nmomentum = 0.7\nmomentum_kind = 'heavy-ball'\nouter_momentum "
     "= "
     "0.5\nouter_momentum_kind = 'nesterov'"},
    {"sla",
     "learning_rate = 0.1\ninner_steps = 6\nmomentum = 0.7\nmomentum_kind = 'nesterov'\npersistent = true\n"
     "outer_learning_rate = 0.3"},
    {"diloco", "learning_rate = 0.1\ninner_steps = 3\nworkers = 3"},
    {"diloco", "learning_rate = 0.1\ninner_steps = 4\nbatch = inf"},
};

}  // namespace

TEST_CASE("eta_max and xi_max of every method are where the literal map crosses, and none lies below" *
          doctest::test_suite("slow")) {
  for (const Method& method : methods)
    for (const double kurtosis : {1.0, 1.8, 3.0, 6.0})
      for (const auto& data : {groups({1}, {1}, kurtosis), groups({1, 0.5, 0.1}, {1, 2, 1}, kurtosis),
                               groups({1, 1, 0.3}, {1, 1, 30}, kurtosis)}) {
        CAPTURE(method.name);
        CAPTURE(method.optimizer);
        CAPTURE(kurtosis);
        CAPTURE(data->spectrum.modes());
        const LinearProblem problem = problem_of(data, method.name, method.optimizer);
        for (const char* name : {"learning_rate", "outer_learning_rate"}) {
          if (!problem.hyperparameters.has(name)) continue;
          CAPTURE(name);
          const double threshold = stability_threshold(problem, name);
          REQUIRE(threshold > 0);
          CHECK(literal_radius(with(problem, name, 0.9999 * threshold)) < 1);
          CHECK(literal_radius(with(problem, name, 1.0001 * threshold)) > 1);
          for (int i = 1; i < 12; ++i) CHECK(literal_radius(with(problem, name, std::pow(0.7, i) * threshold)) < 1);
        }
      }
}

TEST_CASE("plain SGD's threshold and growth are those of its literal map at every kurtosis, and of all sign patterns") {
  for (const double kurtosis : {1.0, 1.8, 3.0, 6.0})
    for (const double batch : {1.0, 4.0})
      for (const auto& data : {groups({1}, {1}, kurtosis), groups({1}, {100}, kurtosis),
                               groups({1, 0.9}, {1, 1}, kurtosis), groups({1, 0.5, 0.1}, {1, 2, 1}, kurtosis)}) {
        CAPTURE(kurtosis);
        CAPTURE(batch);
        data->batch = batch;
        LinearProblem problem = problem_of(data, "sgd", "learning_rate = 0.1");
        problem.hyperparameters.set("batch", batch);
        const double eta_max = number(sgd_stability(*data), "eta_max");
        CHECK(stability_threshold(problem, "learning_rate") == Approx(eta_max).epsilon(1e-10));
        for (const double factor : {0.3, 0.9999, 1.0001}) {
          data->learning_rate = factor * eta_max;
          const auto findings = sgd_stability(*data);
          const double radius = literal_radius(with(problem, "learning_rate", factor * eta_max));
          CHECK(number(findings, "growth_factor") == Approx(radius).epsilon(1e-11));
          CHECK(std::get<bool>(finding(findings, "stable").value) == (factor < 1));
        }
      }
  // Isotropic Rademacher inputs, single samples: a step multiplies E|v|^2 by 1 - 2 eta + eta^2 d.
  CHECK(number(sgd_stability(*groups({1}, {100}, 1)), "eta_max") == Approx(2.0 / 100).epsilon(1e-14));
}

TEST_CASE("a rate of 0 moves nothing, and no method calls that stable") {
  const auto data = groups({1, 0.5}, {1, 3}, 3);
  data->learning_rate = 0;
  const auto plain = sgd_stability(*data);
  CHECK_FALSE(std::get<bool>(finding(plain, "stable").value));
  CHECK(std::isnan(number(plain, "steady_excess_mse")));
  CHECK(number(plain, "eta_max") > 0);
  CHECK(std::get<std::string>(finding(plain, "reason").value).find("frozen") == 0);
  for (const Method& method : methods) {
    CAPTURE(method.name);
    if (method.optimizer.find("weight_decay") != std::string::npos) continue;
    const LinearProblem still = with(problem_of(data, method.name, method.optimizer), "learning_rate", 0);
    const auto findings = linear_stability(still);
    CHECK_FALSE(std::get<bool>(finding(findings, "stable").value));
    CHECK(number(findings, "frozen_modes") == 2);
    CHECK(number(findings, "growth_factor") == 1);
    CHECK(std::isnan(number(findings, "steady_excess_mse")));
    CHECK(number(findings, "eta_max") > 0);
    CHECK(std::get<std::string>(finding(findings, "reason").value).find("frozen") == 0);
    CHECK_THROWS_AS(mode_table(still), std::domain_error);
  }
}

TEST_CASE("the first crossing lies below narrow windows, all of which are found") {
  // One mode, gradient descent: lookahead over heavy-ball momentum that persists. Its mean map by hand, coordinates (V, u).
  const double xi = 0.3, b = 0.999;
  const int H = 30;
  const auto stable = [&](double eta) {
    double a11 = 1, a12 = 0, a21 = 0, a22 = 1;  // (v, u) from (V, u)
    for (int h = 0; h < H; ++h) {
      const double u1 = b * a21 + a11, u2 = b * a22 + a12;
      a11 -= eta * u1;
      a12 -= eta * u2;
      a21 = u1;
      a22 = u2;
    }
    const double trace = 1 - xi + xi * a11 + a22, det = (1 - xi + xi * a11) * a22 - xi * a12 * a21;
    return std::abs(det) < 1 && std::abs(trace) < 1 + det;
  };
  // The first, and the number of ends of stability on a grid of a million.
  double first = 0, last = 0;
  int ends = 0;
  bool before = stable(1e-6);
  for (int i = 1; i <= 1000000; ++i) {
    const double eta = 4.2e-6 * i;
    const bool now = stable(eta);
    if (before && !now) {
      if (ends++ == 0) first = eta;
      last = eta;
    }
    before = now;
  }
  CHECK(first == Approx(.2703).epsilon(1e-3));
  const LinearProblem problem =
      problem_of(groups({1}, {1}, 3, 0), "sla",
                 "learning_rate = 0.275\nbatch = inf\ninner_steps = 30\nouter_learning_rate = 0.3\nmomentum_kind = "
                 "'heavy-ball'\nmomentum = 0.999\npersistent = true");
  const auto boundary = stability_boundary(problem, "learning_rate");
  CHECK(std::abs(boundary.first - first) <= 4.2e-6);
  CHECK(std::abs(boundary.last - last) <= 4.2e-6);
  CHECK(boundary.windows == static_cast<std::size_t>(ends - 1));
  CHECK(boundary.complete);
  // At this rate the buffer grows however little the slow parameters take.
  CHECK(std::isnan(stability_threshold(problem, "outer_learning_rate")));
  const auto findings = linear_stability(problem);
  CHECK(number(findings, "eta_windows") == ends - 1);
  // Above the last window nothing is stable; a reset buffer leaves one window.
  CHECK_FALSE(is_stable(with(problem, "learning_rate", 1.0001 * boundary.last)));
}

TEST_CASE("rounds of any length: lookahead against its scalar form") {
  // docs/theory/two-phase.md, section 3: b' = ((1 - F)^2 + (xi^2/M)(In^H - r^2H)) b with In = q + s lambda'.
  const std::vector<double> lambda{1, 0.4, 0.05};
  for (const double H : {2.0, 40.0, 400.0, 5000.0})
    for (const double M : {1.0, 3.0}) {
      CAPTURE(H);
      CAPTURE(M);
      const double xi = 0.5;
      const auto literal = [&](double eta) {
        Matrix In(3, 3), power = Matrix::identity(3, 3);
        for (std::size_t i = 0; i < 3; ++i)
          for (std::size_t j = 0; j < 3; ++j)
            In(i, j) = (i == j ? std::pow(1 - eta * lambda[i], 2) + std::pow(eta * lambda[i], 2) : 0) +
                       eta * eta * lambda[i] * lambda[j];
        for (auto k = static_cast<std::uint64_t>(H); k > 0; k /= 2, In = product(In, In))
          if (k % 2 == 1) power = product(power, In);
        for (std::size_t i = 0; i < 3; ++i) {
          const double kept = std::pow(1 - eta * lambda[i], 2 * H), F = xi * (1 - std::pow(1 - eta * lambda[i], H));
          for (std::size_t j = 0; j < 3; ++j)
            power(i, j) = xi * xi / M * (power(i, j) - (i == j ? kept : 0)) + (i == j ? (1 - F) * (1 - F) : 0);
        }
        double radius = 0;
        for (const auto& value : edgewise::linear_algebra::eigenvalues(power))
          radius = std::max(radius, std::abs(value));
        return radius;
      };
      LinearProblem problem = problem_of(groups(lambda, {1, 1, 1}, 3), "la-diloco", "learning_rate = 0.1");
      problem.hyperparameters.set("inner_steps", H);
      problem.hyperparameters.set("workers", M);
      problem.hyperparameters.set("outer_learning_rate", xi);
      const double eta_max = stability_threshold(problem, "learning_rate");
      CHECK(literal(eta_max * (1 - 1e-7)) < 1);
      CHECK(literal(eta_max * (1 + 1e-7)) > 1);
      for (const double eta : {0.5 * eta_max, 1.02 * eta_max}) {
        const auto growth = edgewise::solvers::Renewal(periodic(with(problem, "learning_rate", eta))).growth();
        CHECK(growth.growth_factor == Approx(literal(eta)).epsilon(1e-9));
      }
    }
  // So long and unstable that moments overflow within one round: the growth per step is that of the inner loop.
  LinearProblem problem = problem_of(groups({1}, {200}, 3), "lookahead", "learning_rate = 0.7");
  problem.hyperparameters.set("inner_steps", 3000);
  const auto findings = linear_stability(problem);
  CHECK_FALSE(std::get<bool>(finding(findings, "stable").value));
  CHECK(number(findings, "growth_factor") == Approx(.09 + .49 * 201).epsilon(1e-3));
  CHECK(std::isinf(number(findings, "growth_factor_period")));
}

TEST_CASE("eigenvalues of rounding size read as 0 in stability, steady state, thresholds and the table of modes") {
  for (const Method& method : methods) {
    CAPTURE(method.name);
    CAPTURE(method.optimizer);
    const auto at = [&](double tiny) {
      const auto data = groups({1, 0.5, tiny}, {1, 2, 4}, 3);
      return problem_of(data, method.name, method.optimizer);
    };
    const double rate = 0.3 * stability_threshold(at(0), "learning_rate");
    const LinearProblem zero = with(at(0), "learning_rate", rate);
    const auto expected = linear_stability(zero);
    const auto rows = mode_table(zero);
    REQUIRE(rows.size() == 2);
    for (const double tiny : {1e-16, 1e-17, 3e-20, 1e-300}) {
      CAPTURE(tiny);
      const LinearProblem problem = with(at(tiny), "learning_rate", rate);
      for (const Finding& f : linear_stability(problem)) {
        CAPTURE(f.name);
        const Finding& e = finding(expected, f.name);
        if (const double* value = std::get_if<double>(&f.value); value && *value != std::get<double>(e.value))
          CHECK(*value == Approx(std::get<double>(e.value)).epsilon(1e-11));
        else
          CHECK(f.value == e.value);
      }
      const auto few = mode_table(problem);
      REQUIRE(few.size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(few[i].stationary == Approx(rows[i].stationary).epsilon(1e-12));
        CHECK(few[i].radius == Approx(rows[i].radius).epsilon(1e-12));
      }
    }
  }
  for (const double tiny : {1e-17, 1e-300}) {
    const auto few = sgd_stability(*groups({1, 0.5, tiny}, {1, 2, 4}, 3));
    for (const Finding& f : sgd_stability(*groups({1, 0.5, 0}, {1, 2, 4}, 3)))
      if (const double* value = std::get_if<double>(&f.value))
        CHECK(number(few, f.name) == Approx(*value).epsilon(1e-12));
  }
}

TEST_CASE("the best outer rate on an isotropic spectrum is where a round contracts most") {
  for (const char* optimizer : {"learning_rate = 0.04\ninner_steps = 5\nbatch = 3",
                                "learning_rate = 0.02\ninner_steps = 9\nbatch = 2\nworkers = 4"}) {
    const std::string name = std::string(optimizer).find("workers") == std::string::npos ? "lookahead" : "la-diloco";
    CAPTURE(name);
    const LinearProblem problem = problem_of(groups({2.5}, {7}, 3), name, optimizer);
    const auto findings = linear_stability(problem);
    const double best = number(findings, "xi_best"), factor = number(findings, "growth_factor_best");
    const auto growth = [&](double xi) {
      return number(linear_stability(with(problem, "outer_learning_rate", xi)), "growth_factor_period");
    };
    CHECK(growth(best) == Approx(factor).epsilon(1e-11));
    CHECK(growth(1.01 * best) > factor);
    CHECK(growth(0.99 * best) > factor);
    CHECK(number(findings, "xi_max") == Approx(2 * best).epsilon(1e-10));
  }
}

TEST_CASE("the best learning rate of SGD is where the mean risk decays fastest") {
  // In the units of any inputs.
  for (const double lambda : {1e-300, 1e100}) {
    const auto isotropic = groups({lambda}, {7}, 3);
    isotropic->batch = 3;
    CHECK(number(sgd_stability(*isotropic), "eta_best") * lambda == Approx(3.0 / 11).epsilon(1e-7));
  }
  // K = 2.5 I_d: B/(B + d + 1)/2.5, and 1 - B/(B + d + 1) there.
  auto data = groups({2.5}, {7}, 3);
  data->batch = 3;
  CHECK(number(sgd_stability(*data), "eta_best") == Approx(3.0 / 11 / 2.5).epsilon(1e-7));
  CHECK(number(sgd_stability(*data), "growth_factor_best") == Approx(1 - 3.0 / 11).epsilon(1e-12));
  for (const double kurtosis : {1.0, 3.0, 6.0}) {
    data = groups({1, 0.5, 0.1}, {1, 2, 1}, kurtosis);
    data->batch = 4;
    const auto at = [&](double eta) {
      data->learning_rate = eta;
      return number(sgd_stability(*data), "growth_factor");
    };
    const double best = number(sgd_stability(*data), "eta_best"),
                 factor = number(sgd_stability(*data), "growth_factor_best");
    CHECK(at(best) == Approx(factor).epsilon(1e-12));
    CHECK(at(1.001 * best) > factor);
    CHECK(at(0.999 * best) > factor);
  }
}

TEST_CASE("steady states of workers and averages are where runs of the recursion settle") {
  for (const char* extra : {"", "\nweight_decay = 0.05"})
    for (const Method& method : methods) {
      if (method.optimizer.find("weight_decay") != std::string::npos) continue;
      CAPTURE(method.name);
      CAPTURE(method.optimizer);
      CAPTURE(extra);
      const LinearProblem problem =
          problem_of(groups({1, 0.5, 0.2}, {1, 2, 1}, 3), method.name, method.optimizer + extra);
      const auto findings = linear_stability(problem);
      if (!std::get<bool>(finding(findings, "stable").value)) continue;
      LinearRecursion run(problem);
      const auto observables = linear_observables(problem);
      std::vector<double> settled(observables.size());
      run.advance(static_cast<std::uint64_t>(2000 * number(findings, "period")));
      run.observe(settled);
      for (std::size_t i = 3; i < settled.size(); ++i) {
        CAPTURE(observables[i].name);
        CHECK(number(findings, "steady_" + observables[i].name) / settled[i] == Approx(1).epsilon(1e-9));
      }
    }
}

TEST_CASE("slow modes move at the effective learning rate") {
  for (const Method& method : methods) {
    if (method.optimizer.find("weight_decay") != std::string::npos) continue;
    CAPTURE(method.name);
    CAPTURE(method.optimizer);
    const LinearProblem problem = problem_of(groups({1e-7}, {1}, 3), method.name, method.optimizer);
    const auto findings = linear_stability(problem);
    const double slow = -std::log(mode_table(problem)[0].mean_radius) / (1e-7 * number(findings, "period"));
    CHECK(number(findings, "effective_learning_rate") / slow == Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("power laws: the late risk of every method by its effective rate and its amplification of noise") {
  const std::string spectrum =
      "[spectrum]\nkind = 'power-law'\ndimension = 100000000\ncompress = 1e-5\nalpha = 1\nbeta = 0.2\nsignal = "
      "3\n[initial]\nscale = 0.5\n";
  for (const Method& method :
       {Method{"lookahead", "learning_rate = 0.2\ninner_steps = 8\nouter_learning_rate = 0.6"},
        Method{"momentum", "learning_rate = 0.05\nmomentum = 0.8\nbatch = 2"},
        Method{"la-diloco", "learning_rate = 0.2\ninner_steps = 8\nouter_learning_rate = 1.2"}}) {
    CAPTURE(method.name);
    const auto problem =
        edgewise::models::testing::prepare("model = 'least-squares'\n[time]\nat = [32768]\n" + spectrum +
                                           "[optimizer]\nkind = '" + method.name + "'\n" + method.optimizer + "\n");
    const auto findings = problem->stability();
    CHECK(std::get<std::string>(finding(findings, "phase").value) == "bias-limited");
    CHECK(number(findings, "bias_exponent") == Approx(0.7).epsilon(1e-13));
    const double predicted = number(findings, "bias_constant") * std::pow(32768, -0.7);
    CHECK(problem->solve().find("excess_mse")->value.back() / predicted == Approx(1).epsilon(0.001));
  }
}

TEST_CASE("the greedy outer rate is where P after the first round is smallest") {
  const LinearProblem problem =
      problem_of(groups({1, 0.5, 0.2}, {1, 2, 1}, 3), "la-diloco", "learning_rate = 0.1\ninner_steps = 8\nworkers = 2");
  const double xi = number(linear_stability(problem), "xi_greedy");
  const auto after = [&](double rate) {
    LinearRecursion run(with(problem, "outer_learning_rate", rate));
    run.advance(8);
    return run.excess_mse();
  };
  CHECK(after(xi) < after(1.01 * xi));
  CHECK(after(xi) < after(0.99 * xi));
}

TEST_CASE("outer rates keep their digits however short the inner steps are") {
  // By exact rational arithmetic: eigenvalues 1, .5, .2 of Gaussian inputs, H = 8, P and E v^2 = 1, label noise .1.
  struct Case {
    const char* workers;
    double eta, greedy, largest;
  };
  for (const Case& c : {Case{"", 1e-3, 1.03553799792432585e+02, 1.98463932675116070e+02},
                        Case{"", 1e-9, 1.03043374581135854e+08, 1.97487329176783890e+08},
                        Case{"", 1e-40, 1.03043374071411459e+39, 1.97487328201655665e+39},
                        Case{"workers = 4", 1e-3, 1.30453536017686815e+02, 2.35959567450301563e+02},
                        Case{"workers = 4", 1e-9, 1.29938808401056513e+08, 2.35037446750069588e+08},
                        Case{"workers = 4", 1e-40, 1.29938807886983461e+39, 2.35037445829237700e+39}}) {
    CAPTURE(c.eta);
    CAPTURE(c.workers);
    const LinearProblem problem =
        problem_of(groups({1, 0.5, 0.2}, {1, 1, 1}, 3), *c.workers ? "la-diloco" : "lookahead",
                   "learning_rate = 0.1\ninner_steps = 8\n" + std::string(c.workers));
    const auto findings = linear_stability(with(problem, "learning_rate", c.eta));
    CHECK(number(findings, "xi_greedy") == Approx(c.greedy).epsilon(1e-13));
    CHECK(number(findings, "xi_max") == Approx(c.largest).epsilon(1e-11));
  }
}

TEST_CASE("steady states and the kernel norm of a round that moves by less than the rounding of 1") {
  // As above: the workers' own parameters are where H steps take the outer ones.
  struct Case {
    const char* workers;
    double eta, xi, outer, worker;
  };
  for (const Case& c : {Case{"", 0.1, 0.5, 0.0042176361182969056, 0.0079982427441937839},
                        Case{"", 1e-13, 0.5, 4.2499999999997776e-15, 4.2500000000049375e-15},
                        Case{"", 1e-14, 0.5, 4.2499999999999778e-16, 4.2500000000004936e-16},
                        Case{"", 0.1, 1e-14, 7.2474376305223417e-17, 0.0063998220541595487},
                        Case{"workers = 2", 0.1, 0.5, 0.0020740583446305604, 0.007186022083776774},
                        Case{"workers = 2", 1e-14, 0.5, 2.1249999999999823e-16, 2.1250000000007563e-16}}) {
    CAPTURE(c.eta);
    CAPTURE(c.xi);
    CAPTURE(c.workers);
    const LinearProblem problem =
        problem_of(groups({1, 0.5, 0.2}, {1, 1, 1}, 3), *c.workers ? "la-diloco" : "lookahead",
                   "learning_rate = 0.1\ninner_steps = 8\n" + std::string(c.workers));
    const auto findings = linear_stability(with(with(problem, "learning_rate", c.eta), "outer_learning_rate", c.xi));
    CHECK(std::get<bool>(finding(findings, "stable").value));
    CHECK(number(findings, "steady_excess_mse") == Approx(c.outer).epsilon(1e-12));
    CHECK(number(findings, "steady_worker_excess_mse") == Approx(c.worker).epsilon(1e-12));
  }
  // Lookahead that takes each single step whole is SGD, whose kernel norm is sum eta lambda/(2 - 2 eta lambda) for
  // Gaussian inputs and B = 1.
  const LinearProblem sgd = problem_of(groups({1, 0.5, 0.2}, {1, 1, 1}, 3), "lookahead",
                                       "learning_rate = 0.1\ninner_steps = 1\nouter_learning_rate = 1");
  for (const double eta : {0.1, 1e-13, 1e-14, 1e-40, 1e-200}) {
    CAPTURE(eta);
    double kappa = 0;
    for (const double lambda : {1.0, 0.5, 0.2}) kappa += eta * lambda / (2 - 2 * eta * lambda);
    CHECK(number(linear_stability(with(sgd, "learning_rate", eta)), "kernel_norm") == Approx(kappa).epsilon(1e-11));
  }
  // At small rates it is that of SGD at the effective rate, whose noise the workers share.
  struct Memory {
    Method method;
    double gain, workers;
  };
  for (const Memory& c : {Memory{{"momentum", "learning_rate = 0.1\nmomentum = 0.9"}, 10, 1},
                          Memory{{"ema", "learning_rate = 0.1\naverage_decay = 0.9"}, 1, 1},
                          Memory{{"la-diloco", "learning_rate = 0.1\ninner_steps = 8\nworkers = 4"}, 0.5, 4},
                          Memory{{"diloco", "learning_rate = 0.1\ninner_steps = 3\nworkers = 3"}, 0.7 * 10 * 10, 3},
                          Memory{{"diloco", "learning_rate = 0.1\ninner_steps = 16\nworkers = 1"}, 0.7 * 10 * 10, 1}}) {
    CAPTURE(c.method.name);
    const LinearProblem problem = problem_of(groups({1, 0.5, 0.2}, {1, 1, 1}, 3), c.method.name, c.method.optimizer);
    for (const double eta : {1e-13, 1e-14, 1e-20, 1e-60}) {
      CAPTURE(eta);
      const auto findings = linear_stability(with(problem, "learning_rate", eta));
      const double kappa = c.gain * eta * 1.7 / 2 / c.workers;
      CHECK(number(findings, "kernel_norm") == Approx(kappa).epsilon(1e-9));
      CHECK(number(findings, "steady_excess_mse") == Approx(0.1 * kappa).epsilon(1e-9));
    }
  }
}

TEST_CASE("rates at the ends of the doubles are told, and take no longer than others") {
  const auto method = [](const char* name, const char* more = "") {
    return problem_of(groups({1, 0.5, 0.2}, {1, 1, 1}, 3), name,
                      "learning_rate = 0.1\ninner_steps = 8\n" + std::string(more));
  };
  for (const char* name : {"lookahead", "la-diloco", "sla"}) {
    CAPTURE(name);
    const auto findings = linear_stability(with(method(name), "learning_rate", 1e15));
    CHECK_FALSE(std::get<bool>(finding(findings, "stable").value));
    CHECK(number(findings, "growth_factor_period") > 1e238);  // (eta lambda)^(2 H) xi^2 and noise
    CHECK(number(findings, "eta_max") == Approx(number(linear_stability(method(name)), "eta_max")).epsilon(1e-11));
  }
  // P grows by about xi^2 E u^2 a round, beyond the doubles.
  const auto far = linear_stability(with(method("lookahead"), "outer_learning_rate", 1e300));
  CHECK_FALSE(std::get<bool>(finding(far, "stable").value));
  CHECK(8 * std::log(number(far, "growth_factor")) == Approx(600 * std::log(10)).epsilon(0.01));
  CHECK(number(far, "xi_max") == Approx(number(linear_stability(method("lookahead")), "xi_max")).epsilon(1e-11));
}

TEST_CASE("nothing that is found depends on the order or the units of a method's coordinates") {
  // Heavy ball with a running mean of its parameters, which are read together; every fourth step half way back to it.
  const std::vector<std::vector<double>> T0 = {{1, -0.06, 0}, {0, 0.6, 0}, {0.2, 0, 0.8}},
                                         T1 = {{-0.1, 0, 0}, {1, 0, 0}, {0, 0, 0}},
                                         sync = {{0.5, 0, 0.5}, {0, 0.7, 0}, {0, 0, 1}};
  const std::vector<double> n{-0.1, 1, 0}, e{1, 0, 0}, start{1, 0, 1}, readout{0.4, 0, 0.6};
  const auto data = data_of(power_law(6, 0.6, 0.4), 0.1, {0, 1, 4, 7, 40});
  const auto in = [&](const std::vector<std::size_t>& order, const std::vector<double>& unit) {
    const auto number_at = [](double x) { return edgewise::settings::text_of(x); };
    const auto vector = [&](const std::vector<double>& v, bool reads) {
      std::string out;
      for (const std::size_t i : order)
        out += (out.empty() ? "[" : ", ") + number_at(reads ? v[i] / unit[i] : v[i] * unit[i]);
      return out + "]";
    };
    const auto matrix = [&](const std::vector<std::vector<double>>& m) {
      std::string out;
      for (const std::size_t i : order) {
        std::string row;
        for (const std::size_t j : order) row += (row.empty() ? "[" : ", ") + number_at(m[i][j] * unit[i] / unit[j]);
        out += (out.empty() ? "[" : ", ") + row + "]";
      }
      return out + "]";
    };
    return problem_of(data, "custom",
                      "batch = 2\nstart = " + vector(start, false) + "\nreadout = " + vector(readout, true) +
                          "\n[[optimizer.phase]]\nrepeat = 4\nT0 = " + matrix(T0) + "\nT1 = " + matrix(T1) +
                          "\nn = " + vector(n, false) + "\ne = " + vector(e, true) +
                          "\n[[optimizer.phase]]\nT0 = " + matrix(sync) + "\n");
  };
  const LinearProblem plain = in({0, 1, 2}, {1, 1, 1});
  const auto expected = linear_stability(plain);
  const auto table = mode_table(plain);
  const Trajectory path = solve_linear(plain, {});
  for (const std::vector<std::size_t>& order :
       std::vector<std::vector<std::size_t>>{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}})
    for (const std::vector<double>& unit :
         std::vector<std::vector<double>>{{1, 1, 1}, {1e20, 1e-15, 1e20}, {1e-3, 1e30, 8}}) {
      CAPTURE(order);
      CAPTURE(unit);
      const LinearProblem problem = in(order, unit);
      const auto findings = linear_stability(problem);
      REQUIRE(findings.size() == expected.size());
      for (std::size_t f = 0; f < findings.size(); ++f) {
        CAPTURE(findings[f].name);
        CHECK(findings[f].name == expected[f].name);
        if (const double* value = std::get_if<double>(&findings[f].value)) {
          const double other = std::get<double>(expected[f].value);
          CHECK((std::isnan(*value) ? std::isnan(other) : *value == Approx(other).epsilon(1e-9)));
        } else {
          CHECK(findings[f].value == expected[f].value);
        }
      }
      const auto rows = mode_table(problem);
      REQUIRE(rows.size() == table.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        CHECK(rows[i].radius == Approx(table[i].radius).epsilon(1e-9));
        CHECK(rows[i].mean_radius == Approx(table[i].mean_radius).epsilon(1e-9));
        CHECK(rows[i].generated_noise == Approx(table[i].generated_noise).epsilon(1e-9));
        CHECK(rows[i].stationary == Approx(table[i].stationary).epsilon(1e-9));
      }
      const Trajectory now = solve_linear(problem, {});
      REQUIRE(now.columns.size() == path.columns.size());
      for (std::size_t c = 0; c < now.columns.size(); ++c)
        for (std::size_t k = 0; k < now.columns[c].value.size(); ++k)
          CHECK(now.columns[c].value[k] == Approx(path.columns[c].value[k]).epsilon(1e-10));
    }
}

TEST_CASE("averaging the tail changes no steady state of the iterates") {
  const auto data = data_of(power_law(4, 0.6, 0.4), 0.5);
  const auto plain = linear_stability(problem_of(data, "sgd", "learning_rate = 0.1\nbatch = 2"));
  for (const char* from : {"0", "50"}) {
    const auto averaged = linear_stability(
        problem_of(data, "tail-average", std::string("learning_rate = 0.1\nbatch = 2\naverage_from = ") + from));
    for (const char* name : {"steady_excess_mse", "steady_risk", "noise_amplification"})
      CHECK(number(averaged, name) == Approx(number(plain, name)).epsilon(1e-12));
  }
}

TEST_CASE("the mode radius is that of a mode's own second moments, by hand") {
  // Of two modes; what the modes do to each other, kernel_norm, is not in it.
  const std::string start =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.02]\nmultiplicities = [3, 5]\n"
      "target_power = [1.0, 1.0]\n[time]\nsteps = 8\n[optimizer]\nbatch = 2\n";
  const double B = 2;
  const auto radius = [&](const std::string& optimizer) {
    return number(edgewise::models::testing::prepare(start + optimizer)->stability(), "mode_radius");
  };
  for (const double eta : {0.1, 1.2}) {
    // u' = b u + g, v' = v - eta u' with E g = lambda v, E g^2 = lambda^2 v^2 (1 + 1/B): of (v v, v u, u u).
    const double b = 0.6;
    double heavy_ball = 0, lookahead = 0;
    for (const double lambda : {1.0, 0.02}) {
      const std::vector<double> uu = {lambda * lambda * (1 + 1 / B), 2 * b * lambda, b * b}, vu = {lambda, b, 0};
      Matrix map(3, 3);
      for (std::size_t j = 0; j < 3; ++j) {
        map(0, j) = (j == 0 ? 1 : 0) - 2 * eta * vu[j] + eta * eta * uu[j];
        map(1, j) = vu[j] - eta * uu[j];
        map(2, j) = uu[j];
      }
      for (const auto& value : edgewise::linear_algebra::eigenvalues(map))
        heavy_ball = std::max(heavy_ball, std::abs(value));
      // Rounds of 3 steps, of which a share xi is taken: E v^2 -> E ((1 - xi) + xi prod (1 - eta m))^2 v^2.
      const double xi = 0.7, r = std::pow(1 - eta * lambda, 3),
                   q = std::pow((1 - eta * lambda) * (1 - eta * lambda) + eta * eta * lambda * lambda / B, 3);
      lookahead = std::max(lookahead, (1 - xi) * (1 - xi) + 2 * xi * (1 - xi) * r + xi * xi * q);
    }
    CAPTURE(eta);
    const std::string rate = "learning_rate = " + edgewise::settings::text_of(eta) + "\n";
    CHECK(radius(rate + "kind = 'momentum'\nmomentum = 0.6\n") == Approx(heavy_ball).epsilon(1e-12));
    CHECK(radius(rate + "kind = 'lookahead'\nouter_learning_rate = 0.7\ninner_steps = 3\n") ==
          Approx(lookahead).epsilon(1e-12));
  }
}

TEST_CASE("findings repeat the settings they are of") {
  const auto findings =
      edgewise::models::testing::prepare(
          "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4]\nmultiplicities = [2, 3]\n"
          "target_power = [1.0, 0.5]\n[noise]\nvariance = 0.2\n[time]\nsteps = 8\n[schedule]\nkind = 'linear'\n"
          "[optimizer]\nkind = 'diloco'\nlearning_rate = 0.03\nbatch = 2\nworkers = 3\ninner_steps = 5\n"
          "momentum_kind = 'heavy-ball'\nmomentum = 0.25\nouter_momentum_kind = 'nesterov'\nouter_momentum = 0.45\n"
          "outer_learning_rate = 0.6\nweight_decay = 0.01\n")
          ->stability();
  for (const auto& [name, value] : {std::pair<const char*, double>{"learning_rate", 0.03},
                                    {"batch", 2},
                                    {"momentum", 0.25},
                                    {"weight_decay", 0.01},
                                    {"inner_steps", 5},
                                    {"workers", 3},
                                    {"outer_learning_rate", 0.6},
                                    {"outer_momentum", 0.45},
                                    {"period", 5},
                                    {"gamma", 0.03 * 3.2},
                                    {"trace", 3.2},
                                    {"noise_variance", 0.2}}) {
    const std::string which = name;
    CAPTURE(which);
    CHECK(number(findings, which) == Approx(value).epsilon(1e-13));
  }
  CHECK(number(findings, "steady_risk") == Approx((number(findings, "steady_excess_mse") + 0.2) / 2).epsilon(1e-13));
  CHECK(number(findings, "growth_factor_period") ==
        Approx(std::pow(number(findings, "growth_factor"), 5)).epsilon(1e-12));
}
