// What `stability` says of nonlinear gradients, each number against one that is worked out by hand.
#include "models/nonlinear/findings.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "models/nonlinear/theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::models::testing::dense_covariance;
using edgewise::tests::Approx;

namespace {

const double pi = std::acos(-1.0);

NonlinearProblem problem(Covariance covariance, const std::string& method, std::shared_ptr<const Noise> noise,
                         double eta, double batch = 1) {
  NonlinearProblem p;
  p.covariance = std::move(covariance);
  p.noise = std::move(noise);
  p.method = method;
  p.threshold = 0.7;
  p.learning_rate = eta;
  p.batch = batch;
  p.schedule = read_schedule(settings::Table("test", ""), "schedule", 1);
  p.time.steps = 1;
  p.time.at = {0, 1};
  return p;
}

std::map<std::string, Finding> found(const NonlinearProblem& p, Steps steps = Steps::small) {
  std::map<std::string, Finding> out;
  for (const Finding& f : nonlinear_findings(p, modes_of(p), steps)) out.emplace(f.name, f);
  return out;
}

double number(const std::map<std::string, Finding>& all, const std::string& name) {
  CAPTURE(name);
  REQUIRE(all.count(name) == 1);
  return std::get<double>(all.at(name).value);
}

/// Two coordinates that correlate by r, variances k1 and k2.
Covariance pair(double r, double k1, double k2, std::vector<double> target) {
  const double off = r * std::sqrt(k1 * k2);
  return dense_covariance({k1, off, off, k2}, std::move(target));
}

}  // namespace

TEST_CASE("signs on two correlated coordinates") {
  const double r = 0.6, k1 = 4, k2 = 0.25, sigma2 = 0.3, v1 = -0.5, v2 = -1.5;
  const auto all = found(problem(pair(r, k1, k2, {0.5, 1.5}), "sign-late", gaussian_noise(sigma2), 0.01, 3));
  const double off = r * std::sqrt(k1 * k2), sign = 2 / pi * std::asin(r);
  const double Kv1 = k1 * v1 + off * v2, Kv2 = off * v1 + k2 * v2, P = v1 * Kv1 + v2 * Kv2;
  // K K_sigma and its parts by entries.
  CHECK(number(all, "noise_trace") == Approx(k1 + k2 + 2 * off * sign).epsilon(1e-12));
  CHECK(number(all, "noise_trace_linear") == Approx(2 / pi * (k1 + k2 + 2 * off * r)).epsilon(1e-9));
  CHECK(number(all, "noise_trace_own") == Approx((1 - 2 / pi) * (k1 + k2)).epsilon(1e-9));
  CHECK(number(all, "noise_trace_rest") == Approx(2 * off * (sign - 2 / pi * r)).epsilon(1e-8));
  CHECK(number(all, "noise_power") == Approx(std::sqrt(k1) + std::sqrt(k2)).epsilon(1e-12));
  // Dg^(-1/4) K Dg^(-1/4) = [[sqrt k1, r (k1 k2)^(1/4)], ...]
  const double half = (std::sqrt(k1) + std::sqrt(k2)) / 2, split = (std::sqrt(k1) - std::sqrt(k2)) / 2;
  CHECK(number(all, "kappa_max") ==
        Approx(half + std::sqrt(split * split + r * r * std::sqrt(k1 * k2))).epsilon(1e-12));
  // Gamma(2)/Gamma(3/2) = 2/sqrt pi
  const double a = 2 / std::sqrt(pi) * (2 / std::sqrt(pi)) / std::sqrt(P + sigma2);
  CHECK(number(all, "drift") == Approx(a).epsilon(1e-12));
  CHECK(number(all, "noise") == 1);
  CHECK(number(all, "eta_stable_step") == Approx(1 / (2 * a * number(all, "kappa_max"))).epsilon(1e-12));
  const double Q = Kv1 * Kv1 / std::sqrt(k1) + Kv2 * Kv2 / std::sqrt(k2);
  CHECK(number(all, "drift_power") == Approx(Q).epsilon(1e-12));
  CHECK(number(all, "greedy_learning_rate") == Approx(a * Q / (k1 + k2 + 2 * off * sign)).epsilon(1e-12));
  CHECK(number(all, "eta_decrease") == Approx(2 * a * Q / (k1 + k2 + 2 * off * sign)).epsilon(1e-12));
  CHECK(number(all, "phi") == Approx(2 / pi * std::sqrt(P / (P + sigma2))).epsilon(1e-12));
  CHECK(number(all, "noise_compression") == Approx(1).epsilon(1e-12));
  CHECK(number(all, "efficiency") == Approx(a * a * (P + sigma2) / 3).epsilon(1e-12));
  CHECK(number(all, "residual_information") == Approx(1 / (P + sigma2)).epsilon(1e-10));
  const double k = std::max(std::abs(Kv1) / std::sqrt(k1), std::abs(Kv2) / std::sqrt(k2)),
               rho = k / std::sqrt(P + sigma2);
  CHECK(number(all, "localisation") == Approx(std::sqrt(3) * rho).epsilon(1e-12));
  CHECK(number(all, "largest_linear_drift") == Approx(a * k).epsilon(1e-12));
  // Student's distribution function of three degrees of freedom.
  const double x = rho / std::sqrt(1 - rho * rho);
  CHECK(number(all, "largest_exact_drift") == Approx(2 / pi * (std::atan(x) + x / (1 + x * x))).epsilon(1e-12));
  CHECK(number(all, "early_advantage") == Approx(3 * (4 / pi / pi / (P + sigma2)) / (a * a)).epsilon(1e-12));
  CHECK(std::get<std::string>(all.at("best_placement").value) == "late");
  CHECK(std::get<bool>(all.at("stable").value));
}

TEST_CASE("late signs say what a finite dimension adds to where P settles") {
  // One uncorrelated coordinate stands for d = 25: ((B - 2)/2 p/d + p (1 - 3p/4)/d)/(1 - p/2), (2.11) of the page.
  Covariance K;
  K.d = 1;
  K.eigenvalue = {1};
  K.target = {1};
  K.count = {25};
  const auto all = found(problem(K, "sign-late", gaussian_noise(0.16), 0.01, 6), Steps::finite);
  const double P = number(all, "steady_excess_mse"), p = P / (P + 0.16);
  CHECK(number(all, "finite_excess") == Approx((2 * p / 25 + p * (1 - 0.75 * p) / 25) / (1 - p / 2)).epsilon(1e-7));
  CHECK(found(problem(K, "sign-early", gaussian_noise(0.16), 0.01, 6)).count("finite_excess") == 0);
}

TEST_CASE("majorities, averages and adam say their numbers") {
  const Covariance K = pair(0, 1, 1, {0.6, 0.8});
  const auto three = found(problem(K, "sign-majority", gaussian_noise(1), 0.01, 3)),
             four = found(problem(K, "sign-majority", gaussian_noise(1), 0.01, 4));
  CHECK(number(three, "majority_gain") == Approx(1.5).epsilon(1e-14));
  CHECK(number(three, "majority_tie") == 0);
  CHECK(number(four, "majority_gain") == Approx(1.5).epsilon(1e-14));
  CHECK(number(four, "majority_tie") == Approx(0.375).epsilon(1e-14));
  // One sign of the larger coordinate, rho = .8/sqrt 2; three of mean e agree on (3 e - e^3)/2.
  const double e = 2 / pi * std::asin(0.8 / std::sqrt(2.0));
  CHECK(number(three, "largest_exact_drift") == Approx((3 * e - e * e * e) / 2).epsilon(1e-12));
  CHECK(number(three, "noise_trace_rest") == 0);

  NonlinearProblem p = problem(K, "adam", gaussian_noise(1), 0.001);
  p.ema = 0.9;
  p.ema_square = 0.95;
  const auto adam = found(p);
  CHECK(number(adam, "c1") == Approx(0.9527).epsilon(1e-3));
  CHECK(number(adam, "c2") == Approx(0.943).epsilon(0.02));
  p.method = "sign-ema";
  p.batch = 1e12;
  const auto ema = found(p);
  CHECK(number(ema, "ema_gain") / 1e6 == Approx(std::sqrt(2 / pi * 1.9 / 0.1)).epsilon(1e-9));
  CHECK(number(ema, "ema_noise") == Approx(13.2788686994).epsilon(1e-8));
  // What an endless batch has, at the end of the range of doubles: a^2 (P + sigma^2)/(b B), and the largest correlation
  // .8/sqrt(P + sigma^2) times the root of 19 B.
  CHECK(number(ema, "efficiency") == Approx(2 / pi * 19 / 13.2788686994).epsilon(1e-8));
  CHECK(number(ema, "localisation") == Approx(0.8 / std::sqrt(2.0) * std::sqrt(19e12)).epsilon(1e-12));
  p.batch = 1.7e308;
  const auto endless = found(p);
  CHECK(number(endless, "efficiency") == Approx(number(ema, "efficiency")).epsilon(1e-9));
  CHECK(number(endless, "localisation") == Approx(0.8 / std::sqrt(2.0) * std::sqrt(19.0) * std::sqrt(1.7e308)));
}

TEST_CASE("rates of finite steps know what the drift itself costs") {
  // SGD exactly: P' = sum lambda [(1 - eta lambda)^2 M + eta^2/B (lambda^2 M + lambda (P + sigma^2))].
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.5};
  s.multiplicity = {1, 2};
  s.target_power = {0.25, 1};
  const double sigma2 = 0.6, P = 1, Q = 1.25, T = 8 * 0.25 + 0.125, B = 1000, S = 4.5;
  NonlinearProblem p = problem(diagonal_covariance(s), "sgd", gaussian_noise(sigma2), 0.02, B);
  const auto all = found(p, Steps::finite);
  const double curvature = (1 + 1 / B) * T + S * (P + sigma2) / B;
  CHECK(number(all, "drift_curvature") == Approx((1 + 1 / B) * T).epsilon(1e-9));
  CHECK(number(all, "greedy_learning_rate") == Approx(Q / curvature).epsilon(1e-9));
  CHECK(number(all, "flow_greedy_learning_rate") == Approx(Q / (S * (P + sigma2) / B)).epsilon(1e-9));
  CHECK(number(all, "eta_decrease") == Approx(2 * Q / curvature).epsilon(1e-9));
  CHECK(number(all, "optimal_learning_rate") == Approx(Q / curvature).epsilon(1e-9));
  // At eta_decrease a step leaves P where it was.
  p.learning_rate = number(all, "eta_decrease");
  CHECK(solve_nonlinear(p, modes_of(p), {}).find("excess_mse")->value[1] == Approx(P).epsilon(1e-9));
}

TEST_CASE("clipping by norm: what is said of few dimensions and of large batches, with its numbers") {
  const auto said = [](std::size_t modes, const std::string& method, double batch) {
    spectra::Spectrum s;
    s.eigenvalue = {2, 0.5};
    s.multiplicity = {1, static_cast<double>(modes)};
    s.target_power = {1, 1};
    const NonlinearProblem p = problem(diagonal_covariance(s), method, gaussian_noise(0.5), 0.01, batch);
    const ModeSystem modes_of_it = modes_of(p);
    std::string out;
    for (const std::string& one : nonlinear_warnings(p, [&]() -> const ModeSystem& { return modes_of_it; }))
      out += one + "\n";
    return out;
  };
  // tr K = 2 + n/2, |K| = 2, tr K^2 = 4 + n/4.
  CHECK(said(2, "clip", 1) ==
        "intrinsic dimension tr K/|K| = 1.5 is below 5: norms of examples spread, and clipping by norm is not clipping "
        "of residuals\n");
  CHECK(said(16, "clip", 1).empty());
  CHECK(said(15, "clip", 100).find("= 4.8 is below 5") != std::string::npos);
  // A tenth of 102^2/54 is 19.3.
  CHECK(said(200, "mean-clip", 19).empty());
  CHECK(said(200, "mean-clip", 20) ==
        "batch 20 exceeds a tenth of (tr K)^2/tr K^2, 19.3: the theory of mean-clip assumes far smaller batches\n");
  CHECK(said(200, "clip", 20).empty());
}

TEST_CASE("clipping under Gaussian noise") {
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.5};
  s.multiplicity = {1, 2};
  s.target_power = {0.25, 1};
  const double sigma2 = 0.6, trace = 3, square = 4.5, P = 1, tau = std::sqrt(P + sigma2), h = 0.7 / std::sqrt(trace);
  const auto all = found(problem(diagonal_covariance(s), "clip", gaussian_noise(sigma2), 0.02, 2));
  const double mu = std::erf(h / tau / std::sqrt(2.0)),
               density = std::exp(-h * h / 2 / tau / tau) / std::sqrt(2 * pi) / tau;
  const double q = tau * tau * (mu - 2 * h * density) + h * h * (1 - mu), c2 = 2 * mu - 4 * h * density;
  CHECK(number(all, "threshold") == Approx(h).epsilon(1e-14));
  CHECK(number(all, "mu") == Approx(mu).epsilon(1e-12));
  CHECK(number(all, "q") == Approx(q).epsilon(1e-11));
  CHECK(number(all, "c2") == Approx(c2).epsilon(1e-9));
  CHECK(number(all, "drift") == Approx(mu).epsilon(1e-12));
  CHECK(number(all, "noise") == Approx(q / 2).epsilon(1e-11));
  CHECK(number(all, "noise_power") == Approx(trace).epsilon(1e-14));
  CHECK(number(all, "noise_trace") == Approx(square).epsilon(1e-14));
  CHECK(number(all, "norm_spread") == Approx(std::sqrt(2 * square) / trace).epsilon(1e-14));
  CHECK(number(all, "intrinsic_dimension") == Approx(1.5).epsilon(1e-14));
  CHECK(number(all, "eta_stable_step") == Approx(1 / (2 * mu * 2)).epsilon(1e-12));
  const double Q = 4 * 0.25 + 0.25 * 1;
  CHECK(number(all, "drift_power") == Approx(Q).epsilon(1e-14));
  CHECK(number(all, "greedy_learning_rate") == Approx(mu * 2 * Q / (q * square)).epsilon(1e-11));
  // No threshold is best under Gaussian noise.
  CHECK(std::isinf(number(all, "optimal_threshold")));
  CHECK(number(all, "optimal_learning_rate") == Approx(2 * Q / (tau * tau * square)).epsilon(1e-12));
  CHECK(!std::get<bool>(all.at("clipping_helps").value));
  // 2 mu P B = eta tr K q at the steady state.
  const double steady = number(all, "steady_excess_mse"), width = std::sqrt(steady + sigma2);
  const double there = std::erf(h / width / std::sqrt(2.0));
  const double noise = width * width * (there - std::sqrt(2 / pi) * h / width * std::exp(-h * h / 2 / width / width)) +
                       h * h * (1 - there);
  CHECK(2 * there * steady * 2 == Approx(0.02 * trace * noise).epsilon(1e-9));
}

TEST_CASE("without noise SGD settles at 0 where it is stable") {
  const Covariance K = pair(0, 1, 1, {0.6, 0.8});
  const auto slow = found(problem(K, "sgd", no_noise(), 0.9)), fast = found(problem(K, "sgd", no_noise(), 1.1));
  CHECK(std::get<bool>(slow.at("stable").value));
  CHECK(number(slow, "steady_excess_mse") == 0);
  CHECK(!std::get<bool>(fast.at("stable").value));
  // A clip has one beyond, too.
  const auto clip = found(problem(K, "huber", no_noise(), 1.1));
  CHECK(std::get<bool>(clip.at("stable").value));
  CHECK(number(clip, "steady_excess_mse") > 0);
}

TEST_CASE(
    "where outliers are the rule, leaving out large residuals has several fixed points: the least and the largest") {
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.5};
  s.multiplicity = {1, 2};
  s.target_power = {0.25, 1};
  NonlinearProblem p = problem(diagonal_covariance(s), "reject", contaminated_noise(0.05, std::sqrt(10.0), 0.7), 0.4);
  p.threshold = 0.3;
  const auto all = found(p);
  // 2 mu P = eta tr K q, where of normal residuals of variance V the part below h has the share m - 2 h f in mu, V times
  // that in q; m their share, f their density at h.
  const auto sides = [](double P) {
    double mu = 0, q = 0;
    for (const auto& [share, V] : {std::pair{0.3, P + 0.0025}, {0.7, P + 10}}) {
      const double part = std::erf(0.3 / std::sqrt(2 * V)) - 0.6 * std::exp(-0.09 / 2 / V) / std::sqrt(2 * pi * V);
      mu += share * part;
      q += share * part * V;
    }
    return 2 * mu * P / (0.4 * 3 * q);
  };
  const double least = number(all, "steady_excess_mse"), largest = number(all, "largest_steady_excess_mse");
  CHECK(sides(least) == Approx(1).epsilon(1e-8));
  CHECK(sides(largest) == Approx(1).epsilon(1e-8));
  // Between them the drift loses, and then wins once: three fixed points; none outside.
  CHECK(least < 0.02);
  CHECK(sides(0.1) > 1);
  CHECK(sides(2) < 1);
  CHECK(largest > 3);
  for (const double far : {1.1, 2.0, 10.0, 1e4}) {
    CHECK(sides(least / far) < 1);
    CHECK(sides(largest * far) > 1);
  }
}
