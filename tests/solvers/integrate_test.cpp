#include "solvers/integrate.hpp"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <array>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/multiprecision/cpp_bin_float.hpp>
#include <cmath>
#include <limits>

#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using namespace edgewise::solvers::test;

using Real50 = boost::multiprecision::number<boost::multiprecision::cpp_bin_float<50>, boost::multiprecision::et_off>;
using edgewise::tests::Approx;

// Boost's own traits lack members that Eigen 3.4 asks for.
template <>
struct Eigen::NumTraits<Real50> : Eigen::GenericNumTraits<Real50> {
  enum {
    IsInteger = 0,
    IsSigned = 1,
    IsComplex = 0,
    RequireInitialization = 1,
    ReadCost = 10,
    AddCost = 20,
    MulCost = 40
  };
};

namespace {

double worst_error(const Solution& solution, const std::vector<double>& exact) {
  REQUIRE(solution.shared.size() == exact.size());
  double worst = 0;
  for (std::size_t i = 0; i < exact.size(); ++i)
    worst = std::max(worst, std::abs(solution.shared[i][0] / exact[i] - 1));
  return worst;
}

/// P(t) by diagonalising -diag(A) + sqrt(b) sqrt(b)', which is similar to the system's matrix.
template <class Real>
std::vector<double> by_eigenvalues(const LeastSquares& system, const std::vector<double>& q0,
                                   const std::vector<double>& times) {
  using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<Real, Eigen::Dynamic, 1>;
  using std::exp;
  using std::sqrt;
  const auto n = static_cast<Eigen::Index>(q0.size());
  Matrix J(n, n);
  Vector root(n), start(n);
  for (Eigen::Index i = 0; i < n; ++i) root[i] = sqrt(Real(system.b[static_cast<std::size_t>(i)]));
  for (Eigen::Index i = 0; i < n; ++i) {
    start[i] = Real(q0[static_cast<std::size_t>(i)]) / root[i];
    for (Eigen::Index j = 0; j < n; ++j) J(i, j) = root[i] * root[j];
    J(i, i) -= Real(system.A[static_cast<std::size_t>(i)]);
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> eigen(J);
  const Vector left = eigen.eigenvectors().transpose() * root, right = eigen.eigenvectors().transpose() * start;
  std::vector<double> P;
  for (const double t : times) {
    Real sum = 0;
    for (Eigen::Index k = 0; k < n; ++k) sum += left[k] * right[k] * exp(eigen.eigenvalues()[k] * Real(t));
    P.push_back(static_cast<double>(sum));
  }
  return P;
}

}  // namespace

TEST_CASE("integrate: achieved error against the tolerance asked for, two modes with label noise") {
  const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};
  const LeastSquares system = problem.system();
  const auto times = logarithmic(1e-3, 1e4, 60);
  std::vector<double> exact;
  for (const double t : times) exact.push_back(problem.at(t)[0] + problem.at(t)[1]);
  for (const double rtol : {1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9}) {
    CAPTURE(rtol);
    Options options;
    options.rtol = rtol;
    CHECK(worst_error(integrate(system, problem.start(), times, options), exact) < rtol);
    options.integrator = Integrator::etd;
    for (const std::size_t stages : {2U, 3U, 4U}) {
      options.etd_stages = stages;
      CHECK(worst_error(integrate(system, problem.start(), times, options), exact) < rtol);
    }
    options.integrator = Integrator::explicit_;
    CHECK(worst_error(integrate(system, problem.start(), times, options), exact) < 3 * rtol);
  }
}

TEST_CASE("integrate: power law with 200 modes against Eigen") {
  const PowerLaw law(1.0, 0.75, 200, 200, 0.5);
  // Beyond 1e5 the double-precision eigenvalues themselves are the worse computation.
  const auto times = logarithmic(1e-1, 1e5, 25);
  const auto exact = by_eigenvalues<double>(law.system, law.q0, times);
  CHECK(exact.back() < 1e-6 * exact.front());
  for (const double rtol : {1e-4, 1e-6, 1e-8, 1e-9}) {
    CAPTURE(rtol);
    Options options;
    options.rtol = rtol;
    CHECK(worst_error(integrate(law.system, law.q0, times, options), exact) < rtol);
    options.integrator = Integrator::etd;
    CHECK(worst_error(integrate(law.system, law.q0, times, options), exact) < rtol);
  }
}

TEST_CASE("integrate: rates over twenty decades to t = 1e10, against 50-digit eigenvalues") {
  // A from 1 to 1e-20, P falling by a power of t.
  std::vector<double> A, b, q0;
  for (int k = 0; k <= 40; ++k) {
    const double lambda = std::pow(10.0, -0.5 * k);
    A.push_back(lambda);
    b.push_back(0.1 * std::pow(lambda, 1.5));
    q0.push_back(lambda);
  }
  const LeastSquares system(A, b);
  const auto times = logarithmic(1e-2, 1e10, 37);
  const auto exact = by_eigenvalues<Real50>(system, q0, times);
  CHECK(exact.back() < 1e-9 * exact.front());
  for (const double rtol : {1e-5, 1e-7, 1e-9}) {
    CAPTURE(rtol);
    Options options;
    options.rtol = rtol;
    CHECK(worst_error(integrate(system, q0, times, options), exact) < rtol);
    options.integrator = Integrator::etd;
    CHECK(worst_error(integrate(system, q0, times, options), exact) < rtol);
    Disguised newton;
    static_cast<LeastSquares&>(newton) = system;
    options.integrator = Integrator::sdirk4;
    CHECK(worst_error(integrate(newton, q0, times, options), exact) < rtol);
  }
}

TEST_CASE("integrate: reference values long-A, on a power law of 1e9 modes") {
  const PowerLaw law(1.0, 0.75, 1e9, 2048, 0.5);
  CHECK(law.eta == Approx(0.60792710222).epsilon(1e-10));
  const std::vector<double> times{0, 1e2, 1e4, 1e6, 1e8};
  for (const Integrator integrator : {Integrator::sdirk4, Integrator::etd}) {
    Options options;
    options.integrator = integrator;
    options.rtol = 1e-9;
    const auto solution = integrate(law.system, law.q0, times, options);
    CHECK(solution.shared[1][0] == Approx(3.054405266e-3).epsilon(1e-8));
    CHECK(solution.shared[2][0] == Approx(8.085746243e-6).epsilon(1e-8));
    CHECK(solution.shared[3][0] == Approx(2.34802119e-8).epsilon(1e-8));
    CHECK(solution.shared[4][0] == Approx(7.203717e-11).epsilon(2e-7));
  }
  // The default nodes of docs/theory/least-squares-sgd.md, section 7b reproduce them to 4e-6.
  const PowerLaw coarse(1.0, 0.75, 1e9, 128, 0.5);
  const auto solution = integrate(coarse.system, coarse.q0, times);
  CHECK(solution.shared[4][0] == Approx(7.203717e-11).epsilon(5e-6));
}

TEST_CASE("integrate: a nonlinear system, noiseless signSGD on K = I, closed form") {
  const double d = 100, eta = 1e-3, P0 = 1;
  const IsotropicSign system(eta, d, 5);
  const double floor = std::numbers::pi * eta * d / 4, y = (std::sqrt(P0) - floor) / floor;
  auto times = logarithmic(1, 3000, 30);
  std::vector<double> exact;
  for (const double t : times) {
    const double q = floor * (1 + boost::math::lambert_w0(y * std::exp(y - 2 * eta * t / (std::numbers::pi * floor))));
    exact.push_back(q * q);
  }
  const std::vector<double> start(5, P0 / 5);
  for (const double rtol : {1e-4, 1e-6, 1e-8, 1e-9}) {
    CAPTURE(rtol);
    Options options;
    options.rtol = rtol;
    const auto solution = integrate(system, start, times, options);
    CHECK(worst_error(solution, exact) < rtol);
    CHECK(solution.statistics.newton_iterations > 0);
    options.integrator = Integrator::explicit_;
    CHECK(worst_error(integrate(system, start, times, options), exact) < 3 * rtol);
  }
}

TEST_CASE("integrate: automatic is explicit where that is the better, and hands over where it is not") {
  const double d = 100, eta = 1e-3;
  const IsotropicSign gentle(eta, d, 5);
  const std::vector<double> start(5, 0.2);
  Options options;
  options.integrator = Integrator::explicit_;
  const auto times = logarithmic(1, 300, 30);
  const auto explicitly = integrate(gentle, start, times, options);
  options.integrator = Integrator::automatic;
  const auto automatic = integrate(gentle, start, times, options);
  CHECK(automatic.statistics.solves == 0);
  CHECK(automatic.shared == explicitly.shared);

  // Rates from 1 to 1e-18, times to 1e8: an explicit step is at most 3.
  const PowerLaw law(1.0, 0.75, 1e9, 512, 0.5);
  std::vector<std::size_t> seen;
  Options wide;
  wide.integrator = Integrator::automatic;
  wide.observer = [&](std::size_t index, double, std::span<const double>, std::span<const double>) {
    seen.push_back(index);
  };
  const std::vector<double> far{0, 1, 1e2, 1e4, 1e6, 1e8};
  const auto found = integrate(law.system, law.q0, far, wide);
  wide.integrator = Integrator::sdirk4;
  wide.rtol = 1e-10;
  wide.observer = {};
  const auto exact = integrate(law.system, law.q0, far, wide);
  CHECK(found.times == far);
  CHECK(seen == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
  for (std::size_t i = 0; i < far.size(); ++i) CHECK(found.shared[i][0] == Approx(exact.shared[i][0]).epsilon(2e-8));
  CHECK(found.statistics.solves > 0);
  CHECK(found.statistics.steps < 5000);  // a guard: the explicit stepper alone would take some 1e7

  // A jump before the hand-over and one after it.
  LeastSquares jumping({2.0, 1e-4}, {0.0, 0.0});
  jumping.eta = [](double t) { return t < 5 ? 1.0 : t < 2e4 ? 0.5 : 0.1; };
  Options broken;
  broken.integrator = Integrator::automatic;
  broken.breaks = {5, 2e4};
  const auto jumped = integrate(jumping, std::vector<double>{1, 3}, std::vector<double>{0, 5, 1e4, 1e5}, broken);
  REQUIRE(jumped.times.size() == 4);
  CHECK(jumped.shared[1][0] == Approx(std::exp(-10.0) + 3 * std::exp(-5e-4)).epsilon(2e-8));
  CHECK(jumped.shared[2][0] == Approx(3 * std::exp(-5e-4 - 0.5e-4 * (1e4 - 5))).epsilon(2e-8));
  CHECK(jumped.shared[3][0] == Approx(3 * std::exp(-5e-4 - 0.5e-4 * (2e4 - 5) - 0.1e-4 * 8e4)).epsilon(2e-8));
}

TEST_CASE("integrate: a schedule, smooth and with jumps") {
  // One mode without coupling: q = q0 exp(-A int eta).
  LeastSquares system({2.0, 0.1}, {0.0, 0.0});
  SUBCASE("smooth") {
    system.eta = [](double t) { return 1 / (1 + 0.1 * t); };
    const auto times = logarithmic(0.1, 1000, 20);
    std::vector<double> exact;
    for (const double t : times) {
      const double s = 10 * std::log1p(0.1 * t);
      exact.push_back(std::exp(-2 * s) + 3 * std::exp(-0.1 * s));
    }
    const std::vector<double> start{1, 3};
    for (const double rtol : {1e-5, 1e-8}) {
      Options options;
      options.rtol = rtol;
      CHECK(worst_error(integrate(system, start, times, options), exact) < rtol);
    }
  }
  SUBCASE("jumps, given as breaks") {
    system.eta = [](double t) { return t < 3 ? 1.0 : t < 7.5 ? 0.1 : 0.0; };
    const std::vector<double> times{0, 1, 3, 5, 7.5, 10}, start{1, 3};
    std::vector<double> exact;
    for (const double t : times) {
      const double s = std::min(t, 3.0) + 0.1 * std::clamp(t - 3, 0.0, 4.5);
      exact.push_back(std::exp(-2 * s) + 3 * std::exp(-0.1 * s));
    }
    for (const Integrator integrator : {Integrator::sdirk4, Integrator::explicit_}) {
      Options options;
      options.rtol = 1e-9;
      options.integrator = integrator;
      options.breaks = {7.5, 3, 3, 100};
      const auto with = integrate(system, start, times, options);
      CHECK(worst_error(with, exact) < 1e-8);
      options.breaks = {};
      const auto without = integrate(system, start, times, options);
      CHECK(with.statistics.rejected <= 6);
    }
  }
}

TEST_CASE("integrate: divergence is a result") {
  // p grows at rate 0.5 from 1: beyond 1e20 at t = 40 ln 10 = 92.1.
  const LeastSquares system({1.0}, {1.5});
  const std::vector<double> start{1.0}, times{0, 10, 90, 93, 200};
  for (const Integrator integrator : {Integrator::sdirk4, Integrator::etd, Integrator::explicit_}) {
    Options options;
    options.integrator = integrator;
    options.divergence_limit = 1e20;
    const auto solution = integrate(system, start, times, options);
    REQUIRE(solution.diverged_at.has_value());
    CHECK(solution.times == std::vector<double>{0, 10, 90});
    CHECK(solution.shared[2][0] == Approx(std::exp(45.0)).epsilon(1e-6));
    CHECK(*solution.diverged_at > 40 * std::log(10.0));
    CHECK(*solution.diverged_at < 97);
  }
  // Blow-up in finite time: p' = p^2, p = 1/(1 - t).
  struct BlowUp : LeastSquares {
    BlowUp() : LeastSquares({0.0}, {1.0}) {}
    void coefficients(double, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      rate[0] = 0;
      source[0] = p[0] * p[0];
    }
    void sensitivity(double, std::span<const double> p, std::span<const double>, std::span<double> u) const override {
      u[0] = 2 * p[0];
    }
    bool affine() const override { return false; }
  };
  const std::vector<double> until{0, 0.5, 0.9, 2};
  const auto solution = integrate(BlowUp(), start, until);
  REQUIRE(solution.diverged_at.has_value());
  CHECK(*solution.diverged_at == Approx(1.0).epsilon(1e-7));
  CHECK(solution.times == std::vector<double>{0, 0.5, 0.9});
  CHECK(solution.shared[2][0] == Approx(10).epsilon(1e-7));
  // Not finite from the start.
  const std::vector<double> infinite{std::numeric_limits<double>::infinity()};
  CHECK(integrate(system, infinite, times).diverged_at == 0.0);
  CHECK(integrate(system, infinite, times).times.empty());
}

TEST_CASE(
    "integrate: steps that vanish are a singularity where the solution has grown a thousandfold, else a failure") {
  // p' = p/2 up to a wall that no step passes.
  struct Walled : LeastSquares {
    double wall;
    explicit Walled(double wall_) : LeastSquares({1.0}, {1.5}), wall(wall_) {}
    void coefficients(double t, std::span<const double> p, std::span<double> rate,
                      std::span<double> source) const override {
      LeastSquares::coefficients(t, p, rate, source);
      if (!(p[0] < wall)) source[0] = std::nan("");
    }
    bool affine() const override { return false; }
  };
  for (const Integrator integrator : {Integrator::sdirk4, Integrator::explicit_})
    for (const double start : {1.0, 50.0}) {
      Options options;
      options.integrator = integrator;
      const std::vector<double> M{start}, times{0, 5, 100};
      CHECK_THROWS_WITH_AS(integrate(Walled(985 * start), M, times, options),
                           doctest::Contains("the step size fell to"), std::runtime_error);
      const auto grown = integrate(Walled(1015 * start), M, times, options);
      REQUIRE(grown.diverged_at.has_value());
      CHECK(*grown.diverged_at == Approx(2 * std::log(1015.0)).epsilon(1e-6));
      CHECK(grown.times == std::vector<double>{0, 5});
      CHECK(grown.shared[1][0] == Approx(start * std::exp(2.5)).epsilon(1e-7));
    }
}

TEST_CASE("integrate: behind a break the first step is a tenth of what it would have been") {
  // At rest there is no error: steps of .01, .05, .25, then what is left to 1, .69; the next would be five times as long.
  LeastSquares system({1.0}, {0.0});
  std::vector<double> read;
  system.eta = [&](double t) {
    read.push_back(t);
    return 1.0;
  };
  Options options;
  options.integrator = Integrator::explicit_;
  options.first_step = 0.01;
  options.breaks = {1};
  const auto found = integrate(system, std::vector<double>{0}, std::vector<double>{0, 3}, options);
  CHECK(found.statistics.first_step == 0.01);
  double first = 3;
  for (const double t : read)
    if (t > 1) first = std::min(first, t);
  CHECK((first - 1) / 0.0526001519587677 == Approx(0.1 * 5 * 0.69).epsilon(1e-9));
}

TEST_CASE("integrate: the limit of divergence counts from the start, or from 1") {
  // p = 200 e^{t/2}, and p' = p/2 + 1.5 from 0.
  Options options;
  options.divergence_limit = 1e6;
  for (const Integrator integrator : {Integrator::sdirk4, Integrator::etd, Integrator::explicit_}) {
    options.integrator = integrator;
    const std::vector<double> large{200.0}, none{0.0}, times{0, 2 * std::log(0.99e6), 2 * std::log(1.01e6), 100};
    const auto from_large = integrate(LeastSquares({1.0}, {1.5}), large, times, options);
    REQUIRE(from_large.diverged_at.has_value());
    CHECK(from_large.times.size() == 2);
    CHECK(*from_large.diverged_at > 2 * std::log(1e6));
    const std::vector<double> at{0, 2 * std::log1p(0.99e6 / 3), 2 * std::log1p(1.01e6 / 3), 100};
    const auto from_none = integrate(LeastSquares({1.0}, {1.5}, 1), none, at, options);
    REQUIRE(from_none.diverged_at.has_value());
    CHECK(from_none.times.size() == 2);
    CHECK(from_none.shared[1][0] == Approx(0.99e6).epsilon(1e-6));
  }
}

TEST_CASE("integrate: what the steppers count") {
  const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};
  const LeastSquares linear = problem.system();
  Disguised newton;
  static_cast<LeastSquares&>(newton) = linear;
  const std::vector<double> times{0, 50};
  Options options;
  options.first_step = 1e-3;
  const auto fast = integrate(linear, problem.start(), times, options).statistics;
  // Five stages an attempt, one evaluation, and one more where the tables had to be made anew.
  CHECK(fast.solves == 5 * (fast.steps + fast.rejected));
  CHECK(fast.evaluations > fast.steps + fast.rejected);
  CHECK(fast.evaluations < 2 * (fast.steps + fast.rejected));
  CHECK(fast.newton_iterations == 0);
  CHECK(fast.first_step == 1e-3);
  const auto general = integrate(newton, problem.start(), times, options).statistics;
  CHECK(general.solves == 5 * (general.steps + general.rejected));
  CHECK(general.evaluations == general.steps + general.rejected);
  CHECK(general.newton_iterations > 0);
  // One correction is exact of an affine system, whatever its schedule; of others the second one is the last or nearly so.
  LeastSquares scheduled = linear;
  scheduled.eta = [](double) { return 1.0; };
  const auto once = integrate(scheduled, problem.start(), times, options).statistics;
  CHECK(once.solves == 5 * (once.steps + once.rejected));
  CHECK(once.newton_iterations == 0);
  CHECK(general.newton_iterations <= general.solves);
  options.integrator = Integrator::etd;
  const auto etd = integrate(linear, problem.start(), times, options).statistics;
  CHECK(etd.solves == etd.steps + etd.rejected);
  CHECK((etd.evaluations - etd.solves) % 4 == 0);  // four stages whenever tables are made
  CHECK(etd.evaluations > etd.solves);
  CHECK(etd.first_step == 1e-3);
  options.integrator = Integrator::explicit_;
  const auto explicit_ = integrate(linear, problem.start(), times, options).statistics;
  CHECK(explicit_.evaluations >= 6 * explicit_.steps);
  CHECK(explicit_.solves == 0);
  CHECK(explicit_.first_step <= 1e-3);
}

TEST_CASE("integrate: states, observer, statistics") {
  const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};
  const LeastSquares system = problem.system();
  const std::vector<double> times{0, 1, 2, 50};
  for (const Integrator integrator : {Integrator::sdirk4, Integrator::etd, Integrator::explicit_}) {
    Options options;
    options.integrator = integrator;
    options.keep_states = true;
    std::vector<double> observed;
    options.observer = [&](std::size_t index, double t, std::span<const double> p, std::span<const double> M) {
      CHECK(index == observed.size());
      CHECK(t == times[index]);
      CHECK(p[0] == Approx(M[0] + M[1]).epsilon(1e-13));
      observed.push_back(M[1]);
    };
    const auto solution = integrate(system, problem.start(), times, options);
    REQUIRE(solution.states.size() == 4);
    CHECK(observed.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(solution.states[i][1] == Approx(problem.at(times[i])[1]).epsilon(1e-7));
      CHECK(solution.states[i][1] == observed[i]);
    }
    CHECK(solution.statistics.steps > 3);
    CHECK(solution.statistics.evaluations > solution.statistics.steps);
    CHECK(solution.statistics.first_step > 0);
    CHECK(solution.statistics.last_step > 0);
    CHECK_FALSE(solution.diverged_at.has_value());
  }
  // Breaks where nothing is integrated are none.
  Options broken;
  broken.first_step = 1e-3;
  broken.breaks = {20};
  const auto one = integrate(system, problem.start(), times, broken);
  broken.breaks = {60, 20, -1, 0, 20, 50};
  const auto many = integrate(system, problem.start(), times, broken);
  CHECK(many.shared == one.shared);
  CHECK(many.statistics.steps == one.statistics.steps);
  CHECK(many.statistics.evaluations == one.statistics.evaluations);
  CHECK(many.statistics.first_step == one.statistics.first_step);
  const std::vector<double> once{5};
  const auto initial = integrate(system, problem.start(), once);
  CHECK(initial.shared == std::vector<std::vector<double>>{{7.0}});
}

TEST_CASE("integrate: bad input") {
  const TwoModes problem{3.0, 0.02, 0.6, 0.004, 0.25, 2.0, 5.0};
  const LeastSquares system = problem.system();
  const std::vector<double> good{0, 1}, start = problem.start();
  const auto complains = [&](std::vector<double> M0, std::vector<double> times, const Options& options,
                             const char* text) {
    CHECK_THROWS_WITH_AS(integrate(system, M0, times, options), doctest::Contains(text), std::invalid_argument);
  };
  complains({1.0}, good, {}, "1 modes, the system 2");
  complains(start, {}, {}, "no output times");
  complains(start, {0, 2, 2}, {}, "must increase");
  complains(start, {0, std::nan("")}, {}, "not finite");
  Options options;
  options.rtol = 0;
  complains(start, good, options, "rtol = 0");
  options = {};
  options.atol = -1;
  complains(start, good, options, "atol = -1");
  options = {};
  options.breaks = {std::nan("")};
  complains(start, good, options, "break");
  options = {};
  options.divergence_limit = 0;
  complains(start, good, options, "divergence_limit");
  options = {};
  options.first_step = -1;
  complains(start, good, options, "first_step");
  options = {};
  options.integrator = Integrator::etd;
  options.etd_stages = 7;
  complains(start, good, options, "7 stages");
  options = {};
  options.max_steps = 3;
  CHECK_THROWS_WITH_AS(integrate(system, start, good, options), doctest::Contains("3 steps"), std::runtime_error);
}
