#include "models/equilibrium_network/simulation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/equilibrium_network/depth_theory.hpp"
#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<models::Problem> prepared(const std::string& keys) {
  const auto e = models::read_experiment(settings::read_text("model = 'equilibrium-network'\n" + keys, "e.toml"));
  return models::find(e).prepare(e);
}

std::string refusal(const std::string& keys) {
  try {
    prepared(keys)->solve();
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "solved";
}

std::map<std::string, double> observed(const models::Simulation& simulation, const models::Replica& replica) {
  std::vector<double> values(simulation.observables().size());
  replica.observe(values);
  std::map<std::string, double> out;
  for (std::size_t i = 0; i < values.size(); ++i) out[simulation.observables()[i].name] = values[i];
  return out;
}

EquilibriumProblem problem_of(const Family& family, double g, const char* phi, std::size_t width) {
  EquilibriumProblem out;
  out.family = family;
  out.g = g;
  out.phi = state_function(phi);
  out.width = width;
  return out;
}

}  // namespace

TEST_CASE("a replica iterates to the fixed point that it solves for") {
  EquilibriumProblem p = problem_of(family_of(FamilyKind::elliptic, 0.3, 2), 0.6, "tanh", 5);
  p.input_power = 0.8;
  p.correlation = 0.4;
  const auto simulation = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
  const auto replica = simulation->replica(3, 1);
  CHECK(observed(*simulation, *replica).at("length") == 0);
  replica->advance(500);
  const auto last = observed(*simulation, *replica);
  CHECK(last.at("length") == Approx(last.at("equilibrium_length")).epsilon(1e-10));
  CHECK(last.at("overlap") == Approx(last.at("equilibrium_overlap")).epsilon(1e-9));
  CHECK(last.at("residual") < 1e-20);
  CHECK(last.at("smallest_singular_value") > 0);
  CHECK(last.at("near_singular") == 0);

  // A state that is solved for satisfies u = W phi(u) + h, whatever the damping.
  const linear_algebra::Matrix w = draw(p.family, 5, 0.6, 3, 1);
  const std::vector<double> h{0.3, -1, 0.7, 0.2, -0.1};
  for (const double damping : {1.0, 0.3}) {
    p.damping = damping;
    const SolvedState state = solve_state(p, w, h);
    CHECK(state.solved);
    for (std::size_t i = 0; i < 5; ++i) {
      double u = h[i];
      for (std::size_t j = 0; j < 5; ++j) u += w(i, j) * std::tanh(state.u[j]);
      CHECK(state.u[i] == Approx(u).epsilon(1e-11));
    }
  }
}

TEST_CASE("linear replicas: norms, correlations and the smallest singular value by the matrices themselves") {
  EquilibriumProblem p = problem_of(family_of(FamilyKind::iid, 0, 2), 0.5, "linear", 40);
  p.input_power = 2;
  p.correlation = -0.5;
  const auto simulation = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
  const auto replica = simulation->replica(1, 0);
  replica->advance(1);
  const auto one = observed(*simulation, *replica);
  CHECK(one.at("length") == Approx(2).epsilon(1e-13));  // |h|^2/n, exactly
  CHECK(one.at("overlap") == Approx(-1).epsilon(1e-12));
  linear_algebra::Matrix a = draw(p.family, 40, 0.5, 1, 0);
  for (double& x : a.entries()) x = -x;
  for (std::size_t i = 0; i < 40; ++i) a(i, i) += 1;
  CHECK(one.at("smallest_singular_value") ==
        Approx(linear_algebra::thin_svd(a, linear_algebra::SingularVectors::left).values.back()).epsilon(1e-4));
}

TEST_CASE("a replica of several draws is their mean, median or trimmed mean") {
  const auto length = [](Estimator estimator, std::uint64_t draws) {
    EquilibriumProblem p = problem_of(family_of(FamilyKind::goe, 0, 2), 0.4, "linear", 6);
    p.draws = draws;
    p.estimator = estimator;
    const auto simulation = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
    return observed(*simulation, *simulation->replica(4, 0)).at("equilibrium_length");
  };
  // Draw d alone is what the mean over d + 1 draws adds to that over d.
  std::vector<double> each;
  for (std::uint64_t d = 1; d <= 10; ++d) {
    double before = 0;
    for (const double x : each) before += x;
    each.push_back(static_cast<double>(d) * length(Estimator::mean, d) - before);
  }
  std::ranges::sort(each);
  double middle = 0;
  for (std::size_t i = 1; i < 9; ++i) middle += each[i] / 8;
  CHECK(length(Estimator::median, 10) == Approx((each[4] + each[5]) / 2).epsilon(1e-9));
  CHECK(length(Estimator::trimmed_mean, 10) == Approx(middle).epsilon(1e-9));
  CHECK(each.front() != each.back());
  // What is iterated is the first of them.
  for (const std::uint64_t r : {0, 1, 2}) {
    EquilibriumProblem p = problem_of(family_of(FamilyKind::goe, 0, 2), 0.4, "tanh", 6);
    const auto one = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
    p.draws = 3;
    const auto three = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
    const auto alone = one->replica(4, r), first = three->replica(4, r);
    for (const std::uint64_t depth : {0, 1, 2, 30}) {
      alone->advance(depth);
      first->advance(depth);
      CHECK(observed(*one, *alone).at("length") == observed(*three, *first).at("length"));
    }
  }
}

TEST_CASE("equilibrium experiments: every observable of a replica, by the matrices that it draws") {
  // Two inputs of 6 dimensions, |h|^2 = |h'|^2 = 6 q, h.h' = 6 q rho, made of the stream's normals; W by its own law.
  const std::string text =
      "[network]\nfamily = 'haar'\nactivation = 'tanh'\nscale = 1.1\nwidth = 6\n[input]\npower = 0.8\ncorrelation = "
      "0.4\n[depth]\nmax = 4\n[monte_carlo]\ndraws = 3\ndamping = 0.6\ntolerance = 1e-10\n";
  const auto simulation = prepared(text)->simulate();
  const auto replica = simulation->replica(3, 1);
  replica->advance(2);
  const auto out = observed(*simulation, *replica);

  EquilibriumProblem p = problem_of(family_of(FamilyKind::haar, 0, 2), 1.1, "tanh", 6);
  p.damping = 0.6;
  p.tolerance = 1e-10;
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < 6; ++i) sum += a[i] * b[i];
    return sum;
  };
  double length = 0, overlap = 0, iterations = 0, smallest = 0;
  for (std::uint64_t d = 0; d < 3; ++d) {
    const linear_algebra::Matrix w = draw(p.family, 6, 1.1, 3, 1, d);
    random::Stream stream(3, 1, d, random::Purpose::data);
    std::vector<double> h(6), other(6);
    stream.normals(h);
    stream.normals(other);
    const double unit = std::sqrt(6 / dot(h, h));
    for (double& x : h) x *= unit;
    const double along = dot(h, other) / 6;
    for (std::size_t i = 0; i < 6; ++i) other[i] -= along * h[i];
    const double across = std::sqrt(6 * (1 - 0.16) / dot(other, other));
    for (std::size_t i = 0; i < 6; ++i) {
      other[i] = std::sqrt(0.8) * (0.4 * h[i] + across * other[i]);
      h[i] *= std::sqrt(0.8);
    }
    const auto next = [&](const std::vector<double>& z, const std::vector<double>& input) {
      std::vector<double> u(input);
      for (std::size_t i = 0; i < 6; ++i)
        for (std::size_t j = 0; j < 6; ++j) u[i] += w(i, j) * z[j];
      for (double& x : u) x = std::tanh(x);
      return u;
    };
    if (d == 0) {
      const std::vector<double> none(6, 0.0), two = next(next(none, h), h), three = next(two, h);
      double change = 0;
      for (std::size_t i = 0; i < 6; ++i) change += std::pow(three[i] - two[i], 2) / 6;
      CHECK(out.at("length") == Approx(dot(two, two) / 6).epsilon(1e-12));
      CHECK(out.at("overlap") == Approx(dot(two, next(next(none, other), other)) / 6).epsilon(1e-12));
      CHECK(out.at("residual") == Approx(change).epsilon(1e-12));
    }
    // The fixed points by a damped iteration of z in place of u; the largest count of the two inputs by the solver.
    std::vector<double> z(6, 0.0), of_other(6, 0.0);
    for (int k = 0; k < 3000; ++k) {
      const std::vector<double> a = next(z, h), b = next(of_other, other);
      for (std::size_t i = 0; i < 6; ++i) {
        z[i] += 0.3 * (a[i] - z[i]);
        of_other[i] += 0.3 * (b[i] - of_other[i]);
      }
    }
    length += dot(z, z) / 18;
    overlap += dot(z, of_other) / 18;
    iterations +=
        static_cast<double>(std::max(solve_state(p, w, h).iterations, solve_state(p, w, other).iterations)) / 3;
    linear_algebra::Matrix a(6, 6);
    for (std::size_t i = 0; i < 6; ++i)
      for (std::size_t j = 0; j < 6; ++j) a(i, j) = (i == j ? 1 : 0) - w(i, j) * (1 - z[j] * z[j]);
    smallest += linear_algebra::thin_svd(a, linear_algebra::SingularVectors::left).values.back() / 3;
  }
  CHECK(out.at("equilibrium_length") == Approx(length).epsilon(1e-8));
  CHECK(out.at("equilibrium_overlap") == Approx(overlap).epsilon(1e-8));
  CHECK(out.at("solver_iterations") == Approx(iterations).epsilon(1e-14));
  CHECK(out.at("smallest_singular_value") == Approx(smallest).epsilon(1e-3));
  CHECK(out.at("near_singular") == 0);
  CHECK(out.at("failed_draws") == 0);
  // Those of singular values are left out when they are not asked for.
  const auto without = prepared(text + "singular_values = false\n")->simulate();
  CHECK(without->observables().size() == simulation->observables().size() - 2);
  CHECK(observed(*without, *without->replica(3, 1)).at("equilibrium_length") == out.at("equilibrium_length"));
}

TEST_CASE("equilibrium experiments: one dimension next to singular") {
  // W = +-g of one dimension, g = 1 - 1e-7: 1 - W is 1e-7, or 2 - 1e-7.
  const auto simulation =
      prepared("[network]\nfamily = 'haar'\nscale = 0.9999999\nwidth = 1\n[depth]\nmax = 3\n")->simulate();
  int singular = 0;
  for (std::uint64_t r = 0; r < 10; ++r) {
    const double w = draw(family_of(FamilyKind::haar, 0, 2), 1, 0.9999999, 1, r)(0, 0);
    const auto out = observed(*simulation, *simulation->replica(1, r));
    CHECK(out.at("smallest_singular_value") == Approx(1 - w).epsilon(1e-8));
    CHECK(out.at("near_singular") == (w > 0 ? 1 : 0));
    CHECK(out.at("equilibrium_length") == Approx(std::pow(1 - w, -2)).epsilon(1e-7));
    singular += w > 0 ? 1 : 0;
  }
  CHECK(singular > 0);
  CHECK(singular < 10);
}

TEST_CASE("where the plain iteration diverges or cycles, damping finds the fixed point") {
  for (const char* phi : {"linear", "tanh", "relu"}) {
    EquilibriumProblem p = problem_of(family_of(FamilyKind::anti, 0, 2), 1.4, phi, 30);
    const linear_algebra::Matrix w = draw(p.family, p.width, p.g, 1, 0);
    const std::vector<double> h(p.width, 1.0);
    const SolvedState state = solve_state(p, w, h);
    CAPTURE(phi);
    CHECK(state.solved);
    CHECK(state.damping < 1);
    CHECK(state.iterations < 3000);
    p.damping = 1;
    CHECK(!solve_state(p, w, h).solved);
  }
}

TEST_CASE("an attempt that blows up is given up at 1e8 times the input") {
  // u' = 1 - 2 u from 1: u_k = (1 - (-2)^(k + 1))/3, beyond 1e8 from 2^(k + 1) > 3e8 on, k = 28. Damped by .3 the error falls
  // to a tenth each time, u_k - 1/3 = (2/3) 10^-k: step k changes u by .6 10^-(k - 1), below 1e-12 at the 13th.
  EquilibriumProblem p = problem_of(family_of(FamilyKind::iid, 0, 2), 2, "linear", 1);
  const linear_algebra::Matrix w(1, 1, std::vector<double>{-2});
  const std::vector<double> h{1};
  p.damping = 1;
  const SolvedState alone = solve_state(p, w, h);
  CHECK_FALSE(alone.solved);
  CHECK(alone.iterations == 28);
  p.damping.reset();
  const SolvedState both = solve_state(p, w, h);
  CHECK(both.solved);
  CHECK(both.damping == 0.3);
  CHECK(both.iterations == 28 + 13);
  CHECK(both.u[0] == Approx(1. / 3).epsilon(1e-11));
}

TEST_CASE("what is out of phase, or makes no sense, is refused by its key") {
  const std::string depth = "[depth]\nmax = 10\n";
  const auto refused = [&](const std::string& keys, const std::string& message) {
    CAPTURE(keys);
    CAPTURE(refusal(keys + depth));
    CHECK(refusal(keys + depth).starts_with("e.toml: " + message));
  };
  CHECK(refusal(depth) == "solved");
  CHECK(refusal("[network]\nfamily = 'goe'\nradius = 0.9\n" + depth) == "solved");
  refused("[network]\nfamily = 'goe'\nscale = 0.5\n", "network.scale: outside the stable phase");
  CHECK(refusal("[network]\nfamily = 'goe'\nscale = 0.6\n" + depth).find("1/(1 + tau) = 0.5") != std::string::npos);
  CHECK(refusal("[network]\nactivation = 'relu'\nscale = 2\n" + depth).find("g = 1.41421356") != std::string::npos);
  refused("[network]\nradius = 0.9\nscale = 0.9\n", "network.radius: give the scale or");
  refused("[network]\ntau = 0.5\n", "network.tau: is read where family = elliptic");
  refused("[network]\nfamily = 'elliptic'\ntau = 1.5\n", "network.tau");
  refused("[network]\nkurtosis = 3\n", "network.kurtosis: is read where family = bi-invariant");
  refused("[network]\nfamily = 'bi-invariant'\nkurtosis = 100\nwidth = 40\n",
          "network.kurtosis: must be at most the width, 40");
  refused("[network]\nformula = 'u'\n", "network.formula: is read where activation = formula");
  refused("[network]\nactivation = 'formula'\n", "network.formula: is required");
  refused("[network]\nactivation = 'formula'\nformula = 'sin('\n", "network.formula");
  refused("[network]\nwidth = 10.5\n", "network.width: must be a whole number");
  refused("[network]\nwidth = 1\n[input]\ncorrelation = 0.5\n", "input.correlation: two inputs");
  refused("[input]\npower = 0\n", "input.power");
  refused("[monte_carlo]\nmax_iterations = 1.5\n", "monte_carlo.max_iterations: must be a whole");
  refused("[monte_carlo]\nestimator = 'trimmed-mean'\n", "monte_carlo.estimator: trimmed-mean leaves out");
  CHECK(refusal("[time]\nsteps = 3\n").find("depth") != std::string::npos);
  // Beyond the edge the findings name it, and nothing else.
  const auto findings = prepared("[network]\nscale = 3\nfamily = 'goe'\n" + depth)->stability();
  CHECK(findings.size() == 3);
  CHECK(std::get<double>(findings[2].value) == 0.5);
}

TEST_CASE("the fixed point is claimed where the width says anything of it") {
  const auto names = [](const std::string& keys) {
    std::string out;
    for (const models::Prediction& p : prepared(keys + "[depth]\nmax = 10\n")->predictions()) out += p.name + " ";
    return out;
  };
  CHECK(names("[network]\nscale = 0.5\n") == "equilibrium iteration_rate ");
  CHECK(names("[network]\nscale = 0.3\nfamily = 'goe'\n") == "equilibrium ");
  CHECK(names("[network]\nscale = 0.499999\nfamily = 'goe'\n").empty());
  CHECK(names("[network]\nscale = 1e60\nfamily = 'anti'\n").empty());
  CHECK(names("[network]\nscale = 2\n").empty());
  CHECK(names("[network]\nscale = 0.9\nactivation = 'tanh'\n") == "equilibrium iteration_rate ");
}

TEST_CASE("the theory's curves are whole at any depth, and claimed where they hold" * doctest::test_suite("slow")) {
  const auto problem = prepared(
      "[network]\nfamily = 'elliptic'\ntau = 0.5\nscale = 0.6\n[input]\npower = 3\ncorrelation = 0.5\n[depth]\nmax = "
      "1000000000\n");
  const models::Trajectory theory = problem->solve();
  for (const models::Column& column : theory.columns)
    for (const double value : column.value) CHECK(std::isfinite(value));
  CHECK(theory.find("length")->value.back() == Approx(theory.find("equilibrium_length")->value.back()).epsilon(1e-12));
  CHECK(theory.find("overlap")->value[3] == Approx(0.5 * theory.find("length")->value[3]));
  // With memory the nonlinear iteration is followed some way; beyond, it is the fixed point.
  const auto nonlinear = [](const std::string& scale, const std::string& most) {
    return prepared("[network]\nactivation = 'tanh'\nfamily = 'goe'\nscale = " + scale +
                    "\n[input]\ncorrelation = 0.5\n[depth]\nmax = " + most + "\n")
        ->solve();
  };
  const models::Trajectory shallow = nonlinear("0.6", "8"), deep = nonlinear("0.6", "100"),
                           slow = nonlinear("1.06", "60");
  CHECK(shallow.find("residual")->value.front() == shallow.find("length")->value[1]);
  CHECK(shallow.find("overlap")->value.back() > 0);
  CHECK(shallow.warnings.empty());
  CHECK(deep.find("length")->value.front() == 0);
  CHECK(deep.find("length")->value.back() == deep.find("equilibrium_length")->value.back());
  CHECK(deep.find("overlap")->value.back() == deep.find("equilibrium_overlap")->value.back());
  CHECK(deep.find("length")->valid_from == 0);
  // Deeper residuals are not known.
  CHECK(deep.find("residual") == nullptr);
  CHECK(deep.warnings[0].ends_with("beyond which its residual is not known and left out; ask for depths up to 48"));
  CHECK(nonlinear("0.6", "48").find("residual")->value.size() > 40);
  CHECK(slow.find("length")->valid_from > 60);
  CHECK(slow.find("overlap") == nullptr);
  CHECK(slow.warnings[0].starts_with("with memory, the iteration is followed to depth 48"));
  // Where the plain iteration diverges it is followed all the same.
  const auto diverging =
      prepared("[network]\nactivation = 'tanh'\nfamily = 'anti'\nscale = 1.5\n[depth]\nmax = 4\n")->solve();
  CHECK(diverging.find("residual")->value.back() > diverging.find("residual")->value[1] / 2);
}

TEST_CASE("residuals of exact curves are known to the rounding of drawn states") {
  const auto problem =
      prepared("[network]\nfamily = 'haar'\nwidth = 100\n[input]\npower = 7\n[depth]\nat = [20, 60]\n");
  const models::Trajectory theory = problem->solve();
  const models::Column* residual = theory.find("residual");
  CHECK(theory.exact);
  CHECK(residual->value.back() < 1e-35);
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  replica->advance(20);
  CHECK(observed(*simulation, *replica).at("residual") == Approx(residual->value[1]).epsilon(1e-6));
  CHECK(residual->rounding < 1e-10 * residual->value[1]);
  replica->advance(60);
  CHECK(std::abs(observed(*simulation, *replica).at("residual") - residual->value.back()) < residual->rounding);
}

TEST_CASE("draws without a fixed point are counted and left out, the others go on") {
  // Beyond the antisymmetric iteration's edge, undamped: some draws of width 6 come to rest in 400 iterations, some do not.
  EquilibriumProblem p = problem_of(family_of(FamilyKind::anti, 0, 2), 0.75, "tanh", 6);
  p.damping = 1;
  p.max_iterations = 400;
  p.draws = 20;
  const auto values = [](const EquilibriumProblem& problem, std::uint64_t index) {
    const auto simulation =
        prepared(
            "[network]\nfamily = 'anti'\nactivation = 'tanh'\nscale = 0.75\nwidth = 6\n[depth]\n"
            "max = 1\n[monte_carlo]\ndamping = 1\nmax_iterations = " +
            std::to_string(problem.max_iterations) + "\ndraws = " + std::to_string(problem.draws) + "\n")
            ->simulate();
    return observed(*simulation, *simulation->replica(9, index));
  };
  const auto many = values(p, 2);
  // Draw by draw, by the solver itself.
  double sum = 0, solved = 0;
  for (std::uint64_t d = 0; d < p.draws; ++d) {
    const linear_algebra::Matrix w = draw(p.family, p.width, p.g, 9, 2, d);
    std::vector<double> h(p.width);
    random::Stream stream(9, 2, d, random::Purpose::data);
    stream.normals(h);
    double square = 0;
    for (const double x : h) square += x * x;
    for (double& x : h) x *= std::sqrt(6 / square);
    const SolvedState state = solve_state(p, w, h);
    if (!state.solved) continue;
    ++solved;
    for (const double u : state.u) sum += std::pow(std::tanh(u), 2) / 6;
  }
  REQUIRE(solved > 0);
  REQUIRE(solved < 20);
  CHECK(many.at("failed_draws") == Approx(1 - solved / 20));
  CHECK(many.at("equilibrium_length") == Approx(sum / solved).epsilon(1e-9));
  // With one draw a replica, every replica has a number, and the share of failures is the same to 4 standard errors
  // (false alarm 1e-4).
  p.draws = 1;
  double failed = 0;
  for (std::uint64_t r = 0; r < 100; ++r) {
    const auto one = values(p, r);
    CHECK(std::isfinite(one.at("equilibrium_length")));
    failed += one.at("failed_draws") / 100;
  }
  CHECK(std::abs(failed - many.at("failed_draws")) < 4 * std::sqrt(0.25 / 100 + 0.25 / 20));
  // Where nothing ever comes to rest there is none.
  p.max_iterations = 1;
  CHECK(std::isinf(values(p, 0).at("equilibrium_length")));
  CHECK(values(p, 0).at("failed_draws") == 1);
}

TEST_CASE("depth beyond rest, or in a cycle, costs nothing and changes nothing") {
  // Symmetric weights beyond their edge come to a cycle of two, or to rest.
  for (const double g : {0.3, 3.0}) {
    EquilibriumProblem p = problem_of(family_of(FamilyKind::goe, 0, 2), g, "tanh", 4);
    p.correlation = 0.3;
    const auto simulation = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
    for (std::uint64_t r = 0; r < 4; ++r)
      for (const std::uint64_t odd : {0, 1}) {
        const auto far = simulation->replica(2, r), step_by_step = simulation->replica(2, r);
        far->advance(4'000'000'000 + odd);
        for (std::uint64_t k = 0; k <= 60'000 + odd; ++k) step_by_step->advance(k);
        const auto a = observed(*simulation, *far), b = observed(*simulation, *step_by_step);
        CHECK(a.at("length") == Approx(b.at("length")).epsilon(1e-12));
        CHECK(a.at("overlap") == Approx(b.at("overlap")).epsilon(1e-12));
        CHECK(std::abs(a.at("residual") - b.at("residual")) <= 1e-12 * b.at("length"));
      }
  }
}

TEST_CASE("depths one after the other in a cycle of any length are those of a run of its own") {
  // Saturated states are corners of a cube, which any map carries round sooner or later.
  bool odd = false;
  EquilibriumProblem p = problem_of(family_of(FamilyKind::elliptic, 0, 2), 1000, "hard-tanh", 5);
  p.correlation = 0.3;
  const auto simulation = simulate_equilibria(std::make_shared<const EquilibriumProblem>(p));
  for (std::uint64_t r = 0; r < 12; ++r) {
    CAPTURE(r);
    const auto pieces = simulation->replica(5, r), steps = simulation->replica(5, r);
    std::vector<std::map<std::string, double>> at;
    for (std::uint64_t k = 0; k <= 1300; ++k) {
      steps->advance(k);
      at.push_back(observed(*simulation, *steps));
    }
    for (const std::uint64_t depth : {0, 1, 2, 100, 101, 103, 257, 700, 701, 1203, 1300}) {
      CAPTURE(depth);
      pieces->advance(depth);
      const auto here = observed(*simulation, *pieces);
      for (const char* name : {"length", "residual", "overlap"}) {
        CAPTURE(name);
        CHECK(here.at(name) == at[depth].at(name));
      }
    }
    const auto same = [&](std::size_t k, std::size_t l) {
      return at[k].at("overlap") == at[l].at("overlap") && at[k].at("residual") == at[l].at("residual");
    };
    odd = odd || (same(1000, 1003) && !same(1000, 1001)) || (same(1000, 1005) && !same(1000, 1001)) ||
          (same(1000, 1006) && !same(1000, 1002));
  }
  CHECK(odd);
}

TEST_CASE("overlaps that vanish by symmetry are 0 in theory, with memory and without") {
  for (const char* family : {"iid", "goe"}) {
    const auto theory = prepared(std::string("[network]\nactivation = 'tanh'\nscale = 0.5\nfamily = '") + family +
                                 "'\n[input]\ncorrelation = 0\n[depth]\nmax = 6\n")
                            ->solve();
    for (const char* name : {"overlap", "equilibrium_overlap"})
      for (const double x : theory.find(name)->value) CHECK(x == 0);
  }
}

TEST_CASE("curves are claimed where the width allows, and no deeper") {
  const auto until = [](const char* network) {
    return prepared(std::string("[network]\n") + network + "\n[depth]\nat = [1, 5, 9, 30]\n")->solve().valid_until;
  };
  CHECK(until("width = 80\nactivation = 'tanh'") == 8);
  CHECK(until("width = 80") == 8);
  CHECK(until("width = 900") == std::nullopt);
  CHECK(until("width = 19\nactivation = 'tanh'") == 0);
  CHECK(until("width = 19") == 4);
  // Of nonlinear ones where the verdict is told what error of the limit is accepted.
  const auto judged_until = [](const std::string& keys) {
    return prepared("[depth]\nat = [1, 5]\n" + keys)->reference().valid_until;
  };
  CHECK(judged_until("[network]\nactivation = 'tanh'\nfamily = 'goe'") == 0);
  CHECK(judged_until("[network]\nactivation = 'tanh'\nwidth = 50") == 0);
  // At scale 1/2 the kurtosis is 1.28: 4 (1.28/n)^2 < .001 from 81 on. Lengths alone are then known to 1/n, along depth too.
  const auto claimed = [](const std::string& keys) {
    const models::Trajectory out =
        prepared("[depth]\nat = [1, 5]\n[network]\nactivation = 'tanh'\n" + keys)->reference();
    std::string names;
    if (out.valid_until == 0) return names;
    for (const models::Column& column : out.columns)
      if (column.valid_from == 0) names += column.observable.name + " ";
    return names;
  };
  CHECK(claimed("width = 85\n[input]\ncorrelation = 0.5") == "length equilibrium_length ");
  CHECK(claimed("width = 65").empty());
  // u of deviation 1e6: one unit in a million is not saturated.
  CHECK(claimed("width = 1000\n[input]\npower = 1e12").empty());
  CHECK(claimed("width = 85\n[monte_carlo]\ndraws = 11\nestimator = 'median'").empty());
  CHECK(judged_until("[network]\nactivation = 'tanh'\n[verdict]\nallowed = 0.02") == std::nullopt);
  // The theory's fixed point is a mean, whatever error is accepted.
  CHECK(claimed("width = 85\n[verdict]\nallowed = 0.02") == "length residual equilibrium_length length_std ");
  CHECK(claimed("width = 85\n[verdict]\nallowed = 0.02\n[monte_carlo]\ndraws = 11\nestimator = 'median'") ==
        "length residual length_std ");
  CHECK(judged_until("[network]\nactivation = 'linear'") == std::nullopt);
  // |W^k h|^2 = g^2k |h|^2 in every draw.
  CHECK(until("width = 5\nfamily = 'haar'") == std::nullopt);
}
