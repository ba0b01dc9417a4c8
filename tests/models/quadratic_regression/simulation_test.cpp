// The simulation of quadratic regression: observables against their definitions, batches, replay, divergence, memory.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/framework/perturbed.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Transposed;
using models::quadratic_regression::QuadraticProblem;
using models::quadratic_regression::TensorStorage;

namespace {

QuadraticProblem problem_of(std::size_t outputs, std::size_t parameters, double curvature, double eta,
                            std::size_t batch) {
  QuadraticProblem p;
  p.law.outputs = outputs;
  p.law.parameters = parameters;
  p.law.curvature = curvature;
  p.rule.learning_rate = eta;
  p.batch = batch;
  p.replicas = 4;
  return p;
}

std::unique_ptr<models::Simulation> simulate(const QuadraticProblem& p) {
  return models::quadratic_regression::simulate_quadratic(std::make_shared<const QuadraticProblem>(p));
}

std::vector<double> observed(const models::Simulation& simulation, const models::Replica& replica) {
  std::vector<double> out(simulation.observables().size());
  replica.observe(out);
  return out;
}

std::vector<double> run(const QuadraticProblem& p, std::uint64_t steps, std::uint64_t seed = 1,
                        std::uint64_t index = 0) {
  const auto simulation = simulate(p);
  const auto replica = simulation->replica(seed, index);
  replica->advance(steps);
  return observed(*simulation, *replica);
}

std::string refusal(const QuadraticProblem& p, double available) {
  try {
    models::quadratic_regression::plan_tensors(p, available);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("observables are what they are called") {
  QuadraticProblem p = problem_of(30, 50, 2, 0.2, 6);
  p.kernel_norms = models::quadratic_regression::KernelNorms::exact;
  const auto simulation = simulate(p);
  const auto replica = simulation->replica(3, 1);
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(p.law, 3, 1, models::ingredients::CurvatureTensor::Storage::stored);
  models::quadratic_regression::QuadraticState state(x);
  models::quadratic_regression::RowMasks masks(30, 6, 3, 1);
  std::uint64_t step = 0;
  for (const std::uint64_t target : {0u, 7u, 40u}) {
    for (; step < target; ++step) state.step(p.rule, masks.rows(step));
    replica->advance(target);
    const std::vector<double> out = observed(*simulation, *replica);
    const auto& j = state.jacobian();
    const linear_algebra::SymmetricEigen kernel =
        linear_algebra::symmetric_eigen(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
    double trace = 0, power = 0;
    for (const double lambda : kernel.values) trace += lambda;
    for (const double theta : state.theta()) power += theta * theta;
    CHECK(out[0] == Approx(state.loss() / 30).epsilon(1e-14));
    CHECK(out[1] == Approx(power / 50).epsilon(1e-13));
    CHECK(out[2] == Approx(trace / 30).epsilon(1e-12));
    CHECK(out[3] == Approx(kernel.values.back()).epsilon(1e-12));
    CHECK(out[4] == Approx(0.2 * kernel.values.back()).epsilon(1e-12));
    CHECK(out[5] == Approx(models::ingredients::annealed_kernel_norm(kernel.values, 0.2, 6)).epsilon(1e-12));
    CHECK(out[6] == Approx(models::ingredients::exact_kernel_norm(kernel, 0.2, 6)).epsilon(1e-12));
  }
}

TEST_CASE("the tracked eigenvalue is that of a full decomposition, at full batch and for SAM") {
  for (const double rho : {0.0, 0.1}) {
    QuadraticProblem p = problem_of(30, 50, 2, 0.2, 30);
    p.rule.rho = rho;
    const auto simulation = simulate(p);
    const auto replica = simulation->replica(1, 2);
    const models::ingredients::QuadraticInstance x =
        models::ingredients::draw_instance(p.law, 1, 2, models::ingredients::CurvatureTensor::Storage::stored);
    models::quadratic_regression::QuadraticState state(x);
    for (std::uint64_t t = 0; t <= 200; t += 10) {
      replica->advance(t);
      if (t > 0)
        for (int k = 0; k < 10; ++k) state.step(p.rule);
      const auto& j = state.jacobian();
      const double lambda =
          linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes)).back();
      const std::vector<double> out = observed(*simulation, *replica);
      CHECK(out[3] == Approx(lambda).epsilon(1e-9));
      if (rho > 0) CHECK(out[5] == Approx(0.2 * lambda * (1 + rho * lambda)).epsilon(1e-9));
    }
  }
}

TEST_CASE("batches hold B distinct rows, every pair equally often (scores below 5: p < 1e-6 each, Bonferroni 1e-4)") {
  const std::size_t d = 7, batch = 3, steps = 20000;
  models::quadratic_regression::RowMasks masks(d, batch, 5, 0);
  std::vector<double> count(d * d, 0.0);
  for (std::uint64_t t = 0; t < steps; ++t) {
    const auto rows = masks.rows(t);
    REQUIRE(std::set<std::size_t>(rows.begin(), rows.end()).size() == batch);
    for (const std::size_t a : rows)
      for (const std::size_t b : rows) count[a * d + b] += 1;
  }
  const double n = steps, single = 3.0 / 7, pair = single * 2.0 / 6;
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b < d; ++b) {
      const double q = a == b ? single : pair;
      CHECK(std::abs(count[a * d + b] - n * q) < 5 * std::sqrt(n * q * (1 - q)));
    }
  CHECK(models::quadratic_regression::RowMasks(7, 7, 5, 0).rows(3).empty());
  models::quadratic_regression::RowMasks again(d, batch, 5, 0), other(d, batch, 5, 1);
  masks.rows(12);
  const auto first = again.rows(12), rows = masks.rows(12), others = other.rows(13);
  CHECK(std::ranges::equal(first, rows));
  CHECK_FALSE(std::ranges::equal(first, others));
}

TEST_CASE("a replica's bits do not depend on how it is advanced or how the tensor is held") {
  QuadraticProblem p = problem_of(20, 30, 3, 0.3, 5);
  const std::vector<double> whole = run(p, 50);
  const auto simulation = simulate(p);
  const auto replica = simulation->replica(1, 0);
  for (std::uint64_t t = 0; t <= 50; ++t) replica->advance(t);
  CHECK(observed(*simulation, *replica) == whole);
  p.tensor = TensorStorage::streamed;
  CHECK(run(p, 50) == whole);
  CHECK(run(p, 50, 2) != whole);
  CHECK(run(p, 50, 1, 1) != whole);
}

TEST_CASE("a shared instance: same start, other batches") {
  QuadraticProblem p = problem_of(20, 30, 3, 0.3, 5);
  p.shared_instance = true;
  CHECK(run(p, 0) == run(p, 0, 1, 3));
  CHECK(run(p, 20) != run(p, 20, 1, 3));
  CHECK(run(p, 20) == [&] {
    QuadraticProblem own = p;
    own.shared_instance = false;
    return run(own, 20);
  }());
  CHECK(simulate(p)->warnings().empty());
  p.batch = 20;
  CHECK(run(p, 20) == run(p, 20, 1, 3));
  CHECK(holds(simulate(p)->warnings().at(0), "every replica is the same run"));
}

TEST_CASE("replicas of a group have the bits that they have alone, also where others of it diverge") {
  QuadraticProblem p = problem_of(20, 40, 4, 0.72, 4);
  p.shared_instance = true;
  p.replicas = 40;
  p.threads = 2;
  for (const bool antithetic : {false, true})
    for (const bool streamed : {false, true})
      for (const double rho : {0.0, 0.02}) {
        p.antithetic = antithetic;
        p.tensor = streamed ? TensorStorage::streamed : TensorStorage::stored;
        p.rule.rho = rho;
        const auto simulation = simulate(p);
        const std::size_t size = simulation->group_size();
        REQUIRE(size == 8);
        const auto group = simulation->group(1, 16, size);
        std::size_t diverged = 0;
        for (const std::uint64_t target : {3u, 150u}) {
          group->advance(target);
          for (std::size_t r = 0; r < size; ++r) {
            const auto replica = simulation->replica(1, 16 + r);
            replica->advance(target);
            std::vector<double> out(simulation->observables().size());
            group->observe(r, out);
            CHECK(out == observed(*simulation, *replica));
            if (!std::isfinite(out[0])) ++diverged;
          }
        }
        CAPTURE(diverged);
        if (!antithetic && rho == 0) CHECK((diverged > 0 && diverged < size));
      }
  p.threads = 30;
  CHECK(simulate(p)->group_size() == 1);
  CHECK_THROWS_AS(simulate(p)->group(1, 0, 2), std::invalid_argument);
  p.threads = 1;
  p.shared_instance = false;
  CHECK(simulate(p)->group_size() == 1);
}

TEST_CASE("weight noise, by its own numbers: those of steps at even places, those of the record at odd ones") {
  QuadraticProblem p = problem_of(6, 9, 3, 0.1, 4);
  p.rule.kind = models::quadratic_regression::StepKind::weight_noise;
  p.rule.deviation = 0.3;
  p.traces = true;
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(p.law, 3, 1, models::ingredients::CurvatureTensor::Storage::stored);
  models::quadratic_regression::QuadraticState state(x);
  random::Stream noise(3, 1, 0, random::Purpose::other), batches(3, 1, 0, random::Purpose::batch);
  std::vector<double> xi(9);
  for (std::uint64_t step = 0; step < 5; ++step) {
    // The first 4 of an order drawn swap by swap.
    std::vector<std::size_t> order{0, 1, 2, 3, 4, 5};
    batches.seek(step);
    for (std::size_t k = 0; k < 4; ++k) std::swap(order[k], order[k + batches.below(6 - k)]);
    noise.seek(2 * step);
    noise.normals(xi);
    state.step(p.rule, std::span(order).first(4), xi);
  }
  const auto simulation = simulate(p);
  const std::vector<double> seen = run(p, 5, 3, 1);
  const auto& names = simulation->observables();
  CHECK(seen[0] == Approx(state.loss() / 6).epsilon(1e-13));
  REQUIRE(names.back().name == "loss_at_noise");
  noise.seek(2 * 5 + 1);
  noise.normals(xi);
  for (double& entry : xi) entry *= 0.3;
  models::quadratic_regression::QuadraticState moved(x);
  moved.displace(state.theta());
  moved.displace(xi);
  CHECK(seen.back() == Approx(moved.loss() / 6).epsilon(1e-12));
  // z0'z/|z0|^2.
  double overlap = 0, square = 0;
  for (std::size_t a = 0; a < 6; ++a) {
    overlap += x.z0[a] * state.residual()[a];
    square += x.z0[a] * x.z0[a];
  }
  const auto at = std::ranges::find(names, std::string("residual_overlap"), &models::Observable::name) - names.begin();
  CHECK(seen[static_cast<std::size_t>(at)] == Approx(overlap / square).epsilon(1e-12));
}

TEST_CASE("replicas on one instance step together, up to 8 and a group for every thread; others alone") {
  QuadraticProblem p = problem_of(6, 9, 3, 0.1, 6);
  p.threads = 4;
  const auto size = [&](std::uint64_t replicas) {
    p.replicas = replicas;
    return simulate(p)->group_size();
  };
  CHECK(size(64) == 1);
  p.shared_instance = true;
  CHECK(size(64) == 8);
  CHECK(size(28) == 7);
  CHECK(size(27) == 6);
  CHECK(size(3) == 1);
  CHECK_THROWS_AS(simulate(p)->group(1, 0, 2), std::invalid_argument);
}

TEST_CASE("what all replicas would repeat is warned of") {
  const auto same = [](const QuadraticProblem& p) {
    for (const std::string& warning : simulate(p)->warnings())
      if (warning.find("every replica is the same run") != std::string::npos) return true;
    return false;
  };
  QuadraticProblem p = problem_of(6, 9, 3, 0.1, 6);
  CHECK(!same(p));
  p.shared_instance = true;
  CHECK(same(p));
  p.replicas = 1;
  CHECK(!same(p));
  p.replicas = 2;
  CHECK(same(p));
  p.batch = 5;
  CHECK(!same(p));
  p.batch = 6;
  p.rule.deviation = 0.2;
  p.rule.kind = models::quadratic_regression::StepKind::trace;
  CHECK(same(p));
  p.rule.kind = models::quadratic_regression::StepKind::weight_noise;
  CHECK(!same(p));
}

TEST_CASE("a run that leaves is infinite from then on") {
  const QuadraticProblem p = problem_of(20, 40, 4, 0.9, 20);
  const auto simulation = simulate(p);
  const auto replica = simulation->replica(1, 0);
  std::vector<double> out = observed(*simulation, *replica);
  CHECK(std::isfinite(out[0]));
  replica->advance(500);
  out = observed(*simulation, *replica);
  for (const double x : out) CHECK(x == std::numeric_limits<double>::infinity());
  replica->advance(501);
  CHECK(observed(*simulation, *replica) == out);
}

TEST_CASE("a run has left where its loss is a million times that at the start") {
  QuadraticProblem p = problem_of(10, 20, 0, 1, 10);
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(p.law, 1, 0, models::ingredients::CurvatureTensor::Storage::stored);
  // The top mode is multiplied by -1.01 a step.
  p.rule.learning_rate =
      2.01 / linear_algebra::symmetric_eigenvalues(linear_algebra::product(x.j0, x.j0, Transposed::no, Transposed::yes))
                 .back();
  models::quadratic_regression::QuadraticState state(x);
  const double first = state.loss();
  std::uint64_t last = 0;  // within it
  double ratio = 1;
  for (; ratio <= 1e6; ++last) {
    state.step(p.rule);
    ratio = state.loss() / first;
  }
  --last;
  CHECK(ratio < 1.03e6);
  CHECK(std::isfinite(run(p, last)[0]));
  CHECK(std::isinf(run(p, last + 1)[0]));
}

TEST_CASE("the schedule of the learning rate") {
  struct Halves final : models::ingredients::Schedule {
    double at(double t) const override { return t < 3 ? 1.0 : 0.5; }
  };
  QuadraticProblem p = problem_of(10, 20, 2, 0.2, 10);
  p.schedule = std::make_shared<Halves>();
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(p.law, 1, 0, models::ingredients::CurvatureTensor::Storage::stored);
  models::quadratic_regression::QuadraticState state(x);
  for (int t = 0; t < 3; ++t) state.step({0.2});
  for (int t = 0; t < 3; ++t) state.step({0.1});
  const std::vector<double> out = run(p, 6);
  CHECK(out[0] == Approx(state.loss() / 10).epsilon(1e-14));
  CHECK(out[4] == Approx(0.1 * out[3]).epsilon(1e-14));
}

TEST_CASE("a perturbed run starts at that theta, on Q and on -Q") {
  QuadraticProblem p = problem_of(6, 9, 30, 0.2, 6);
  p.perturbation = 1;
  const std::vector<double> off = models::perturbation(9, 1, 3);
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(p.law, 3, 1, models::ingredients::CurvatureTensor::Storage::stored);
  double here = 0, there[] = {0, 0};
  for (std::size_t a = 0; a < 6; ++a) {
    double along = 0, bent = 0;
    for (std::size_t i = 0; i < 9; ++i) {
      along += x.j0(a, i) * off[i];
      for (std::size_t j = 0; j < 9; ++j) bent += 0.5 * x.curvature.at(a, i, j) * off[i] * off[j];
    }
    here += x.z0[a] * x.z0[a];
    there[0] += std::pow(x.z0[a] + along + bent, 2);
    there[1] += std::pow(x.z0[a] + along - bent, 2);
  }
  const double pair = 0.5 * (there[0] + there[1]);
  CHECK(std::abs(pair / there[0] - 1) > 0.02);
  CHECK(run(p, 0, 3, 1).back() == Approx(std::abs(here - there[0]) / std::max(here, there[0])).epsilon(1e-12));
  p.antithetic = true;
  CHECK(run(p, 0, 3, 1).back() == Approx(std::abs(here - pair) / std::max(here, pair)).epsilon(1e-12));
}

TEST_CASE("memory is planned, stated and refused before it is taken") {
  QuadraticProblem p = problem_of(100, 200, 2, 0.2, 10);
  p.threads = 3;
  p.replicas = 8;
  const double one =
      models::ingredients::CurvatureTensor::bytes(100, 200, models::ingredients::CurvatureTensor::Storage::stored);
  models::quadratic_regression::TensorPlan plan = models::quadratic_regression::plan_tensors(p, 1e12);
  CHECK(plan.at_a_time == 3);
  CHECK(plan.bytes == one);
  CHECK(plan.text() == "tensor stored: 15.9 MiB for each of 3 replicas at a time");
  plan = models::quadratic_regression::plan_tensors(p, 3.5 * one);  // 80% of it is too little for three
  CHECK(plan.storage == models::ingredients::CurvatureTensor::Storage::streamed);
  CHECK(plan.text() == "tensor streamed: 1.22 MiB for each of 3 replicas at a time");
  p.memory_limit = 3.1 * one;
  CHECK(models::quadratic_regression::plan_tensors(p, 0).storage ==
        models::ingredients::CurvatureTensor::Storage::stored);
  p.memory_limit = 2.9 * one;
  p.tensor = TensorStorage::stored;
  CHECK(holds(refusal(p, 1e12),
              "needs 15.9 MiB for each of 3 replicas at a time, more than the 46 MiB allowed "
              "(memory_limit)"));
  p.memory_limit = 0;
  CHECK(holds(refusal(p, 2 * one), "80% of what is available"));
  p.replicas = 1;
  CHECK(refusal(p, one / 0.79) == "no error");
  CHECK(holds(refusal(p, one / 0.81), "80% of what is available"));
  p.replicas = 8;
  p.shared_instance = true;
  CHECK(models::quadratic_regression::plan_tensors(p, 2 * one).text() == "tensor stored: 15.9 MiB in all");
  p.perturbation = 1e-9;  // the second run has its own tensor
  CHECK(models::quadratic_regression::plan_tensors(p, 2.6 * one).text() == "tensor stored: 31.7 MiB in all");
  CHECK(holds(refusal(p, 2.4 * one), "needs 31.7 MiB in all"));
  p.perturbation = 0;
  p.law.outputs = p.law.parameters = 1000000;
  CHECK(holds(refusal(p, 1e12), "GiB in all"));
  p.tensor = TensorStorage::automatic;
  CHECK(models::quadratic_regression::plan_tensors(p, 1e12).storage ==
        models::ingredients::CurvatureTensor::Storage::streamed);
  QuadraticProblem small = problem_of(10, 20, 2, 0.2, 10);
  small.memory_limit = 10;
  CHECK(holds(simulate(small)->warnings().at(0), "do not fit in memory"));
  small.perturbation = 1e-9;
  CHECK(holds(simulate(small)->warnings().at(0), "do not fit in memory"));
  CHECK(holds(simulate(small)->announcement(), "tensor streamed"));
}
