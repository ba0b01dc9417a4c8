#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/sdirk4_engine.hpp"

namespace edgewise::solvers {
namespace {

using sdirk4_table::a;
using sdirk4_table::gamma;

using Polynomial = std::array<double, 6>;

void add(Polynomial& to, double factor, const Polynomial& from) {
  for (std::size_t r = 0; r < to.size(); ++r) to[r] += factor * from[r];
}
Polynomial times_minus_e(const Polynomial& x) {
  Polynomial y{};
  for (std::size_t r = 0; r + 1 < x.size(); ++r) y[r + 1] = -x[r];
  return y;
}

/// The step on a linear system as polynomials in E. With y0_i the start of stage i and f_j = h gamma (g + u p_j),
///
///     y0_i        = start[i](E) q + sum_j D start_f[i][j](E) f_j
///     h k_i gamma = increment[i](E) q + sum_j D increment_f[i][j](E) f_j
///
/// where D = 1 - E = 1/(1 + h gamma A), because Y = D (y0 + f) and h k_i gamma = Y - y0 = -E y0 + D f.
struct LinearForm {
  std::array<Polynomial, 5> start{}, increment{};
  std::array<std::array<Polynomial, 5>, 5> start_f{}, increment_f{};
  LinearForm() {
    for (std::size_t i = 0; i < 5; ++i) {
      start[i][0] = 1;
      for (std::size_t l = 0; l < i; ++l) add(start[i], a[i][l] / gamma, increment[l]);
      increment[i] = times_minus_e(start[i]);
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t l = j; l < i; ++l) add(start_f[i][j], a[i][l] / gamma, increment_f[l][j]);
        increment_f[i][j] = times_minus_e(start_f[i][j]);
        if (j == i) increment_f[i][j][0] += 1;
      }
    }
  }
};
const LinearForm& linear_form() {
  static const LinearForm form;
  return form;
}

/// sum_i weights_i h k_i as a polynomial, given p + shift at each stage.
kernels::StepPolynomial combine(const std::array<double, 5>& weights, const std::array<double, 5>& forcing) {
  const LinearForm& form = linear_form();
  Polynomial q{}, u{}, g{};
  for (std::size_t i = 0; i < 5; ++i) {
    const double c = weights[i] / gamma;
    add(q, c, form.increment[i]);
    for (std::size_t j = 0; j <= i; ++j) {
      add(u, c * forcing[j], form.increment_f[i][j]);
      add(g, c, form.increment_f[i][j]);
    }
  }
  kernels::StepPolynomial out;
  for (std::size_t r = 0; r < 5; ++r) {
    out.q[r] = q[r + 1];
    out.u[r] = u[r];
    out.g[r] = g[r];
  }
  return out;
}

}  // namespace

void Sdirk4::Engine::bind_linear() {
  for (auto* x : {&A_, &u_, &g_, &E_, &V_, &G_}) x->assign(stride_, 0.0);
  const std::vector<double> zero(n_, 0.0);
  const double p0 = 0;
  system_->coefficients(0, {&p0, 1}, {A_.data(), n_}, {g_.data(), n_});
  system_->sensitivity(0, {&p0, 1}, zero, {u_.data(), n_});
  has_g_ = std::any_of(g_.begin(), g_.end(), [](double x) { return x != 0; });
  // The usual source b (p + sigma^2) is one term.
  if (has_g_ && proportional(g_, u_, shift_))
    has_g_ = false;
  else
    shift_ = 0;
  smallest_rate_ = *std::min_element(A_.begin(), A_.begin() + static_cast<std::ptrdiff_t>(n_));
  if (!all_finite(A_) || !all_finite(u_) || !all_finite(g_))
    throw std::invalid_argument("sdirk4: the system's coefficients are not finite");
}

bool Sdirk4::Engine::attempt_linear(const Tolerances& tolerances) {
  const double hg = gamma * h_;
  if (!(1 + hg * smallest_rate_ > 0)) return false;
  if (table_h_ != h_ || !moments_known_) {
    kernels::sdirk_tabulate(E_.size(), hg, A_.data(), u_.data(), has_g_ ? g_.data() : nullptr, W_.data(), q_.data(),
                            E_.data(), V_.data(), G_.data(), moments_);
    table_h_ = h_;
    moments_known_ = true;
    ++stats_.evaluations;
  }
  const double denominator = 1 - moments_.u[0];
  if (!(denominator > 0)) return false;
  const LinearForm& form = linear_form();
  for (std::size_t i = 0; i < 5; ++i) {
    double sum = 0;
    for (std::size_t r = 0; r < 6; ++r) sum += (form.start[i][r] + form.increment[i][r]) * moments_.state[r];
    for (std::size_t j = 0; j <= i; ++j)
      for (std::size_t r = 0; r < 5; ++r) {
        const double c = form.start_f[i][j][r] + form.increment_f[i][j][r];
        sum += c * moments_.g[r];
        if (j < i) sum += c * moments_.u[r] * forcing_[j];
      }
    // The stage's own forcing is u (p + shift), of moment u[0].
    forcing_[i] = (sum + shift_) / denominator;
  }
  static constexpr std::array<double, 5> b = {a[4][0], a[4][1], a[4][2], a[4][3], a[4][4]};
  double error = 0, size = 0;
  kernels::sdirk_update(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, W_.data(), q_.data(),
                        q_new_.data(), combine(b, forcing_), combine(sdirk4_table::error, forcing_),
                        state_moments_new_.data(), error, size);
  if (!std::isfinite(size) || !std::isfinite(error)) return false;
  magnitude_new_[0] = size;
  p_new_[0] = state_moments_new_[0];
  const double scale = tolerances.atol + tolerances.rtol * size;
  ratio_ = error == 0 ? 0 : error / scale;
  return true;
}

void Sdirk4::Engine::accept_linear() {
  start_moments_ = moments_;
  std::copy(state_moments_new_.begin(), state_moments_new_.end(), moments_.state);
  p_[0] = moments_.state[0];
  forcing_kept_ = forcing_;
}

void Sdirk4::Engine::interpolate_linear(const std::array<double, 5>& weights, std::span<double> M) const {
  kernels::sdirk_apply(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, q_new_.data(), scratch_.data(),
                       combine(weights, forcing_kept_));
  std::copy_n(scratch_.begin(), n_, M.begin());
}

double Sdirk4::Engine::interpolate_shared_linear(const std::array<double, 5>& weights) const {
  const auto polynomial = combine(weights, forcing_kept_);
  double sum = start_moments_.state[0];
  for (std::size_t r = 0; r < 5; ++r)
    sum += polynomial.q[r] * start_moments_.state[r + 1] + polynomial.u[r] * start_moments_.u[r] +
           polynomial.g[r] * start_moments_.g[r];
  return sum;
}

void Sdirk4::Engine::error_linear(std::span<double> out) const {
  std::vector<double> x(E_.size());
  const auto polynomial = combine(sdirk4_table::error, forcing_);
  kernels::sdirk_apply(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, q_.data(), x.data(), polynomial);
  for (std::size_t i = 0; i < n_; ++i) out[i] = x[i] - q_[i];
}

}  // namespace edgewise::solvers
