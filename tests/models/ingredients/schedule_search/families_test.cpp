// The base rate of every family's best member against dense scans of a literal recursion.
#include "models/ingredients/schedule_search/families.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "numerics/simplex.hpp"
#include "random/random.hpp"
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

namespace {

/// floor + sum_k (a_k eta_k - b_k)^2, of twenty steps: no rates diverge.
class Parabolas final : public RateObjective {
 public:
  static constexpr std::size_t steps = 20;
  Parabolas() : RateObjective({.steps = steps}) {}
  double value(std::span<const double> rates) const override {
    double J = 0.3;
    for (std::size_t k = 0; k < steps; ++k) {
      const auto x = static_cast<double>(k);
      J += std::pow((1 + 0.1 * x) * rates[k] - 0.8 * std::exp(-0.1 * x) * (1 + 0.3 * std::sin(x)), 2);
    }
    return J;
  }
  double gradient(std::span<const double>, std::span<double>) const override { return 0; }
  RatePath path(std::span<const double>) const override { return {}; }
};

/// A parameter that is searched: key, range, spread of children and power of its scale.
struct Range {
  const char* key;
  double low = 0, high = 1, spread = 0.15, power = 1;
};

/// One seeded search as it is described: random shapes, rounds of children, simplices.
class LiteralSearch {
 public:
  LiteralSearch(const std::string& family, std::vector<Range> ranges, const ScheduleSearch& options, double base)
      : family_(family), ranges_(std::move(ranges)), options_(options), base_(base) {}

  struct Member {
    std::vector<double> places;
    double warmup = 0, base = 0, loss = 0;
    std::uint64_t line = 0;
  };

  FamilyMember named(const std::vector<double>& places, double warmup) const {
    FamilyMember out{{}, warmup, 0, 0};
    for (std::size_t f = 0; f < ranges_.size(); ++f)
      out.parameters.emplace_back(
          ranges_[f].key, ranges_[f].low + (ranges_[f].high - ranges_[f].low) * std::pow(places[f], ranges_[f].power));
    double *x1 = nullptr, *x2 = nullptr;
    for (auto& [key, value] : out.parameters) {
      if (key == "x1") x1 = &value;
      if (key == "x2") x2 = &value;
    }
    if (x1 && *x1 > *x2) std::swap(*x1, *x2);
    return out;
  }
  std::vector<double> shape(const std::vector<double>& places, double warmup) const {
    return shape_of(family_, named(places, warmup), options_, Parabolas::steps);
  }
  /// Infinite where the points are none, x1 beside 0 or x2.
  double loss(const std::vector<double>& places, double warmup, double base) const {
    std::vector<double> rates;
    try {
      rates = shape(places, warmup);
    } catch (const edgewise::settings::Error&) {
      return infinity;
    }
    for (double& rate : rates) rate *= base;
    return J_.value(rates);
  }
  edgewise::random::Stream stream(std::uint64_t restart, std::uint64_t i, std::uint64_t round) const {
    return {options_.seed, restart * 10'000'000 + i, round, edgewise::random::Purpose::other};
  }

  std::vector<Member> random_shapes(std::uint64_t restart, const std::vector<double>& warmups) const {
    std::vector<Member> out;
    for (std::uint64_t i = 0; i < options_.shapes; ++i) {
      auto numbers = stream(restart, i, 0);
      Member member{{}, warmups[i % warmups.size()], 0, 0, i};
      for (std::size_t f = 0; f < ranges_.size(); ++f) member.places.push_back(numbers.uniform());
      const BestBase best = best_base_between(J_, shape(member.places, member.warmup), base_ / 8, base_ * 8, 5);
      member.base = best.base;
      member.loss = best.loss;
      out.push_back(member);
    }
    return out;
  }

  static void keep(std::vector<Member>& members) {
    std::ranges::stable_sort(members, {}, &Member::loss);
    std::vector<Member> best;
    std::map<std::uint64_t, int> of_line;
    for (const Member& member : members)
      if (best.size() < 8 && of_line[member.line] < 2) {
        ++of_line[member.line];
        best.push_back(member);
      }
    members = best;
  }

  Member polished(const Member& from, double width, double tolerance, int most) const {
    std::vector<double> start = from.places, widths;
    for (const Range& range : ranges_) widths.push_back(width * range.spread / 0.15);
    start.push_back(0.5);
    widths.push_back(width / 2);
    const auto found = edgewise::numerics::simplex_minimum(
        [&](std::span<const double> x) {
          return loss({x.begin(), x.end() - 1}, from.warmup, from.base * std::exp(4 * (x.back() - 0.5)));
        },
        start, widths, tolerance, most);
    return {{found.at.begin(), found.at.end() - 1},
            from.warmup,
            from.base * std::exp(4 * (found.at.back() - 0.5)),
            found.value,
            from.line};
  }

  Member run(std::uint64_t restart, const std::vector<double>& warmups) const {
    std::vector<Member> members = random_shapes(restart, warmups);
    keep(members);
    for (int round = 1; round <= 6; ++round) {
      const double width = std::pow(0.6, round - 1);
      const std::vector<Member> parents = members;
      for (std::size_t p = 0; p < parents.size(); ++p)
        for (std::size_t c = 0; c < 6; ++c) {
          auto numbers = stream(restart, p * 6 + c, static_cast<std::uint64_t>(round));
          Member child = parents[p];
          for (std::size_t f = 0; f < ranges_.size(); ++f)
            child.places[f] = std::clamp(child.places[f] + width * ranges_[f].spread * numbers.normal(), 0.0, 1.0);
          child.base *= std::exp(width * 0.2 * numbers.normal());
          child.loss = loss(child.places, child.warmup, child.base);
          if (std::isinf(child.loss)) child.base = 0;
          members.push_back(child);
        }
      keep(members);
    }
    const int numbers = static_cast<int>(ranges_.size()) + 1;
    std::vector<Member> ends;
    std::map<std::uint64_t, bool> seen;
    for (const Member& member : members)
      if (std::isfinite(member.loss) && !std::exchange(seen[member.line], true))
        ends.push_back(polished(member, 0.05, 1e-4, 60 * numbers));
    return polished(*std::ranges::min_element(ends, {}, &Member::loss), 0.02, 1e-6, 120 * numbers);
  }

 private:
  std::string family_;
  std::vector<Range> ranges_;
  ScheduleSearch options_;
  double base_;
  Parabolas J_;
};

const std::vector<Range> two_points{{"y0"}, {"x1", 0, 1, 0.105},      {"y1", 0.2, 1}, {"x2", 0, 1, 0.105},
                                    {"y2"}, {"y3", 0, 0.09, 0.015, 2}};
const std::vector<Range> sticks{{"y1"}, {"d1"}, {"dy2"}, {"d2"}, {"y_end"}};

}  // namespace

TEST_CASE("the seeded searches of families with several parameters, written out") {
  ScheduleSearch options;
  options.shapes = 24;
  options.restarts = 2;
  options.seed = 5;
  options.warmups = {0, 0.1};
  const std::vector<double> optimum(Parabolas::steps, 0.6);
  for (const bool rises : {true, false}) {  // by itself: no warm-up beside it
    const std::string name = rises ? "two-point-linear" : "stick-breaking-linear";
    CAPTURE(name);
    const LiteralSearch literal(name, rises ? two_points : sticks, options, 0.6);
    const std::vector<double> warmups = rises ? std::vector<double>{0} : options.warmups;
    options.search = "random";
    const TunedFamily random = tune_family(Parabolas(), name, options, optimum);
    CHECK(random.shapes == 48);
    CHECK(random.tried.size() == 48);
    for (const std::uint64_t restart : {0u, 1u})
      for (const auto& member : literal.random_shapes(restart, warmups)) {
        const auto parameters = literal.named(member.places, member.warmup).parameters;
        const auto found = std::ranges::find(random.tried, parameters, &FamilyMember::parameters);
        REQUIRE(found != random.tried.end());
        CHECK(found->warmup == member.warmup);
        CHECK(found->base == Approx(member.base).epsilon(1e-12));
        CHECK(found->loss == Approx(member.loss).epsilon(1e-12));
      }
    CHECK(std::ranges::is_sorted(random.tried, {}, &FamilyMember::loss));
    options.search = "evolution";
    const TunedFamily evolved = tune_family(Parabolas(), name, options, optimum);
    REQUIRE(evolved.restarts.size() == 2);
    for (const std::uint64_t restart : {0u, 1u})
      CHECK(evolved.restarts[restart] == Approx(literal.run(restart, warmups).loss).epsilon(1e-10));
    options.search = "none";
    CHECK(tune_family(Parabolas(), name, options, optimum).shapes == 0);
  }
}

TEST_CASE("the grids of families, and what their members are") {
  const std::vector<double> cooldowns{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1}, times{.3, .9, 3, 9, 30};
  const std::map<std::string, std::vector<double>> grids{{"constant", {}},
                                                         {"cosine-power", {.5, .75, 1, 1.25, 1.5, 2}},
                                                         {"polynomial", {.5, .75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3}},
                                                         {"rex", {-8, -6, -5, -4, -3, -2, -1, 0, .5, .75, .9}},
                                                         {"square-root", {.25, .5, .75, 1}},
                                                         {"cooldown-linear", cooldowns},
                                                         {"cooldown-1-sqrt", cooldowns},
                                                         {"cooldown-cosine", cooldowns},
                                                         {"cooldown-square", cooldowns},
                                                         {"step", {.1, .2, .25, .3, .4, .5}},
                                                         {"exponential", {1, 2, 3, 3.5, 4, 4.5, 5, 6}},
                                                         {"inverse-time", times},
                                                         {"inverse-square-root", times}};
  for (const auto& grid : grids) {
    const std::string& name = grid.first;
    const std::vector<double>& values = grid.second;
    CAPTURE(name);
    std::vector<double> found;
    for (const auto& [member, value] : grid_members(name, 30)) found.push_back(value);
    REQUIRE(found.size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) CHECK(found[i] == Approx(values[i]).epsilon(1e-14));
  }
  CHECK(grid_members("polynomial", 30)[1].first == "polynomial 0.75");
  CHECK(grid_members("inverse-time", 30)[0].first == "inverse-time 0.01");
  // Some of them by their formulas, at the steps of a run of ten.
  const auto at = [](const std::string& name, const char* key, double value, double warmup, std::size_t k) {
    return shape_of(name, {{{key, value}}, warmup, 0, 0}, {}, 10)[k];
  };
  CHECK(at("cooldown-linear", "cooldown", 0.5, 0, 8) == Approx(0.4).epsilon(1e-12));
  CHECK(at("cooldown-square", "cooldown", 0.5, 0, 8) == Approx(0.16).epsilon(1e-12));
  CHECK(at("cooldown-1-sqrt", "cooldown", 0.5, 0, 8) == Approx(1 - std::sqrt(0.6)).epsilon(1e-12));
  CHECK(at("cooldown-cosine", "cooldown", 0.5, 0, 8) == Approx(0.5 * (1 + std::cos(0.6 * M_PI))).epsilon(1e-12));
  CHECK(at("step", "factor", 0.3, 0, 9) == Approx(0.09).epsilon(1e-12));
  CHECK(at("inverse-time", "t0", 2, 0, 6) == Approx(1 / (1 + 3.0)).epsilon(1e-12));
  CHECK(at("polynomial", "power", 2, 0.2, 0) == Approx(0.5).epsilon(1e-12));
  CHECK(at("polynomial", "power", 2, 0.2, 5) == Approx(0.25).epsilon(1e-12));
}

TEST_CASE("the member nearest to the optimum in least squares, and one parameter moved by itself") {
  const Parabolas J;
  ScheduleSearch options;
  options.warmups = {0, 0.1};
  std::vector<double> optimum;
  for (std::size_t k = 0; k < Parabolas::steps; ++k)
    optimum.push_back(0.5 * std::pow(1 - 0.04 * static_cast<double>(k), 2));
  const TunedFamily tuned = tune_family(J, "polynomial", options, optimum);
  double least = infinity, length = 0;
  for (const double rate : optimum) length += rate * rate;
  FamilyMember nearest;
  for (const FamilyMember& member : tuned.tried) {
    const std::vector<double> s = shape_of("polynomial", member, options, Parabolas::steps);
    double cross = 0, square = 0, apart = 0;
    for (std::size_t k = 0; k < s.size(); ++k) {
      cross += s[k] * optimum[k];
      square += s[k] * s[k];
    }
    for (std::size_t k = 0; k < s.size(); ++k) apart += std::pow(optimum[k] - cross / square * s[k], 2);
    if (std::sqrt(apart / length) < least) {
      least = std::sqrt(apart / length);
      nearest = member;
      nearest.base = cross / square;
    }
  }
  CHECK(tuned.distance == Approx(least).epsilon(1e-10));
  CHECK(tuned.nearest.parameters == nearest.parameters);
  CHECK(tuned.nearest.base == Approx(nearest.base).epsilon(1e-12));
  std::vector<double> rates = shape_of("polynomial", nearest, options, Parabolas::steps);
  for (double& rate : rates) rate *= nearest.base;
  CHECK(tuned.nearest.loss == Approx(J.value(rates)).epsilon(1e-12));
  CHECK(std::isinf(tune_family(J, "polynomial", options, {}).distance));

  TunedFamily sticks_tuned;
  sticks_tuned.name = "two-point-linear";
  sticks_tuned.base = 0.6;
  sticks_tuned.parameters = {{"y0", 0.4}, {"x1", 0.3}, {"y1", 0.9}, {"x2", 0.72}, {"y2", 0.5}, {"y3", 0.05}};
  const std::vector<OneMoved> moved = move_one_at_a_time(J, sticks_tuned, options);
  REQUIRE(moved.size() == 24);
  std::size_t i = 0;
  for (const Range& range : two_points)
    for (const double part : {-1.0, -1.0 / 3, 1.0 / 3, 1.0}) {
      FamilyMember there{sticks_tuned.parameters, 0, 0, 0};
      double value = 0;
      for (auto& [key, old] : there.parameters)
        if (key == range.key)
          value = old = std::clamp(old + part / 4 * (range.high - range.low), range.low, range.high);
      CAPTURE(range.key);
      CHECK(moved[i].parameter == range.key);
      CHECK(moved[i].value == Approx(value).epsilon(1e-13));
      CHECK(moved[i].loss == Approx(best_base_between(J, shape_of("two-point-linear", there, options, Parabolas::steps),
                                                      0.6 / 8, 0.6 * 8, 12)
                                        .loss)
                                 .epsilon(1e-12));
      ++i;
    }
}
