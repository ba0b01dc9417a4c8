// The search for the best learning rates: what it finds, what it says of it, and what it does at the edges.
#include "models/ingredients/schedule_search/best_rates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "models/ingredients/schedule_search/report.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::models::testing::holds;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// sum_k (a_k eta_k - b_k)^2 + floor: everything about it is known. Told not to be quadratic, it is searched by L-BFGS.
class Parabolas final : public RateObjective {
 public:
  std::vector<double> a{1, 2, 3, 4}, b{1, 1, 0, 2};
  double floor = 0.5, wall = infinity;  ///< beyond this sum of the first two rates it diverges
  bool quadratic = true;
  explicit Parabolas(std::uint64_t steps = 4)
      : RateObjective({.steps = steps, .observable = {"loss", "1", "of parabolas"}}) {}
  double value(std::span<const double> rates) const override {
    double J = floor;
    for (std::size_t k = 0; k < a.size(); ++k) J += std::pow(a[k] * rates[k] - b[k], 2);
    return J > 1e6 || rates[0] + rates[1] > wall ? infinity : J;
  }
  double gradient(std::span<const double> rates, std::span<double> slope) const override {
    for (std::size_t k = 0; k < a.size(); ++k) slope[k] = 2 * a[k] * (a[k] * rates[k] - b[k]);
    return value(rates);
  }
  std::optional<double> sweep(std::span<double> rates, double cap) const override {
    if (!quadratic) return std::nullopt;
    for (std::size_t k = 0; k < a.size(); ++k) rates[k] = std::min(cap, b[k] / a[k]);
    return value(rates);
  }
  RatePath path(std::span<const double> rates) const override { return {std::vector<double>(5, value(rates)), {}}; }
};

std::string r1(int steps, const std::string& optimizer,
               const std::string& more = "[noise]\nlaw='gaussian'\nvariance=0.25\n") {
  return "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension = 100\n" + more +
         "[optimizer]\nlearning_rate = 1.0\n" + optimizer + "\n[time]\nsteps = " + std::to_string(steps) + "\n";
}

Optimum found(const RateObjective& J, const ScheduleSearch& search = {}) {
  return best_rates(J, search, [] { return false; });
}

}  // namespace

TEST_CASE("both searches find the minimum, within the cap") {
  for (const bool quadratic : {true, false})
    for (const double cap : {infinity, 0.4}) {
      Parabolas J;
      J.quadratic = quadratic;
      ScheduleSearch search;
      search.max_rate = cap;
      const Optimum best = found(J, search);
      CAPTURE(quadratic);
      CAPTURE(cap);
      CHECK(best.method == (quadratic ? "coordinate sweep" : "L-BFGS"));
      for (std::size_t k = 0; k < 4; ++k) CHECK(std::abs(best.rates[k] - std::min(cap, J.b[k] / J.a[k])) < 1e-6);
      CHECK(best.identifiable);
      CHECK(best.spread < 1e-9);
      CHECK(holds(best.statement, "the same minimum from 3 starts"));
    }
  Parabolas J;
  J.quadratic = false;
  ScheduleSearch search;
  search.method = "sweep";
  CHECK_THROWS_WITH_AS(found(J, search), doctest::Contains("use lbfgs"), std::invalid_argument);
}

TEST_CASE("a search that ends beside rates that diverge, where the loss has a slope, has not converged") {
  Parabolas J;
  J.quadratic = false;
  J.wall = 0.9;  // the minimum has 1 + 1/2
  const Optimum best = found(J);
  CHECK(best.rates[0] + best.rates[1] <= J.wall);
  for (const SearchFrom& search : best.searches) CHECK_FALSE(search.converged);
  REQUIRE(best.warnings.size() == 1);
  CHECK(holds(best.warnings[0], "may be beside rates that diverge"));
}

TEST_CASE("the base of a shape: inside the grid, beyond it, at the cap, nowhere") {
  Parabolas J(2);
  J.a = {1, 1};
  for (const double best : {0.3, 1e-6, 400.0}) {
    J.b = {best, best};
    J.floor = 1e-3 * best * best;
    const BestBase base = best_base(J, std::vector<double>{1, 1}, infinity);
    CHECK(base.base == Approx(best).epsilon(1e-4));
    CHECK(base.at_edge == (best != 0.3));
  }
  CHECK(best_base(J, std::vector<double>{1, 1}, 7).base == Approx(7).epsilon(1e-12));
  J.floor = 1e9;
  CHECK(best_base(J, std::vector<double>{1, 1}, infinity).loss == infinity);
  CHECK_THROWS_WITH_AS(found(J), doctest::Contains("optimizer: the run diverges at every learning rate"),
                       std::invalid_argument);
}

TEST_CASE("label noise of any size: the best constant rate is found however small it is") {
  // One step, one eigenvalue 1 of d = 1, B = 2: P = (1 - eta)^2 + eta^2 (1 + 1 + s)/2, least at eta = 1/(2 + s/2).
  for (const double s : {1e3, 1e11, 1e15, 1e30, 1e100, 1e200}) {
    CAPTURE(s);
    const auto J =
        prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\n[noise]\nvariance = " +
                edgewise::settings::text_of(s) + "\n[optimizer]\nlearning_rate = 1\nbatch = 2\n[time]\nsteps = 1\n")
            ->rate_objective("");
    const BestBase base = best_base(*J, std::vector<double>{1.0}, infinity);
    CHECK(base.at_edge == (s > 1e4));
    // So near the loss of rate 0 the base is known to the rounding of the loss alone.
    if (s < 1e10) CHECK(base.base == Approx(1 / (2 + s / 2)).epsilon(1e-4));
    CHECK(base.loss <= 1 + 1e-12);
  }
}

TEST_CASE("R1: sweep and L-BFGS agree, from different starts") {
  const auto J = prepare(r1(300, "batch = 1"))->rate_objective("");
  const Optimum swept = found(*J);
  ScheduleSearch search;
  search.method = "lbfgs";
  search.starts = 2;
  const Optimum other = found(*J, search);
  CHECK(swept.loss == Approx(0.016118200088).epsilon(4e-11));
  CHECK(other.loss == Approx(swept.loss).epsilon(1e-12));
  for (std::size_t k = 0; k < 300; ++k) CHECK(std::abs(other.rates[k] - swept.rates[k]) < 1e-6);
  CHECK(swept.spread < 1e-12);
}

TEST_CASE("what is said of uniqueness") {
  const auto said = [](const std::string& text) { return found(*prepare(text)->rate_objective("")); };
  const std::string one =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0]\nmultiplicities = "
      "[3, 2]\n[noise]\nlaw='gaussian'\nvariance=0.1\n[optimizer]\nlearning_rate=1\n[time]\nsteps=7\n";
  CHECK(holds(said(one).statement, "proved unique: one eigenvalue"));
  const Optimum full = said(r1(20, "batch = inf"));
  CHECK_FALSE(full.identifiable);
  CHECK(holds(full.statement, "not identifiable: batch = inf"));
  const Optimum nothing = said(r1(20, "batch = 2", "[initial]\nscale = 1\n"));
  CHECK(holds(nothing.statement, "not identifiable: the run starts at the target"));
  CHECK(nothing.loss == 0);
  // A noiseless large batch is next to none: many orders do nearly as well.
  CHECK(said(r1(40, "batch = 1000000", "")).statement.find("the same minimum") == std::string::npos);
  // Both momenta attain what conjugate gradients leave in two steps; of four heavy ball's rates would have to be complex.
  const std::string momentum = "kind = 'momentum'\nmomentum = 0.5\nbatch = inf";
  for (const std::string kind : {"heavy-ball", "nesterov"}) {
    const Optimum global = said(r1(2, momentum + "\nmomentum_kind = '" + kind + "'", ""));
    CHECK(global.least);
    CHECK(holds(global.statement, "a global optimum"));
    CHECK(global.warnings.empty());
  }
  const Optimum heavy = said(r1(4, momentum, ""));
  CHECK_FALSE(heavy.least);
  CHECK(heavy.statement.find("global") == std::string::npos);
  // From w = .3 on the optimum begins with one giant step.
  const Optimum giant = said(r1(300, "weight_decay = 0.3\ndecoupled = true"));
  REQUIRE(giant.warnings.size() == 1);
  CHECK(holds(giant.warnings.front(), "the rate of step 0 is"));
}

TEST_CASE("a start at the target with noise: not to move at all") {
  const std::string start = "[noise]\nlaw='gaussian'\nvariance=0.25\n[initial]\nscale = 1\n";
  const auto J = prepare(r1(30, "batch = 1", start))->rate_objective("");
  for (const std::string method : {"sweep", "lbfgs"}) {
    ScheduleSearch search;
    search.method = method;
    const Optimum best = found(*J, search);
    CHECK(best.loss <= 1e-15);
    CHECK(best.least == (best.loss == 0));
    if (method == "sweep") CHECK(holds(best.statement, "a global optimum"));
    for (const double rate : best.rates) CHECK(rate <= 1e-8);
  }
}

TEST_CASE("units of the inputs move the rates and nothing else") {
  const auto number = [](double x) { return edgewise::settings::text_of(x); };
  // Eigenvalues in `unit`, errors and label noise in `label`^2.
  const auto problem = [&](const std::string& optimizer, double unit, double label, const std::string& decay) {
    return prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [" + number(unit) + ", " +
                   number(0.25 * unit) + "]\ntarget_power = [" + number(label / unit * label) + ", " +
                   number(2 * label / unit * label) + "]\n[noise]\nlaw='gaussian'\nvariance=" +
                   number(0.1 * label * label) + "\n[optimizer]\nlearning_rate=" + number(1 / unit) + "\n" + optimizer +
                   (decay.empty() ? "" : "\nweight_decay = " + number(0.1 * unit) + decay) + "\n[time]\nsteps=12\n");
  };
  struct Case {
    const char *optimizer, *decay;
  };
  for (const Case& c : {Case{"batch = 2", ""}, Case{"batch = 2", "\ndecoupled = true"}, Case{"batch = 2", "\n"},
                        Case{"kind = 'momentum'\nmomentum = 0.5\nbatch = 4", "\n"},
                        Case{"kind = 'la-diloco'\ninner_steps = 3\nworkers = 2\nbatch = 2", ""},
                        Case{"kind = 'momentum'\nmomentum = 0.5\nbatch = inf", "\n"}, Case{"batch = inf", ""}}) {
    CAPTURE(c.optimizer);
    const auto plain = problem(c.optimizer, 1, 1, c.decay)->rate_objective("");
    std::vector<double> eta(12), slope(12), scaled_slope(12);
    for (std::size_t k = 0; k < 12; ++k) eta[k] = 0.4 / (1 + 0.1 * static_cast<double>(k));
    const double loss = plain->gradient(eta, slope);
    const Optimum best = found(*plain);
    const std::vector<double> path = plain->path(eta).loss;
    for (const double label : {1e-60, 1.0, 1e60})
      for (const double unit : {1e-140, 1e-103, 1e-60, 1.0, 1e60, 1e77, 1e103, 1e150}) {
        if (label / unit * label > 1e290 || label / unit * label < 1e-290) continue;
        CAPTURE(unit);
        CAPTURE(label);
        const double square = label * label;
        const auto J = problem(c.optimizer, unit, label, c.decay)->rate_objective("");
        std::vector<double> rates = eta;
        for (double& rate : rates) rate /= unit;
        CHECK(J->natural_rate() * unit == Approx(plain->natural_rate()).epsilon(1e-12));
        CHECK(J->value(rates) / square == Approx(loss).epsilon(1e-11));
        CHECK(J->gradient(rates, scaled_slope) / square == Approx(loss).epsilon(1e-11));
        CHECK(J->path(rates).loss[5] / square == Approx(path[5]).epsilon(1e-11));
        for (std::size_t k = 0; k < 12; ++k)
          CHECK(scaled_slope[k] / square / unit == Approx(slope[k]).epsilon(1e-9).scale(1e-6));
        const std::vector<double> shape{1, 2, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1};
        const BestBase base = best_base(*J, shape, infinity), plain_base = best_base(*plain, shape, infinity);
        CHECK(base.base * unit == Approx(plain_base.base).epsilon(1e-4));
        CHECK(base.loss / square == Approx(plain_base.loss).epsilon(1e-9));
        const Optimum scaled = found(*J);
        CHECK(scaled.identifiable == best.identifiable);
        if (std::isinf(best.loss) || best.loss < 1e-20) continue;  // of full batches only rounding is left
        // Of plain SGD the minimum is unique and found to the end; searches for others end near theirs.
        const bool unique = c.optimizer == std::string("batch = 2") && *c.decay == 0;
        CHECK(scaled.loss / square == Approx(best.loss).epsilon(unique ? 1e-12 : 1e-9));
        for (std::size_t k = 0; k < 12 && best.identifiable; ++k)
          CHECK(scaled.rates[k] * unit ==
                Approx(best.rates[k]).epsilon(unique ? 1e-6 : 1e-4).scale(unique ? 1.0 : 1e-2));
      }
  }
}

TEST_CASE("a family that is better than what was found is where the search begins anew") {
  // In two steps full-batch heavy ball attains the conjugate gradients' loss from a tuned rate: the search is kept from it.
  const auto J = prepare(
                     "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.2]\n[optimizer]\n"
                     "kind = 'momentum'\nmomentum = 0.5\nlearning_rate = 0.1\nbatch = inf\n[time]\nsteps = 2\n")
                     ->rate_objective("");
  /// The same, but its first searches end where they begin.
  class Lazy final : public RateObjective {
   public:
    explicit Lazy(const RateObjective& of)
        : RateObjective({of.steps(), of.facts().observable, of.natural_rate()}), of_(of) {}
    double value(std::span<const double> rates) const override { return of_.value(rates); }
    double gradient(std::span<const double> rates, std::span<double> slope) const override {
      return of_.gradient(rates, slope);
    }
    std::optional<double> sweep(std::span<double> rates, double cap) const override {
      return rates[0] == rates[1] ? of_.sweep(rates, cap) : of_.value(rates);
    }
    RatePath path(std::span<const double> rates) const override { return of_.path(rates); }

   private:
    const RateObjective& of_;
  };
  const Lazy lazy(*J);
  ScheduleSearch search;
  search.starts = 1;  // tuned linear decay
  search.search = "none";
  const Optimum alone = found(lazy, search);
  const ScheduleReport report = search_schedules(lazy, search, [](double) { return true; });
  CHECK(alone.searches.size() == 1);
  CHECK(report.optimum.loss < alone.loss * (1 - 1e-3));
  CHECK(report.optimum.searches.size() > 1);
  CHECK(report.optimum.searches[1].start.starts_with("best of "));
  CHECK(report.families[0].gap >= -1e-9);
}

TEST_CASE("where starts disagree there are more of them, and a shape is claimed where the best is met again") {
  const auto search = [](const std::string& batch, const std::string& noise, std::uint64_t starts) {
    ScheduleSearch options;
    options.starts = starts;
    return found(*prepare("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 20\nalpha = 1\nbeta = "
                          "0.5\n[noise]\nvariance = " +
                          noise + "\n[optimizer]\nlearning_rate = 1\nbatch = " + batch + "\n[time]\nsteps = 30\n")
                      ->rate_objective(""),
                 options);
  };
  // .23% apart from three starts; forty find nothing better.
  const Optimum noisy = search("16", "0.25", 3);
  CHECK(noisy.searches.size() > 3);
  CHECK(noisy.spread > 1e-3);
  CHECK(noisy.identifiable);
  CHECK(holds(noisy.statement, "2 of them in the best"));
  CHECK(noisy.loss == Approx(search("16", "0.25", 40).loss).epsilon(1e-10));
  // Without label noise every start ends by itself.
  const Optimum noiseless = search("64", "0", 3);
  CHECK(noiseless.searches.size() == 15);
  CHECK_FALSE(noiseless.identifiable);
  CHECK(holds(noiseless.statement, "the rates depend on the start"));
  CHECK(search("64", "0", 1).searches.size() == 1);
  CHECK(search("1", "0.25", 3).searches.size() == 3);
}

TEST_CASE("rates after the last sync do not move the loss: they are 0, and the others are known") {
  const auto search = [](int steps) {
    return found(*prepare("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 5\nalpha = 1\nbeta = "
                          "0.5\n[noise]\nvariance = 0.25\n[optimizer]\nkind = 'lookahead'\ninner_steps = 4\n"
                          "learning_rate = 1\n[time]\nsteps = " +
                          std::to_string(steps) + "\n")
                      ->rate_objective(""));
  };
  const Optimum whole = search(8), begun = search(11);
  CHECK(whole.idle == 0);
  CHECK(begun.idle == 3);
  CHECK(begun.identifiable);
  CHECK(begun.loss == Approx(whole.loss).epsilon(1e-12));
  for (std::size_t k = 0; k < 11; ++k)
    CHECK(begun.rates[k] == Approx(k < 8 ? whole.rates[k] : 0).epsilon(1e-6).scale(1e-3));
  REQUIRE(begun.warnings.size() == 1);
  CHECK(begun.warnings[0] == "3 of 11 rates, which are shown as 0, do not move the loss at the end");
  const Optimum none = search(3);
  CHECK(none.idle == 3);
  CHECK_FALSE(none.identifiable);
  CHECK(none.statement == "the schedule is not identifiable: no rate moves the loss at the end");
}

TEST_CASE("families: the report ranks them, the search comes near, the certificate finds nothing left") {
  const auto J = prepare(r1(60, "batch = 1"))->rate_objective("");
  ScheduleSearch search;
  search.families = {"linear", "two-point-spline", "constant"};
  const ScheduleReport report = search_schedules(*J, search, [](double) { return true; });
  REQUIRE(report.families.size() == 3);
  CHECK(report.families[0].family.name == "two-point-spline");
  CHECK(report.families[2].family.name == "constant");
  CHECK(report.families[0].gap < 0.005);
  CHECK(report.families[0].gap > 0);
  REQUIRE(report.families[0].certificate.size() == 24);
  for (const OneMoved& moved : report.families[0].certificate)
    CHECK(moved.loss > report.families[0].family.loss * (1 - 2e-3));
  // Every parameter by a quarter and a twelfth of its range, down and up.
  const std::vector<std::pair<std::string, std::pair<double, double>>> ranges = {
      {"y0", {0, 1}}, {"x1", {0, 1}}, {"y1", {0.2, 1}}, {"x2", {0, 1}}, {"y2", {0, 1}}, {"y3", {0, 0.09}}};
  for (std::size_t m = 0; m < 24; ++m) {
    CAPTURE(m);
    const auto& [key, range] = ranges[m / 4];
    const OneMoved& moved = report.families[0].certificate[m];
    REQUIRE(moved.parameter == key);
    double tuned = NAN;
    for (const auto& [name, value] : report.families[0].family.parameters)
      if (name == key) tuned = value;
    const double part = std::vector<double>{-0.25, -0.25 / 3, 0.25 / 3, 0.25}[m % 4];
    CHECK(moved.value == Approx(std::clamp(tuned + part * (range.second - range.first), range.first, range.second)));
  }
  for (const FamilyGap& one : report.families)
    CHECK(J->value(one.family.rates) == Approx(one.family.loss).epsilon(1e-12));
  for (const FamilyGap& one : report.families) {
    CHECK(one.family.distance < 1);
    CHECK(one.family.nearest.loss >= one.family.loss * (1 - 1e-9));  // near in rates is not best in loss
    CHECK(one.family.tried.size() == one.family.shapes);
    CHECK(one.family.tried.front().loss <= one.family.tried.back().loss);
  }
  CHECK(report.families[0].family.distance < report.families[1].family.distance);
  // The base of the nearest is that of least squares.
  const TunedFamily& linear = report.families[1].family;
  double ts = 0, ss = 0;
  for (std::size_t k = 0; k < 60; ++k) {
    const double s =
        (1 - static_cast<double>(k) / 60) *
        std::min(1.0, linear.nearest.warmup > 0 ? (static_cast<double>(k) + 1) / (60 * linear.nearest.warmup) : 1.0);
    ts += s * report.optimum.rates[k];
    ss += s * s;
  }
  CHECK(linear.nearest.base == Approx(ts / ss).epsilon(1e-12));
  // The same seed, the same shapes.
  const TunedFamily again = tune_family(*J, "two-point-spline", search, report.optimum.rates);
  CHECK(again.loss == report.families[0].family.loss);
  CHECK(again.parameters == report.families[0].family.parameters);
  // Stopped early: what is missing is said.
  int asked = 0;
  CHECK(search_schedules(*J, search, [&](double) { return ++asked < 100000 && asked > 0; }).stopped == false);
  CHECK(search_schedules(*J, search, [&](double share) { return share < 0.3; }).stopped);
}

TEST_CASE("a cap at which every rate sits sets the schedule, whatever is known without it") {
  const std::string problem =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5]\n[initial]\nerror_power = "
      "[1.0, 1.0]\n[optimizer]\nlearning_rate = 1.0\nbatch = inf\n[time]\nsteps = 3\n";
  ScheduleSearch search;
  search.max_rate = 0.5;
  const Optimum capped = found(*prepare(problem)->rate_objective(""), search);
  CHECK(capped.identifiable);
  CHECK(holds(capped.statement, "every rate is at max_rate"));
  for (const double rate : capped.rates) CHECK(rate == 0.5);
  const Optimum free = found(*prepare(problem)->rate_objective(""), {});
  CHECK_FALSE(free.identifiable);
}

TEST_CASE("losses of the size of rounding are alike; of others that differ by factors no percents are given") {
  // Two rates, each with two minima of its own: what is left of 1 is `low` or `high`.
  class Wells final : public RateObjective {
   public:
    Wells(double low, double high) : RateObjective({.steps = 1}), low_(low), high_(high) {}
    double value(std::span<const double> rates) const override {
      std::vector<double> slope(1);
      return gradient(rates, slope);
    }
    double gradient(std::span<const double> rates, std::span<double> slope) const override {
      const double r = rates[0], x = r < 2 ? r - 1 : r - 3;
      slope[0] = 2 * x;
      return x * x + (r < 2 ? low_ : high_);
    }
    RatePath path(std::span<const double>) const override { return {}; }

   private:
    double low_, high_;
  };
  ScheduleSearch search;
  search.method = "lbfgs";
  search.starts = 1;
  const auto from_both = [&](double low, double high) {
    return best_rates(Wells(low, high), search, [] { return false; }, {{"the other", {3.0}}});
  };
  const Optimum apart = from_both(1e-6, 1e-2);
  CHECK(apart.spread == Approx(9999).epsilon(1e-3));
  CHECK(holds(apart.statement, "a factor 1e+04 apart"));
  CHECK(holds(from_both(0.1, 0.15).statement, "50% apart"));
  const Optimum rounding = from_both(1e-33, 5e-33);
  CHECK(rounding.spread == 0);
  CHECK(holds(rounding.statement, "nothing but rounding is left of the loss, by different rates"));
}

TEST_CASE("no rates, too many of them, and losses on which they have no say") {
  class Flat final : public RateObjective {
   public:
    explicit Flat(std::uint64_t steps) : RateObjective({.steps = steps}) {}
    double value(std::span<const double>) const override { return 1; }
    double gradient(std::span<const double>, std::span<double> slope) const override {
      std::ranges::fill(slope, 0.0);
      return 1;
    }
    RatePath path(std::span<const double>) const override { return {}; }
  };
  CHECK_THROWS_WITH_AS(found(Flat(0)), "time.steps: a schedule needs at least one step", std::invalid_argument);
  CHECK_THROWS_WITH_AS(found(Flat(10'000'001)), "time.steps: at most 10000000 for a search over all of their rates",
                       std::invalid_argument);
  const Optimum idle = found(Flat(4));
  CHECK_FALSE(idle.identifiable);
  CHECK(idle.idle == 4);
  CHECK(idle.rates == std::vector<double>(4, 0.0));
  CHECK(holds(idle.statement, "no rate moves the loss at the end"));
  REQUIRE(idle.warnings.size() == 1);
  CHECK(idle.warnings[0] == "4 of 4 rates, which are shown as 0, do not move the loss at the end");
}

TEST_CASE("the highest base that does not diverge: itself, found between an eighth of it and it, or none") {
  Parabolas J;
  J.wall = 0.9;
  const std::vector<double> shape{1, 1, 1, 1};
  const BestBase inside = highest_finite_base(J, shape, 0.3);
  CHECK(inside.base == 0.3);
  CHECK(inside.loss == J.value(std::vector<double>(4, 0.3)));
  const BestBase edge = highest_finite_base(J, shape, 2);
  CHECK(edge.base <= 0.45);
  CHECK(edge.base == Approx(0.45).epsilon(1e-4));
  CHECK(edge.loss == J.value(std::vector<double>(4, edge.base)));
  CHECK(std::isinf(highest_finite_base(J, shape, 8 * 0.451).loss));
  CHECK(std::isfinite(highest_finite_base(J, shape, 8 * 0.449).loss));
  // Between two bases that are one: that base.
  CHECK(best_base_between(J, shape, 0.2, 0.2, 10).base == 0.2);
  CHECK(best_base_between(J, shape, 0.2, 0.2, 10).loss == J.value(std::vector<double>(4, 0.2)));
}

TEST_CASE("rates that differ by less than a hundredth of the peak are the same, and others are not") {
  // One rate with two minima of one loss, `apart` from each other.
  class Twins final : public RateObjective {
   public:
    explicit Twins(double apart) : RateObjective({.steps = 1}), apart_(apart) {}
    double value(std::span<const double> rates) const override {
      std::vector<double> slope(1);
      return gradient(rates, slope);
    }
    double gradient(std::span<const double> rates, std::span<double> slope) const override {
      const double r = rates[0], x = r < 1 + apart_ / 2 ? r - 1 : r - 1 - apart_;
      slope[0] = 2e4 * x;
      return 1e4 * x * x + 0.3;
    }
    RatePath path(std::span<const double>) const override { return {}; }

   private:
    double apart_;
  };
  ScheduleSearch search;
  search.starts = 1;
  for (const double apart : {0.0097, 0.0104}) {
    CAPTURE(apart);
    const NamedRates both{{"one", {1.0}}, {"the other", {1 + apart}}};
    const Optimum best = best_rates(
        Twins(apart), search, [] { return false; }, both);
    double farthest = 0;
    for (const SearchFrom& one : best.searches) farthest = std::max(farthest, one.apart);
    CHECK(farthest == Approx(apart).epsilon(0.02));
    CHECK(best.identifiable == (apart < 0.01));
    CHECK(holds(best.statement,
                apart < 0.01 ? "the same minimum from 3 starts" : "the schedule is not identifiable: 3 starts"));
  }
}
