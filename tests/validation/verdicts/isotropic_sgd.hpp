#pragma once
/// \file
/// One-pass SGD on K = I, exact in theory and in law, small enough to be read: a scalar Markov chain in P = |v|^2
/// (docs/theory/least-squares-sgd.md (2.3) and (4.1) with one block).
#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "random/random.hpp"

namespace edgewise::tests {

struct Isotropic {
  double d = 100, batch = 1, eta = 0.01, noise = 0.25, start = 1;
  std::vector<std::uint64_t> at{0, 1, 2, 4, 7, 12, 20, 35, 60, 100, 170, 300};

  models::Experiment experiment(std::uint64_t replicas, std::uint64_t seed) const {
    models::Experiment e;
    e.table = settings::Table("isotropic.toml", "");
    e.model = "isotropic";
    e.time.at = at;
    e.time.steps = at.back();
    e.monte_carlo.replicas = replicas;
    e.monte_carlo.seed = seed;
    return e;
  }
};

inline const std::vector<models::Observable>& isotropic_observables() {
  static const std::vector<models::Observable> all{{"risk", "", ""}, {"excess_mse", "", ""}};
  return all;
}

class IsotropicReplica final : public models::Replica {
 public:
  IsotropicReplica(const Isotropic& p, std::uint64_t seed, std::uint64_t index)
      : p_(p), stream_(seed, index), rho_(p.start) {}
  void advance(std::uint64_t step) override {
    for (; step_ < step; ++step_) {
      stream_.seek(step_);
      const double c = stream_.chi_square(p_.batch);
      const double z = stream_.normal();
      const double x = stream_.chi_square(p_.d - 1);
      const double sigma = std::sqrt(p_.noise), s_q = std::sqrt(rho_ + p_.noise), root = std::sqrt(rho_);
      const double rate = p_.eta / p_.batch;
      const double pull = s_q + sigma > 0 ? std::sqrt(c) * root * z / (s_q + sigma) : 0.0;
      const double co = 1 - rate * (c - pull);
      const double s = rate * std::sqrt(c) * s_q;
      rho_ = (co * root - s * z) * (co * root - s * z) + s * s * x;
    }
  }
  void observe(std::span<double> out) const override {
    out[0] = 0.5 * (rho_ + p_.noise);
    out[1] = rho_;
  }

 private:
  Isotropic p_;
  random::Stream stream_;
  std::uint64_t step_ = 0;
  double rho_;
};

class IsotropicSimulation final : public models::Simulation {
 public:
  explicit IsotropicSimulation(Isotropic p) : p_(std::move(p)) {}
  const std::vector<models::Observable>& observables() const override { return isotropic_observables(); }
  std::unique_ptr<models::Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    return std::make_unique<IsotropicReplica>(p_, seed, index);
  }
  std::string sampler() const override { return "block"; }

 private:
  Isotropic p_;
};

/// Factors on the coefficients of P' = (1 - drift + curvature) P + gain (P + sigma^2); all 1 is the right theory.
struct Wrong {
  double drift = 1, curvature = 1, gain = 1, noise = 1, initial = 1;
};

inline models::Trajectory isotropic_theory(const Isotropic& p, bool bands = true, const Wrong& wrong = {}) {
  models::Trajectory trajectory;
  trajectory.method = "recursion";
  trajectory.exact = true;
  trajectory.columns = {{isotropic_observables()[0], {}, {}}, {isotropic_observables()[1], {}, {}}};
  const double b = p.batch, d = p.d, s2 = p.noise, al = p.eta / b;
  const double c1 = b, c2 = b * (b + 2), c3 = c2 * (b + 4), c4 = c3 * (b + 6);  // moments of chi^2 with B degrees
  const double e22 = 1 - 4 * al * c1 + 6 * al * al * c2 - 4 * al * al * al * c3 + al * al * al * al * c4;
  const double e20 = al * al * (c1 - 2 * al * c2 + al * al * c3);
  const double s = al * al * al * al * c2;
  double mean = p.start * wrong.initial, right = p.start, second = p.start * p.start;
  std::uint64_t step = 0;
  for (const std::uint64_t target : p.at) {
    for (; step < target; ++step) {
      const double r_q = second + s2 * right, q2 = second + 2 * s2 * right + s2 * s2;
      second = (e22 - 6 * e20 + 3 * s) * second + 2 * (e20 - s) * r_q * d + s * q2 * d * d +
               2 * s * (d * q2 - 2 * r_q) + 4 * e20 * r_q;
      const double gain = p.eta * p.eta / b * d;
      const double decay = 1 - 2 * p.eta + p.eta * p.eta * (1 + 1 / b);
      right = decay * right + gain * (right + s2);
      mean = (1 - 2 * p.eta * wrong.drift + p.eta * p.eta * (1 + 1 / b) * wrong.curvature) * mean +
             gain * wrong.gain * (mean + s2 * wrong.noise);
    }
    const double std = std::sqrt(std::max(0.0, second - right * right));
    trajectory.steps.push_back(static_cast<double>(target));
    trajectory.columns[0].value.push_back(0.5 * (mean + s2 * wrong.noise));
    trajectory.columns[1].value.push_back(mean);
    if (bands) {
      trajectory.columns[0].std.push_back(0.5 * std);
      trajectory.columns[1].std.push_back(std);
    }
  }
  return trajectory;
}

}  // namespace edgewise::tests
