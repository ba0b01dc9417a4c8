#include "models/feature_alignment/deep_linear.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::feature_alignment;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

DeepLinear net(std::size_t layers) {
  DeepLinear out;
  out.layers = layers;
  out.width = 6;
  out.target = {3, 1, 0};
  out.start = {0.2, 0.1, 0.3};
  out.learning_rate = 0.03;
  return out;
}

}  // namespace

TEST_CASE("gradient descent on matrices is what its singular values say, at every depth") {
  const std::vector<std::uint64_t> at{0, 1, 2, 10, 60};
  for (const std::size_t layers : {1, 2, 3, 5}) {
    CAPTURE(layers);
    const DeepLinear problem = net(layers);
    const models::Trajectory theory = solve_deep_linear(problem, at);
    REQUIRE(theory.steps.size() == at.size());
    const auto simulation = simulate_deep_linear(problem);
    const auto replica = simulation->replica(4, 1);
    std::vector<double> now(theory.columns.size());
    for (std::size_t t = 0; t < at.size(); ++t) {
      replica->advance(at[t]);
      replica->observe(now);
      for (std::size_t o = 0; o < now.size(); ++o) {
        CAPTURE(theory.columns[o].observable.name);
        if (theory.columns[o].observable.name == "imbalance")
          CHECK(now[o] < theory.columns[o].rounding);
        else
          CHECK(now[o] == Approx(theory.columns[o].value[t]).epsilon(1e-11));
      }
    }
  }
}

TEST_CASE("balanced layers stay balanced, to rounding, at any width") {
  for (const std::size_t width : {4, 60}) {
    DeepLinear problem = net(3);
    problem.width = width;
    const models::Trajectory theory = solve_deep_linear(problem, {0, 200});
    const models::Column* imbalance = theory.find("imbalance");
    REQUIRE(imbalance);
    CHECK(imbalance->value == std::vector<double>{0, 0});
    CHECK(imbalance->rounding < 1e-12);
    const auto simulation = simulate_deep_linear(problem);
    const auto replica = simulation->replica(1, 0);
    std::vector<double> now(theory.columns.size());
    for (const std::uint64_t step : {0, 200}) {
      replica->advance(step);
      replica->observe(now);
      CHECK(now.back() > 0);
      CHECK(now.back() < imbalance->rounding);
    }
  }
  CHECK(solve_deep_linear(net(1), {0, 5}).find("imbalance") == nullptr);
}

TEST_CASE("one step of two scalar layers, by hand") {
  DeepLinear scalar;
  scalar.target = {2};
  scalar.start = {0.25};
  scalar.learning_rate = 0.1;
  const double w = 0.5 + 0.1 * (2 - 0.25) * 0.5;
  CHECK(layer_values(scalar, {1})[0][0] == Approx(w));
  // Two components of two layers: rho_C of (w - w_0)^2 and (w - w_0)^2 w^2.
  scalar.target = {2, 1};
  scalar.start = {0.25, 0.04};
  const double a = 0.0875, wa = 0.5 + a, b = 0.1 * (1 - 0.04) * 0.2, wb = 0.2 + b;
  const double p[] = {a * a, b * b}, q[] = {a * a * wa * wa, b * b * wb * wb};
  CHECK(deep_centred(scalar, 1, layer_values(scalar, {1})[0]) ==
        Approx((p[0] * q[0] + p[1] * q[1]) / std::sqrt((p[0] * p[0] + p[1] * p[1]) * (q[0] * q[0] + q[1] * q[1]))));
}

TEST_CASE("the flow has the slope of its equation, and ends at the target") {
  for (const std::size_t layers : {1, 2, 3}) {
    DeepLinear problem = net(layers);
    problem.flow = true;
    problem.learning_rate = 1e-4;
    problem.target = {3, 1};
    problem.start = {0.2, 0.1};
    const auto w = layer_values(problem, {0, 10000, 1'000'000'000});
    for (std::size_t i = 0; i < 2; ++i)
      CHECK(std::pow(w[2][i], static_cast<double>(layers)) == Approx(problem.target[i]));
    // By central differences: dw/dt = (sigma - s) w^(L - 1).
    const auto near = layer_values(problem, {0, 9999, 10000, 10001});
    const double speed = (near[3][0] - near[1][0]) / 2e-4, here = near[2][0];
    CHECK(speed ==
          Approx((3 - std::pow(here, static_cast<double>(layers))) * std::pow(here, static_cast<double>(layers) - 1))
              .epsilon(1e-5));
  }
}

TEST_CASE("what does not move has no correlation, what diverges ends") {
  DeepLinear still = net(2);
  still.target = still.start;
  CHECK_THROWS_WITH_AS(solve_deep_linear(still, {0, 1}), doctest::Contains("alignment.start: is the target"),
                       std::invalid_argument);
  DeepLinear fast = net(3);
  fast.learning_rate = 5;
  const models::Trajectory out = solve_deep_linear(fast, {0, 1, 2, 50});
  REQUIRE(out.diverged_at);
  CHECK(out.steps.size() < 4);
  // What rounding would hide is not compared: little motion, and small residuals.
  DeepLinear slow = net(2);
  slow.learning_rate = 1e-9;
  CHECK(solve_deep_linear(slow, {0, 1, 10'000}).find("rho_c_1")->valid_from == 10'000);
  DeepLinear done = net(2);
  done.target = {3, 1, 2};
  CHECK(solve_deep_linear(done, {0, 10, 100'000}).valid_until == 10);
}

TEST_CASE("chaotic descent is claimed while rounding has not grown to what is seen") {
  DeepLinear problem;
  problem.layers = 3;
  problem.width = 2;
  problem.target = {1};
  problem.start = {0.5};
  const std::vector<std::uint64_t> at{0, 10, 20, 25, 30, 50, 200};
  problem.learning_rate = 2.9 / 3;
  const models::Trajectory theory = solve_deep_linear(problem, at);
  CHECK(*theory.valid_until >=
        20);  // its exponent is .43: at step 31 a relative rounding of the start has grown 3e5-fold
  CHECK(*theory.valid_until <= 30);
  REQUIRE(theory.warnings.size() == 1);
  CHECK(theory.warnings[0].starts_with("chaotic: by step "));
  const auto simulation = simulate_deep_linear(problem);
  const auto replica = simulation->replica(4, 1);
  std::vector<double> now(theory.columns.size());
  const std::size_t singular = 7;  // s_1
  for (std::size_t t = 0; t < at.size(); ++t) {
    replica->advance(at[t]);
    replica->observe(now);
    if (static_cast<double>(at[t]) <= *theory.valid_until)
      CHECK(now[singular] == Approx(theory.columns[singular].value[t]).epsilon(1e-8));
    if (at[t] == 200) CHECK(now[singular] != Approx(theory.columns[singular].value[t]).epsilon(1e-3));
  }
  // Cycles, and what settles, forget their start.
  problem.learning_rate = 2.2 / 3;
  CHECK(*solve_deep_linear(problem, at).valid_until == 200);
  CHECK(solve_deep_linear(problem, at).warnings.empty());
}

TEST_CASE("rounding grows between singular values, where each of them by itself comes to a cycle") {
  DeepLinear problem;
  problem.layers = 3;
  problem.width = 3;
  problem.target = {3, 2, 1};
  problem.start = {0.1, 0.1, 0.1};
  problem.learning_rate = 0.3;
  std::vector<std::uint64_t> at;
  for (std::uint64_t step = 0; step <= 120; step += 2) at.push_back(step);
  const models::Trajectory theory = solve_deep_linear(problem, at);
  // Two runs in different bases are one run while the theory claims to be it, and are not for long beyond.
  const auto simulation = simulate_deep_linear(problem);
  const auto one = simulation->replica(1, 0), other = simulation->replica(1, 1);
  std::vector<double> here(theory.columns.size()), there(here);
  const double until = theory.valid_until.value();
  CHECK(until >= 10);
  CHECK(until < 60);
  double apart = 0;
  for (std::size_t t = 0; t < at.size(); ++t) {
    one->advance(at[t]);
    other->advance(at[t]);
    one->observe(here);
    other->observe(there);
    if (static_cast<double>(at[t]) <= until) {
      for (std::size_t o = 7; o < 10; ++o) {  // s_1 to s_3
        CHECK(here[o] == Approx(theory.columns[o].value[t]).epsilon(1e-9));
        CHECK(here[o] == Approx(there[o]).epsilon(1e-9));
      }
    }
    apart = std::max(apart, std::abs(here[0] / there[0] - 1));
  }
  CHECK(apart > 1e-3);
  // The same singular values of one mode each have no such growth.
  for (const double sigma : {3.0, 2.0, 1.0}) {
    DeepLinear single = problem;
    single.width = 1;
    single.target = {sigma};
    single.start = {0.1};
    CHECK(solve_deep_linear(single, at).warnings.empty());
  }
}

TEST_CASE("small singular values are rounded as the large ones beside them are") {
  DeepLinear problem;
  problem.layers = 5;
  problem.width = 3;
  problem.target = {3, 2, 1};
  problem.start = {0.1, 0.1, 0.1};
  problem.learning_rate = 0.3;
  const std::vector<std::uint64_t> at{0, 1, 2, 3, 4};
  const models::Trajectory theory = solve_deep_linear(problem, at);
  REQUIRE(theory.valid_until.value() == 4);
  const auto simulation = simulate_deep_linear(problem);
  double largest = 0;
  for (std::uint64_t index = 0; index < 8; ++index) {
    const auto replica = simulation->replica(1, index);
    std::vector<double> seen(theory.columns.size());
    for (std::size_t t = 0; t < at.size(); ++t) {
      replica->advance(at[t]);
      replica->observe(seen);
      for (std::size_t o = 11; o < 14; ++o) {  // s_1 to s_3
        const models::Column& column = theory.columns[o];
        CAPTURE(column.observable.name);
        const double off = std::abs(seen[o] - column.value[t]);
        CHECK(off <= column.rounding);
        CHECK(column.rounding < 1e-13 * 7656895.4);
        largest = std::max(largest, off / std::abs(column.value[t]));
      }
    }
  }
  // s_1 = -8e6 beside s_2 = 2.7 and s_3 = .5 at step 4: more than what alone would be taken for rounding.
  CHECK(largest > 1e-10);
}

TEST_CASE("the flow of many layers takes no more steps for a longer time") {
  DeepLinear problem = net(50);
  problem.flow = true;
  problem.learning_rate = 0.01;
  problem.target = {1.3, 0, 0.5, 2};
  problem.start = {0.1, 2, 3, 2};
  const auto w = layer_values(problem, {0, 10, 1'000'000'000});
  // sigma = 0: w^-98 grows by 98 a unit of time.
  CHECK(w[2][1] == Approx(std::pow(std::pow(w[0][1], -98.0) + 98e7, -1 / 98.0)).epsilon(1e-12));
  CHECK(std::pow(w[2][0], 50.0) == Approx(1.3).epsilon(1e-12));
  CHECK(std::pow(w[2][2], 50.0) == Approx(0.5).epsilon(1e-12));
  CHECK(w[2][3] == w[0][3]);
  // From above as from below: s' = 50 s^(1.96) (sigma - s), by small steps.
  double s = 3;
  for (int k = 0; k < 100000; ++k) {
    const double half = s + 0.5e-6 * 50 * std::pow(s, 1.96) * (0.5 - s);
    s += 1e-6 * 50 * std::pow(half, 1.96) * (0.5 - half);
  }
  CHECK(std::pow(w[1][2], 50.0) == Approx(s).epsilon(1e-6));
}

namespace {

/// What rounding adds to the layers, in the bases in which they are diagonal: matrices W_l = diag(w) + E_l, the step's effect
/// on E_l by differences of the plain gradient (W_L .. W_(l+1))'(W_L .. W_1 - T)(W_(l-1) .. W_1)'.
class RoundingByDifferences {
 public:
  explicit RoundingByDifferences(const DeepLinear& net)
      : net_(net), n_(net.width > net.target.size() ? net.target.size() + 1 : net.target.size()) {
    random::Stream stream(0, 0);
    for (std::size_t l = 0; l < net.layers; ++l) {
      fresh_.emplace_back(n_, n_);
      errors_.emplace_back(n_, n_);
      stream.normals(fresh_.back().entries());
    }
    for (const double s : net.start) w_.push_back(std::pow(s, 1 / static_cast<double>(net.layers)));
  }
  const std::vector<double>& w() const { return w_; }
  double size() const { return size_; }
  /// Whether anything moved.
  bool step() {
    const double eta = net_.learning_rate, h = 1e-6;
    const auto moved = [&](double by) {
      std::vector<Matrix> out;
      for (const Matrix& e : errors_) {
        Matrix one(n_, n_);
        for (std::size_t k = 0; k < one.size(); ++k) one.entries()[k] = by * e.entries()[k];
        for (std::size_t i = 0; i < w_.size(); ++i) one(i, i) += w_[i];
        out.push_back(one);
      }
      return out;
    };
    double unit = 0, largest = 0, rounded = 0;
    for (const Matrix& e : errors_)
      for (const double x : e.entries()) unit = std::max(unit, std::abs(x));
    const double by = unit > 0 ? h / unit : 0;
    const auto up = gradients(moved(by)), down = gradients(moved(-by));
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double x = std::abs(w_[i]), L = static_cast<double>(net_.layers);
      largest = std::max(largest, x);
      rounded = std::max(rounded, eta * (std::pow(x, L) + net_.target[i]) * std::pow(x, L - 1));
    }
    const double fresh = (signs_.uniform() < 0.5 ? -1 : 1) * std::max(largest, rounded);
    size_ = 0;
    for (std::size_t l = 0; l < errors_.size(); ++l)
      for (std::size_t k = 0; k < n_ * n_; ++k) {
        double& error = errors_[l].entries()[k];
        error += fresh * fresh_[l].entries()[k];
        if (by > 0) error -= eta * (up[l].entries()[k] - down[l].entries()[k]) / (2 * by);
        size_ = std::max(size_, std::abs(error) / largest);
      }
    bool moves = false;
    for (std::size_t i = 0; i < w_.size(); ++i) {
      const double s = std::pow(w_[i], static_cast<double>(net_.layers)), off = net_.target[i] - s;
      const double next = std::abs(off) <= 1e-15 * net_.target[i]
                              ? w_[i]
                              : w_[i] + eta * off * std::pow(w_[i], static_cast<double>(net_.layers - 1));
      moves = moves || next != w_[i];
      w_[i] = next;
    }
    return moves;
  }

 private:
  static Matrix times(const Matrix& a, const Matrix& b) { return linear_algebra::product(a, b); }
  std::vector<Matrix> gradients(const std::vector<Matrix>& W) const {
    const std::size_t L = W.size();
    std::vector<Matrix> above(L + 1, Matrix::identity(n_, n_)), below(above), out;
    for (std::size_t l = L; l-- > 0;) above[l] = times(above[l + 1], W[l]);
    for (std::size_t l = 0; l < L; ++l) below[l + 1] = times(W[l], below[l]);
    Matrix r = above[0];
    for (std::size_t i = 0; i < net_.target.size(); ++i) r(i, i) -= net_.target[i];
    for (std::size_t l = 0; l < L; ++l)
      out.push_back(linear_algebra::product(linear_algebra::product(above[l + 1], r, linear_algebra::Transposed::yes),
                                            below[l], linear_algebra::Transposed::no, linear_algebra::Transposed::yes));
    return out;
  }

  const DeepLinear& net_;
  std::size_t n_;
  std::vector<double> w_;
  std::vector<Matrix> errors_, fresh_;
  random::Stream signs_{0, 1};
  double size_ = 0;
};

}  // namespace

TEST_CASE("what rounding may make of singular values and of the balance is its linearised growth, layer by layer") {
  for (const std::size_t layers : {1, 2, 3}) {
    CAPTURE(layers);
    DeepLinear problem;
    problem.layers = layers;
    problem.width = layers == 2 ? 2 : 3;
    problem.target = {2, 0.9};
    problem.start = {0.4, 0.3};
    problem.learning_rate = 0.15;
    const std::vector<std::uint64_t> at{0, 1, 3, 12};
    const models::Trajectory theory = solve_deep_linear(problem, at);
    REQUIRE(theory.valid_until == 12);
    RoundingByDifferences growth(problem);
    const double L = static_cast<double>(layers);
    double expected[2] = {}, balance = 0;
    for (std::uint64_t step = 0; step <= 12; ++step) {
      if (std::ranges::count(at, step) > 0) {
        const double size = std::max(1.0, growth.size()) * L * 1e-16, largest = std::max(growth.w()[0], growth.w()[1]);
        for (std::size_t i = 0; i < 2; ++i)
          expected[i] =
              std::max(expected[i], L * 1e-16 * std::pow(largest, L) + size * largest * std::pow(growth.w()[i], L - 1));
        balance =
            std::max(balance, 8 * (std::sqrt(static_cast<double>(problem.width)) * 1e-16 + size) * largest * largest);
      }
      growth.step();
    }
    for (std::size_t i = 0; i < 2; ++i)
      CHECK(theory.columns[1 + 2 * layers + i].rounding == Approx(expected[i]).epsilon(1e-6));
    if (layers > 1) CHECK(theory.columns.back().rounding == Approx(balance).epsilon(1e-6));
  }
}

TEST_CASE("rounding ends what is claimed at the step at which it has grown to 3e-12, running or at rest") {
  DeepLinear chaotic;
  chaotic.layers = 3;
  chaotic.width = 2;
  chaotic.target = {1};
  chaotic.start = {0.5};
  chaotic.learning_rate = 2.9 / 3;
  const auto said = [](const DeepLinear& net, std::uint64_t until) {
    const models::Trajectory theory = solve_deep_linear(net, {0, 5, until});
    return theory.warnings.empty() ? std::string("nothing")
                                   : theory.warnings[0].substr(0, theory.warnings[0].find(" rounding"));
  };
  RoundingByDifferences growth(chaotic);
  int steps = 0;
  for (; growth.size() * 3e-16 <= 3e-12; ++steps) growth.step();
  CHECK(said(chaotic, 200) == "chaotic: by step " + std::to_string(steps));
  // One singular value sits on its unstable target, |1 - 2 eta 4| = 1.4, the other comes to rest beside it.
  DeepLinear resting;
  resting.width = 2;
  resting.target = {4, 1 / 0.6};
  resting.start = {4, 1.6};
  resting.learning_rate = 0.3;
  RoundingByDifferences still(resting);
  int rest = 1;
  while (still.step()) ++rest;
  REQUIRE(rest < 12);
  const double further = std::ceil(std::log(3e-12 / (still.size() * 2e-16)) / std::log(1.4));
  const auto beyond = static_cast<std::uint64_t>(rest + further);
  CHECK(said(resting, beyond) == "chaotic: by step " + std::to_string(beyond));
  CHECK(said(resting, beyond - 1) == "nothing");
}
