#include "solvers/self_consistency.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

constexpr double dottie = 0.73908513321516064166;  // cos x = x

const SelfMap cosine = [](std::span<const double> x, std::span<double> next) { next[0] = std::cos(x[0]); };

/// Two variables of very different units: x = 1e40 (1 + y/2), y = 1e-40 x / 4, so that y = 2/7, x = 8/7 1e40.
const SelfMap pair = [](std::span<const double> x, std::span<double> next) {
  next[0] = 1e40 * (1 + x[1] / 2);
  next[1] = 1e-40 * x[0] / 4;
};

FixedPointOptions with(FixedPointMethod method) {
  FixedPointOptions options;
  options.method = method;
  return options;
}

/// chi = 1/(1 - t chi): chi = (1 - sqrt(1 - 4t))/(2t) up to the fold at t = 1/4.
const ParametricMap catalan = [](double t, std::span<const double> x, std::span<double> next) {
  next[0] = 1 / (1 - t * x[0]);
};

}  // namespace

TEST_CASE("all methods find the fixed point, whatever the units of its variables") {
  for (const FixedPointMethod method :
       {FixedPointMethod::damped, FixedPointMethod::anderson, FixedPointMethod::newton}) {
    const FixedPoint one = fixed_point(cosine, std::array{1.0}, with(method));
    CHECK(one.converged());
    CHECK(one.x[0] == Approx(dottie).epsilon(1e-12));
    CHECK(one.residual <= 1e-13);
    const FixedPoint two = fixed_point(pair, std::array{1e40, 0.0}, with(method));
    CHECK(two.converged());
    CHECK(two.x[0] == Approx(8e40 / 7).epsilon(1e-12));
    CHECK(two.x[1] == Approx(2.0 / 7).epsilon(1e-12));
  }
  CHECK(fixed_point(cosine, std::array{1.0}, with(FixedPointMethod::newton)).iterations <= 5);
  const auto count = [](FixedPointMethod method) {
    return fixed_point(cosine, std::array{1.0}, with(method)).iterations;
  };
  CHECK(count(FixedPointMethod::anderson) < count(FixedPointMethod::damped) / 4);
  // Zero is a fixed point like any other.
  const SelfMap half = [](auto x, auto next) { next[0] = x[0] / 2; };
  CHECK(fixed_point(half, std::array{0.0}).converged());
}

namespace {

using State = std::vector<double>;

/// Where a search asks a map, by a rendering of the methods; what happened is told to `kinds`.
class Rendering {
 public:
  Rendering(const SelfMap& map, State x, const FixedPointOptions& options, std::size_t count)
      : map_(map), options_(options), count_(count), n_(x.size()), scale_(x.size(), 0.0), x_(std::move(x)) {}

  std::vector<State> points() {
    image_ = *look(x_);
    while (seen_.size() < count_) options_.method == FixedPointMethod::newton ? newton() : anderson();
    return seen_;
  }
  std::set<std::string> kinds;

 private:
  std::optional<State> look(const State& at) {
    if (options_.inside && !options_.inside(at)) return std::nullopt;
    State image(n_);
    map_(at, image);
    seen_.push_back(at);
    for (std::size_t i = 0; i < n_; ++i) scale_[i] = std::max({scale_[i], std::abs(at[i]), std::abs(image[i])});
    return image;
  }
  double gap(const State& at, const State& image) const {
    double sum = 0;
    for (std::size_t i = 0; i < n_; ++i) sum += std::pow((image[i] - at[i]) / scale_[i], 2);
    return std::sqrt(sum);
  }
  void move(const State& to, bool fall) {
    for (double part = 1; seen_.size() < count_; part /= 2) {
      State trial(n_);
      for (std::size_t i = 0; i < n_; ++i) trial[i] = x_[i] + part * (to[i] - x_[i]);
      const std::optional<State> there = look(trial);
      if (there && !(fall && gap(trial, *there) >= gap(x_, image_))) {
        x_ = trial;
        image_ = *there;
        return;
      }
      kinds.insert(there ? "no fall" : "outside");
    }
  }
  void anderson() {
    const double size = gap(x_, image_);
    if (size > 2 * best_) {
      if (!kept_.empty()) kinds.insert("forgotten");
      kept_.clear();
    }
    best_ = std::min(best_, size);
    if (!last_.first.empty()) kept_.push_back(last_);
    if (kept_.size() > std::min(options_.memory, n_)) {
      kinds.insert("the oldest left out");
      kept_.erase(kept_.begin());
    }
    last_ = {x_, image_};
    Eigen::MatrixXd changes(n_, kept_.size()), steps(n_, kept_.size());
    Eigen::VectorXd residual(n_), unit(n_);
    for (std::size_t i = 0; i < n_; ++i) {
      unit[i] = scale_[i];
      residual[i] = image_[i] - x_[i];
      for (std::size_t j = 0; j < kept_.size(); ++j) {
        steps(i, j) = x_[i] - kept_[j].first[i];
        changes(i, j) = residual[i] - (kept_[j].second[i] - kept_[j].first[i]);
      }
    }
    Eigen::VectorXd by = options_.damping * residual;
    if (!kept_.empty()) {
      const Eigen::MatrixXd A = unit.cwiseInverse().asDiagonal() * changes;
      const Eigen::VectorXd b = residual.cwiseQuotient(unit);
      const Eigen::VectorXd c = A.colPivHouseholderQr().solve(b);
      by -= (steps + options_.damping * changes) * c;
    }
    State to = x_;
    for (std::size_t i = 0; i < n_; ++i) to[i] += by[i];
    move(to, false);
  }
  void newton() {
    Eigen::MatrixXd slope(n_, n_);
    Eigen::VectorXd residual(n_);
    const State scale = scale_;
    for (std::size_t j = 0; j < n_; ++j) {
      const double width = std::cbrt(std::numeric_limits<double>::epsilon()) * scale[j];
      State sides[2] = {image_, image_};
      double span = 0;
      for (const double side : {1.0, -1.0}) {
        State at = x_;
        at[j] += side * width;
        if (const auto there = look(at)) {
          sides[side > 0 ? 0 : 1] = *there;
          span += std::abs(at[j] - x_[j]);
        } else {
          kinds.insert("one side");
        }
      }
      for (std::size_t i = 0; i < n_; ++i) slope(i, j) = (sides[0][i] - sides[1][i]) / span - (i == j ? 1 : 0);
      residual[j] = image_[j] - x_[j];
    }
    const Eigen::VectorXd by = slope.lu().solve(-residual);
    State to = x_;
    for (std::size_t i = 0; i < n_; ++i) to[i] += by[i];
    move(to, true);
  }

  const SelfMap& map_;
  const FixedPointOptions& options_;
  std::size_t count_, n_;
  State scale_, x_, image_;
  std::vector<State> seen_;
  std::vector<std::pair<State, State>> kept_;
  std::pair<State, State> last_;
  double best_ = 1e300;
};

}  // namespace

TEST_CASE("Anderson's and Newton's methods ask where they say, point by point") {
  // Three variables of different units that turn about one another; the third is asked for within bounds at times.
  const SelfMap turning = [](std::span<const double> x, std::span<double> next) {
    next[0] = 1.3 * std::cos(x[1]) + 0.002 * x[2];
    next[1] = -1.1 * std::sin(x[0]) + 0.4;
    next[2] = 100 * std::cos(2 * x[0] - x[1]) + 0.1 * x[2];
  };
  std::set<std::string> kinds;
  for (const FixedPointMethod method : {FixedPointMethod::anderson, FixedPointMethod::newton})
    for (const std::size_t memory : {1U, 2U, 5U})
      for (const double damping : {1.0, 0.6})
        for (const double most : {1e300, 40.0})
          for (const double start : {-2.0, 0.3, 1.9}) {
            CAPTURE(memory);
            CAPTURE(damping);
            CAPTURE(most);
            CAPTURE(start);
            FixedPointOptions options = with(method);
            options.memory = memory;
            options.damping = damping;
            options.rtol = 1e-4;
            options.max_iterations = method == FixedPointMethod::newton ? 3 : 6;
            options.inside = [&](std::span<const double> x) { return x[2] <= most; };
            std::vector<State> seen;
            const SelfMap watched = [&](std::span<const double> x, std::span<double> next) {
              seen.emplace_back(x.begin(), x.end());
              turning(x, next);
            };
            const State from{start, 1, method == FixedPointMethod::newton ? 39.9999 : 20};
            fixed_point(watched, from, options);
            Rendering literal(turning, from, options, seen.size());
            const std::vector<State> expected = literal.points();
            kinds.merge(literal.kinds);
            for (std::size_t k = 0; k < seen.size(); ++k) {
              CAPTURE(k);
              for (std::size_t i = 0; i < 3; ++i)
                REQUIRE(std::abs(seen[k][i] - expected[k][i]) < 1e-6 * (i == 2 ? 100 : 1));
            }
          }
  CHECK(kinds == std::set<std::string>{"forgotten", "no fall", "one side", "outside", "the oldest left out"});
}

TEST_CASE("damping mends what oscillates") {
  const SelfMap oscillating = [](auto x, auto next) { next[0] = 1 - 1.5 * x[0]; };
  FixedPointOptions options = with(FixedPointMethod::damped);
  const FixedPoint plain = fixed_point(oscillating, std::array{0.3}, options);
  CHECK(plain.status == FixedPointStatus::out_of_iterations);
  CHECK(std::isfinite(plain.x[0]));
  options.damping = 0.5;
  CHECK(fixed_point(oscillating, std::array{0.3}, options).x[0] == Approx(0.4));
}

TEST_CASE("every failure has its name and leaves numbers") {
  // No fixed point at all, a map that ends in no number, one outside its domain.
  const SelfMap away = [](auto x, auto next) { next[0] = x[0] + 1; };
  CHECK(fixed_point(away, std::array{0.0}).status == FixedPointStatus::stalled);
  const SelfMap root = [](auto x, auto next) { next[0] = std::sqrt(x[0]) - 1; };
  for (const FixedPointMethod method : {FixedPointMethod::damped, FixedPointMethod::anderson}) {
    const FixedPoint found = fixed_point(root, std::array{4.0}, with(method));
    CHECK(!found.converged());
    CHECK(std::isfinite(found.x[0]));
  }
  CHECK(fixed_point(root, std::array{-1.0}).status == FixedPointStatus::left_domain);
  CHECK(fixed_point(cosine, std::array{std::numeric_limits<double>::quiet_NaN()}).status ==
        FixedPointStatus::left_domain);
  FixedPointOptions options;
  options.inside = [](std::span<const double> x) { return x[0] > 1; };
  CHECK(!fixed_point(cosine, std::array{1.5}, options).converged());
  CHECK(fixed_point(cosine, std::array{0.5}, options).status == FixedPointStatus::left_domain);
  options = {};
  options.damping = 0;
  CHECK_THROWS_AS(fixed_point(cosine, std::array{0.5}, options), std::invalid_argument);
  CHECK_THROWS_AS(fixed_point(cosine, {}, {}), std::invalid_argument);
}

TEST_CASE("a branch is followed to its end, and not beyond a fold") {
  const Branch whole = follow_branch(catalan, 0, 0.2, std::array{1.0});
  CHECK(whole.status == FixedPointStatus::converged);
  CHECK(whole.parameter == 0.2);
  CHECK(whole.point.x[0] == Approx((1 - std::sqrt(0.2)) / 0.4).epsilon(1e-12));
  const Branch fold = follow_branch(catalan, 0, 1, std::array{1.0});
  CHECK(fold.status == FixedPointStatus::lost);
  CHECK(fold.parameter == Approx(0.25).epsilon(1e-9));
  CHECK(fold.point.x[0] == Approx(2).epsilon(1e-3));
  // Downwards, too.
  const Branch down = follow_branch(catalan, 0.2, -3, whole.point.x);
  CHECK(down.status == FixedPointStatus::converged);
  CHECK(down.point.x[0] == Approx((std::sqrt(13.0) - 1) / 6).epsilon(1e-12));
}

TEST_CASE("a branch ends where what has to hold ends") {
  ContinuationOptions options;
  options.margin = [](double, std::span<const double> x) { return 1.5 - x[0]; };
  // chi = 1.5 at t = (1 - 1/chi)/chi = 2/9.
  const Branch edge = follow_branch(catalan, 0, 1, std::array{1.0}, options);
  CHECK(edge.status == FixedPointStatus::edge);
  CHECK(edge.parameter == Approx(2.0 / 9).epsilon(1e-12));
  options.margin = [](double, std::span<const double>) { return -1.0; };
  CHECK(follow_branch(catalan, 0, 1, std::array{1.0}, options).status == FixedPointStatus::edge);
  CHECK(name(FixedPointStatus::lost) == "branch lost");
}

TEST_CASE("a branch is followed until a number that rises along it has its value, or to its fold") {
  // The parameter is chi, the number of interest t = (1 - 1/chi)/chi, which is 1/4 at its fold chi = 2.
  const ParametricMap map = [](double chi, std::span<const double> x, std::span<double> next) {
    next[0] = (x[0] + chi * chi) / 2;
  };
  ContinuationOptions options;
  options.level = [](double chi, std::span<const double>) { return (1 - 1 / chi) / chi; };
  options.goal = 0.2;
  const Branch there = follow_branch(map, 1, 9, std::array{1.0}, options);
  CHECK(there.status == FixedPointStatus::converged);
  CHECK(there.parameter == Approx((1 - std::sqrt(0.2)) / 0.4).epsilon(1e-14));
  CHECK(there.point.x[0] == Approx(std::pow(there.parameter, 2)).epsilon(1e-12));
  // So near the fold that both lie within one step, and beyond it.
  options.goal = 0.2499;
  CHECK(follow_branch(map, 1, 9, std::array{1.0}, options).parameter ==
        Approx((1 - std::sqrt(4e-4)) / 0.4998).epsilon(1e-12));
  options.goal = 0.3;
  const Branch fold = follow_branch(map, 1, 9, std::array{1.0}, options);
  CHECK(fold.status == FixedPointStatus::lost);
  CHECK(fold.parameter == Approx(2).epsilon(1e-6));
  // What has to hold may end behind the fold, or before it.
  for (const double least : {2.5, 1.7}) {
    options.margin = [least](double chi, std::span<const double>) { return least - chi; };
    const Branch end = follow_branch(map, 1, 9, std::array{1.0}, options);
    CHECK(end.status == (least > 2 ? FixedPointStatus::lost : FixedPointStatus::edge));
    CHECK(end.parameter == Approx(std::min(least, 2.0)).epsilon(1e-6));
  }
  // Where the margin is no number it does not hold.
  options.margin = [](double chi, std::span<const double>) { return chi < 1.3 ? 1.0 : std::nan(""); };
  const Branch edge = follow_branch(map, 1, 9, std::array{1.0}, options);
  CHECK(edge.status == FixedPointStatus::edge);
  CHECK(edge.parameter == Approx(1.3).epsilon(1e-12));
  // The end of the way without the goal.
  options.margin = {};
  CHECK(follow_branch(map, 1, 1.5, std::array{1.0}, options).status == FixedPointStatus::lost);
  options.goal = 0;
  CHECK(follow_branch(map, 1, 1.5, std::array{1.0}, options).parameter == 1);
}

TEST_CASE("a branch is followed either way, by steps no longer than asked, and ends where what has to hold does") {
  struct Way {
    double from, to;
  };
  for (const Way way : {Way{1, 3}, {3, 1}, {-1, -5}, {-5, -1}, {-2, 1}, {1, -2}}) {
    CAPTURE(way.from);
    CAPTURE(way.to);
    const double length = std::abs(way.to - way.from), middle = way.from + 0.3 * (way.to - way.from);
    double asked = way.from, longest = 0;
    const ParametricMap map = [&](double p, std::span<const double> x, std::span<double> next) {
      longest = std::max(longest, std::abs(p - asked));
      asked = p;
      next[0] = (x[0] + p * p * p) / 2;
    };
    ContinuationOptions options;
    options.steps = 5;
    const std::vector<double> start{std::pow(way.from, 3)};
    const Branch branch = follow_branch(map, way.from, way.to, start, options);
    CHECK(branch.status == FixedPointStatus::converged);
    CHECK(branch.parameter == way.to);
    CHECK(branch.point.x[0] == Approx(std::pow(way.to, 3)).epsilon(1e-11));
    CHECK(longest == Approx(length / 5).epsilon(1e-12));
    options.margin = [&](double p, std::span<const double>) { return 0.3 * length - std::abs(p - way.from); };
    const Branch edge = follow_branch(map, way.from, way.to, start, options);
    CHECK(edge.status == FixedPointStatus::edge);
    CHECK(edge.parameter == Approx(middle).epsilon(1e-11));
  }
}

TEST_CASE(
    "steps along a branch: halved where nothing is found, to half the way to where it does not hold, then doubled") {
  const auto asked = [](double hole, double least) {
    std::vector<double> seen;
    const ParametricMap map = [&](double p, std::span<const double>, std::span<double> next) {
      if (seen.empty() || seen.back() != p) seen.push_back(p);
      next[0] = p == hole ? std::nan("") : p;
    };
    ContinuationOptions options;
    options.steps = 4;
    options.margin = [least](double p, std::span<const double>) { return p < least ? 1.0 : std::nan(""); };
    follow_branch(map, 0, 1, std::array{0.0}, options);
    return seen;
  };
  CHECK(asked(0.25, 2) == std::vector<double>{0, 0.25, 0.125, 0.375, 0.625, 0.875, 1});
  CHECK(asked(0.5, 2) == std::vector<double>{0, 0.25, 0.5, 0.375, 0.625, 0.875, 1});
  // What holds up to .6 alone is bisected from .5 on.
  const std::vector<double> edge = asked(-1, 0.6);
  std::vector<double> expected{0, 0.25, 0.5, 0.75};
  for (double good = 0.5, bad = 0.75; expected.size() < 30;) {
    expected.push_back((good + bad) / 2);
    (expected.back() < 0.6 ? good : bad) = expected.back();
  }
  REQUIRE(edge.size() > 30);
  CHECK(std::vector<double>(edge.begin(), edge.begin() + 30) == expected);
}

TEST_CASE("scalars between two ends") {
  const FixedPoint found = bracketed([](double x) { return std::cos(x) - x; }, 0, 1);
  CHECK(found.converged());
  CHECK(found.x[0] == Approx(dottie).epsilon(1e-15));
  const FixedPoint none = bracketed([](double x) { return x * x + 1 - x; }, -1, 1);
  CHECK(none.status == FixedPointStatus::no_bracket);
  CHECK(none.x[0] == 1);
  CHECK(none.residual == 1);
  const FixedPoint bad = bracketed([](double x) { return 1 / x; }, 0, 1);
  CHECK(bad.status == FixedPointStatus::no_bracket);
  CHECK(std::isfinite(bad.x[0]));
  CHECK(bracketed([](double x) { return x; }, 0, 1).x[0] == 0);
}
