// The early-time expansion in the model's observables: which columns it has, that they are the formulas', bad input.
#include "models/quadratic_regression/theory.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/framework/absent.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Transposed;
using models::testing::error_of;
using models::testing::holds;
using models::testing::label;
using models::testing::prepare;
using models::testing::report;

namespace {

std::string experiment(const std::string& data, const std::string& theory = "", const std::string& at = "[2, 5]",
                       const std::string& monte_carlo = "sharpening_modes = 3\n") {
  return "model = 'quadratic-regression'\n[data]\n" + data +
         "[optimizer]\nkind = 'sgd'\nlearning_rate = 0.05\nbatch = 2\n[time]\nat = " + at +
         "\n[theory]\nmethod = 'early-time'\n" + theory + "[monte_carlo]\n" + monte_carlo;
}

const std::string drawn = "outputs = 5\nparameters = 8\ncurvature = 2\n";
const std::string shared = drawn + "shared_initial = true\n";
const std::string given_j =
    "ensemble = 'given'\nJ0 = [[1, 0, 1], [0, 2, -1], [0.3, 0.5, 0.2]]\ncurvature = 0.09\nresidual_variance = 1.3\n";

std::string with(std::string out, const std::string& part, const std::string& other) {
  out.replace(out.find(part), part.size(), other);
  return out;
}

std::string names(const models::Trajectory& t) {
  std::string out;
  for (const auto& c : t.columns) out += c.observable.name + " ";
  return out;
}

double at_two(const models::Trajectory& t, const std::string& name) {
  REQUIRE(t.find(name));
  return t.find(name)->value.at(1);
}

models::quadratic_regression::EarlyTimeState shared_state() {
  models::ingredients::QuadraticLaw law;
  law.outputs = 5;
  law.parameters = 8;
  const models::ingredients::QuadraticStart start = models::ingredients::draw_start(law, 1, 0);
  return {start.z0, linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes), 8, 2.0 / 64};
}

}  // namespace

TEST_CASE("a shared start: every column, along every eigenvector from the top down") {
  const models::Trajectory t = prepare(experiment(shared))->solve();
  CHECK(names(t) ==
        "ntk_mean sharpening_first_1 sharpening_first_2 sharpening_first_3 sharpening_second_1 sharpening_second_2 "
        "sharpening_second_3 sharpening_first_ntk_mean sharpening_second_ntk_mean sharpening_second_ntk_max ");
  CHECK_FALSE(t.exact);
  const models::quadratic_regression::EarlyTimeState state = shared_state();
  const models::quadratic_regression::ModeDifferences modes =
      models::quadratic_regression::sgd_mode_differences(state, 0.05, 2);
  const models::quadratic_regression::LevelRepulsion repulsion =
      models::quadratic_regression::sgd_level_repulsion(state, 0.05, 2);
  const models::Trajectory without = prepare(experiment(shared, "order = 2\n"))->solve();
  double trace2 = 0, trace3 = 0, trace = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    trace += modes.eigenvalue[k];
    trace2 += modes.order2[k];
    trace3 += modes.order3[k];
  }
  for (std::size_t k = 0; k < 3; ++k) {
    const std::string number = std::to_string(k + 1);
    CHECK(at_two(t, "sharpening_first_" + number) == Approx(modes.first).epsilon(1e-13));
    CHECK(at_two(t, "sharpening_second_" + number) == Approx(modes.order2[4 - k] + modes.order3[4 - k]).epsilon(1e-12));
    CHECK(at_two(without, "sharpening_second_" + number) == Approx(modes.order2[4 - k]).epsilon(1e-12));
    CHECK(at_two(t, "sharpening_second_" + number) < at_two(without, "sharpening_second_" + number));
  }
  const models::Column& second = *t.find("sharpening_second_1");
  CHECK(models::is_absent(second.value[0]));
  CHECK(second.valid_from == 2);
  CHECK(second.value[2] == second.value[1]);
  CHECK(at_two(t, "sharpening_second_ntk_mean") == Approx((trace2 + trace3) / 5).epsilon(1e-12));
  CHECK(at_two(t, "sharpening_second_ntk_max") ==
        Approx(modes.order2[4] + modes.order3[4] + repulsion.order2[4] + repulsion.order3[4]).epsilon(1e-12));
  CHECK(at_two(t, "ntk_mean") == Approx(trace / 5 + 2 * modes.first + (trace2 + trace3) / 5).epsilon(1e-12));
  CHECK(t.labels.at(1) ==
        std::pair<std::string, std::string>{"sharpening", "every second difference is positive at order eta^2"});
}

TEST_CASE("eight outputs: every column and ratio by number, claimed from step 2 on, and until when it holds") {
  using namespace models::quadratic_regression;
  const std::string data = "outputs = 8\nparameters = 9\ncurvature = 2\nshared_initial = true\n";
  std::string text = experiment(data, "", "[2, 5]", "sharpening_modes = 8\n");
  const models::Trajectory t = prepare(text)->solve();
  models::ingredients::QuadraticLaw law;
  law.outputs = 8;
  law.parameters = 9;
  law.curvature = 2;
  const models::ingredients::QuadraticStart start = models::ingredients::draw_start(law, 1, 0);
  const EarlyTimeState state{start.z0, linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes), 9,
                             2.0 / 81};
  const ModeDifferences modes = sgd_mode_differences(state, 0.05, 2);
  double second = 0, trace = 0;
  for (std::size_t k = 0; k < 8; ++k) {
    second += (modes.order2[k] + modes.order3[k]) / 8;
    trace += modes.eigenvalue[k];
  }
  for (std::size_t k = 0; k < 8; ++k) {
    const std::string number = std::to_string(k + 1);
    CAPTURE(number);
    CHECK(at_two(t, "sharpening_first_" + number) == Approx(modes.first).epsilon(1e-12));
    CHECK(at_two(t, "sharpening_second_" + number) == Approx(modes.order2[7 - k] + modes.order3[7 - k]).epsilon(1e-11));
    CHECK(report(t, "ratio_" + number) == Approx(1 + modes.order3[7 - k] / modes.order2[7 - k]).epsilon(1e-11));
  }
  CHECK(report(t, "first_difference") == Approx(modes.first).epsilon(1e-12));
  CHECK(report(t, "second_difference") == Approx(second).epsilon(1e-11));
  for (const auto& c : t.columns) CHECK(c.valid_from == (c.observable.name == "ntk_mean" ? 0 : 2));
  // lambda''/lambda at eta b = 1: (2 s z2/lambda) (P + 1)(lambda + tr K), and the time is its -1/2.
  const double top = modes.eigenvalue[7], until = std::sqrt(top / (2 * 2.0 / 81 * 10 * (top + trace))) / (0.05 * 0.25);
  CHECK(label(t, "valid_until") == fmt::format("step {:.3g}", until));

  // At full batch what is claimed is the expansion's second difference, above 0.
  text.replace(text.find("batch = 2"), 9, "batch = 8");
  const auto problem = prepare(text);
  const ModeDifferences full = sgd_mode_differences(state, 0.05, 8);
  const auto claims = problem->predictions();
  std::size_t met = 0;
  for (const auto& p : claims)
    for (std::size_t k = 0; k < 8; ++k)
      if (p.name == "sharpens_" + std::to_string(k + 1)) {
        ++met;
        CHECK(p.nominal == Approx(full.order2[7 - k] + full.order3[7 - k]).epsilon(1e-11));
        CHECK(p.low == 0);
        CHECK(std::isinf(p.high));
        models::RecordedReplica run;
        const std::vector<std::string> observed{p.quantity};
        run.names = observed;
        run.steps = {0, 2};
        run.rows = {{0, 3}};
        CHECK(p.statistic(run).value() == 3);
      }
  CHECK(met == 8);

  // A run, step by step as it is defined: g = J'z, z' = z - eta J g + (eta^2/2) Q(g, g), J' = J - eta Q g.
  const auto instance =
      models::ingredients::draw_instance(law, 3, 0, models::ingredients::CurvatureTensor::Storage::stored);
  std::vector<double> z = instance.z0;
  linear_algebra::Matrix J = instance.j0;
  std::vector<linear_algebra::Matrix> K;
  for (int step = 0; step < 3; ++step) {
    K.push_back(linear_algebra::product(J, J, Transposed::no, Transposed::yes));
    std::vector<double> g(9);
    for (std::size_t i = 0; i < 9; ++i)
      for (std::size_t a = 0; a < 8; ++a) g[i] += J(a, i) * z[a];
    for (std::size_t a = 0; a < 8; ++a) {
      double pushed = 0, bent = 0;
      std::vector<double> turned(9);
      for (std::size_t i = 0; i < 9; ++i)
        for (std::size_t j = 0; j < 9; ++j) turned[i] += instance.curvature.at(a, i, j) * g[j];
      for (std::size_t i = 0; i < 9; ++i) {
        pushed += J(a, i) * g[i];
        bent += turned[i] * g[i];
        J(a, i) -= 0.05 * turned[i];
      }
      z[a] += -0.05 * pushed + 0.5 * 0.05 * 0.05 * bent;
    }
  }
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(3, 0);
  std::vector<double> row(simulation->observables().size());
  replica->advance(2);
  replica->observe(row);
  const auto seen = [&](const std::string& name) {
    for (std::size_t o = 0; o < row.size(); ++o)
      if (simulation->observables()[o].name == name) return row[o];
    FAIL("no observable " << name);
    return 0.0;
  };
  const auto eigen = linear_algebra::symmetric_eigen(K[0]);
  for (std::size_t k = 0; k < 8; ++k) {
    double along[3] = {0, 0, 0};
    for (std::size_t step = 0; step < 3; ++step)
      for (std::size_t a = 0; a < 8; ++a)
        for (std::size_t b = 0; b < 8; ++b)
          along[step] += eigen.vectors(a, 7 - k) * K[step](a, b) * eigen.vectors(b, 7 - k);
    CHECK(seen("sharpening_first_" + std::to_string(k + 1)) == Approx(along[1] - along[0]).epsilon(1e-9));
    CHECK(seen("sharpening_second_" + std::to_string(k + 1)) ==
          Approx(along[2] - 2 * along[1] + along[0]).epsilon(1e-8));
  }
  double mean[3], top_of[3];
  for (std::size_t step = 0; step < 3; ++step) {
    mean[step] = linear_algebra::trace(K[step]) / 8;
    top_of[step] = linear_algebra::symmetric_eigenvalues(K[step]).back();
  }
  CHECK(seen("sharpening_second_ntk_mean") == Approx(mean[2] - 2 * mean[1] + mean[0]).epsilon(1e-8));
  CHECK(seen("sharpening_second_ntk_max") == Approx(top_of[2] - 2 * top_of[1] + top_of[0]).epsilon(1e-8));
  CHECK(seen("sharpening_first_ntk_mean") ==
        Approx((linear_algebra::trace(K[1]) - linear_algebra::trace(K[0])) / 8).epsilon(1e-9));
}

TEST_CASE("residuals that are drawn are averaged over, given the Jacobian") {
  const models::Trajectory t = prepare(experiment(given_j))->solve();
  const auto problem = linear_algebra::Matrix(3, 3, std::vector<double>{1, 0, .3, 0, 2, .5, 1, -1, .2});
  const auto kernel = linear_algebra::product(problem, problem, Transposed::no, Transposed::yes);
  const models::quadratic_regression::ModeDifferences modes =
      models::quadratic_regression::averaged_mode_differences(kernel, 3, .01, 1.3, 0.05, 2);
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(at_two(t, "sharpening_first_" + std::to_string(k + 1)) == Approx(modes.first).epsilon(1e-12));
    CHECK(at_two(t, "sharpening_second_" + std::to_string(k + 1)) ==
          Approx(modes.order2[2 - k] + modes.order3[2 - k]).epsilon(1e-12));
  }
  CHECK(t.find("sharpening_second_ntk_max"));
}

TEST_CASE("a kernel that is drawn: only what has a closed form") {
  const models::Trajectory t = prepare(experiment(drawn))->solve();
  CHECK(names(t) ==
        "ntk_mean sharpening_first_1 sharpening_first_2 sharpening_first_3 sharpening_first_ntk_mean "
        "sharpening_second_ntk_mean ");
  // The average over starts: 4000 of them, whose means scatter by some 1%.
  models::ingredients::QuadraticLaw law;
  law.outputs = 5;
  law.parameters = 8;
  double first = 0, second = 0;
  const int starts = 4000;
  for (int r = 0; r < starts; ++r) {
    const models::ingredients::QuadraticStart start =
        models::ingredients::draw_start(law, 9, static_cast<std::uint64_t>(r));
    const models::quadratic_regression::EarlyTimeState state{
        start.z0, linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes), 8, 2.0 / 64};
    const models::quadratic_regression::ModeDifferences modes =
        models::quadratic_regression::sgd_mode_differences(state, 0.05, 2);
    first += modes.first / starts;
    for (std::size_t k = 0; k < 5; ++k) second += (modes.order2[k] + modes.order3[k]) / 5 / starts;
  }
  CHECK(at_two(t, "sharpening_first_ntk_mean") == Approx(first).epsilon(0.04));
  CHECK(at_two(t, "sharpening_second_ntk_mean") == Approx(second).epsilon(0.04));
}

TEST_CASE("where there is nothing to learn no difference is positive") {
  const models::Trajectory t = prepare(experiment(with(given_j, "residual_variance = 1.3", "z0 = [0, 0, 0]")))->solve();
  CHECK(at_two(t, "sharpening_first_ntk_mean") == 0);
  CHECK(t.labels.at(1).second == "some second difference is not positive at order eta^2");
  CHECK(t.report.size() == 2);  // no ratio of differences that are 0
  CHECK(prepare(experiment(drawn))->solve().labels.at(1).second ==
        "every second difference is positive at order eta^2");
}

TEST_CASE("at full batch every second difference is claimed to be positive, while the expansion says so") {
  const auto claims = [](const std::string& text) {
    std::string out;
    for (const models::Prediction& p : prepare(text)->predictions()) {
      out += p.name + " ";
      CHECK(p.low == 0);
      CHECK(p.high > 1e300);
      models::RecordedReplica run;
      const std::vector<std::string> observed{"loss", p.quantity};
      run.names = observed;
      run.steps = {0, 2};
      run.rows = {{1, 1}, {0, -0.25}};
      CHECK(p.statistic(run).value() == -0.25);
      run.diverged = true;
      CHECK_FALSE(p.statistic(run));
    }
    return out;
  };
  const std::string full = with(experiment(shared), "batch = 2", "batch = 5");
  CHECK(claims(full) == "sharpens_1 sharpens_2 sharpens_3 sharpens_ntk_max ");
  const auto problem = prepare(full);
  const models::Trajectory t = problem->solve();
  for (const models::Prediction& p : problem->predictions()) CHECK(p.nominal == at_two(t, p.quantity));
  CHECK(claims(experiment(shared)) == "");
  CHECK(claims(with(full, "learning_rate = 0.05", "learning_rate = 1")) == "");
  CHECK(claims(with(full, "shared_initial = true", "shared_initial = false")) == "");
  CHECK(claims(full + "[schedule]\nkind = 'cosine'\n") == "");
}

TEST_CASE("bad input of the expansion and of its observables is named") {
  CHECK(error_of(experiment(shared), true, true) == "no error");
  CHECK(holds(error_of(experiment(drawn + "shared_instance = true\n"), true), "averages over the curvature"));
  CHECK(holds(error_of(experiment(shared) + "[schedule]\nkind = 'cosine'\n", true), "constant learning rate"));
  CHECK(holds(error_of(experiment(shared, "order = 4\n")), "theory.order"));
  CHECK(holds(error_of(experiment(shared, "order = 2.5\n")), "must be 2 or 3"));
  CHECK(holds(error_of(experiment(shared, "", "[1, 2]")), "record no step 1"));
  CHECK(holds(error_of(experiment(shared, "", "[1]")), "monte_carlo.sharpening_modes"));
  CHECK(holds(error_of(experiment(shared, "", "[2]", "sharpening_modes = 6\n")), "K has 5 eigenvalues"));
  CHECK(holds(error_of(experiment(shared, "", "[2]", "sharpening_modes = 1.5\n")), "must be a whole number"));
  CHECK(holds(error_of(experiment(shared, "", "[2]", "eigenvalues = 6\n")), "K has 5 eigenvalues"));
  CHECK(holds(error_of(experiment(shared, "", "[2]", "eigenvalues = 0\n")), "monte_carlo.eigenvalues"));
  CHECK(holds(error_of(experiment(drawn + "shared_instance = true\n", "", "[2]", "antithetic = true\n")),
              "is of a Q that every replica draws"));
  // A sweep over the curvature begins at 0, where both runs of a pair are the same.
  CHECK(error_of(experiment("outputs = 5\nparameters = 8\ncurvature = 0\n", "", "[2]", "antithetic = true\n")) ==
        "no error");
  CHECK(holds(error_of(experiment(shared + "shared_instance = true\n")), "data.shared_initial"));
  CHECK(holds(error_of(experiment(given_j + "Q = [[1]]\n")), "data.z0: is required where Q is given"));
  CHECK(holds(error_of(experiment(given_j + "z0 = [1, 2, 3]\n")), "data.residual_variance: is of a z0 that is drawn"));
  CHECK(holds(error_of("model = 'quadratic-regression'\n[data]\noutputs = 4\nparameters = 4\n[optimizer]\n"
                       "learning_rate = 0.1\n[time]\nsteps = 4\n[theory]\norder = 3\n"),
              "theory.order: is read where method = early-time, and here it is memory; leave it out"));
}
