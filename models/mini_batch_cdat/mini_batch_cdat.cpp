#include "models/mini_batch_cdat/mini_batch_cdat.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"

namespace edgewise::models::mini_batch_cdat {

double Regression::m2() const {
  return 1 + (static_cast<double>(dimension) + 1) / batch;
}

double Regression::m3() const {
  const auto d = static_cast<double>(dimension), B = batch;
  return 1 + 3 * (d + 1) / B + (d * d + 3 * d + 4) / (B * B);
}

ingredients::StepObservation Regression::expected(double P) const {
  const double N = noise_power();
  ingredients::StepObservation out;
  out.descent = m2() * P + N;
  out.curvature_along = m3() * P + m2() * N;
  return out;
}

double Regression::next_excess(double P, double eta) const {
  return P * ((1 - eta) * (1 - eta) + eta * eta * (m2() - 1)) + eta * eta * noise_power();
}

double Regression::mean_inverse_curvature() const {
  // The eigenvalue is chi^2 of k over B.
  if (std::isinf(batch)) return 1;
  const double k = std::max(static_cast<double>(dimension), batch);
  return k > 2 ? batch / (k - 2) : infinity;
}

double Regression::next_excess_normalised(double P, double sigma) const {
  const double pushed = noise > 0 ? noise * sigma * sigma * mean_inverse_curvature() / batch : 0;
  const auto d = static_cast<double>(dimension);
  return P * ((d - 1) + (1 - sigma) * (1 - sigma)) / d + pushed;
}

double Regression::floor_normalised(double sigma) const {
  return sigma / (2 - sigma) * noise_power() * mean_inverse_curvature();
}

std::pair<double, double> Regression::step_moments() const {
  // The series in powers of U T, whose moments are ratios of Gamma functions; T = 0 where B = 1.
  if (dimension == 1 || std::isinf(batch)) return {1, 1};
  const auto d = static_cast<double>(dimension), B = batch;
  const double u = B / 2, v = (d - 1) / 2, p = (B - 1) / 2, q = (B + d - 1) / 2;
  double uk = u / (u + v);                                     // E U^(k+1)
  double t1 = q / (p + q), t2 = t1 * ((q + 1) / (p + q + 1));  // E T^k (1 - T)^j
  double a = 0, b = 0;
  constexpr std::uint64_t most_terms = 10'000'000;
  for (std::uint64_t n = 0; n < most_terms; ++n) {
    const auto k = static_cast<double>(n);
    const double da = uk * t1, db = (k + 1) * uk * t2;
    a += da;
    b += db;
    // Terms fall like k^-3 or faster: what is left is less than k of them.
    if ((k + 1) * db <= 1e-12 * b && (k + 1) * da <= 1e-12 * a) break;
    uk *= (u + 1 + k) / (u + v + 1 + k);
    t1 *= (p + k) / (p + q + 1 + k);
    t2 *= (p + k) / (p + q + 2 + k);
  }
  return {a, b};
}

double Regression::largest_sigma() const {
  const auto [a, b] = step_moments();
  return 2 * a / b;
}

double Regression::factor(double sigma) const {
  const auto [a, b] = step_moments();
  return 1 - sigma * (2 * a - sigma * b);
}

std::pair<double, double> Regression::rate_moments() const {
  // |a|^2, |z|^2 and |xi|^2 of `PlaneReplica` are chi^2 of a, z and w: n is A S, d is A (S^2 + Z W), S = A + Z.
  const double a = batch, z = static_cast<double>(dimension) - 1, w = batch - 1, s = a + z, D = s * s + z * w;
  const double n[] = {1 / a + 1 / s, 1 / s, 0}, d[] = {1 / a + 2 * s / D, (2 * s + w) / D, z / D}, mean[] = {a, z, w};
  double variance = 0, offset = 0;
  for (int k = 0; k < 3; ++k) {
    variance += 2 * mean[k] * (n[k] - d[k]) * (n[k] - d[k]);
    offset += 2 * mean[k] * d[k] * (d[k] - n[k]);
  }
  return {variance, offset};
}

double Regression::mean_field_edge() const {
  return 2 * m3() / (m2() * m2());
}

double Regression::floor(double sigma) const {
  const double a = 2 * m3() - sigma * m2() * m2(), b = m2() * (sigma - 1);
  if (!(a > 0)) return infinity;
  // Free of cancellation below sigma = 1.
  const double root = std::sqrt(b * b + a * sigma);
  return noise_power() * (b >= 0 ? (b + root) / a : sigma / (root - b));
}

const std::vector<Observable>& regression_observables() {
  static const std::vector<Observable> all = {{"excess_mse", "label^2", "P = |v|^2"},
                                              {"risk", "label^2", "(P + s2)/2"},
                                              {"learning_rate", "1", "eta of the last step; 0 before the first"},
                                              {"average_descent", "label^2", "nbar"},
                                              {"average_curvature", "label^2", "dbar"}};
  return all;
}

namespace {

class CdatReplica : public ingredients::SteppingReplica {
 public:
  CdatReplica(const Regression& problem, const ingredients::RateRule& rule, std::uint64_t seed, std::uint64_t index)
      : SteppingReplica(divergence_limit(problem.excess + problem.noise)),
        problem_(problem),
        stream_(seed, index),
        run_(rule) {}

 protected:
  void measure(std::span<double> out) const final {
    out[0] = excess();
    out[1] = 0.5 * (out[0] + problem_.noise);
    run_.observe(out.subspan(2));
  }
  virtual double excess() const = 0;
  double rate_at(double n, double d) {
    ingredients::StepObservation now;
    now.descent = d > 0 ? n : 0;  // where d has underflown there is nothing left to descend
    now.curvature_along = d;
    return run_.step(now, 1);
  }

  const Regression& problem_;
  random::Stream stream_;
  ingredients::RateRun run_;
};

class RowsReplica final : public CdatReplica {
 public:
  RowsReplica(const Regression& problem, const ingredients::RateRule& rule, std::uint64_t seed, std::uint64_t index)
      : CdatReplica(problem, rule, seed, index),
        v_(problem.dimension),
        g_(problem.dimension),
        X_(problem.dimension * static_cast<std::size_t>(problem.batch)) {
    v_[0] = std::sqrt(problem.excess);
  }

 private:
  double excess() const override {
    double sum = 0;
    for (const double x : v_) sum += x * x;
    return sum;
  }
  double take_step(std::uint64_t step, bool) override {
    const std::size_t D = problem_.dimension, B = X_.size() / D;
    stream_.seek(step);
    for (double& x : X_) x = stream_.normal();
    std::ranges::fill(g_, 0);
    for (std::size_t b = 0; b < B; ++b) {
      double r = -std::sqrt(problem_.noise) * stream_.normal();
      for (std::size_t i = 0; i < D; ++i) r += X_[b * D + i] * v_[i];
      for (std::size_t i = 0; i < D; ++i) g_[i] += r * X_[b * D + i] / static_cast<double>(B);
    }
    double n = 0, d = 0;
    for (const double x : g_) n += x * x;
    for (std::size_t b = 0; b < B; ++b) {
      double along = 0;
      for (std::size_t i = 0; i < D; ++i) along += X_[b * D + i] * g_[i];
      d += along * along / static_cast<double>(B);
    }
    const double eta = rate_at(n, d);
    for (std::size_t i = 0; i < D; ++i) v_[i] -= eta * g_[i];
    return excess();
  }

  std::vector<double> v_, g_, X_;
};

/// With a the rows' components along v and r = |v| a - eps: g = (a.r, |r| z)/B, z ~ N(0, I_{d-1}) across v, and X g = a g_v
/// + (r/|r|) z.g_z + |g_z| xi, xi ~ N(0, I) in the B - 1 directions across r. Of a and eps their products matter alone:
/// |a|^2 is chi^2 of B, eps.a/|a| normal, and what of |eps|^2 is across a chi^2 of B - 1, independent.
class PlaneReplica final : public CdatReplica {
 public:
  PlaneReplica(const Regression& problem, const ingredients::RateRule& rule, std::uint64_t seed, std::uint64_t index)
      : CdatReplica(problem, rule, seed, index), v_(std::sqrt(problem.excess)) {}

 private:
  double excess() const override { return v_ * v_; }
  double take_step(std::uint64_t step, bool) override {
    const double B = problem_.batch;
    if (std::isinf(B)) {
      v_ = std::abs(v_ - rate_at(v_ * v_, v_ * v_) * v_);
      return excess();
    }
    stream_.seek(step);
    const double deviation = std::sqrt(problem_.noise), root = std::sqrt(stream_.chi_square(B));  // |a|
    // r along a and across it.
    const double straight = v_ * root - deviation * stream_.normal();
    const double aside = deviation * std::sqrt(stream_.chi_square(B - 1));
    const double size = std::hypot(straight, aside),
                 zz = stream_.chi_square(static_cast<double>(problem_.dimension) - 1);
    const double along = root * straight / B, across = size * std::sqrt(zz) / B;
    // X g along r, along the part of a across r, and in the other B - 2 directions.
    const double shared = size > 0 ? root * straight / size : 0, rest = size > 0 ? root * aside / size : 0;
    const double first = shared * along + size * zz / B;
    double d = first * first;
    if (B > 1) {
      const double second = rest * along + across * stream_.normal();
      d += second * second + across * across * stream_.chi_square(B - 2);
    }
    const double eta = rate_at(along * along + across * across, d / B);
    v_ = std::hypot(v_ - eta * along, eta * across);
    return excess();
  }

  double v_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_cdat(const Regression& problem, std::shared_ptr<const ingredients::RateRule> rule,
                                          bool rows) {
  return simulation_of({regression_observables(), rows ? "rows" : "plane",
                        [problem = std::make_shared<const Regression>(problem), rule = std::move(rule), rows](
                            std::uint64_t seed, std::uint64_t index) -> std::unique_ptr<Replica> {
                          if (rows) return std::make_unique<RowsReplica>(*problem, *rule, seed, index);
                          return std::make_unique<PlaneReplica>(*problem, *rule, seed, index);
                        }});
}

}  // namespace edgewise::models::mini_batch_cdat
