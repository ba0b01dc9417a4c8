#include "solvers/sdirk4_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {
namespace {

/// b_i(theta) of the continuous extension (Hairer & Wanner, IV.6, eq. 6.17).
std::array<double, 5> extension(double s) {
  return {s * (11.0 / 3 + s * (-463.0 / 72 + s * (217.0 / 36 - s * 20.0 / 9))),
          s * (11.0 / 2 + s * (-385.0 / 16 + s * (661.0 / 24 - s * 10.0))),
          s * (-125.0 / 18 + s * (20125.0 / 432 + s * (-8875.0 / 216 + s * 250.0 / 27))),
          s * s * (-85.0 / 4 + s * 85.0 / 6), s * (-11.0 / 9 + s * (557.0 / 108 + s * (-359.0 / 54 + s * 80.0 / 27)))};
}

}  // namespace

void Sdirk4::Engine::begin(const CoupledModes& system, std::span<const double> M, double t) {
  if (M.size() != system.size())
    throw std::invalid_argument(fmt::format("sdirk4: the state has {} modes, the system {}", M.size(), system.size()));
  if (system_ != &system || n_ != system.size() || m_ != system.shared()) bind(system);
  time_ = t;
  std::copy(M.begin(), M.end(), q_.begin());
  for (std::size_t l = 0; l < m_; ++l) {
    p_[l] = dot(weight(l), q_.data(), n_);
    magnitude_[l] = absolute_dot(weight(l), q_.data(), n_);
  }
  moments_known_ = false;
  extension_known_ = false;
}

void Sdirk4::Engine::bind(const CoupledModes& system) {
  n_ = system.size();
  m_ = system.shared();
  if (n_ == 0 || m_ == 0) throw std::invalid_argument("sdirk4: the system has no modes or no shared scalars");
  fast_ = system.affine() && system.autonomous() && m_ == 1;
  stride_ = kernels::padded(n_);
  W_.assign(m_ * stride_, 0.0);
  for (std::size_t l = 0; l < m_; ++l) {
    const auto w = system.weights(l);
    if (w.size() != n_)
      throw std::invalid_argument(fmt::format("sdirk4: row {} of W has {} entries, not {}", l, w.size(), n_));
    std::copy(w.begin(), w.end(), W_.begin() + static_cast<std::ptrdiff_t>(l * stride_));
  }
  for (auto* x : {&q_, &q_new_, &scratch_}) x->assign(stride_, 0.0);
  for (auto* x : {&p_, &p_new_, &magnitude_, &magnitude_new_}) x->assign(m_, 0.0);
  system_ = &system;
  table_h_ = 0;
  if (fast_)
    bind_linear();
  else
    bind_general();
}

bool Sdirk4::Engine::attempt(double h, const Tolerances& tolerances) {
  ++stats_.evaluations;
  stats_.solves += 5;
  h_ = h;
  return fast_ ? attempt_linear(tolerances) : attempt_general(tolerances);
}

void Sdirk4::Engine::accept() {
  std::swap(q_, q_new_);  // q_new_ now holds the start of the step, which dense output needs
  std::swap(p_, p_new_);
  std::swap(magnitude_, magnitude_new_);
  if (fast_)
    accept_linear();
  else
    std::swap(K_, K_kept_);
  h_kept_ = h_;
  start_time_ = time_;
  time_ += h_;
  extension_known_ = true;
  stats_.add_step(h_);
}

void Sdirk4::Engine::interpolate(double t, std::span<double> M) const {
  if (!extension_known_) {
    std::copy_n(q_.begin(), n_, M.begin());
    return;
  }
  const auto weights = extension((t - start_time_) / h_kept_);
  if (fast_) {
    interpolate_linear(weights, M);
    return;
  }
  for (std::size_t i = 0; i < n_; ++i) {
    double y = q_new_[i];
    for (std::size_t s = 0; s < 5; ++s) y += weights[s] * K_kept_[s * n_ + i];
    M[i] = y;
  }
}

void Sdirk4::Engine::interpolate_shared(double t, std::span<double> p) const {
  if (!extension_known_) {
    std::copy(p_.begin(), p_.end(), p.begin());
    return;
  }
  const auto weights = extension((t - start_time_) / h_kept_);
  if (fast_) {
    p[0] = interpolate_shared_linear(weights);
    return;
  }
  for (std::size_t l = 0; l < m_; ++l) {
    double sum = p_new_[l];
    for (std::size_t s = 0; s < 5; ++s) sum += weights[s] * dot(weight(l), &K_kept_[s * n_], n_);
    p[l] = sum;
  }
}

void Sdirk4::Engine::error(std::span<double> out) const {
  if (fast_) {
    error_linear(out);
    return;
  }
  for (std::size_t i = 0; i < n_; ++i) {
    double e = 0;
    for (std::size_t s = 0; s < 5; ++s) e += sdirk4_table::error[s] * K_[s * n_ + i];
    out[i] = e;
  }
}

double Sdirk4::Engine::suggest_step() {
  if (!fast_) system_->coefficients(time_, p_, rate_, source_);
  double largest = 0;
  for (std::size_t i = 0; i < n_; ++i) largest = std::max(largest, std::abs(fast_ ? A_[i] : rate_[i]));
  return first_trial_step(largest);
}

}  // namespace edgewise::solvers
