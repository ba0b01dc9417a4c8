// The simulated algorithms against a plain rendering of their definitions, against exact conditional moments
// (docs/theory/sign-and-clip.md, sections 1, 2.1, 3, 5.1), and against the reference recursions of section 8.
#include "models/nonlinear/simulation.hpp"

#include <doctest/doctest.h>

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>

#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/theory.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/goodness_of_fit.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"
#include "tests/models/nonlinear/refusal.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using namespace edgewise::tests;
using edgewise::models::testing::dense_covariance;
using edgewise::random::Purpose;
using edgewise::random::Stream;
using edgewise::tests::Approx;

namespace {

constexpr std::uint64_t seed = 5;

class Flat final : public Schedule {
 public:
  explicit Flat(double value = 1) : value_(value) {}
  double at(double) const override { return value_; }
  bool constant() const override { return true; }

 private:
  double value_;
};

class Harmonic final : public Schedule {
 public:
  double at(double t) const override { return 1 / (1 + t / 2); }
};

Covariance diagonal(std::vector<double> eigenvalue, std::vector<double> target) {
  Covariance k;
  k.d = eigenvalue.size();
  k.eigenvalue = std::move(eigenvalue);
  k.target = std::move(target);
  return k;
}

Covariance dense() {
  return dense_covariance({1, 0.5, -0.2, 0.5, 2, 0.3, -0.2, 0.3, 0.5}, {1, -0.7, 0.4});
}

NonlinearProblem problem(const std::string& method, double batch, double threshold = 0, double rate = 0.1) {
  NonlinearProblem p;
  p.covariance = diagonal({2, 1, 0.5, 0.1}, {0.8, -0.5, 1, 0.6});
  p.noise = gaussian_noise(0.25);
  p.method = method;
  p.threshold = threshold;
  p.learning_rate = rate;
  p.batch = batch;
  p.schedule = std::make_shared<Flat>();
  p.time.steps = 5;
  return p;
}

/// Excess risks of replicas at the steps asked for: [step][replica].
std::vector<std::vector<double>> sample(const NonlinearProblem& p, const std::string& sampler,
                                        const std::vector<std::uint64_t>& at, std::size_t replicas,
                                        std::uint64_t the_seed = seed) {
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p), sampler);
  std::vector<std::vector<double>> result(at.size());
  std::vector<double> seen(simulation->observables().size());
  for (std::size_t r = 0; r < replicas; ++r) {
    const auto replica = simulation->replica(the_seed, r);
    for (std::size_t t = 0; t < at.size(); ++t) {
      replica->advance(at[t]);
      replica->observe(seen);
      result[t].push_back(seen[0]);
    }
  }
  return result;
}

double sign(double x) {
  return static_cast<double>((x > 0) - (x < 0));
}

/// Lower Cholesky factor, row by row.
std::vector<std::vector<double>> cholesky(const Covariance& k) {
  std::vector<std::vector<double>> l(k.d, std::vector<double>(k.d, 0.0));
  for (std::size_t i = 0; i < k.d; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = k.diagonal ? (i == j ? k.eigenvalue[i] : 0) : k.matrix[j * k.d + i];
      for (std::size_t m = 0; m < j; ++m) sum -= l[i][m] * l[j][m];
      l[i][j] = i == j ? std::sqrt(sum) : sum / l[j][j];
    }
  return l;
}

/// The definition of every method (problem.hpp), one number at a time. P after each of `steps` steps.
std::vector<double> defined(const NonlinearProblem& p, std::size_t steps, std::uint64_t replica) {
  const Covariance& k = p.covariance;
  const std::size_t d = k.d;
  const auto l = cholesky(k);
  Stream stream(seed + 1000, replica, 0, Purpose::initial);
  std::vector<double> v(d), average(d, 0.0), out;
  for (std::size_t i = 0; i < d; ++i) v[i] = -k.target[i];
  for (std::size_t step = 0; step < steps; ++step) {
    std::vector<double> g(d, 0.0), signs(d, 0.0);
    double trace = 0;
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j <= i; ++j) trace += l[i][j] * l[i][j];
    const bool scheduled = p.threshold_rule != "constant";
    const double h = scheduled ? p.threshold_schedule->at(static_cast<double>(step)) : p.threshold;
    for (int b = 0; b < p.batch; ++b) {
      std::vector<double> z(d), x(d, 0.0);
      for (double& zi : z) zi = stream.normal();
      double r = 0, square = 0;
      for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t j = 0; j <= i; ++j) x[i] += l[i][j] * z[j];
        r += x[i] * v[i];
        square += x[i] * x[i];
      }
      r -= p.noise->draw(stream);
      double chi = r;
      if (p.method == Method::huber) chi = std::clamp(r, -h, h);
      if (p.method == Method::lad) chi = sign(r);
      if (p.method == Method::quantile) chi = (r > 0 ? 1 : 0) - h;
      if (p.method == Method::reject && std::abs(r) >= h) chi = 0;
      if (p.method == Method::clip)
        chi *= std::min(1.0, (scheduled ? h * std::sqrt(trace) : h) / (std::abs(r) * std::sqrt(square)));
      for (std::size_t i = 0; i < d; ++i) {
        g[i] += chi * x[i] / p.batch;
        signs[i] += sign(r * x[i]);
      }
    }
    double norm = 0;
    for (const double gi : g) norm += gi * gi;
    norm = std::sqrt(norm);
    const double rate = p.rate_at(static_cast<double>(step));
    for (std::size_t i = 0; i < d; ++i) {
      double direction = g[i];
      if (p.method == Method::mean_clip) direction *= std::min(1.0, h / norm);
      if (p.method == Method::sign_late) direction = sign(g[i]);
      if (p.method == Method::sign_early) direction = signs[i] / p.batch;
      if (p.method == Method::sign_majority) direction = sign(signs[i]);
      if (p.method == Method::sign_ema) direction = sign(average[i] = p.ema * average[i] + (1 - p.ema) * g[i]);
      if (p.method == Method::ema_sign) direction = average[i] = p.ema * average[i] + (1 - p.ema) * sign(g[i]);
      v[i] -= rate * direction;
    }
    double excess = 0;
    for (std::size_t j = 0; j < d; ++j) {
      double u = 0;
      for (std::size_t i = j; i < d; ++i) u += l[i][j] * v[i];
      excess += u * u;
    }
    out.push_back(excess);
  }
  return out;
}

void check_definition(const NonlinearProblem& p, const std::string& sampler) {
  constexpr std::size_t replicas = 8000;
  CAPTURE(p.method);
  CAPTURE(p.batch);
  CAPTURE(sampler);
  CAPTURE(p.covariance.diagonal);
  auto seen = sample(p, sampler, {1, 4}, replicas);
  std::vector<double> first, fourth;
  for (std::size_t r = 0; r < replicas; ++r) {
    const auto path = defined(p, 4, r);
    first.push_back(path[0]);
    fourth.push_back(path[3]);
  }
  // Signs on few coordinates leave few values of P, which must not differ by rounding.
  for (auto* values : {&seen[0], &seen[1], &first, &fourth})
    for (double& value : *values) value = std::round(value * 1e9);
  CHECK(ks_test(seen[0], first) > false_alarm);
  CHECK(ks_test(seen[1], fourth) > false_alarm);
}

struct Named {
  std::string method;
  double threshold;
};
const std::vector<Named> methods{{"sgd", 0},        {"huber", 0.6},       {"lad", 0},         {"quantile", 0.3},
                                 {"reject", 1.2},   {"clip", 0.8},        {"mean-clip", 0.5}, {"sign-late", 0},
                                 {"sign-early", 0}, {"sign-majority", 0}, {"sign-ema", 0},    {"ema-sign", 0}};

/// z-score of the mean of P after one step.
double one_step_z(const NonlinearProblem& p, double expected, std::size_t replicas = 200'000) {
  const auto seen = sample(p, "auto", {1}, replicas)[0];
  const double std = std::sqrt(central_moment(seen, 2));
  CHECK(std > 0);
  return (mean(seen) - expected) / (std / std::sqrt(static_cast<double>(replicas)));
}

/// (Kv)_i, K_ii and the correlation rho_i of x_i with the residual (Gaussian noise).
struct Drift {
  std::vector<double> kv, rho;
  double excess = 0;
  explicit Drift(const NonlinearProblem& p) {
    const Covariance& k = p.covariance;
    const auto variance = k.diagonal_entries();
    excess = k.signal();
    for (std::size_t i = 0; i < k.d; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < k.d; ++j)
        sum -= (k.diagonal ? (i == j ? k.eigenvalue[i] : 0) : k.matrix[j * k.d + i]) * k.target[j];
      kv.push_back(sum);
      rho.push_back(sum / std::sqrt(variance[i] * (excess + p.noise->variance())));
    }
  }
  /// P - 2 eta Kv.E[direction]
  double after(double eta, const std::function<double(double)>& direction) const {
    double sum = excess;
    for (std::size_t i = 0; i < kv.size(); ++i) sum -= 2 * eta * kv[i] * direction(rho[i]);
    return sum;
  }
};

double single_sign(double rho) {
  return 2 / std::numbers::pi * std::asin(rho);
}

/// Mean of replicas at a step with its standard error, d large.
struct Estimate {
  double mean, error;
};
Estimate estimate(const NonlinearProblem& p, std::uint64_t step, std::size_t replicas) {
  const auto seen = sample(p, "auto", {step}, replicas)[0];
  return {mean(seen), std::sqrt(central_moment(seen, 2) / static_cast<double>(replicas - 1))};
}

Covariance isotropic(std::size_t d) {
  return diagonal(std::vector<double>(d, 1.0), std::vector<double>(d, 1 / std::sqrt(static_cast<double>(d))));
}

}  // namespace

TEST_CASE("every method and sampler has the law of its definition, on a diagonal covariance" *
          doctest::test_suite("slow")) {
  for (const auto& [method, threshold] : methods)
    for (const double batch : {1.0, 2.0, 3.0}) {
      NonlinearProblem p = problem(method, batch, threshold);
      p.ema = 0.6;
      p.schedule = std::make_shared<Harmonic>();
      check_definition(p, "auto");
    }
  for (const auto& [method, threshold] : methods) {
    NonlinearProblem p = problem(method, 2, threshold);
    p.noise = laplace_noise(0.5);
    p.ema = 0.6;
    check_definition(p, "naive");
    check_definition(p, "auto");
  }
}

TEST_CASE("every method and sampler has the law of its definition, on a dense covariance" *
          doctest::test_suite("slow")) {
  for (const auto& [method, threshold] : methods) {
    NonlinearProblem p = problem(method, 3, threshold);
    p.covariance = dense();
    p.noise = cauchy_noise(0.3);
    p.ema = 0.6;
    check_definition(p, "auto");
    check_definition(p, "naive");
  }
}

TEST_CASE("thresholds that follow a schedule") {
  for (const auto& [method, threshold] : {Named{"huber", 0}, Named{"clip", 0}, Named{"reject", 0}}) {
    NonlinearProblem p = problem(method, 2, threshold);
    p.threshold_rule = "sqrt-risk";
    p.threshold_schedule = std::make_shared<Harmonic>();
    check_definition(p, "auto");
  }
}

TEST_CASE("batch-1 sign: exact drift and second moment") {
  for (const bool diagonal : {true, false}) {
    NonlinearProblem p = problem("sign-late", 1, 0, 0.3);
    if (!diagonal) p.covariance = dense();
    const auto signs = noise_covariance(p.covariance);
    double power = 0;
    for (std::size_t i = 0; i < signs.size(); ++i)
      if (!diagonal) power += p.covariance.matrix[i] * signs[i];
    if (diagonal) power = p.covariance.trace();
    CHECK(std::abs(one_step_z(p, Drift(p).after(0.3, single_sign) + 0.09 * power)) < z_limit);
  }
}

TEST_CASE("sign of a mean, mean of signs, majority: exact one-step means") {
  // E sign(gbar_i) = 2 T_B(sqrt(B) rho / sqrt(1 - rho^2)) - 1, and its reference value R16.
  const auto late = [](double batch, double rho) {
    const boost::math::students_t law(batch);
    return 2 * boost::math::cdf(law, std::sqrt(batch) * rho / std::sqrt(1 - rho * rho)) - 1;
  };
  CHECK(late(4, 0.3) == Approx(0.4365).epsilon(1e-10));
  const double eta = 0.3;
  for (const double batch : {2.0, 4.0, 7.0}) {
    const NonlinearProblem p = problem("sign-late", batch, 0, eta);
    const double expected =
        Drift(p).after(eta, [&](double rho) { return late(batch, rho); }) + eta * eta * p.covariance.trace();
    CHECK(std::abs(one_step_z(p, expected)) < z_limit);
  }
  {
    const NonlinearProblem p = problem("sign-early", 3, 0, eta);
    const Drift drift(p);
    double power = p.covariance.trace() / 3;
    for (std::size_t i = 0; i < p.covariance.d; ++i)
      power += 2.0 / 3 * p.covariance.eigenvalue[i] * std::pow(single_sign(drift.rho[i]), 2);
    CHECK(std::abs(one_step_z(p, drift.after(eta, single_sign) + eta * eta * power)) < z_limit);
  }
  {
    const NonlinearProblem p = problem("sign-majority", 3, 0, eta);
    const double expected = Drift(p).after(eta, [](double rho) {
      const double e = single_sign(rho);
      return (3 * e - e * e * e) / 2;
    }) + eta * eta * p.covariance.trace();
    CHECK(std::abs(one_step_z(p, expected)) < z_limit);
  }
  {
    // Two votes tie with probability (1 - e^2)/2.
    const NonlinearProblem p = problem("sign-majority", 2, 0, eta);
    const Drift drift(p);
    double power = 0;
    for (std::size_t i = 0; i < p.covariance.d; ++i)
      power += p.covariance.eigenvalue[i] * (1 + std::pow(single_sign(drift.rho[i]), 2)) / 2;
    CHECK(std::abs(one_step_z(p, drift.after(eta, single_sign) + eta * eta * power)) < z_limit);
  }
}

TEST_CASE("residual nonlinearities: exact one-step means with heavy-tailed noise, at small dimension" *
          doctest::test_suite("slow")) {
  const double eta = 0.3;
  for (const Named& named : {Named{"sgd", 0}, Named{"huber", 0.6}, Named{"lad", 0}, Named{"quantile", 0.3}})
    for (const double batch : {1.0, 3.0}) {
      const std::string& method = named.method;
      const double threshold = named.threshold;
      CAPTURE(method);
      CAPTURE(batch);
      NonlinearProblem p = problem(method, batch, threshold, eta);
      p.noise = method == "sgd" ? laplace_noise(0.5) : cauchy_noise(0.5);
      const auto chi = method == "sgd"     ? identity_nonlinearity()
                       : method == "huber" ? huber_nonlinearity(threshold)
                       : method == "lad"   ? sign_nonlinearity()
                                           : quantile_nonlinearity(threshold);
      const auto& k = p.covariance;
      double second = 0, third = 0;  // v'K^2 v, v'K^3 v
      for (std::size_t i = 0; i < k.d; ++i) {
        const double term = k.eigenvalue[i] * k.eigenvalue[i] * k.target[i] * k.target[i];
        second += term;
        third += term * k.eigenvalue[i];
      }
      const auto [mu, q, c2] = residual_coefficients(*chi, *p.noise, k.signal());
      const double expected = k.signal() - 2 * eta * mu * second +
                              eta * eta / batch * (q * k.trace_of_square() + c2 * third) +
                              eta * eta * (1 - 1 / batch) * mu * mu * third;
      CHECK(std::abs(one_step_z(p, expected)) < z_limit);
    }
}

TEST_CASE("reference recursions at d = 500, within 4 standard errors + 1%") {
  const auto accepted = [](const Estimate& seen, double theory) {
    CAPTURE(seen.mean);
    CAPTURE(seen.error);
    CAPTURE(theory);
    CHECK(std::abs(seen.mean - theory) <= 4 * seen.error + 0.01 * theory);
    CHECK(seen.error < 0.01 * theory);
  };
  NonlinearProblem p;
  p.schedule = std::make_shared<Flat>();
  p.covariance = isotropic(500);
  p.noise = gaussian_noise(0.25);
  p.method = "sign-late";
  p.learning_rate = 0.4 / 500;
  accepted(estimate(p, 1000, 60), 0.556441515145);  // R1r
  accepted(estimate(p, 3000, 60), 0.257895288218);
  p.method = "clip";
  p.noise = cauchy_noise(0.5);
  p.threshold = 0.7 * std::sqrt(500.0);
  p.learning_rate = 0.5 / 500;
  accepted(estimate(p, 3000, 80), 0.222689814368);  // R10
  p.method = "huber";
  p.threshold = 0.7;
  accepted(estimate(p, 500, 60), 0.754777582443);
}

TEST_CASE("observables: the risk only where it is finite; the same bits again") {
  NonlinearProblem p = problem("sign-late", 2);
  p.covariance.unexplained_variance = 0.5;
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p));
  CHECK(simulation->observables().size() == 2);
  std::vector<double> seen(2), again(2);
  const auto first = simulation->replica(seed, 3), second = simulation->replica(seed, 3);
  first->observe(seen);
  CHECK(seen[0] == Approx(p.covariance.signal()).epsilon(1e-14));
  first->advance(4);
  first->observe(seen);
  second->advance(2);
  second->advance(4);
  second->observe(again);
  CHECK(seen == again);
  CHECK(seen[1] == Approx((seen[0] + 0.75) / 2).epsilon(1e-14));
  p.noise = cauchy_noise(1);
  CHECK(simulate_nonlinear(std::make_shared<NonlinearProblem>(p))->observables().size() == 1);
}

TEST_CASE("a greedy rate is that of fastest decrease at the run's own P, Q and T") {
  // Isotropic, where Q = l P and T = l^2 P, at every step.
  NonlinearProblem p = problem("huber", 3, 0.8, 0.7);
  p.covariance = diagonal({0.5, 0.5, 0.5}, {0.8, -0.5, 1});
  p.greedy = true;
  const auto chi = huber_nonlinearity(0.8);
  for (const std::string sampler : {"batch", "naive"}) {
    const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p), sampler);
    REQUIRE(simulation->observables().size() == 3);
    CHECK(simulation->observables()[2].name == "learning_rate");
    const auto replica = simulation->replica(seed, 0);
    std::vector<double> seen(3);
    replica->observe(seen);
    CHECK(seen[2] == 0);
    for (std::uint64_t k = 1; k <= 5; ++k) {
      const auto law = residual_coefficients(*chi, *p.noise, seen[0]);
      const double c = law.c2 / 3 + 2.0 / 3 * law.mu * law.mu;
      const double best = law.mu * 0.5 * seen[0] / (law.q / 3 * 3 * 0.25 + c * 0.25 * seen[0]);
      replica->advance(k);
      replica->observe(seen);
      CHECK(seen[2] == Approx(0.7 * best).epsilon(1e-8));
    }
  }
  // Any covariance, at the start.
  for (const bool apart : {false, true})
    for (const std::string method : {"huber", "sign-late", "sign-early", "sign-majority", "adam"}) {
      CAPTURE(apart);
      CAPTURE(method);
      NonlinearProblem q = problem(method, 1, 0.8, 0.7);
      if (!apart) q.covariance = dense();
      q.ema = 0.5;
      q.ema_square = 0.9;
      q.greedy = true;
      const Covariance& K = q.covariance;
      double Q = 0, T = 0;
      std::vector<double> step(K.d);  // D K v
      for (std::size_t i = 0; i < K.d; ++i) {
        double pull = apart ? K.eigenvalue[i] * K.target[i] : 0;
        for (std::size_t j = 0; !apart && j < K.d; ++j) pull += K.matrix[i * K.d + j] * K.target[j];
        const double variance = apart ? K.eigenvalue[i] : K.matrix[i * K.d + i];
        step[i] = pull / (method == "huber" ? 1 : std::sqrt(variance));
        Q += pull * step[i];
      }
      for (std::size_t i = 0; i < K.d; ++i)
        for (std::size_t j = 0; j < K.d; ++j)
          T += step[i] * step[j] * (apart ? (i == j ? K.eigenvalue[i] : 0) : K.matrix[i * K.d + j]);
      const LawValues law = scalar_laws(q).exact(K.signal());
      const double expected = 0.7 * law.a * Q / (law.b * modes_of(q).noise_trace() + law.c * T);
      for (const std::string sampler : {"auto", "naive"}) {
        const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(q), sampler);
        const auto replica = simulation->replica(seed, 0);
        replica->advance(1);
        std::vector<double> seen(3);
        replica->observe(seen);
        CHECK(seen[2] == Approx(expected).epsilon(1e-8));
      }
    }
}

TEST_CASE("a diverged run ends at infinity") {
  NonlinearProblem p = problem("sgd", 1, 0, 100);
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p));
  const auto replica = simulation->replica(seed, 0);
  replica->advance(100'000);
  std::vector<double> seen(2);
  replica->observe(seen);
  CHECK(std::isinf(seen[0]));
  CHECK(std::isinf(seen[1]));
}

TEST_CASE("bad input is refused with the key") {
  CHECK_THROWS_WITH_AS(problem("sign-lat", 1), doctest::Contains("did you mean 'sign-late'"), std::invalid_argument);
  using edgewise::models::testing::refusal;
  // Every coordinate of an explicit example is a number of a random stream, of which a step has 2^33 - 2.
  const auto too_many = [](const std::string& batch, const std::string& most) {
    return "optimizer.batch: " + batch + " examples a step are more than can be drawn one by one (at most " + most +
           " here)";
  };
  CHECK(refusal(problem("sgd", 1e17)) == too_many("1e+17", "1073741823"));
  CHECK(refusal(problem("sign-late", 1e20)) == too_many("1e+20", "1073741823"));
  for (const char* method : {"sign-early", "sign-majority", "per-example-adam"}) {
    CHECK(refusal(problem(method, 1e12)) == too_many("1000000000000", "134217727"));
    CHECK(refusal(problem(method, 1e9)) == too_many("1000000000", "134217727"));
    CHECK(refusal(problem(method, 1e6)) == "nothing thrown");
  }
  CHECK(edgewise::models::testing::refusal(problem("clip", 1, 1), "batch").find("every example") != std::string::npos);
  CHECK(edgewise::models::testing::refusal(problem("sgd", 1), "rows").find("data.law") != std::string::npos);
}
