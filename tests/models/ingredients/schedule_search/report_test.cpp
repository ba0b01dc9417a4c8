// What a search for schedules reports: of sums of parabolas everything is known.
#include "models/ingredients/schedule_search/report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;

namespace {

constexpr std::size_t T = 4;

/// floor + sum_k (a_k eta_k - b_k)^2.
class Parabolas final : public RateObjective {
 public:
  std::vector<double> a{1, 2, 3, 4}, b{1, 1, 0.3, 1.2};
  double floor = 0.05;
  explicit Parabolas(RateFacts facts = {}) : RateObjective(with_steps(std::move(facts))) {}
  static RateFacts with_steps(RateFacts facts) {
    facts.steps = T;
    facts.observable = {"loss", "1", "of parabolas"};
    return facts;
  }
  double value(std::span<const double> rates) const override {
    double J = floor;
    for (std::size_t k = 0; k < T; ++k) J += std::pow(a[k] * rates[k] - b[k], 2);
    return J;
  }
  double gradient(std::span<const double> rates, std::span<double> slope) const override {
    for (std::size_t k = 0; k < T; ++k) slope[k] = 2 * a[k] * (a[k] * rates[k] - b[k]);
    return value(rates);
  }
  std::optional<double> sweep(std::span<double> rates, double cap) const override {
    for (std::size_t k = 0; k < T; ++k) rates[k] = std::min(cap, b[k] / a[k]);
    return value(rates);
  }
  std::optional<double> greedy(std::span<double> rates, double cap) const override {
    std::ranges::fill(rates, std::min(0.2, cap));
    return value(rates);
  }
  RatePath path(std::span<const double> rates) const override { return {std::vector<double>(T + 1, value(rates)), {}}; }

  /// The least loss of multiples of a shape, which begins with 1, its largest.
  double least(const std::vector<double>& shape, double cap = 0.8) const {
    double cross = 0, square = 0;
    for (std::size_t k = 0; k < T; ++k) {
      cross += a[k] * shape[k] * b[k];
      square += std::pow(a[k] * shape[k], 2);
    }
    std::vector<double> rates = shape;
    for (double& rate : rates) rate *= std::min(cross / square, cap);
    return value(rates);
  }
};

std::vector<double> polynomial(double power) {
  std::vector<double> out;
  for (std::size_t k = 0; k < T; ++k) out.push_back(std::pow(1 - static_cast<double>(k) / T, power));
  return out;
}

ScheduleSearch of_families(std::vector<std::string> names) {
  ScheduleSearch out;
  out.families = std::move(names);
  return out;
}

bool goes_on(double) {
  return true;
}

}  // namespace

TEST_CASE("the report: the optimum, families by their losses and gaps, greedy rates and what was known before") {
  RateFacts facts;
  facts.predictions = {{"foreseen", 3.5, "known beforehand"}};
  facts.capped = [](double cap) { return std::vector<Finding>{{"under_cap", 2 * cap, "known of a cap"}}; };
  facts.caution = "mind the gap";
  const Parabolas J(facts);
  ScheduleSearch search = of_families({"constant", "polynomial", "linear"});
  search.max_rate = 0.8;
  std::vector<double> shares;
  const ScheduleReport report = search_schedules(J, search, [&](double share) {
    shares.push_back(share);
    return true;
  });
  CHECK(report.observable.name == "loss");
  CHECK_FALSE(report.stopped);
  const std::vector<double> best{0.8, 0.5, 0.1, 0.3};
  for (std::size_t k = 0; k < T; ++k) CHECK(report.optimum.rates[k] == Approx(best[k]).epsilon(1e-9));
  const double least = 0.05 + 0.04;
  CHECK(report.optimum.loss == Approx(least).epsilon(1e-9));
  CHECK(report.path.loss == std::vector<double>(T + 1, J.value(report.optimum.rates)));
  CHECK(report.greedy == Approx(J.value(std::vector<double>(T, 0.2))).epsilon(1e-12));
  CHECK(std::ranges::find(report.warnings, "mind the gap") != report.warnings.end());
  // Progress: by the third family two thirds are done.
  CHECK(std::ranges::max(shares) == Approx(2.0 / 3));

  const auto constant = J.least(polynomial(0)), linear = J.least(polynomial(1));
  double polynomials = linear;
  for (const double power : {.5, .75, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0})
    polynomials = std::min(polynomials, J.least(polynomial(power)));
  REQUIRE(report.families.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const FamilyGap& one = report.families[i];
    const double expected = one.family.name == "constant" ? constant
                            : one.family.name == "linear" ? linear
                                                          : polynomials;
    CHECK(one.family.loss == Approx(expected).epsilon(1e-6));
    CHECK(one.gap == Approx(one.family.loss / report.optimum.loss - 1).epsilon(1e-12));
    if (i > 0) CHECK(one.family.loss >= report.families[i - 1].family.loss);
  }

  const std::vector<Finding> found = schedule_findings(report, 0.8);
  CHECK(number(found, "optimum") == report.optimum.loss);
  CHECK(number(found, "starts_apart") == report.optimum.spread);
  CHECK(flag(found, "identifiable"));
  CHECK(number(found, "peak") == Approx(0.8).epsilon(1e-9));
  CHECK(number(found, "peak_step") == 0);
  CHECK(number(found, "first") == Approx(0.8).epsilon(1e-9));
  CHECK(number(found, "last") == Approx(0.3).epsilon(1e-9));
  CHECK(number(found, "at_max_rate") == 0.25);
  CHECK(number(found, "greedy") == report.greedy);
  CHECK(number(found, "constant") == Approx(constant).epsilon(1e-6));
  CHECK(number(found, "polynomial") == Approx(polynomials).epsilon(1e-6));
  for (const auto& [name, power] : {std::pair("polynomial 0.5", 0.5), {"polynomial 1", 1.0}, {"polynomial 3", 3.0}})
    CHECK(number(found, name) == Approx(J.least(polynomial(power))).epsilon(1e-6));
  CHECK(number(found, "foreseen") == 3.5);
  CHECK(number(found, "under_cap") == 1.6);
  CHECK(share_at(report.optimum, 0.5) == 0.5);
  CHECK(share_at(report.optimum, 1) == 0);

  // Of what is not one schedule no shape is told.
  ScheduleReport vague = report;
  vague.optimum.identifiable = false;
  const std::vector<Finding> blurred = schedule_findings(vague, 0.8);
  for (const char* name : {"peak", "peak_step", "first", "last", "at_max_rate"})
    CHECK(std::isnan(number(blurred, name)));
  CHECK(number(blurred, "optimum") == report.optimum.loss);
}

TEST_CASE("a family that was asked to stop is missing, and one whose bases lie beyond the grid is named") {
  const Parabolas J;
  int asked = 0;
  const ScheduleReport half = search_schedules(J, of_families({"constant", "linear"}), [&](double share) {
    ++asked;
    return share < 0.5;
  });
  CHECK(half.stopped);
  REQUIRE(half.families.size() == 1);
  CHECK(half.families[0].family.name == "constant");
  CHECK(half.warnings.empty());
  Parabolas far;
  far.b = {100, 200, 300, 400};
  far.floor = 1e3;
  const ScheduleReport edge = search_schedules(far, of_families({"linear", "constant"}), goes_on);
  REQUIRE(edge.warnings.size() >= 1);
  CHECK(edge.warnings.back() ==
        "the grid of base rates, 1e-4 to 10 over the largest eigenvalue, was extended for linear, constant");
  // A constant rate of 100 is the optimum itself: no gap.
  CHECK(edge.families.front().family.name == "constant");
  CHECK(std::abs(edge.families.front().gap) < 1e-9);
}

TEST_CASE("a search as an experiment asks for it: its findings, their names before it, and none when it is stopped") {
  const std::string text =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\n[noise]\nvariance = 0.2\n"
      "[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 6\n[schedule_search]\nfamilies = ['constant', 'polynomial']\n";
  const Experiment experiment = read_experiment(settings::read_text(text, "x.toml"));
  const auto problem = find(experiment).prepare(experiment);
  const std::vector<Finding> found = searched_findings(*problem, experiment, [] { return false; });
  std::vector<std::string> names;
  for (const Finding& one : found) names.push_back(one.name);
  std::vector<std::string> before = searched_finding_names(*problem, experiment);
  CHECK(std::ranges::find(names, "polynomial 0.75") != names.end());
  // The families of a search stand in the order of their losses.
  std::ranges::sort(names);
  std::ranges::sort(before);
  CHECK(names == before);
  CHECK(number(found, "optimum") <= number(found, "polynomial"));
  CHECK(number(found, "polynomial") <= number(found, "polynomial 1"));
  CHECK(searched_findings(*problem, experiment, [] { return true; }).empty());
  const Experiment none = read_experiment(settings::read_text(
      "model = 'sum-of-powers'\n[powers]\nterms = [[1, 0.5, 0], [1, 0, 0.5]]\n[time]\nsteps = 6\n", "x.toml"));
  const auto powers = find(none).prepare(none);
  const std::string why = "x.toml: model: sum-of-powers offers no gradient by its learning rates";
  CHECK_THROWS_WITH_AS(searched_findings(*powers, none, [] { return false; }), why.c_str(), settings::Error);
  CHECK_THROWS_WITH_AS(searched_finding_names(*powers, none), why.c_str(), settings::Error);
}
