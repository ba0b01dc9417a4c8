#include <algorithm>
#include <cmath>

#include "solvers/sdirk4_engine.hpp"

namespace edgewise::solvers {

using sdirk4_table::a;
using sdirk4_table::c;
using sdirk4_table::gamma;

void Sdirk4::Engine::bind_general() {
  for (auto* x : {&rate_, &source_, &D_, &y0_}) x->assign(n_, 0.0);
  U_.assign(m_ * n_, 0.0);
  K_.assign(5 * n_, 0.0);
  K_kept_.assign(5 * n_, 0.0);
  matrix_.assign(m_ * m_, 0.0);
  change_.assign(m_, 0.0);
}

bool Sdirk4::Engine::attempt_general(const Tolerances& tolerances) {
  const double hg = gamma * h_;
  std::vector<double>& guess = guess_;
  guess.assign(p_.begin(), p_.end());
  for (std::size_t s = 0; s < 5; ++s) {
    for (std::size_t i = 0; i < n_; ++i) {
      double y = q_[i];
      for (std::size_t j = 0; j < s; ++j) y += a[s][j] * K_[j * n_ + i];
      y0_[i] = y;
    }
    if (!solve_stage(std::min(time_ + c[s] * h_, latest_), hg, guess, tolerances)) return false;
    double* __restrict k = &K_[s * n_];
    for (std::size_t i = 0; i < n_; ++i) k[i] = (q_new_[i] - y0_[i]) / gamma;
  }
  ratio_ = 0;
  for (std::size_t l = 0; l < m_; ++l) {
    const double* w = weight(l);
    double error = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      double e = 0;
      for (std::size_t s = 0; s < 5; ++s) e += sdirk4_table::error[s] * K_[s * n_ + i];
      error += std::abs(w[i] * e);
    }
    p_new_[l] = dot(w, q_new_.data(), n_);
    magnitude_new_[l] = absolute_dot(w, q_new_.data(), n_);
    if (!std::isfinite(error) || !std::isfinite(magnitude_new_[l])) return false;
    const double scale = tolerances.atol + tolerances.rtol * magnitude_new_[l];
    if (error > 0) ratio_ = std::max(ratio_, error / scale);
  }
  return true;
}

/// change_ <- matrix_^(-1) change_. False where det(1 - W D U) is not positive: the step has no stable solution.
bool Sdirk4::Engine::newton_change() {
  if (m_ == 1) {
    if (!(matrix_[0] > 0)) return false;
    change_[0] /= matrix_[0];
  } else {
    lu_.factor(m_, matrix_);
    if (!(lu_.determinant() > 0)) return false;
    lu_.solve(change_);
  }
  return all_finite(change_);
}

/// Solves Y = y0 + hg f(t, Y) into q_new_; `p` is the guess, then the solution's shared scalars.
bool Sdirk4::Engine::solve_stage(double t, double hg, std::vector<double>& p, const Tolerances& tolerances) {
  const bool affine = system_->affine();
  constexpr int most = 12;
  std::vector<double> last = p;
  for (int iteration = 0; iteration < most; ++iteration) {
    system_->coefficients(t, p, rate_, source_);
    bool positive = true;
    double* __restrict D = D_.data();
    double* __restrict Y = q_new_.data();
    const double* rate = rate_.data();
    const double* source = source_.data();
    const double* y0 = y0_.data();
    for (std::size_t i = 0; i < n_; ++i) {
      const double denominator = 1 + hg * rate[i];
      positive &= denominator > 0;
      D[i] = 1 / denominator;
      Y[i] = (y0[i] + hg * source[i]) * D[i];
    }
    if (!positive || !all_finite({source, n_})) {
      // Outside the laws' domain (or unstable): go half the way back towards the last good guess.
      if (iteration == 0) return false;
      for (std::size_t l = 0; l < m_; ++l) p[l] = 0.5 * (p[l] + last[l]);
      continue;
    }
    system_->sensitivity(t, p, {Y, n_}, U_);
    for (std::size_t k = 0; k < m_; ++k) {
      double* __restrict u = &U_[k * n_];
      for (std::size_t i = 0; i < n_; ++i) u[i] *= hg * D[i];
    }
    for (std::size_t l = 0; l < m_; ++l) {
      change_[l] = dot(weight(l), Y, n_) - p[l];
      for (std::size_t k = 0; k < m_; ++k) matrix_[l + k * m_] = (l == k ? 1.0 : 0.0) - dot(weight(l), &U_[k * n_], n_);
    }
    if (!newton_change()) return false;
    last = p;
    double relative = 0;
    for (std::size_t l = 0; l < m_; ++l) {
      const double d = change_[l];
      p[l] += d;
      const double scale = std::max({std::abs(p[l]), magnitude_[l] * 1e-3, tolerances.atol});
      if (d != 0) relative = std::max(relative, std::abs(d) / scale);
    }
    if (iteration > 0) ++stats_.newton_iterations;
    // The remaining error after this correction is quadratic in it.
    if (affine || relative * relative <= 0.01 * tolerances.rtol || relative < 1e-14) {
      for (std::size_t k = 0; k < m_; ++k) {
        const double d = change_[k];
        const double* u = &U_[k * n_];
        for (std::size_t i = 0; i < n_; ++i) Y[i] += u[i] * d;
      }
      return true;
    }
  }
  return false;
}

}  // namespace edgewise::solvers
