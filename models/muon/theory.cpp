#include "models/muon/theory.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::models::muon {

namespace {

constexpr double refresh_at = 0.02;  // relative change of an inflation f at which the dressed drift is recomputed
constexpr double smallest_V = 1e-290;

}  // namespace

std::vector<Observable> matrix_observables(const std::vector<std::size_t>& powers) {
  std::vector<Observable> out = {
      {"excess_mse", "label^2", "P = tr(Sigma Delta K Delta')"},
      {"risk", "label^2", "population loss with noise, (P + sigma^2)/2; vector labels (P + m sigma^2)/2"}};
  for (const std::size_t j : powers)
    out.push_back({"power_" + std::to_string(j), "parameter^2",
                   "|Delta u_j|^2, j = " + std::to_string(j) + ", mean over the directions of its eigenvalue"});
  return out;
}

std::size_t eigenspace_of(const spectra::Spectrum& spectrum, std::size_t column) {
  double last = 0;
  for (std::size_t a = 0; a < spectrum.modes(); ++a) {
    last += spectrum.multiplicity[a];
    if (static_cast<double>(column) <= last + 0.5) return a;
  }
  throw std::invalid_argument("theory.powers: there is no column " + std::to_string(column) + " of " +
                              std::to_string(static_cast<std::uint64_t>(last)));
}

MatrixRecursion::MatrixRecursion(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                 const MatrixTheory& theory)
    : problem_(problem),
      dynamics_(dynamics),
      theory_(theory),
      M_(dynamics.initial),
      h_(dynamics.size()),
      q_(dynamics.size()),
      f_(dynamics.size()),
      used_(dynamics.size()),
      P_(dynamics.excess(M_)) {}

void MatrixRecursion::coefficients(double V) {
  if (!theory_.dressed) {
    if (fresh_ && dynamics_.constant()) return;
    dynamics_.at(V, h_, q_);
  } else {
    dynamics_.inflation(M_, V, f_);
    double change = 0;
    for (std::size_t i = 0; i < f_.size(); ++i) change = std::max(change, std::abs(f_[i] - used_[i]) / (1 + used_[i]));
    // Signs cost nothing to dress, and are dressed at every step.
    if (fresh_ && change <= refresh_at && dynamics_.constant() && problem_.map != UpdateMap::signsgd) return;
    dynamics_.at(V, h_, q_);
    dynamics_.dress(f_, h_);
    used_ = f_;
    ++refreshes_;
  }
  if (theory_.scale_drift != 1)
    for (double& h : h_) h *= theory_.scale_drift;
  if (theory_.scale_noise != 1)
    for (double& q : q_) q *= theory_.scale_noise;
  fresh_ = true;
}

void MatrixRecursion::step(double learning_rate) {
  const double V = residual_variance();
  coefficients(V);
  const double pull = 2 * learning_rate / std::sqrt(std::max(V, smallest_V)), push = learning_rate * learning_rate;
  const double more = push * theory_.scale_noise, P = P_;
  double largest = 0;
  P_ = 0;
  for (std::size_t i = 0; i < M_.size(); ++i) {
    const double x = pull * h_[i];
    largest = std::max(largest, x);
    const double own =
        dynamics_.exact() ? more * (dynamics_.noise_by_excess[i] * P + dynamics_.noise_by_power[i] * M_[i]) : 0;
    M_[i] += push * q_[i] - x * M_[i] + own;
    P_ += dynamics_.weight[i] * M_[i];
  }
  overshoot_ = largest;
}

void MatrixFlow::coefficients(double t, std::span<const double> p, std::span<double> rate,
                              std::span<double> source) const {
  const double V = problem_.residual_variance(p[0]), bounded = std::max(V, smallest_V);
  dynamics_.at(bounded, rate, source);
  const double pull = 2 * rates_.drift(t) / (rates_.adaptive ? 1 : std::sqrt(bounded)) * theory_.scale_drift;
  const double push = rates_.noise(t) * theory_.scale_noise * (rates_.adaptive ? V : 1);
  for (std::size_t i = 0; i < rate.size(); ++i) {
    rate[i] *= pull;
    source[i] *= push;
  }
}

void MatrixFlow::sensitivity(double t, std::span<const double> p, std::span<const double> M,
                             std::span<double> u) const {
  if (problem_.labels == Labels::vector) {
    std::fill(u.begin(), u.end(), 0.0);
    return;
  }
  if (rates_.adaptive) {
    const double push = rates_.noise(t) * theory_.scale_noise;
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = push * dynamics_.noise[i];
    return;
  }
  const double V = std::max(problem_.residual_variance(p[0]), smallest_V);
  if (dynamics_.constant()) {
    const double pull = rates_.drift(t) / (V * std::sqrt(V)) * theory_.scale_drift;
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = pull * dynamics_.drift[i] * M[i];
    return;
  }
  const double step = 1e-5 * V;
  std::vector<double> rate(size()), source(size()), rate_below(size()), source_below(size());
  const double above = p[0] + step, below = p[0] - step;
  coefficients(t, {&above, 1}, rate, source);
  coefficients(t, {&below, 1}, rate_below, source_below);
  for (std::size_t i = 0; i < u.size(); ++i)
    u[i] = ((source[i] - source_below[i]) - (rate[i] - rate_below[i]) * M[i]) / (2 * step);
}

double noise_floor(double eta, double N, const MatrixLeastSquares& problem) {
  const double half = 0.5 * eta * N, noise = problem.noise_variance;
  if (problem.labels == Labels::vector) return half * std::sqrt(noise);
  return half * (0.5 * half + std::sqrt(0.25 * half * half + noise));
}

}  // namespace edgewise::models::muon
