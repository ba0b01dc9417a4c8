#include "solvers/etd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/mode_kernels.hpp"
#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {
namespace {

std::array<double, 5> radau_nodes(std::size_t stages) {
  const double r = std::sqrt(6.0);
  switch (stages) {
    case 2:
      return {0, 1.0 / 3, 1, 0, 0};
    case 3:
      return {0, (4 - r) / 10, (4 + r) / 10, 1, 0};
    case 4:
      return {0, 0.088587959512703947396, 0.40946686444073471087, 0.78765946176084705603, 1};
    default:
      throw std::invalid_argument(fmt::format("etd: {} stages asked for; 2, 3 or 4 are offered", stages));
  }
}

/// Coefficients of prod (x - root).
std::array<double, 5> product(std::span<const double> roots) {
  std::array<double, 5> c{1};
  std::size_t degree = 0;
  for (const double root : roots) {
    for (std::size_t m = ++degree; m > 0; --m) c[m] = c[m - 1] - root * c[m];
    c[0] *= -root;
  }
  return c;
}

}  // namespace

EtdDenseOutput::EtdDenseOutput(Tolerances tolerances, std::size_t stages)
    : tolerances_(tolerances),
      s_(stages),
      node_(radau_nodes(stages)),
      // The estimate is that of the method without its first stage; the end of a step is far more accurate. Measured
      // on power laws: achieved error over rtol between 0.01 and 0.3 with these factors.
      caution_(stages == 2 ? 2 : 10),
      control_("etd", StepSize(static_cast<double>(stages) + 1, 1.6)) {
  for (std::size_t l = 0; l <= s_; ++l) {
    std::vector<double> others;
    double scale = 1;
    for (std::size_t k = 0; k <= s_; ++k)
      if (k != l) {
        others.push_back(node_[k]);
        scale *= node_[l] - node_[k];
      }
    lagrange_[l] = product(others);
    for (double& c : lagrange_[l]) c /= scale;
  }
  std::vector<double> kept{0.0};
  for (std::size_t k = 2; k <= s_; ++k) kept.push_back(node_[k]);
  dropped_ = product(kept);
}

void EtdDenseOutput::initialize(const state_type& M, double t, double dt) {
  initial_ = M;
  control_.start(t, dt);
  started_ = stepped_ = false;
}

void EtdDenseOutput::reset() {
  system_ = nullptr;
  control_.reset();
}

void EtdDenseOutput::bind(const CoupledModes& system) {
  n_ = system.size();
  m_ = system.shared();
  if (n_ == 0 || m_ == 0) throw std::invalid_argument("etd: the system has no modes or no shared scalars");
  linear_ = system.affine() && system.autonomous() && m_ == 1;
  stride_ = kernels::padded(n_);
  for (auto* x : {&A_, &u_, &g_, &rate_, &q_, &q_new_, &scratch_, &dense_decay_}) x->assign(stride_, 0.0);
  dense_moments_.assign((s_ + 1) * stride_, 0.0);
  decay_.assign(s_ * stride_, 1.0);
  W_.assign(m_ * stride_, 0.0);
  for (std::size_t l = 0; l < m_; ++l) {
    const auto w = system.weights(l);
    if (w.size() != n_)
      throw std::invalid_argument(fmt::format("etd: row {} of W has {} entries, not {}", l, w.size(), n_));
    std::copy(w.begin(), w.end(), W_.begin() + static_cast<std::ptrdiff_t>(l * stride_));
  }
  p_.assign(m_, 0.0);
  p_new_.assign(m_, 0.0);
  std::copy(initial_.begin(), initial_.end(), q_.begin());
  for (std::size_t l = 0; l < m_; ++l) p_[l] = dot(&W_[l * stride_], q_.data(), stride_);
  std::vector<double> p0 = linear_ ? std::vector<double>(m_, 0.0) : p_;
  system.coefficients(control_.time(), p0, {A_.data(), n_}, {g_.data(), n_});
  shift_ = 0;
  has_g_ = false;
  if (linear_) {
    system.sensitivity(control_.time(), p0, initial_, {u_.data(), n_});
    has_g_ = std::any_of(g_.begin(), g_.end(), [](double x) { return x != 0; });
    // The usual source b (p + sigma^2) is one term.
    if (has_g_ && proportional(g_, u_, shift_))
      has_g_ = false;
    else
      shift_ = 0;
    moments_.assign((s_ + 1) * stride_, 0.0);
  } else {
    moments_.assign((s_ + 1) * stride_, 0.0);
    phi_.assign(s_ * (s_ + 1) * stride_, 0.0);
    for (auto* x : {&sources_, &coefficients_, &coefficients_kept_}) x->assign((s_ + 1) * stride_, 0.0);
    slopes_.assign(s_ * m_ * stride_, 0.0);
  }
  for (std::size_t i = 0; i < n_; ++i)
    if (!std::isfinite(A_[i]) || !std::isfinite(g_[i]) || !std::isfinite(u_[i]))
      throw std::invalid_argument("etd: the system's coefficients are not finite");
  const auto [low, high] = std::minmax_element(A_.begin(), A_.begin() + static_cast<std::ptrdiff_t>(n_));
  smallest_rate_ = *low;
  largest_rate_ = *high;
  table_h_ = 0;
  system_ = &system;
}

void EtdDenseOutput::tabulate(double h) {
  stats_.evaluations += s_;
  sums_known_ = false;
  for (std::size_t k = 0; k < s_; ++k) {
    const double c = node_[k + 1];
    kernels::exponential_moments(stride_, c * h, A_.data(), s_, &decay_[k * stride_], moments_.data());
    if (linear_) {
      kernels::weighted_moments(stride_, W_.data(), u_.data(), s_, moments_.data(), kappa_[k].data());
      double power = h;
      for (std::size_t m = 0; m <= s_; ++m) kappa_[k][m] *= power *= c;
      kappa_g_[k] = 0;
      if (has_g_) {
        kernels::weighted_moments(stride_, W_.data(), g_.data(), 0, moments_.data(), &kappa_g_[k]);
        kappa_g_[k] *= c * h;
      }
    } else {
      for (std::size_t l = 0; l <= s_; ++l) {
        double* phi = &phi_[(k * (s_ + 1) + l) * stride_];
        std::fill_n(phi, stride_, 0.0);
        double power = h;
        for (std::size_t m = 0; m <= s_; ++m) {
          power *= c;
          const double f = power * lagrange_[l][m];
          const double* moment = &moments_[m * stride_];
          for (std::size_t i = 0; i < stride_; ++i) phi[i] += f * moment[i];
        }
      }
    }
  }
  // The moments left in place are those of the last stage, c = 1.
  table_h_ = h;
}

bool EtdDenseOutput::attempt(double h) {
  if (h * smallest_rate_ < -4) return false;
  h_ = h;
  if (table_h_ != h) tabulate(h);
  ++stats_.solves;
  ++stats_.evaluations;
  return linear_ ? attempt_linear() : attempt_newton();
}

bool EtdDenseOutput::attempt_linear() {
  if (!sums_known_) {
    kernels::decayed_sums(stride_, s_, W_.data(), q_.data(), decay_.data(), sums_.data());
    sums_known_ = true;
  }
  // weight[k][l]: what the value at node l adds to p at node k.
  matrix_.resize(s_ * s_);
  unknown_.resize(s_);
  for (std::size_t k = 0; k < s_; ++k) {
    // The unknowns are p + shift.
    unknown_[k] = sums_[k] + kappa_g_[k] + shift_;
    for (std::size_t l = 0; l <= s_; ++l) {
      double weight = 0;
      for (std::size_t m = 0; m <= s_; ++m) weight += lagrange_[l][m] * kappa_[k][m];
      if (l == 0)
        unknown_[k] += weight * (p_[0] + shift_);
      else
        matrix_[k + (l - 1) * s_] = (k + 1 == l ? 1.0 : 0.0) - weight;
    }
  }
  lu_.factor(s_, matrix_);
  lu_.solve(unknown_);
  if (!all_finite(unknown_)) return false;
  polynomial_ = {};
  for (std::size_t m = 0; m <= s_; ++m) {
    polynomial_[m] = (p_[0] + shift_) * lagrange_[0][m];
    for (std::size_t l = 1; l <= s_; ++l) polynomial_[m] += unknown_[l - 1] * lagrange_[l][m];
  }
  double error = 0;
  for (std::size_t k = 0; k < s_; ++k) {
    double e = 0;
    for (std::size_t m = 0; m <= s_; ++m) e += dropped_[m] * kappa_[k][m];
    error = std::max(error, std::abs(e * polynomial_[s_]));
  }
  std::array<double, 5> c{};
  for (std::size_t m = 0; m <= s_; ++m) c[m] = h_ * polynomial_[m];
  double sum = 0;
  kernels::etd_update(stride_, s_, W_.data(), u_.data(), q_.data(), q_new_.data(), decay_.data(), moments_.data(),
                      c.data(), sums_new_.data(), sum);
  if (has_g_) {
    for (std::size_t i = 0; i < stride_; ++i) q_new_[i] += h_ * g_[i] * moments_[i];
    kernels::decayed_sums(stride_, s_, W_.data(), q_new_.data(), decay_.data(), sums_new_.data());
    sum = dot(W_.data(), q_new_.data(), stride_);
  }
  if (!std::isfinite(sum) || !std::isfinite(error)) return false;
  p_new_[0] = sum;
  ratio_ = error == 0 ? 0 : error / (caution_ * (tolerances_.atol + tolerances_.rtol * std::abs(sum)));
  return true;
}

void EtdDenseOutput::evaluate_sources(std::size_t node, double t, std::span<const double> p,
                                      std::span<const double> M) {
  system_->coefficients(t, p, {rate_.data(), n_}, {&sources_[node * stride_], n_});
  for (std::size_t i = 0; i < n_; ++i)
    if (!(std::abs(rate_[i] - A_[i]) <= 1e-12 * std::abs(A_[i])) && std::isfinite(rate_[i]))
      throw std::invalid_argument(
          "etd: the rates of this system change with time or with the shared scalars; use the integrator sdirk4");
  if (node > 0) {
    std::vector<double> u(m_ * n_);
    system_->sensitivity(t, p, M, u);
    for (std::size_t l = 0; l < m_; ++l) std::copy_n(&u[l * n_], n_, &slopes_[((node - 1) * m_ + l) * stride_]);
  }
}

void EtdDenseOutput::propagate(std::size_t stage, double* out) const {
  const double* decay = &decay_[stage * stride_];
  for (std::size_t i = 0; i < stride_; ++i) out[i] = decay[i] * q_[i];
  for (std::size_t l = 0; l <= s_; ++l) {
    const double* phi = &phi_[(stage * (s_ + 1) + l) * stride_];
    const double* source = &sources_[l * stride_];
    for (std::size_t i = 0; i < stride_; ++i) out[i] += phi[i] * source[i];
  }
}

bool EtdDenseOutput::attempt_newton() {
  const std::size_t unknowns = s_ * m_;
  evaluate_sources(0, control_.time(), p_, {q_.data(), n_});
  stage_p_.resize(unknowns);
  for (std::size_t k = 0; k < s_; ++k)
    for (std::size_t l = 0; l < m_; ++l) stage_p_[k * m_ + l] = p_[l];
  matrix_.resize(unknowns * unknowns);
  unknown_.resize(unknowns);
  std::vector<double> last = stage_p_;
  constexpr int most = 15;
  for (int iteration = 0; iteration < most; ++iteration) {
    if (!evaluate_stages()) {
      if (iteration == 0) return false;
      for (std::size_t k = 0; k < unknowns; ++k) stage_p_[k] = 0.5 * (stage_p_[k] + last[k]);
      continue;
    }
    assemble_newton();
    lu_.factor(unknowns, matrix_);
    lu_.solve(unknown_);
    if (!all_finite(unknown_)) return false;
    last = stage_p_;
    double relative = 0;
    for (std::size_t k = 0; k < unknowns; ++k) {
      const double d = unknown_[k];
      stage_p_[k] += d;
      if (d != 0) relative = std::max(relative, std::abs(d) / std::max(std::abs(stage_p_[k]), tolerances_.atol));
    }
    if (iteration > 0) ++stats_.newton_iterations;
    if (system_->affine() || relative * relative <= 0.01 * tolerances_.rtol || relative < 1e-14) return end_of_step();
  }
  return false;
}

bool EtdDenseOutput::evaluate_stages() {
  const double time = control_.time();
  bool finite = true;
  for (std::size_t k = 0; k < s_; ++k) {
    evaluate_sources(k + 1, std::min(time + node_[k + 1] * h_, std::nextafter(control_.stop(), time)),
                     {&stage_p_[k * m_], m_}, {q_.data(), n_});
    for (std::size_t i = 0; i < n_; ++i) finite &= std::isfinite(sources_[(k + 1) * stride_ + i]);
  }
  return finite;
}

void EtdDenseOutput::assemble_newton() {
  const std::size_t unknowns = s_ * m_;
  for (std::size_t k = 0; k < s_; ++k) {
    propagate(k, scratch_.data());
    for (std::size_t l = 0; l < m_; ++l) {
      const double* w = &W_[l * stride_];
      const std::size_t row = k * m_ + l;
      unknown_[row] = dot(w, scratch_.data(), stride_) - stage_p_[row];
      for (std::size_t j = 0; j < s_; ++j)
        for (std::size_t r = 0; r < m_; ++r) {
          const double* phi = &phi_[(k * (s_ + 1) + j + 1) * stride_];
          const double* u = &slopes_[(j * m_ + r) * stride_];
          double sum = 0;
          for (std::size_t i = 0; i < n_; ++i) sum += w[i] * phi[i] * u[i];
          const std::size_t column = j * m_ + r;
          matrix_[row + column * unknowns] = (row == column ? 1.0 : 0.0) - sum;
        }
    }
  }
}

bool EtdDenseOutput::end_of_step() {
  // The sources still belong to the last guess; for an affine source one correction is exact.
  for (std::size_t k = 0; k < s_; ++k)
    for (std::size_t l = 0; l < m_; ++l) {
      const double d = unknown_[k * m_ + l];
      for (std::size_t i = 0; i < n_; ++i) sources_[(k + 1) * stride_ + i] += d * slopes_[(k * m_ + l) * stride_ + i];
    }
  propagate(s_ - 1, q_new_.data());
  std::fill(coefficients_.begin(), coefficients_.end(), 0.0);
  for (std::size_t m = 0; m <= s_; ++m)
    for (std::size_t l = 0; l <= s_; ++l)
      for (std::size_t i = 0; i < n_; ++i)
        coefficients_[m * stride_ + i] += lagrange_[l][m] * sources_[l * stride_ + i];
  ratio_ = 0;
  for (std::size_t l = 0; l < m_; ++l) {
    const double* w = &W_[l * stride_];
    double error = 0, size = 0, sum = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      double e = 0;
      for (std::size_t m = 0; m <= s_; ++m) e += dropped_[m] * moments_[m * stride_ + i];
      error += std::abs(w[i] * h_ * e * coefficients_[s_ * stride_ + i]);
      sum += w[i] * q_new_[i];
      size += std::abs(w[i] * q_new_[i]);
    }
    if (!std::isfinite(error) || !std::isfinite(size)) return false;
    p_new_[l] = sum;
    if (error > 0) ratio_ = std::max(ratio_, error / (caution_ * (tolerances_.atol + tolerances_.rtol * size)));
  }
  return true;
}

std::pair<double, double> EtdDenseOutput::do_step(const CoupledModes& system) {
  if (!started_) {
    if (initial_.size() != system.size())
      throw std::invalid_argument(
          fmt::format("etd: the state has {} modes, the system {}", initial_.size(), system.size()));
    if (system_ != &system || n_ != system.size() || m_ != system.shared()) {
      bind(system);
    } else {
      std::copy(initial_.begin(), initial_.end(), q_.begin());
      for (std::size_t l = 0; l < m_; ++l) p_[l] = dot(&W_[l * stride_], q_.data(), stride_);
    }
    sums_known_ = false;
    if (!(control_.next_step() > 0)) control_.set_next_step(first_trial_step(largest_rate_));
    started_ = true;
  }
  const double h =
      control_.advance([this](double size) { return attempt(size) ? std::optional(ratio_) : std::nullopt; }, stats_);
  std::swap(q_, q_new_);  // q_new_ keeps the start of the step for dense output
  std::swap(p_, p_new_);
  std::swap(coefficients_, coefficients_kept_);
  polynomial_kept_ = polynomial_;
  sums_ = sums_new_;
  stepped_ = true;
  stats_.add_step(h);
  return {control_.previous_time(), control_.time()};
}

/// State at t inside the last step, into scratch_ (padded).
void EtdDenseOutput::dense(double t, std::vector<double>& M) const {
  const double past = t - control_.previous_time();
  const double theta = past / stats_.last_step;
  kernels::exponential_moments(stride_, past, A_.data(), s_, dense_decay_.data(), dense_moments_.data());
  double power = past;
  for (std::size_t i = 0; i < stride_; ++i) M[i] = dense_decay_[i] * q_new_[i];
  if (has_g_)
    for (std::size_t i = 0; i < stride_; ++i) M[i] += past * g_[i] * dense_moments_[i];
  for (std::size_t m = 0; m <= s_; ++m) {
    const double* moment = &dense_moments_[m * stride_];
    if (linear_) {
      const double f = power * polynomial_kept_[m];
      for (std::size_t i = 0; i < stride_; ++i) M[i] += f * u_[i] * moment[i];
    } else {
      for (std::size_t i = 0; i < stride_; ++i) M[i] += power * coefficients_kept_[m * stride_ + i] * moment[i];
    }
    power *= theta;
  }
}

void EtdDenseOutput::calc_state(double t, state_type& M) const {
  if (!stepped_) {
    M = initial_;
    return;
  }
  dense(t, scratch_);
  M.assign(scratch_.begin(), scratch_.begin() + static_cast<std::ptrdiff_t>(n_));
}

void EtdDenseOutput::calc_shared(double t, std::span<double> p) const {
  dense(t, scratch_);
  for (std::size_t l = 0; l < m_; ++l) p[l] = dot(&W_[l * stride_], scratch_.data(), stride_);
}

const EtdDenseOutput::state_type& EtdDenseOutput::current_state() const {
  if (!started_) return initial_;
  current_.assign(q_.begin(), q_.begin() + static_cast<std::ptrdiff_t>(n_));
  return current_;
}

const EtdDenseOutput::state_type& EtdDenseOutput::previous_state() const {
  if (!stepped_) return initial_;
  previous_.assign(q_new_.begin(), q_new_.begin() + static_cast<std::ptrdiff_t>(n_));
  return previous_;
}

}  // namespace edgewise::solvers
