// Many tasks: levels against the eigenvalues of a literal kernel matrix, theory against simulation, refusals.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <variant>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/ingredients/learning_curves/learning_curve.hpp"
#include "models/modular_tasks/task_levels.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/ingredients/learning_curves/literal_curve.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;
using modular_tasks::TaskFamily;

namespace {

std::unique_ptr<Problem> problem(const std::string& text) {
  const Experiment e = read_experiment(settings::read_text("model = 'modular-tasks'\n" + text, "e.toml"));
  return find(e).prepare(e);
}
std::string refusal(const std::string& text, bool simulate = false) {
  try {
    const auto p = problem(text);
    p->solve();
    if (simulate) p->simulate();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "accepted";
}
double number(const std::vector<Finding>& findings, const std::string& name) {
  for (const Finding& f : findings)
    if (f.name == name) return std::get<double>(f.value);
  return NAN;
}

}  // namespace

TEST_CASE("theory and simulation agree to 15% or 4 standard errors, one machine and separate ones") {
  const std::string end =
      "[data]\ndimension = 4\n[kernel]\nridge = 0.05\n[noise]\nvariance = 0.1\n[samples]\nat = [120]\n[monte_carlo]\n"
      "test_samples = 300\n";
  for (const std::string tasks :
       {"[tasks]\ncount = 3\noverlap = 0.5\n", "[tasks]\ncount = 3\noverlap = 0.5\npowers = [0.6, 0.4]\n",
        "[tasks]\ncodes = 'tree'\ndepth = 2\npowers = [0.6, 0.4]\n", "[tasks]\ncodes = 'tree'\ndepth = 2\n",
        "[tasks]\ncodes = 'tree'\ndepth = 1\nfunctions = 'parity'\nbias = 0\npowers = [0.3, 0, 0.7]\n"}) {
    CAPTURE(tasks);
    const auto p = problem(tasks + end);
    const Trajectory theory = p->solve();
    const auto simulation = p->simulate();
    std::vector<double> row(2), sum(2), squares(2);
    const int replicas = 16;
    for (int r = 0; r < replicas; ++r) {
      const auto replica = simulation->replica(9, static_cast<std::uint64_t>(r));
      replica->advance(120);
      replica->observe(row);
      for (std::size_t o = 0; o < 2; ++o) {
        sum[o] += row[o] / replicas;
        squares[o] += row[o] * row[o] / replicas;
      }
    }
    for (std::size_t o = 0; o < 2; ++o) {
      const double expected = theory.columns[o].value[0],
                   error = std::sqrt((squares[o] - sum[o] * sum[o]) / (replicas - 1));
      CHECK(std::abs(sum[o] - expected) < 0.15 * expected + 4 * error);
    }
  }
}

TEST_CASE("penalty and floors are told; the model answers from 1 task to 1e9 and 1e9 samples") {
  const auto findings =
      problem(
          "[data]\ndimension = 6\n[tasks]\ncount = 8\noverlap = 0.9\n[kernel]\nmax_degree = 14\n[samples]\nmax = 800\n")
          ->stability();
  CHECK(number(findings, "samples_for_0.1") == Approx(1807.752).epsilon(1e-6));
  CHECK(number(findings, "penalty_0.1") == Approx(4.64).epsilon(2e-3));
  const auto floor =
      problem("[data]\ndimension = 6\n[tasks]\ncodes = 'tree'\ndepth = 2\nbias = 0\n[samples]\nmax = 400\n");
  CHECK(number(floor->stability(), "unlearnable_power") > 0.3);
  CHECK(std::isinf(number(floor->stability(), "penalty_0.1")));
  REQUIRE(floor->warnings().size() == 1);
  CHECK(floor->warnings()[0].find("tasks.bias = 1") != std::string::npos);
  // Separate machines have floor(n/T) samples each.
  const Trajectory few = problem("[data]\ndimension = 3\n[tasks]\ncount = 4\n[samples]\nat = [8, 11, 12]\n")->solve();
  CHECK(few.columns[1].value[0] == few.columns[1].value[1]);
  CHECK(few.columns[1].value[0] > few.columns[1].value[2]);
  const Trajectory high =
      problem("[data]\ndimension = 1e9\n[tasks]\ncount = 2\npowers = [0, 1]\n[samples]\nat = [100000000000000]\n")
          ->solve();
  CHECK(high.columns[0].value[0] < 0.01);
  for (const char* tasks : {"count = 1\n", "count = 1000000000\noverlap = 0.999999\n", "codes = 'tree'\ndepth = 16\n"})
    for (const char* d : {"2", "5", "1000"}) {
      const Trajectory t =
          problem(std::string("[data]\ndimension = ") + d + "\n[tasks]\n" + tasks + "[samples]\nat = [1, 1000000000]\n")
              ->solve();
      for (const Column& c : t.columns)
        for (const double x : c.value) CHECK(std::isfinite(x));
      CHECK(t.columns[0].value[1] <= 1.01 * t.columns[0].value[0]);
    }
}

TEST_CASE("modes tell the eigenvalues of a machine of one task") {
  // kap(u) = u^2 at u = (1 + t)/2 in space: (1 + 2 t + t^2)/4 = 1/3 P_0 + 1/2 P_1 + 1/6 P_2, over 2k + 1.
  const auto modes =
      problem(
          "[data]\ndimension = 3\n[tasks]\ncount = 3\noverlap = 0.4\n[kernel]\nkind = 'taylor'\ncoefficients = "
          "[0, 0, 1]\n[samples]\nmax = 30\n")
          ->mode_table();
  REQUIRE(modes.back().name == "own_eigenvalue");
  const double own[] = {1. / 3, 1. / 6, 1. / 30};
  for (std::size_t i = 0; i < modes.back().value.size(); ++i)
    if (const double k = modes[1].value[i]; k < 3)
      CHECK(modes.back().value[i] == Approx(own[static_cast<std::size_t>(k)]).epsilon(1e-12));
}

TEST_CASE("power beyond max_degree is warned of") {
  const auto warnings = problem(
                            "[data]\ndimension = 6\n[tasks]\ncount = 3\npowers = [0, 0.5, 0.25, 0.5]\n[kernel]\nkind = "
                            "'gauss'\nmax_degree = 2\nridge = 0.5\n[samples]\nat = [10]\n")
                            ->warnings();
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0] == "0.5 of the tasks' power lies beyond kernel.max_degree and counts as not learned");
  CHECK(problem("[data]\ndimension = 6\n[tasks]\ncount = 3\npowers = [0, 0.5, 0.25]\n[kernel]\nkind = "
                "'gauss'\nmax_degree = 2\nridge = 0.5\n[samples]\nat = [10]\n")
            ->warnings()
            .empty());
}

TEST_CASE("what is wrong is told in one line with its key") {
  const std::string data = "[data]\ndimension = 6\n", end = "[samples]\nmax = 20\n";
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    return text.find(part) != std::string::npos;
  };
  CHECK(has(refusal(end), "data.dimension"));
  CHECK(has(refusal(data + "[tasks]\noverlap = 1\n" + end), "tasks.overlap"));
  CHECK(has(refusal(data + "[tasks]\ndepth = 2\n" + end), "tasks.depth: is read where codes = tree"));
  CHECK(
      has(refusal(data + "[tasks]\ncodes = 'tree'\ncount = 2\n" + end), "tasks.count: is read where codes = cluster"));
  CHECK(has(refusal(data + "[tasks]\ncodes = 'tree'\ndepth = 17\n" + end), "tasks.depth"));
  for (const char* functions : {"parity", "independent"})
    CHECK(has(refusal(data + "[tasks]\nfunctions = '" + functions + "'\n" + end),
              "tasks.functions: is read where codes = tree, and here it is cluster"));
  CHECK(has(refusal(data + "[tasks]\npowers = [0, 0]\n" + end), "tasks.powers"));
  CHECK(has(refusal(data + "[tasks]\npowers = []\n" + end), "tasks.powers"));
  CHECK(has(refusal(data + "[kernel]\nbias = true\n" + end), "kernel.bias"));
  CHECK(has(refusal(data + "[samples]\nmax = 0\n"), "samples.max"));
  CHECK(has(refusal("[data]\ndimension = 5.5\n" + end, true), "data.dimension: must be whole"));
  CHECK(has(refusal(data + "[samples]\nmax = 50000\n", true), "samples.max: a simulation"));
}

TEST_CASE("a machine of its own is kernel regression on its share of the samples") {
  // (1 + t)/2 of tasks without overlap: .5 + .5 t of each one, which never learns degree 2.
  const std::string same = "\n[kernel]\nridge = 0.1\nkind = 'taylor'\ncoefficients = ";
  const auto tasks = problem("[data]\ndimension = 6\n[tasks]\ncount = 4\npowers = [0.1, 0.5, 0.4]" + same +
                             "[0, 1]\n[samples]\nat = [41, 400]\n");
  const Experiment e = read_experiment(
      settings::read_text("model = 'kernel-regression'\n[data]\ndimension = 6\n[target]\npowers = [0.1, 0.5, 0.4]" +
                              same + "[0.5, 0.5]\n[samples]\nat = [10, 100]\n",
                          "e.toml"));
  const auto one = find(e).prepare(e);
  const auto theory = tasks->solve(), own = one->solve();
  for (std::size_t k = 0; k < 2; ++k)
    CHECK(theory.find("modular_excess_mse")->value[k] == Approx(own.find("excess_mse")->value[k]).epsilon(1e-10));
  const auto found = tasks->stability();
  CHECK(number(found, "tasks") == 4);
  CHECK(number(found, "target_power") == Approx(1).epsilon(1e-12));
  CHECK(number(found, "modular_unlearnable_power") == Approx(.4).epsilon(1e-12));
  // The one machine has t/2 in common between all tasks: what differs between them in degree 1, 3/4 of it, is lost too.
  CHECK(number(found, "unlearnable_power") == Approx(.4 + .375).epsilon(1e-12));
  CHECK(number(found, "modular_samples_for_0.5") ==
        Approx(4 * number(one->stability(), "samples_for_0.5")).epsilon(1e-8));
  // Common and differential levels, of each degree: 1 and 3 times the harmonics.
  const auto modes = tasks->mode_table();
  double common = 0, differential = 0;
  for (std::size_t k = 0; k < modes[0].value.size(); ++k) {
    CHECK(modes[0].name == "code_level");
    if (modes[1].value[k] == 1) (modes[0].value[k] == 0 ? common : differential) += modes[3].value[k];
  }
  CHECK(common == Approx(6));
  CHECK(differential == Approx(18));
  double left = 0;
  REQUIRE(modes[5].name == "unlearned_power");
  for (const double x : modes[5].value) left += x;
  CHECK(left >= .4);
  CHECK(left < 1);
}

TEST_CASE("columns, findings and modes of clusters by averages over the circle") {
  // A_k and B_k, of kap((bias + c + cos x)/(2 + bias)) at c = 1 and at c = overlap, with cos k x.
  const double T = 3, overlap = .4, bias = .7, coefficients[] = {.3, .5, .4, .3, .2, 1e-3};
  const auto kernel = [&](double u) {
    double sum = 0;
    for (int k = 5; k >= 0; --k) sum = sum * u + coefficients[k];
    return sum;
  };
  literal::LearningCurve mono, single;
  const double powers[] = {.1, .4, .3, .2, 0};
  mono.noise = single.noise = .1;
  double same[5] = {}, other[5] = {}, tail = kernel(1), tail_alone = kernel(1);
  for (int k = 0; k < 5; ++k) {
    for (int i = 0; i < 64; ++i) {
      const double angle = std::numbers::pi * i / 32, t = std::cos(angle), wave = std::cos(k * angle) / 64;
      same[k] += kernel((bias + 1 + t) / (2 + bias)) * wave;
      other[k] += kernel((bias + overlap + t) / (2 + bias)) * wave;
    }
    const double m = k == 0 ? 1 : 2;
    single.lambda.push_back(same[k]);
    single.multiplicity.push_back(m);
    single.power.push_back(powers[k]);
    mono.lambda.push_back((same[k] + 2 * other[k]) / 3);
    mono.multiplicity.push_back(m);
    mono.power.push_back(powers[k] * (k == 0 ? 1 : 1 / T));
    tail_alone -= m * same[k];
    tail -= m * (same[k] + 2 * other[k]) / 3 + 2 * m * (same[k] - other[k]) / 3;
  }
  for (int k = 0; k < 5; ++k) {
    mono.lambda.push_back((same[k] - other[k]) / 3);
    mono.multiplicity.push_back(k == 0 ? 2 : 4);
    mono.power.push_back(powers[k] * (k == 0 ? 0 : 2 / T));
  }
  mono.fixed = .05 + tail;
  single.fixed = .05 + tail_alone;
  const std::string text =
      "[data]\ndimension = 2\n[tasks]\ncount = 3\noverlap = 0.4\nbias = 0.7\npowers = [0.1, 0.4, 0.3, 0.2]\n[kernel]\n"
      "kind = 'taylor'\ncoefficients = [0.3, 0.5, 0.4, 0.3, 0.2, 1e-3]\nmax_degree = 4\nridge = 0.05\n[noise]\n"
      "variance = 0.1\n[samples]\nat = [20, 95]\n";
  const auto p = problem(text);
  const Trajectory theory = p->solve();
  for (std::size_t t = 0; t < 2; ++t) {
    const double n = theory.steps[t];
    CHECK(theory.find("kappa")->value[t] == Approx(mono.kappa(n)).epsilon(1e-9));
    CHECK(theory.find("excess_mse")->value[t] == Approx(mono.excess(n)).epsilon(1e-9));
    CHECK(theory.find("modular_excess_mse")->value[t] == Approx(single.excess(std::floor(n / T))).epsilon(1e-9));
  }
  const auto found = p->stability();
  CHECK(number(found, "tail_trace") == Approx(tail).epsilon(1e-6));
  CHECK(number(found, "last_degree") == 4);
  for (const char* error : {"0.5", "0.1", "0.01"}) {
    const double mixture = number(found, std::string("samples_for_") + error),
                 alone = number(found, std::string("modular_samples_for_") + error);
    CAPTURE(error);
    CHECK(mono.excess(mixture) == Approx(std::stod(error)).epsilon(1e-7));
    CHECK(mono.excess(.99 * mixture) > std::stod(error));
    CHECK(single.excess(alone / T) == Approx(std::stod(error)).epsilon(1e-7));
    CHECK(number(found, std::string("penalty_") + error) == Approx(mixture / alone).epsilon(1e-13));
  }
  // The bound is the larger one of either machine at the samples that it has.
  namespace curves = ingredients::learning_curves;
  TaskFamily family;
  family.dimension = 2;
  family.tasks = T;
  family.overlap = overlap;
  family.bias = bias;
  family.power = {.1, .4, .3, .2};
  const auto same_kernel = curves::taylor_kernel({.3, .5, .4, .3, .2, 1e-3}, false);
  const curves::LearningCurve one(modular_tasks::monolithic_levels(family, *same_kernel, 4), .05, .1),
      own(modular_tasks::single_task_levels(family, *same_kernel, 4), .05, .1);
  CHECK(number(found, "truncation") > 0);
  CHECK(number(found, "truncation") == Approx(std::max(one.at(95).truncation, own.at(31).truncation)).epsilon(1e-9));

  const auto modes = p->mode_table();
  const double kappa = mono.kappa(95);
  REQUIRE(modes[0].value.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(modes[0].value[i] == (i < 5 ? 0 : 1));
    CHECK(modes[1].value[i] == static_cast<double>(i % 5));
    CHECK(modes[2].value[i] == Approx(mono.lambda[i]).epsilon(1e-9));
    CHECK(modes[3].value[i] == mono.multiplicity[i]);
    CHECK(modes[4].value[i] == Approx(mono.power[i]).epsilon(1e-14));
    CHECK(modes[5].value[i] == Approx(mono.left(i, kappa)).epsilon(1e-9));
  }
  CHECK(modes[2].name == "eigenvalue");
  CHECK(modes[5].name == "unlearned_power");
  // Beyond the degrees in which codes differ there is one level more, of all of them.
  const auto followed = problem("[data]\ndimension = 6\n[tasks]\ncount = 3\n[samples]\nat = [50]\n")->mode_table();
  CHECK(followed[0].value.front() == 0);
  CHECK(followed[0].value.back() == 2);
}

TEST_CASE("experiments of a tree read its depth, bias, functions and kernel as they are told") {
  // exp((u - 1)/s2) of h = 2 signs: products of cosh and sinh of y/2, y = 1/(s2 (2 + bias)), and of the averages over t at
  // d = 3, sinh y/y and cosh y/y - sinh y/y^2.
  for (const double bias : {.5, 1.})
    for (const double s2 : {.8, 1.5}) {
      const double y = 1 / (s2 * (2 + bias)), outside = std::exp((bias / (2 + bias) - 1) / s2),
                   along[] = {std::sinh(y) / y, std::cosh(y) / y - std::sinh(y) / (y * y)};
      for (const bool parity : {false, true}) {
        const auto modes =
            problem("[data]\ndimension = 3\n[tasks]\ncodes = 'tree'\ndepth = 2\nbias = " + settings::text_of(bias) +
                    "\nfunctions = '" + (parity ? "parity" : "independent") +
                    "'\npowers = [0.25, 0.75]\n[kernel]\nkind = 'gauss'\nmax_degree = 1\ns2 = " +
                    settings::text_of(s2) + "\n[samples]\nat = [5]\n")
                ->mode_table();
        REQUIRE(modes[0].value.size() == 6);
        const double copies[] = {1, 2, 1};
        for (std::size_t q = 0; q < 3; ++q)
          for (std::size_t k = 0; k < 2; ++k) {
            const std::size_t i = 2 * q + k;
            CHECK(modes[0].value[i] == static_cast<double>(q));
            CHECK(modes[2].value[i] ==
                  Approx(outside * along[k] * std::pow(std::cosh(y / 2), 2 - static_cast<double>(q)) *
                         std::pow(std::sinh(y / 2), static_cast<double>(q)))
                      .epsilon(1e-10));
            CHECK(modes[3].value[i] == copies[q] * (k == 0 ? 1 : 3));
            const double share = parity ? (q == 2 ? 1 : 0) : k == 0 ? (q == 0 ? 1 : 0) : copies[q] / 4;
            CHECK(modes[4].value[i] == Approx(share * (k == 0 ? .25 : .75)));
          }
      }
    }
}

TEST_CASE("what max_degree leaves out is not taken for learning") {
  // Orthogonal ntk tasks without a ridge, labels with noise: lambda ~ k^-6, of k^4 harmonics each, so that the excess
  // tends to (6/5 - 1) of the noise and never falls to .1. 400 levels give .2017 at 1e7 samples, 24 give .066.
  const std::string text =
      "[data]\ndimension = 6\n[kernel]\nridge = 0\nmax_degree = 24\n[noise]\nvariance = 1\n[theory]\nerrors = [0.5, "
      "0.1]\n[samples]\nat "
      "= ";
  const auto few = problem(text + "[1000, 100000, 10000000]\n");
  const auto theory = few->solve();
  CHECK(theory.columns[0].value[1] == Approx(0.21148).epsilon(0.01));
  CHECK(theory.columns[0].value[2] < 0.1);
  REQUIRE(theory.valid_until);
  CHECK(*theory.valid_until == 100000);
  REQUIRE(few->warnings().size() == 1);
  CHECK(few->warnings()[0].find("levels beyond those that are followed would be learned") != std::string::npos);
  CHECK(problem(text + "[1000, 100000]\n")->warnings().empty());
  const auto findings = few->stability();
  CHECK(std::isfinite(number(findings, "samples_for_0.5")));
  CHECK(std::isnan(number(findings, "samples_for_0.1")));
  CHECK(std::isnan(number(findings, "penalty_0.1")));
}

TEST_CASE("without max_degree the levels of ReLU kernels go on to the end") {
  // As above: 400 levels give .2017.
  const auto all =
      problem("[data]\ndimension = 6\n[kernel]\nridge = 0\n[noise]\nvariance = 1\n[samples]\nat = [1000, 10000000]\n");
  CHECK(all->solve().columns[0].value[1] == Approx(0.2017).epsilon(1e-3));
  CHECK(number(all->stability(), "last_degree") > 1000);
  CHECK(number(all->stability(), "truncation") < 1e-3);
  CHECK(all->warnings().empty());
  // Against averages to degree 1000, few samples for which they do: also for codes that are close, and trees.
  const std::string noisy = "[noise]\nvariance = 0.1\n[samples]\nat = [100, 1000]\n[data]\ndimension = 3\n[tasks]\n";
  for (const std::string tasks : {"count = 4\n", "count = 4\noverlap = 0.9\n", "codes = 'tree'\ndepth = 3\n"}) {
    CAPTURE(tasks);
    const auto few = problem(noisy + tasks)->solve();
    const auto many = problem(noisy + tasks + "[kernel]\nmax_degree = 400\n")->solve();
    for (std::size_t o = 0; o < 3; ++o)
      for (std::size_t t = 0; t < 2; ++t)
        CHECK(few.columns[o].value[t] == Approx(many.columns[o].value[t]).epsilon(1e-5));
  }
  // Many dimensions, where the trace beyond is a ridge all the same.
  const std::string wide = "[noise]\nvariance = 0.1\n[samples]\nat = [100, 1000]\n[data]\ndimension = 20\n";
  CHECK(problem(wide)->solve().columns[0].value[1] ==
        Approx(problem(wide + "[kernel]\nmax_degree = 24\n")->solve().columns[0].value[1]).epsilon(1e-9));
  // Power in high degrees is learned there too, and listed once.
  std::string powers = "[0, 0.5";
  for (int k = 2; k < 30; ++k) powers += ", 0";
  const auto high = problem(noisy + "powers = " + powers + ", 0.5]\n");
  double listed = 0;
  for (const ModeColumn& column : high->mode_table())
    if (column.name == "target_power")
      for (const double x : column.value) listed += x;
  CHECK(listed == Approx(1).epsilon(1e-12));
  // Codes that no degree tells apart: of signs without a bias one parity is another kernel's.
  const auto parity = problem(noisy + "codes = 'tree'\nbias = 0\n")->stability();
  CHECK(number(parity, "last_degree") == 192);
  CHECK(number(parity, "tail_trace") > 0);
}

TEST_CASE("of a constant target on a few samples no excess is claimed, of machines of their own or of one") {
  // One machine sees the constant of a task as a feature of its codes, which fluctuate where functions differ by signs.
  const auto from = [](const std::string& functions, const char* observable) {
    const models::Trajectory theory =
        models::testing::prepare(
            "model = 'modular-tasks'\n[data]\ndimension = 6\n[tasks]\ncodes = 'tree'\ndepth = 3\nfunctions = '" +
            functions +
            "'\npowers = [1.0]\n[kernel]\nkind = 'gauss'\ns2 = 1.0\nridge = 0.01\n[samples]\nat = [10, 200]\n")
            ->solve();
    const models::Column* column = theory.find(observable);
    REQUIRE(column != nullptr);
    return column->valid_from;
  };
  CHECK(from("parity", "modular_excess_mse") > 10);
  CHECK(from("parity", "excess_mse") == 0);
}

TEST_CASE(
    "many tasks: no samples are shown where they are asked for, and claims begin where E0 has fallen, as of one task "
    "alone") {
  const Trajectory none =
      problem("[data]\ndimension = 4\n[tasks]\npowers = [0.2, 0.7]\n[samples]\nat = [0, 60]\n")->solve();
  REQUIRE(none.steps == std::vector<double>{0, 60});
  CHECK(none.find("excess_mse")->value[0] == Approx(.9).epsilon(1e-14));
  CHECK(none.find("modular_excess_mse")->value[0] == Approx(.9).epsilon(1e-14));
  CHECK(none.find("kappa")->valid_from == 1);
  CHECK(none.find("excess_mse")->valid_from == 0);
  CHECK(problem("[data]\ndimension = 4\n[samples]\nmax = 60\n")->solve().steps.front() > 0);
  // Of one task exp(((1 + t)/2 - 1)/5) is kernel-regression's exp((t - 1)/10).
  const std::string same =
      "\n[noise]\nvariance = 0.2\n[samples]\nat = [9, 100]\n[kernel]\nkind = 'gauss'\nridge = 1e-3\n";
  const Trajectory one =
      problem("[data]\ndimension = 8\n[tasks]\ncount = 1\npowers = [0, 0.5, 0.5]" + same + "s2 = 5\n")->solve();
  const Trajectory regression = models::testing::prepare(
                                    "model = 'kernel-regression'\n[data]\ndimension = 8\n[target]\npowers = [0, 0.5, "
                                    "0.5]" +
                                    same + "s2 = 10\n")
                                    ->solve();
  CHECK(!one.valid_until);
  for (const Column& column : one.columns) CHECK(column.valid_from == 100);
  for (std::size_t t = 0; t < 2; ++t) {
    CHECK(one.columns[0].value[t] == Approx(regression.find("excess_mse")->value[t]).epsilon(1e-6));
    CHECK(one.columns[1].value[t] == one.columns[0].value[t]);
    CHECK(one.columns[2].value[t] == Approx(regression.find("kappa")->value[t]).epsilon(1e-6));
  }
}

TEST_CASE("modular tasks: what is left out is what the description says") {
  const auto check = [](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default("model = 'modular-tasks'\n[data]\ndimension = 3\n[samples]\nat = [12]\n" + keys, key,
                                   usual, other);
  };
  const std::string low = "[kernel]\nmax_degree = 6\n", tree = low + "[tasks]\ncodes = 'tree'\n";
  check(low, "tasks.codes", "'cluster'", "'tree'");
  check(low, "tasks.count", "4", "3");
  check(low, "tasks.overlap", "0", "0.1");
  check(low, "tasks.bias", "0", "0.1");
  check(low, "tasks.powers", "[0, 0.5, 0.5]", "[0, 0.5]");
  check(tree, "tasks.depth", "2", "3");
  check(tree, "tasks.bias", "1", "0.9");
  check(tree, "tasks.functions", "'independent'", "'parity'");
  check(low, "kernel.kind", "'ntk'", "'arc1'");
  check(low + "kind = 'gauss'\n", "kernel.s2", "1", "1.1");
  check(low + "kind = 'deep-ntk'\n", "kernel.layers", "2", "3");
  check(low, "kernel.ridge", "0.01", "0.02");
  check(low, "noise.variance", "0", "0.1");
  check(low, "theory.errors", "[0.5, 0.1, 0.01]", "[0.5]");
  check(low, "monte_carlo.test_samples", "1000", "999");
}
