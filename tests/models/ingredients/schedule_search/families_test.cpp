// The base rate of every family's best member against dense scans of a literal recursion.
#include "models/ingredients/schedule_search/families.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Modes {
  std::vector<double> lambda;
  double batch, noise;
};

/// (1.1) as it is written, from D = 1; a run that has grown by 1e12 is given up, as section 1 has it.
double loss_at(const Modes& m, const std::vector<double>& shape, double base) {
  std::vector<double> D(m.lambda.size(), 1.0);
  double scale = m.noise;
  for (const double l : m.lambda) scale += l;
  for (const double s : shape) {
    const double eta = base * s;
    double P = 0;
    for (std::size_t i = 0; i < D.size(); ++i) P += m.lambda[i] * D[i];
    if (P > 1e12 * scale) return infinity;
    for (std::size_t i = 0; i < D.size(); ++i) {
      const double l = m.lambda[i], q = 1 - eta * l;
      D[i] = q * q * D[i] + (std::isinf(m.batch) ? 0 : eta * eta / m.batch * l * (l * D[i] + P + m.noise));
    }
  }
  double P = 0;
  for (std::size_t i = 0; i < D.size(); ++i) P += m.lambda[i] * D[i];
  return P;
}

/// Another objective, whose losses it counts.
class Counted final : public RateObjective {
 public:
  explicit Counted(const RateObjective& J) : RateObjective(J.facts()), J_(J) {}
  double value(std::span<const double> rates) const override {
    ++asked;
    return J_.value(rates);
  }
  std::optional<double> estimate(std::span<const RateStretch> run) const override { return J_.estimate(run); }
  double gradient(std::span<const double> rates, std::span<double> slope) const override {
    return J_.gradient(rates, slope);
  }
  RatePath path(std::span<const double> rates) const override { return J_.path(rates); }
  mutable int asked = 0;

 private:
  const RateObjective& J_;
};

/// Over bases evenly spaced, and evenly in their logarithm, as far as 200 over the largest eigenvalue and the shape's peak.
double least_by_dense_scan(const Modes& m, const std::vector<double>& shape) {
  const double peak = *std::ranges::max_element(shape);
  double least = infinity;
  for (int i = 1; i <= 1000; ++i) least = std::min(least, loss_at(m, shape, 0.01 * i / peak));
  for (double base = 1e-3; base < 200; base *= 1.01) least = std::min(least, loss_at(m, shape, base / peak));
  return least;
}

std::unique_ptr<RateObjective> objective(const Modes& m, int steps) {
  std::string lambdas, ones;
  for (const double l : m.lambda) {
    lambdas += edgewise::settings::text_of(l) + ",";
    ones += "1,";
  }
  const std::string noise =
      m.noise > 0 ? "[noise]\nvariance = " + edgewise::settings::text_of(m.noise) + "\n" : std::string();
  return prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [" + lambdas + "]\n" + noise +
                 "[initial]\nerror_power = [" + ones + "]\n[optimizer]\nlearning_rate = 1\nbatch = " +
                 edgewise::settings::text_of(m.batch) + "\n[time]\nsteps = " + std::to_string(steps) + "\n")
      ->rate_objective("");
}

const std::vector<std::vector<double>> spectra{{1}, {1, 0.2}, {1, 0.5, 0.01}, {1, 0.5, 0.2, 0.1}};

}  // namespace

TEST_CASE("the best base of every family's members is the least of a dense scan" * doctest::test_suite("slow")) {
  for (const int T : {1, 2, 5})
    for (const std::vector<double>& lambda : spectra)
      for (const double batch : {1.0, 1e4, infinity}) {
        const Modes m{lambda, batch, std::isinf(batch) || T == 2 ? 0.0 : 0.25};
        const auto J = objective(m, T);
        CAPTURE(T);
        CAPTURE(lambda.size());
        CAPTURE(batch);
        for (const std::string& name : schedule_family_names()) {
          ScheduleSearch search;
          search.warmups = {0, 0.4};
          search.search = "none";  // of those on a grid, every member
          const TunedFamily tuned = tune_family(*J, name, search, {});
          CAPTURE(name);
          double best = infinity;
          for (const FamilyMember& member : tuned.tried) {
            const double least = least_by_dense_scan(m, shape_of(name, member, search, static_cast<std::size_t>(T)));
            CHECK(member.loss <= least * (1 + 1e-9) + 1e-20);
            best = std::min(best, least);
          }
          if (!tuned.tried.empty()) CHECK(tuned.loss <= best * (1 + 1e-9) + 1e-20);
        }
      }
}

TEST_CASE("large batches, few steps: the lower of two valleys, whatever the units of the eigenvalues are") {
  // An even scan: cosine .00269108 at 2.8950, where a grid of 33 points ends at .014854, 1.9644.
  for (const double unit : {1.0, 3.7, 1e-40}) {
    const Modes m{{unit, 0.2 * unit}, 1e4, 0};
    const auto J = objective(m, 5);
    ScheduleSearch search;
    search.warmups = {0};
    const TunedFamily cosine = tune_family(*J, "cosine", search, {});
    CHECK(cosine.loss / unit == Approx(0.00269108).epsilon(1e-5));
    CHECK(cosine.base * unit == Approx(2.8950).epsilon(1e-4));
  }
}

TEST_CASE("families that are searched end at the best base of the member they report") {
  const Modes m{{1, 0.2}, 1e4, 0};
  const auto J = objective(m, 5);
  for (const std::string name : {"two-point-linear", "stick-breaking-spline", "smooth"}) {
    ScheduleSearch search;
    search.shapes = 20;
    const TunedFamily tuned = tune_family(*J, name, search, {});
    CHECK(tuned.loss <= least_by_dense_scan(m, shape_of(name, tuned.tried.front(), search, 5)) * (1 + 1e-9));
  }
}

TEST_CASE("searches of one family from other random shapes end near each other, and the best is taken") {
  // R1 of docs/theory/schedules-and-collapse.md: the optimum is 0.016118200088, the two-point lines' best .1509% above it.
  const auto J = prepare(
                     "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100\nalpha = 1.0\nbeta = "
                     "0.5\n[noise]\nvariance = 0.25\n[optimizer]\nlearning_rate = 1\n[time]\nsteps = 300\n")
                     ->rate_objective("");
  const std::vector<double> about(300, 0.26);
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    ScheduleSearch search;
    search.seed = seed;
    search.restarts = 3;
    const TunedFamily tuned = tune_family(*J, "two-point-linear", search, about);
    REQUIRE(tuned.restarts.size() == 3);
    const auto [least, most] = std::ranges::minmax(tuned.restarts);
    CHECK(tuned.loss <= least);
    CHECK(most < 1.01 * least);
    CHECK(tuned.loss / 0.016118200088 - 1 < 0.0016);
    CHECK(tune_family(*J, "linear", search, about).restarts.empty());
  }
}

TEST_CASE("where the loss is least beside rates that diverge, a search goes on along that edge") {
  // The loss falls with every rate, and rates whose mean is above 1 diverge: least at the mean 1, with the weight early.
  class Edge final : public RateObjective {
   public:
    Edge() : RateObjective({.steps = 40}) {}
    double value(std::span<const double> rates) const override {
      double mean = 0, late = 0;
      for (std::size_t k = 0; k < rates.size(); ++k) {
        mean += rates[k] / 40;
        late += rates[k] * static_cast<double>(k) / 1600;
      }
      return mean > 1 ? infinity : 3 - mean + 0.5 * late + 0.1 * late * late;
    }
    double gradient(std::span<const double>, std::span<double>) const override { return 0; }
    RatePath path(std::span<const double>) const override { return {}; }
  } J;
  ScheduleSearch search;
  search.restarts = 1;
  search.max_rate = 2;  // the best of all rates: 2 for the first half, loss 2.13125
  const TunedFamily tuned = tune_family(J, "two-point-linear", search, std::vector<double>(40, 2.0));
  CHECK(tuned.loss < 2.145);
}

TEST_CASE("of many steps a search looks at estimates, and ends with the loss itself") {
  const auto J = prepare(
                     "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 40\nalpha = 1.0\nbeta = "
                     "0.5\n[noise]\nvariance = 0.25\n[optimizer]\nlearning_rate = 1\n[time]\nsteps = 5000\n")
                     ->rate_objective("");
  ScheduleSearch search;
  search.restarts = 1;
  search.warmups = {0};
  const std::vector<double> about(5000, 0.1);
  const TunedFamily spline = tune_family(*J, "two-point-spline", search, about);
  CHECK(spline.shapes < 200);  // not the thousand of the search
  CHECK(spline.loss == J->value(spline.rates));
  const Counted counted(*J);
  const TunedFamily power = tune_family(counted, "polynomial", search, about);
  CHECK(counted.asked < 80);  // of one best base by losses alone 90 to 110
  CHECK(
      power.loss ==
      Approx(best_base(*J, shape_of("polynomial", {power.parameters, 0}, search, 5000), infinity).loss).epsilon(1e-12));
  for (const FamilyMember& member : power.tried) {
    const BestBase best = best_base(*J, shape_of("polynomial", member, search, 5000), infinity);
    // The losses themselves, at the bases that the estimate found best.
    CHECK(member.loss >= best.loss * (1 - 1e-12));
    CHECK(member.loss == Approx(best.loss).epsilon(2e-5));
  }
}
