// Experiments of model quadratic-regression from text to results, findings, and every bad input.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/framework/perturbed.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/memory.hpp"
#include "models/quadratic_regression/phase_boundaries.hpp"
#include "models/quadratic_regression/simulation.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/ingredients/central_flow_at_rest.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::error_of;
using models::testing::holds;
using models::testing::label;
using models::testing::prepare;
using models::testing::report;

namespace {

const std::string sizes = "outputs = 40\nparameters = 80\ncurvature = 4\n";

std::string experiment(const std::string& optimizer, const std::string& data = sizes, const std::string& more = "") {
  return "model = 'quadratic-regression'\n[data]\n" + data + "[optimizer]\n" + optimizer +
         "\n[time]\nat = [1, 2, 5, 10, 20, 40]\n" + more;
}

const std::string instance_f =
    "ensemble = 'given'\nz0 = [1, -2]\nJ0 = [[1, 0, 1], [0, 2, -1]]\n"
    "Q = [[1, 2, 0], [2, 0, -1], [0, -1, 1], [0, 1, 1], [1, -1, 0], [1, 0, 2]]\n";

double number(const std::vector<models::Finding>& findings, const std::string& name) {
  for (const auto& f : findings)
    if (f.name == name) return std::get<double>(f.value);
  return std::nan("");
}

}  // namespace

TEST_CASE("the theory's columns are the limit's, at the recorded steps") {
  const auto problem = prepare(experiment("learning_rate = 0.2"));
  const models::Trajectory t = problem->solve();
  CHECK(t.steps == std::vector<double>{0, 1, 2, 5, 10, 20, 40});
  CHECK(t.find("loss")->value[3] == Approx(0.0793079012).epsilon(1e-9));
  CHECK(t.find("parameter_power")->value[6] == Approx(0.3994394608).epsilon(1e-9));
  CHECK(t.find("ntk_mean")->value[6] == Approx(1 + 4 * 0.3994394608).epsilon(1e-9));
  const double edge = std::pow(1 + std::sqrt(0.5), 2);
  CHECK(t.find("ntk_max")->value[6] == Approx((1 + 4 * 0.3994394608) * edge).epsilon(1e-9));
  CHECK(t.find("eta_lambda_max")->value[6] == Approx(0.2 * (1 + 4 * 0.3994394608) * edge).epsilon(1e-9));
  CHECK_FALSE(t.exact);
  CHECK(t.labels ==
        std::vector<std::pair<std::string, std::string>>{{"outcome", "not converged"}, {"post_eos", "never"}});
  CHECK(problem->reference().find("ntk_max") == nullptr);
  CHECK(problem->reference().find("loss") != nullptr);
}

TEST_CASE("the outcome is that the loss has fallen to a millionth of its start, or has not") {
  // Few outputs for many parameters: the kernel's least eigenvalue is far from 0, and the loss falls exponentially.
  std::vector<std::string> seen;
  for (const int steps : {5, 20, 80}) {
    CAPTURE(steps);
    const models::Trajectory t =
        prepare(
            "model = 'quadratic-regression'\n[data]\noutputs = 10\nparameters = 160\ncurvature = 0.1\n"
            "[optimizer]\nlearning_rate = 0.4\n[time]\nsteps = " +
            std::to_string(steps))
            ->solve();
    const std::vector<double>& loss = t.find("loss")->value;
    REQUIRE(t.labels.at(0).first == "outcome");
    CHECK(t.labels[0].second == (loss.back() < 1e-6 * loss.front() ? "converged" : "not converged"));
    seen.push_back(t.labels[0].second);
  }
  CHECK(seen.front() == "not converged");
  CHECK(seen.back() == "converged");
}

TEST_CASE("beyond the edge the theory says so, and its claim ends before it") {
  const auto problem = prepare(experiment("learning_rate = 0.3"));
  const models::Trajectory t = problem->solve();
  CHECK(t.labels[1].first == "post_eos");
  const double from = std::stod(t.labels[1].second);
  CHECK(from > 5);
  CHECK(from < 40);
  CHECK(holds(t.warnings.at(0), "post_eos: eta lambda_+ exceeds 2 from step"));
  CHECK(t.steps.back() == 40);
  const models::Trajectory compared = problem->reference();
  CHECK(compared.steps.back() == 40);
  REQUIRE(compared.valid_until);
  CHECK(*compared.valid_until == from - 1);
  CHECK_FALSE(prepare(experiment("learning_rate = 0.2"))->solve().valid_until);
}

TEST_CASE("a start that all replicas share is said to depart from the limit") {
  for (const std::string key : {"shared_initial", "shared_instance"}) {
    const auto t = prepare(experiment("learning_rate = 0.2", sizes + key + " = true\n"))->solve();
    REQUIRE(t.warnings.size() == 1);
    CHECK(holds(t.warnings[0], "all replicas have one start"));
  }
  CHECK(prepare(experiment("learning_rate = 0.2"))->solve().warnings.empty());
}

TEST_CASE("divergence of the limit, and a schedule") {
  const models::Trajectory t = prepare(experiment("learning_rate = 0.8"))->solve();
  REQUIRE(t.diverged_at);
  CHECK(t.steps.back() < *t.diverged_at);
  CHECK(t.labels[0].second == "diverged");
  const auto constant = prepare(experiment("learning_rate = 0.2"))->solve();
  const auto cosine =
      prepare(experiment("learning_rate = 0.2", sizes, "[schedule]\nkind = 'cosine'\nfloor = 0.1"))->solve();
  CHECK(cosine.find("loss")->value[6] > 2 * constant.find("loss")->value[6]);
  CHECK(cosine.find("loss")->value[1] == Approx(constant.find("loss")->value[1]).epsilon(1e-12));
}

TEST_CASE("gradient flow is the limit of small rates; early time its beginning") {
  const auto flow = prepare(experiment("learning_rate = 0.01", sizes, "[theory]\nmethod = 'flow'"))->solve();
  const auto memory = prepare(experiment("learning_rate = 0.01"))->solve();
  CHECK(flow.find("loss")->value[6] == Approx(memory.find("loss")->value[6]).epsilon(0.02));
  CHECK(flow.find("loss")->value[6] != memory.find("loss")->value[6]);
  // What it states of its own error is the solver's, which memory_test.cpp holds against finer recursions.
  models::quadratic_regression::QuadraticEnsemble ensemble;
  ensemble.delta = 0.5;
  ensemble.kappa = 4;
  std::vector<double> time;
  for (const double t : flow.steps) time.push_back(0.01 * t);
  const auto solver = models::quadratic_regression::solve_quadratic_flow(ensemble, time);
  CHECK(report(flow, "loss_error") == Approx(solver.loss_error));
  CHECK(report(flow, "parameter_power_error") == Approx(solver.q_error));
  CHECK(report(flow, "parameter_power_error") < 1e-8);
  CHECK(report(flow, "recursion_steps") == static_cast<double>(solver.steps));
  const auto early = prepare(experiment("learning_rate = 0.01", sizes, "[theory]\nmethod = 'early-time'"))->solve();
  const double grown = memory.find("ntk_mean")->value[4] - 1;
  // A guard: the expansion leaves out the next power of time; its coefficients are met exactly elsewhere.
  CHECK(early.find("ntk_mean")->value[4] - 1 == Approx(grown).epsilon(0.2));
  CHECK(early.find("loss") == nullptr);
  CHECK(early.labels.at(0).first == "valid_until");
}

TEST_CASE("schedules and batches: the limit's rates step by step, and the flow's time as their sum") {
  using namespace models::quadratic_regression;
  // eta (1 - t/50) over 50 steps, of which 40 of 80 outputs each; D/P = 1/2, kappa = 4.
  const auto solve = [](const std::string& method, const std::string& rate, int batch) {
    return prepare(
               "model = 'quadratic-regression'\n[data]\noutputs = 80\nparameters = 160\ncurvature = 4\n[optimizer]\n"
               "kind = 'sgd'\nbatch = " +
               std::to_string(batch) + "\nlearning_rate = " + rate +
               "\n[schedule]\nkind = 'linear'\n[time]\nat = [0, 1, 7, 20, 50]\n[theory]\nmethod = '" + method + "'\n")
        ->solve();
  };
  const std::size_t at[] = {0, 1, 7, 20, 50};
  QuadraticMemoryProblem limit;
  limit.ensemble = {0.5, 4, 1, 1};
  limit.batch_fraction = 0.5;
  limit.steps = 50;
  limit.learning_rate.clear();
  std::vector<double> time{0};
  for (int t = 0; t < 50; ++t) {
    limit.learning_rate.push_back(0.2 * (1 - t / 50.));
    time.push_back(time.back() + 0.5 * limit.learning_rate.back());
  }
  std::vector<double> shown;
  for (const std::size_t t : at) shown.push_back(time[t]);
  const auto expected = solve_quadratic_memory(limit);
  const auto flow = solve_quadratic_flow(limit.ensemble, shown);
  const models::Trajectory memory = solve("memory", "0.2", 40), slow = solve("flow", "0.2", 40);
  for (std::size_t i = 0; i < 5; ++i) {
    const double eta = 0.2 * (1 - static_cast<double>(at[i]) / 50);
    CHECK(memory.find("loss")->value[i] == Approx(expected.loss[at[i]]).epsilon(1e-12));
    CHECK(memory.find("eta_lambda_max")->value[i] == Approx(eta * expected.bulk_edge[at[i]]).epsilon(1e-12));
    CHECK(slow.find("loss")->value[i] == Approx(flow.loss[i]).epsilon(1e-7));
    CHECK(slow.find("parameter_power")->value[i] == Approx(flow.q[i]).epsilon(1e-7));
    CHECK(slow.find("eta_lambda_max")->value[i] == Approx(eta * flow.bulk_edge[i]).epsilon(1e-7));
  }
  // Beyond the edge at full batch: the first of the steps that are shown where the rate there times lambda_+ exceeds 2.
  const models::Trajectory fast = solve("flow", "0.5", 80);
  const std::vector<double>& product = fast.find("eta_lambda_max")->value;
  std::size_t first = 0;
  while (first < 5 && product[first] <= 2) ++first;
  REQUIRE(first < 5);
  CHECK(product[4] < 2);
  CHECK(fast.labels.at(0) == std::pair<std::string, std::string>{"post_eos", std::to_string(at[first])});
  CHECK(fast.valid_until == static_cast<double>(at[first]) - 1);
  CHECK(solve("flow", "0.5", 79).labels.at(0).second == "never");
}

TEST_CASE("a given instance is simulated as it stands") {
  const auto problem = prepare(experiment("learning_rate = 0.05", instance_f));
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  replica->advance(5);
  std::vector<double> out(simulation->observables().size());
  replica->observe(out);
  CHECK(out[0] == Approx((0.4199995735 * 0.4199995735 + 0.3570580582 * 0.3570580582) / 4).epsilon(1e-9));
  CHECK(out[3] == Approx(6.7393540283).epsilon(1e-9));
  CHECK(holds(error_of(experiment("learning_rate = 0.05", instance_f), true), "has a simulation only"));
  CHECK_THROWS_AS(problem->mode_table(), settings::Error);
  CHECK(number(problem->stability(), "ntk_max") == Approx(5.30277564).epsilon(1e-8));
}

TEST_CASE("findings of stability") {
  const auto gd = prepare(experiment("learning_rate = 0.2"))->stability();
  const double lambda = number(gd, "ntk_max");
  CHECK(lambda > 2);
  CHECK(lambda < 3.3);
  CHECK(number(gd, "eta_max") == Approx(2 / lambda).epsilon(1e-12));
  CHECK(number(gd, "kernel_norm_exact") == 0);
  CHECK(number(gd, "bulk_edge") == Approx(std::pow(1 + std::sqrt(0.5), 2)).epsilon(1e-12));
  CHECK(number(gd, "eta_divergence") == Approx(0.4578).epsilon(0.01));  // kappa = 4, delta = .5
  CHECK(number(gd, "eta_eos") > 0.25);                                  // of twelve runs two cross at .25, ten at .30
  CHECK(number(gd, "eta_eos") < number(gd, "eta_edge"));
  CHECK(number(gd, "eta_edge") < 0.3);
  // The limit's largest eta lambda_+ within the effective time is 2 there.
  for (const double times : {0.98, 1.02}) {
    models::quadratic_regression::QuadraticMemoryProblem limit;
    limit.ensemble = {0.5, 4, 1, 1};
    const double eta = times * number(gd, "eta_eos");
    limit.learning_rate = {eta};
    limit.steps =
        static_cast<std::size_t>(models::quadratic_regression::QuadraticBoundaryOptions().effective_time / eta);
    const auto run = models::quadratic_regression::solve_quadratic_memory(limit);
    CHECK((eta * *std::ranges::max_element(run.bulk_edge) > 2) == (times > 1));
  }
  models::quadratic_regression::QuadraticBoundaryOptions options;
  options.most_steps = 300;
  options.kernels = 2;
  const models::quadratic_regression::QuadraticBoundaries boundaries({0.5, 4, 1, 1}, 40, 80, options);
  CHECK(number(gd, "eta_edge") == Approx(boundaries.edge(40)).epsilon(1e-6));
  const auto sgd = prepare(experiment("kind = 'sgd'\nlearning_rate = 0.2\nbatch = 1"))->stability();
  CHECK(number(sgd, "eta_edge") == Approx(boundaries.edge(1)).epsilon(1e-6));
  CHECK(number(sgd, "eta_divergence") == Approx(boundaries.divergence(1)).epsilon(1e-6));
  CHECK(number(sgd, "kernel_norm") < number(sgd, "kernel_norm_exact"));
  CHECK(number(sgd, "eta_max") < number(sgd, "eta_annealed"));
  CHECK(number(sgd, "eta_edge") > 0.6);  // the stochastic edge of the measured diagram, and its divergence
  CHECK(number(sgd, "eta_edge") < 0.75);
  CHECK(number(sgd, "eta_divergence") > 0.7);
  CHECK(number(sgd, "eta_divergence") < 1);
  const auto sam = prepare(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0.3"))->stability();
  CHECK(number(sam, "lambda_sam") == Approx(6.66666667).epsilon(1e-8));
  // rho = 0 is gradient descent, whose edge SAM's formula has as well.
  for (const char* normalised : {"true", "false"}) {
    const auto still =
        prepare(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0\nnormalised = " + std::string(normalised)));
    CHECK(number(still->stability(), "lambda_sam") == Approx(20).epsilon(1e-14));
    CHECK(number(still->stability(), "eta_max") == Approx(number(gd, "eta_max")).epsilon(1e-14));
    const auto predictions = still->predictions();
    const auto plateau = std::ranges::find(predictions, "sam_plateau", &models::Prediction::name);
    REQUIRE(plateau != predictions.end());
    CHECK(plateau->nominal == Approx(20).epsilon(1e-14));
  }
}

TEST_CASE("the flow is warned of where gradient descent meets its edge, as the limit with memory is") {
  const auto solve = [](const std::string& optimizer, const std::string& method) {
    return prepare(experiment(optimizer, sizes, "[theory]\nmethod = '" + method + "'\n"))->solve();
  };
  for (const char* method : {"memory", "flow"}) {
    const models::Trajectory edge = solve("learning_rate = 0.35", method), calm = solve("learning_rate = 0.1", method);
    REQUIRE(edge.valid_until);
    CHECK(*edge.valid_until < 40);
    CHECK(holds(edge.warnings.at(0), "post_eos: eta lambda_+ exceeds 2 from step"));
    CHECK_FALSE(calm.valid_until);
    CHECK(calm.warnings.empty());
    // At small batches eta lambda passes 2 without harm.
    CHECK_FALSE(solve("kind = 'sgd'\nlearning_rate = 0.35\nbatch = 4", method).valid_until);
  }
}

TEST_CASE("modes: every eigenvalue, slowed most at the top") {
  const auto table = prepare(experiment("kind = 'sgd'\nlearning_rate = 0.2\nbatch = 4"))->mode_table();
  REQUIRE(table.size() == 6);
  CHECK(table[0].value.size() == 40);
  CHECK(table[0].name == "eigenvalue");
  CHECK(table[4].value.back() < table[4].value.front());
  CHECK(holds(error_of(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0.3"), true),
              "x.toml: optimizer.kind: SAM's trajectory has no theory"));
}

TEST_CASE("where there is no theory the key that takes it away is named") {
  const auto without = [](const std::string& data, const std::string& method) {
    return error_of(experiment("learning_rate = 0.1", data, "[theory]\nmethod = '" + method + "'"), true);
  };
  CHECK(holds(without(instance_f, "memory"), "x.toml: data.ensemble: the theory is of the random ensemble"));
  CHECK(holds(without(sizes, "central-flow"), "x.toml: theory.method: central-flow is of one instance"));
  CHECK(holds(error_of(experiment("learning_rate = 3.0", sizes + "shared_instance = true\n",
                                  "[theory]\nmethod = 'central-flow'"),
                       true),
              "x.toml: theory.method: the central flow begins below the edge"));
  CHECK(holds(without(sizes, "linear-mean"), "x.toml: theory.method: linear-mean"));
  CHECK(holds(without(instance_f, "early-time"), "x.toml: theory.method: the early-time expansion averages"));
  CHECK_THROWS_WITH_AS(prepare(experiment("learning_rate = 0.1", instance_f))->mode_table(),
                       "x.toml: data.Q: modes are of the early-time expansion, of a random curvature", std::exception);
}

TEST_CASE("observables follow the optimizer and what is asked") {
  const auto names = [](const std::string& text) {
    std::string out;
    const auto simulation = prepare(text)->simulate();
    for (const auto& o : simulation->observables()) out += o.name + " ";
    return out;
  };
  const std::string base = "loss parameter_power ntk_mean ntk_max eta_lambda_max ";
  CHECK(names(experiment("learning_rate = 0.1")) == base + "kernel_norm kernel_norm_exact residual_overlap ");
  CHECK(names(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0.1")) == base + "sam_edge residual_overlap ");
  CHECK(names(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0")) ==
        base + "sam_edge kernel_norm kernel_norm_exact residual_overlap ");
  CHECK(names(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 0.1\nnormalised = true")) ==
        base + "residual_overlap ");
  CHECK(names(experiment("learning_rate = 0.1", sizes, "[monte_carlo]\nkernel_norms = 'none'")) ==
        base + "residual_overlap ");
  CHECK(names(experiment("learning_rate = 0.1", "outputs = 200\nparameters = 50\n")) ==
        base + "kernel_norm residual_overlap ");
}

namespace {

using models::ingredients::QuadraticInstance;
using Vector = std::vector<double>;

/// z, J, g and the parts of H at theta, entry by entry.
struct At {
  Vector z, g, hg, nme_g;
  linear_algebra::Matrix j, ggn, nme, hessian, kernel;
  At(const QuadraticInstance& x, const Vector& theta, const Vector& counts) : z(x.z0), g(theta.size()), j(x.j0) {
    const std::size_t d = z.size(), p = theta.size();
    for (std::size_t a = 0; a < d; ++a)
      for (std::size_t i = 0; i < p; ++i) {
        for (std::size_t k = 0; k < p; ++k) j(a, i) += x.curvature.at(a, i, k) * theta[k];
        z[a] += 0.5 * (x.j0(a, i) + j(a, i)) * theta[i];
      }
    ggn = nme = hessian = linear_algebra::Matrix(p, p);
    kernel = linear_algebra::Matrix(d, d);
    hg = nme_g = Vector(p);
    for (std::size_t i = 0; i < p; ++i) {
      for (std::size_t a = 0; a < d; ++a) {
        g[i] += counts[a] * j(a, i) * z[a];
        for (std::size_t b = 0; b < d; ++b) kernel(a, b) += j(a, i) * j(b, i);
        for (std::size_t k = 0; k < p; ++k) {
          ggn(i, k) += counts[a] * j(a, i) * j(a, k);
          nme(i, k) += counts[a] * z[a] * x.curvature.at(a, i, k);
        }
      }
      for (std::size_t k = 0; k < p; ++k) hessian(i, k) = ggn(i, k) + nme(i, k);
    }
    for (std::size_t i = 0; i < p; ++i)
      for (std::size_t k = 0; k < p; ++k) {
        hg[i] += hessian(i, k) * g[k];
        nme_g[i] += nme(i, k) * g[k];
      }
  }
};

double dot(const Vector& a, const Vector& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) out += a[i] * b[i];
  return out;
}

/// The observables of a replica at a step, by name.
std::map<std::string, double> seen_by(const models::Problem& problem, std::uint64_t replica, std::uint64_t step) {
  const auto simulation = problem.simulate();
  const auto run = simulation->replica(3, replica);
  Vector row(simulation->observables().size());
  run->advance(step);
  run->observe(row);
  std::map<std::string, double> out;
  for (std::size_t o = 0; o < row.size(); ++o) out[simulation->observables()[o].name] = row[o];
  return out;
}

models::ingredients::QuadraticLaw small_law() {
  models::ingredients::QuadraticLaw law;
  law.outputs = 5;
  law.parameters = 7;
  law.curvature = 2.5;
  law.residual_variance = 1.3;
  law.jacobian_variance = 0.8;
  return law;
}
const std::string small =
    "outputs = 5\nparameters = 7\ncurvature = 2.5\nresidual_variance = 1.3\njacobian_variance = 0.8\n";
constexpr auto stored = models::ingredients::CurvatureTensor::Storage::stored;

}  // namespace

TEST_CASE("every observable of a run, from its definition in parameter space") {
  struct Case {
    std::string optimizer;
    double rho = 0, deviation = 0;
    std::size_t batch = 5;
    std::string part = "";  ///< of a penalty
  };
  for (const Case& c :
       {Case{"kind = 'sgd'\nbatch = 2\n", 0, 0, 2}, Case{"kind = 'gd'\n"}, Case{"kind = 'sam'\nrho = 0.2\n", 0.2},
        Case{"kind = 'gradient-penalty'\nrho = 0.2\n", 0.2, 0, 5, "full"},
        Case{"kind = 'gradient-penalty'\nrho = 0.2\npart = 'gauss-newton'\n", 0.2, 0, 5, "gauss-newton"},
        Case{"kind = 'gradient-penalty'\nrho = 0.2\npart = 'neglected'\n", 0.2, 0, 5, "neglected"},
        Case{"kind = 'weight-noise'\ndeviation = 0.1\n", 0, 0.1}}) {
    CAPTURE(c.optimizer);
    const bool plain = c.rho == 0 && c.deviation == 0;
    const auto problem = prepare("model = 'quadratic-regression'\n[time]\nat = [6]\n[data]\n" + small +
                                 "[optimizer]\nlearning_rate = 0.15\n" + c.optimizer +
                                 "[theory]\nmethod = 'none'\n[monte_carlo]\ntraces = 'exact'\nevery_step = "
                                 "true\nburn_in = 2\neigenvalues = 3\n" +
                                 (plain ? "kernel_norms = 'exact'\n" : ""));
    const QuadraticInstance x = models::ingredients::draw_instance(small_law(), 3, 1, stored);
    models::quadratic_regression::RowMasks masks(5, c.batch, 3, 1);
    random::Stream noise(3, 1, 0, random::Purpose::other);
    Vector theta(7), products, xi(7);
    const Vector all(5, 1.0);
    for (std::uint64_t step = 0; step < 6; ++step) {
      Vector counts(5, c.batch == 5 ? 1.0 : 0.0);
      if (c.batch < 5)
        for (const std::size_t row : masks.rows(step)) counts[row] = 1;
      const At now(x, theta, counts);
      products.push_back(0.15 * linear_algebra::symmetric_eigenvalues(At(x, theta, all).hessian).back());
      Vector along = now.g;
      if (c.deviation > 0) {
        noise.seek(2 * step);
        noise.normals(xi);
        Vector there = theta;
        for (std::size_t i = 0; i < 7; ++i) there[i] += c.deviation * xi[i];
        along = At(x, there, counts).g;
      } else if (c.part == "full") {
        for (std::size_t i = 0; i < 7; ++i) along[i] += c.rho * now.hg[i];
      } else if (c.part == "gauss-newton") {
        for (std::size_t i = 0; i < 7; ++i) along[i] += c.rho * (now.hg[i] - now.nme_g[i]);
      } else if (c.part == "neglected") {
        for (std::size_t i = 0; i < 7; ++i) along[i] += c.rho * now.nme_g[i];
      } else if (c.rho > 0) {
        Vector there = theta;
        for (std::size_t i = 0; i < 7; ++i) there[i] += c.rho * now.g[i];
        along = At(x, there, counts).g;
      }
      for (std::size_t i = 0; i < 7; ++i) theta[i] -= 0.15 * along[i];
    }
    const At end(x, theta, all);
    auto seen = seen_by(*problem, 1, 6);
    const auto check = [&](const std::string& name, double value, double tolerance = 1e-10) {
      CAPTURE(name);
      REQUIRE(seen.contains(name));
      CHECK(seen[name] == Approx(value).epsilon(tolerance));
      seen.erase(name);
    };
    const auto kernel = linear_algebra::symmetric_eigen(end.kernel);
    const double trace = linear_algebra::trace(end.kernel), nme = linear_algebra::trace(end.nme),
                 square = dot(end.g, end.g);
    const double top = kernel.values[4], whole = linear_algebra::symmetric_eigenvalues(end.hessian).back();
    check("loss", dot(end.z, end.z) / 10);
    check("parameter_power", dot(theta, theta) / 7);
    check("ntk_mean", trace / 5);
    check("ntk_max", top, 1e-8);
    check("ntk_2", kernel.values[3]);
    check("ntk_3", kernel.values[2]);
    check("eta_lambda_max", 0.15 * top, 1e-8);
    check("residual_overlap", dot(end.z, x.z0) / dot(x.z0, x.z0));
    check("sharpness", whole, 1e-6);
    check("eta_lambda", products[5], 1e-6);
    std::ranges::sort(products.begin() + 2, products.end());
    double below = 0;
    for (std::size_t k = 2; k < 6; ++k) below += products[k] < 2;
    check("median_eta_lambda", (products[3] + products[4]) / 2, 1e-6);
    check("share_below_edge", below / 4);
    check("gradient_norm", std::sqrt(square));
    check("hessian_trace", trace + nme);
    check("ggn_trace", trace);
    check("nme_trace", nme, 1e-9);
    check("logit_share", (dot(end.g, end.hg) - dot(end.g, end.nme_g)) / square);
    check("functional_share", dot(end.g, end.nme_g) / square, 1e-9);
    check("delta_func", dot(end.hg, end.nme_g) / dot(end.hg, end.hg), 1e-9);
    if (plain) {
      check("kernel_norm", models::ingredients::annealed_kernel_norm(kernel.values, 0.15, c.batch));
      check("kernel_norm_exact", models::ingredients::exact_kernel_norm(kernel, 0.15, c.batch));
    }
    if (c.rho > 0 && seen.contains("sam_edge")) check("sam_edge", 0.15 * top * (1 + 0.2 * top), 1e-8);
    if (c.rho > 0 && c.part.empty()) {
      Vector there = theta;
      for (std::size_t i = 0; i < 7; ++i) there[i] += 0.2 * end.g[i];
      const At ahead(x, there, all);
      double rest = 0;
      for (std::size_t i = 0; i < 7; ++i) {
        double one = 0;
        for (std::size_t a = 0; a < 5; ++a) one += (ahead.j(a, i) - end.j(a, i)) * (ahead.z[a] - end.z[a]);
        rest += one * one;
      }
      check("sam_residual", std::sqrt(rest), 1e-9);
    }
    if (c.deviation > 0) {
      // E over xi: |z|^2 + s^2 (|J|^2 + z.tr Q) + (s^4/4) sum_a ((tr Q_a)^2 + 2 |Q_a|^2).
      double fourth = 0;
      for (std::size_t a = 0; a < 5; ++a) {
        double diagonal = 0;
        for (std::size_t i = 0; i < 7; ++i) {
          diagonal += x.curvature.at(a, i, i);
          for (std::size_t k = 0; k < 7; ++k) fourth += 2 * std::pow(x.curvature.at(a, i, k), 2);
        }
        fourth += diagonal * diagonal;
      }
      check("noisy_loss", (dot(end.z, end.z) + 0.01 * (trace + nme) + 1e-4 / 4 * fourth) / 10);
      noise.seek(2 * 6 + 1);
      noise.normals(xi);
      Vector there = theta;
      for (std::size_t i = 0; i < 7; ++i) there[i] += 0.1 * xi[i];
      const At noisy(x, there, all);
      check("loss_at_noise", dot(noisy.z, noisy.z) / 10);
    }
    CHECK(seen.empty());
  }
}

TEST_CASE("what every key of data draws, by the loss of a run's first steps") {
  const auto run = [](const std::string& data, const QuadraticInstance& x) {
    CAPTURE(data);
    const auto problem = prepare("model = 'quadratic-regression'\n[time]\nat = [2]\n[data]\n" + data +
                                 "[optimizer]\nlearning_rate = 0.15\n[monte_carlo]\neigenvalues = 2\n");
    Vector theta(x.j0.columns());
    const Vector all(x.z0.size(), 1.0);
    for (int step = 0; step < 2; ++step) {
      const At now(x, theta, all);
      for (std::size_t i = 0; i < theta.size(); ++i) theta[i] -= 0.15 * now.g[i];
    }
    const At end(x, theta, all);
    auto seen = seen_by(*problem, 1, 2);
    CHECK(seen["loss"] == Approx(dot(end.z, end.z) / (2 * static_cast<double>(end.z.size()))).epsilon(1e-12));
    CHECK(seen["ntk_2"] == Approx(linear_algebra::symmetric_eigenvalues(end.kernel)[end.z.size() - 2]).epsilon(1e-10));
  };
  const auto drawn = [](const models::ingredients::QuadraticLaw& law, std::uint64_t index = 1) {
    return models::ingredients::draw_instance(law, 3, index, stored);
  };
  auto law = small_law();
  run(small, drawn(law));
  run(small + "shared_instance = true\n", drawn(law, 0));
  const auto first = models::ingredients::draw_start(law, 3, 0);
  run(small + "shared_initial = true\n", {first.z0, first.j0, models::ingredients::CurvatureTensor(law, 3, 1, stored)});
  law.fix_residual_norm = false;
  run(small + "fix_residual_norm = false\n", drawn(law));
  law = small_law();
  law.portable = true;
  run("ensemble = 'portable'\n" + small, drawn(law));
  // A Jacobian that is given, and z0 as well; Q is drawn.
  const linear_algebra::Matrix J0(2, 3, Vector{1, 0.3, 0.2, 0.8, 0, -0.4});
  models::ingredients::QuadraticLaw two;
  two.outputs = 2;
  two.parameters = 3;
  two.curvature = 1.7;
  two.residual_variance = 0.6;
  const std::string given = "ensemble = 'given'\nJ0 = [[1, 0.2, 0], [0.3, 0.8, -0.4]]\ncurvature = 1.7\n";
  run(given + "z0 = [0.7, -0.5]\n", {{0.7, -0.5}, J0, models::ingredients::CurvatureTensor(two, 3, 1, stored)});
  run(given + "residual_variance = 0.6\n",
      {models::ingredients::draw_start(two, 3, 1).z0, J0, models::ingredients::CurvatureTensor(two, 3, 1, stored)});
}

TEST_CASE("schedules of a run: each step's rate by its formula") {
  struct Case {
    std::string keys;
    std::function<double(double)> factor;  ///< of step k of 6
  };
  for (const Case& c :
       {Case{"kind = 'linear'\nfloor = 0.2\n", [](double k) { return 1 - 0.8 * k / 6; }},
        Case{
            "kind = 'cosine'\nfloor = 0.3\nwarmup = 0.5\n",
            [](double k) { return (0.3 + 0.35 * (1 + std::cos(std::acos(-1) * k / 6))) * std::min(1.0, (k + 1) / 3); }},
        Case{"kind = 'inverse-square-root'\nt0 = 2\n", [](double k) { return 1 / std::sqrt(1 + k / 2); }}}) {
    CAPTURE(c.keys);
    const auto problem = prepare("model = 'quadratic-regression'\n[time]\nat = [6]\n[data]\n" + small +
                                 "[optimizer]\nlearning_rate = 0.15\n[schedule]\n" + c.keys);
    const QuadraticInstance x = models::ingredients::draw_instance(small_law(), 3, 1, stored);
    Vector theta(7);
    for (int step = 0; step < 6; ++step) {
      const At now(x, theta, Vector(5, 1.0));
      for (std::size_t i = 0; i < 7; ++i) theta[i] -= 0.15 * c.factor(step) * now.g[i];
    }
    const At end(x, theta, Vector(5, 1.0));
    CHECK(seen_by(*problem, 1, 6)["loss"] == Approx(dot(end.z, end.z) / 10).epsilon(1e-12));
  }
}

TEST_CASE("a perturbed start tells where a run is chaotic") {
  // The toy of docs/theory/curvature-dynamics.md, section 3.2: at eta = .4 chaotic, at .8 not.
  const std::string toy =
      "ensemble = 'given'\nz0 = [0.1, -1.0]\nJ0 = [[1.0, 1.1, 0.0], [0.0, 0.03, 0.03]]\nQ = [[0, 1, 0], [1, 0, 0], "
      "[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]\n";
  const auto change = [&](const std::string& rate, const std::string& length) {
    const auto problem =
        prepare("model = 'quadratic-regression'\n[time]\nat = [1, 100, 500]\n[data]\n" + toy +
                "[optimizer]\nlearning_rate = " + rate + "\n[monte_carlo]\nperturbation = " + length + "\n");
    const auto simulation = problem->simulate();
    const auto run = simulation->replica(1, 0);
    std::vector<double> out, values(simulation->observables().size());
    CHECK(simulation->observables().back().name == "loss_change");
    for (const std::uint64_t step : {1, 100, 500}) {
      run->advance(step);
      run->observe(values);
      out.push_back(values.back());
    }
    return out;
  };
  const auto chaotic = change("0.4", "1e-12"), regular = change("0.8", "1e-12"), tenfold = change("0.8", "1e-11");
  CHECK(chaotic[0] < 1e-11);
  CHECK(chaotic[1] < 2e-10);
  CHECK(chaotic[2] > 1e-3);
  CHECK(regular[2] < 1e-8);
  // L = |z|^2/2 changes by g.delta/L to first order.
  const auto off = models::perturbation(3, 1e-11, 1);
  std::vector<double> z{.1, -1}, g{.1, .11 - .03, -.03};
  const double eta = .8, x = 1.1 - eta * g[0], m1 = -eta * g[1], m2 = -eta * g[2];
  const double z1 = x * (1 + m1) - 1, z2 = .03 * (m1 + m2) - 1;
  // grad at the first point, and through the step by I - eta H at the start: H = J'J + z_1 (e_x e_m1' + e_m1 e_x').
  const double next[] = {z1 * (1 + m1), z1 * x + .03 * z2, .03 * z2};
  const double H[3][3] = {{1, 1.1 + .1, 0}, {1.1 + .1, 1.21 + 9e-4, 9e-4}, {0, 9e-4, 9e-4}};
  double first = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) first += next[i] * ((i == j) - eta * H[i][j]) * off[j];
  CHECK(tenfold[0] == Approx(std::abs(first) / (.5 * (z1 * z1 + z2 * z2))).epsilon(1e-3));
}

TEST_CASE("the central flow of one curved parameter: at rest from its edge on, beside a cycle of two") {
  // z = z_0 + J_0 theta + q theta^2/2, and an output and a parameter that do nothing. In units where eta = q = 1, E = z - u/2 with
  // u = J^2: at the edge u + z = 2, and the oscillation's pull 3 w^2/2 J is that of z J.
  constexpr double E = -1.1, z = 2 * (1 + E) / 3, u = 2 * (z - E), w2 = -2 * z / 3;
  const double loss = 0.5 * (std::pow(z + w2 / 2, 2) + u * w2);
  constexpr double eta = 0.5, q = 1.6, start = -0.2, unit = eta * q;
  const double J0 = std::sqrt(2 * (start - E) / eta), theta = (std::sqrt(u / eta) - J0) / q;
  const auto of = [&](const std::string& slope) {
    return prepare("model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [" + std::to_string(start / unit) +
                   ", 0]\nJ0 = [[" + slope + ", 0], [0, 0]]\nQ = [[1.6, 0], [0, 0], [0, 0], [0, 0]]\n[optimizer]\n" +
                   "learning_rate = 0.5\n[time]\nat = [3, 1000, 2000]\n[theory]\nmethod = 'central-flow'\n");
  };
  const auto flow = of(std::to_string(J0));
  const auto t = flow->solve();
  CHECK(label(t, "edge") == "held");
  CHECK(label(of("0.8")->solve(), "edge") == "not reached");
  for (const std::size_t k : {2u, 3u}) {
    CHECK(column(t, "eta_sharpness")[k] == Approx(2).epsilon(1e-5));
    CHECK(column(t, "oscillation")[k] == Approx(w2 / (unit * q)).epsilon(1e-5));
    CHECK(column(t, "loss")[k] == Approx(loss / (unit * unit) / 2).epsilon(1e-5));
    CHECK(column(t, "parameter_power")[k] == Approx((theta * theta + w2 / (unit * q)) / 2).epsilon(1e-5));
  }
  CHECK(column(t, "mean_loss")[3] == Approx(loss / (unit * unit) / 2).epsilon(1e-5));
  CHECK(column(t, "mean_parameter_power")[3] == Approx((theta * theta + w2 / (unit * q)) / 2).epsilon(1e-5));
  const auto cycle = models::testing::check_play_at_rest(t, E, 2000, loss);
  // The flow is at its edge after one step, of descent |z| J, half of which is off its mean along w.
  const double off = -start * std::sqrt(eta) * J0 / 2 / std::sqrt(w2);
  models::testing::check_claim_at_rest(*flow, t, loss / (unit * unit) / 2, off, 0.7, 1.4);
  // What is simulated comes to the cycle, of which mean_loss is the mean.
  const auto simulation = flow->simulate();
  const auto replica = simulation->replica(1, 0);
  std::vector<double> row(simulation->observables().size());
  replica->advance(1000);
  replica->advance(2000);
  replica->observe(row);
  const auto seen = [&](const std::string& name) {
    for (std::size_t k = 0; k < row.size(); ++k)
      if (simulation->observables()[k].name == name) return row[k];
    return std::nan("");
  };
  CHECK(seen("mean_loss") == Approx(cycle.ratio * loss / (unit * unit) / 2).epsilon(1e-4));
  // theta at both ends: J = J_0 + q theta, u = 2 (z - E).
  double power = 0;
  for (const double end : {cycle.first, cycle.second})
    power += std::pow((std::sqrt(2 * (end - E) / eta) - J0) / q, 2) / 4;
  CHECK(seen("mean_parameter_power") == Approx(power).epsilon(1e-4));
}

TEST_CASE("memory limits are in GiB, of one stored tensor and of the recursion") {
  // D = 3, P = 5: a tensor of one block, 8 D P^2 bytes.
  const std::string few = "outputs = 3\nparameters = 5\n";
  const double tensor = 8 * 3 * 5 * 5 / std::pow(2, 30),
               recursion = static_cast<double>(models::quadratic_regression::quadratic_memory_bytes(40, false)) /
                           std::pow(2, 30);
  for (const double times : {0.98, 1.02}) {
    CHECK((error_of(experiment("learning_rate = 0.1", few,
                               fmt::format("[monte_carlo]\nreplicas = 1\ntensor = 'stored'\nmemory_limit = {:.6e}\n",
                                           times * tensor)),
                    false, true) == "no error") == (times > 1));
    CHECK((error_of(experiment("learning_rate = 0.1", few,
                               fmt::format("[theory]\nmemory_limit = {:.6e}\n", times * recursion)),
                    true) == "no error") == (times > 1));
  }
}

TEST_CASE("a memory limit has no end, and beyond what there is the steps are named") {
  const std::string few = "outputs = 3\nparameters = 5\n";
  for (const char* limit : {"2e10", "1e12", "1e300"}) {
    CAPTURE(limit);
    CHECK(error_of(experiment("learning_rate = 0.1", few, std::string("[theory]\nmemory_limit = ") + limit + "\n"),
                   true) == "no error");
    // 2 (n^2 + n) numbers of 8 bytes, n = 200000001: 5.96e8 GiB.
    CHECK(holds(models::testing::error_with(
                    experiment("learning_rate = 0.1", few, std::string("[theory]\nmemory_limit = ") + limit + "\n"),
                    {"time.steps=200000000"}),
                "x.toml: time.steps: a memory of 200000000 steps needs 5.96e+08 GiB of memory, more than the "));
  }
}

TEST_CASE("the limit of large residuals starts where they are, and diverges where it leaves them far behind") {
  // L_0 = sz2/2; at once far beyond the edge, as a run does.
  for (const double sz2 : {1e7, 1e9, 1e30}) {
    CAPTURE(sz2);
    const auto problem = prepare(
        experiment("learning_rate = 0.1", fmt::format("outputs = 3\nparameters = 5\nresidual_variance = {}\n", sz2)));
    const models::Trajectory t = problem->solve();
    REQUIRE(!t.steps.empty());
    CHECK(t.find("loss")->value[0] == Approx(sz2 / 2).epsilon(1e-12));
    REQUIRE(t.diverged_at);
    CHECK(*t.diverged_at >= 1);
    CHECK(*t.diverged_at <= 3);
  }
}

TEST_CASE("variances beyond the range of what is made of them are named") {
  for (const char* key : {"curvature", "residual_variance", "jacobian_variance"})
    CHECK(holds(
        error_of(experiment("learning_rate = 0.1", fmt::format("outputs = 3\nparameters = 5\n{} = 1.7e308\n", key))),
        fmt::format("x.toml: data.{}: must be ", key)));
}

TEST_CASE("bad input is named") {
  const auto with_data = [](const std::string& data) { return error_of(experiment("learning_rate = 0.1", data)); };
  const auto with = [](const std::string& optimizer) { return error_of(experiment(optimizer)); };
  CHECK(error_of(experiment("learning_rate = 0.1")) == "no error");
  CHECK(holds(with_data("parameters = 80\n"), "data.outputs: is required"));
  CHECK(holds(with_data("outputs = 40\n"), "data.parameters: is required"));
  CHECK(holds(with_data("outputs = 0\nparameters = 80\n"), "data.outputs"));
  CHECK(holds(with_data("outputs = 2.5\nparameters = 80\n"), "data.outputs: must be a whole number"));
  CHECK(holds(with_data(sizes + "jacobian_variance = 0\n"), "data.jacobian_variance"));
  CHECK(holds(with_data("outputs = 4\nparameters = 8\ncurvature = -1\n"), "data.curvature"));
  CHECK(holds(with_data(sizes + "z0 = [1]\n"), "data.z0: is read where ensemble = given"));
  CHECK(holds(with_data("ensemble = 'given'\nz0 = [1]\n"), "data.J0: is required"));
  CHECK(
      holds(with_data("ensemble = 'given'\nz0 = [1]\nJ0 = [[1, 0], [0, 1]]\nQ = [[1]]\n"), "one number per row of J0"));
  CHECK(holds(with_data("ensemble = 'given'\nz0 = [1]\nJ0 = [[1, 0]]\nQ = [[1]]\n"),
              "data.Q: the curvature needs 2 rows"));
  CHECK(holds(with_data("ensemble = 'given'\nz0 = [1]\nJ0 = [[1, 0]]\nQ = [[1, 2], [3, 4]]\n"), "is not symmetric"));
  CHECK(holds(with_data("ensemble = 'given'\nz0 = [1, 2]\nJ0 = [[1, 0], [1]]\nQ = [[1]]\n"), "J0"));
  CHECK(holds(with_data(instance_f + "outputs = 3\n"), "data.outputs: J0 has 2 of them"));
  CHECK(holds(with_data(instance_f + "curvature = 3\n"), "data.curvature: is of a Q that is drawn"));
  CHECK(holds(with("kind = 'gd'"), "optimizer.learning_rate"));
  CHECK(holds(with("learning_rate = 0"), "optimizer.learning_rate"));
  CHECK(holds(with("kind = 'sgd'\nlearning_rate = 0.1"), "optimizer.batch"));
  CHECK(holds(with("kind = 'sgd'\nlearning_rate = 0.1\nbatch = 41"), "at most the number of outputs, 40"));
  CHECK(holds(with("kind = 'sgd'\nlearning_rate = 0.1\nbatch = 0"), "optimizer.batch"));
  CHECK(holds(with("kind = 'sgd'\nlearning_rate = 0.1\nbatch = 1.5"), "must be a whole number"));
  CHECK(holds(with("kind = 'sam'\nlearning_rate = 0.1\nrho = -1"), "optimizer.rho"));
  CHECK(holds(error_of(experiment("kind = 'sam'\nlearning_rate = 0.1\nrho = 1", sizes,
                                  "[monte_carlo]\nkernel_norms = 'exact'")),
              "SAM has none"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", sizes, "[spectrum]\nkind = 'isotropic'\ndimension = 3")),
              "spectrum: model quadratic-regression does not read this section"));
  CHECK(
      holds(error_of(experiment("learning_rate = 0.1", sizes, "[monte_carlo]\ntensor = 'stored'\nmemory_limit = 1e-6"),
                     false, true),
            "x.toml: monte_carlo.tensor: the curvature tensor needs"));
  for (const char* length : {"-1e-12", "2.0"})
    CHECK(holds(
        error_of(experiment("learning_rate = 0.1", sizes, std::string("[monte_carlo]\nperturbation = ") + length)),
        "monte_carlo.perturbation"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", sizes, "[theory]\nmemory_limit = 1e-9"), true),
              "more than the limit"));
}
