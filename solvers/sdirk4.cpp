#include "solvers/sdirk4.hpp"

#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/mode_kernels.hpp"

namespace edgewise::solvers {
namespace {

constexpr double gamma_ = 0.25;
constexpr std::array<double, 5> c_ = {1.0 / 4, 3.0 / 4, 11.0 / 20, 1.0 / 2, 1.0};
constexpr double a_[5][5] = {{1.0 / 4, 0, 0, 0, 0},
                             {1.0 / 2, 1.0 / 4, 0, 0, 0},
                             {17.0 / 50, -1.0 / 25, 1.0 / 4, 0, 0},
                             {371.0 / 1360, -137.0 / 2720, 15.0 / 544, 1.0 / 4, 0},
                             {25.0 / 24, -49.0 / 48, 125.0 / 16, -85.0 / 12, 1.0 / 4}};
constexpr std::array<double, 5> error_ = {25.0 / 24 - 59.0 / 48, -49.0 / 48 + 17.0 / 96, 125.0 / 16 - 225.0 / 32, 0.0,
                                          1.0 / 4};

/// b_i(theta) of the continuous extension (Hairer & Wanner, IV.6, eq. 6.17).
std::array<double, 5> extension(double s) {
  return {s * (11.0 / 3 + s * (-463.0 / 72 + s * (217.0 / 36 - s * 20.0 / 9))),
          s * (11.0 / 2 + s * (-385.0 / 16 + s * (661.0 / 24 - s * 10.0))),
          s * (-125.0 / 18 + s * (20125.0 / 432 + s * (-8875.0 / 216 + s * 250.0 / 27))),
          s * s * (-85.0 / 4 + s * 85.0 / 6), s * (-11.0 / 9 + s * (557.0 / 108 + s * (-359.0 / 54 + s * 80.0 / 27)))};
}

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
///   y0_i = start[i](E) q + sum_j D start_f[i][j](E) f_j,   h k_i gamma = increment[i](E) q + sum_j D
///   increment_f[i][j](E) f_j,
/// where D = 1 - E = 1/(1 + h gamma A), because Y = D (y0 + f) and h k_i gamma = Y - y0 = -E y0 + D f.
struct LinearForm {
  std::array<Polynomial, 5> start{}, increment{};
  std::array<std::array<Polynomial, 5>, 5> start_f{}, increment_f{};
  LinearForm() {
    for (std::size_t i = 0; i < 5; ++i) {
      start[i][0] = 1;
      for (std::size_t l = 0; l < i; ++l) add(start[i], a_[i][l] / gamma_, increment[l]);
      increment[i] = times_minus_e(start[i]);
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t l = j; l < i; ++l) add(start_f[i][j], a_[i][l] / gamma_, increment_f[l][j]);
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
    const double c = weights[i] / gamma_;
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

double dot(const double* x, const double* y, std::size_t n) {
  double s[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) s[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) s[0] += x[i] * y[i];
  return (s[0] + s[1]) + (s[2] + s[3]);
}
double absolute_dot(const double* x, const double* y, std::size_t n) {
  double s[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) s[k] += std::abs(x[i + k] * y[i + k]);
  for (; i < n; ++i) s[0] += std::abs(x[i] * y[i]);
  return (s[0] + s[1]) + (s[2] + s[3]);
}
/// The factor with g = factor * u, if there is one up to rounding.
bool proportional(const std::vector<double>& g, const std::vector<double>& u, double& factor) {
  factor = 0;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < u.size(); ++i)
    if (std::abs(u[i]) > std::abs(u[largest])) largest = i;
  if (u[largest] == 0) return false;
  factor = g[largest] / u[largest];
  for (std::size_t i = 0; i < u.size(); ++i)
    if (std::abs(g[i] - factor * u[i]) > 1e-15 * std::abs(g[i])) return false;
  return true;
}
bool all_finite(std::span<const double> x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

class Sdirk4::Engine {
 public:
  void reset() { system_ = nullptr; }

  void begin(const CoupledModes& system, std::span<const double> M, double t) {
    if (M.size() != system.size())
      throw std::invalid_argument(
          fmt::format("sdirk4: the state has {} modes, the system {}", M.size(), system.size()));
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

  bool attempt(double h, const Tolerances& tolerances) {
    ++stats_.evaluations;
    stats_.solves += 5;
    h_ = h;
    return fast_ ? attempt_linear(tolerances) : attempt_general(tolerances);
  }

  double error_ratio() const { return ratio_; }

  void accept() {
    std::swap(q_, q_new_);  // q_new_ now holds the start of the step, which dense output needs
    std::swap(p_, p_new_);
    std::swap(magnitude_, magnitude_new_);
    if (fast_) {
      start_moments_ = moments_;
      std::copy(state_moments_new_.begin(), state_moments_new_.end(), moments_.state);
      p_[0] = moments_.state[0];
    } else {
      std::swap(K_, K_kept_);
    }
    forcing_kept_ = forcing_;
    h_kept_ = h_;
    start_time_ = time_;
    time_ += h_;
    extension_known_ = true;
    if (stats_.steps == 0) stats_.first_step = h_;
    ++stats_.steps;
    stats_.last_step = h_;
  }

  void interpolate(double t, std::span<double> M) const {
    if (!extension_known_) {
      std::copy_n(q_.begin(), n_, M.begin());
      return;
    }
    const auto weights = extension((t - start_time_) / h_kept_);
    if (fast_) {
      // The tables may already belong to the next, rejected or changed, step size.
      if (table_h_ != h_kept_) tabulate_for_output();
      kernels::sdirk_apply(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, q_new_.data(),
                           scratch_.data(), combine(weights, forcing_kept_));
      std::copy_n(scratch_.begin(), n_, M.begin());
      return;
    }
    for (std::size_t i = 0; i < n_; ++i) {
      double y = q_new_[i];
      for (std::size_t s = 0; s < 5; ++s) y += weights[s] * K_kept_[s * n_ + i];
      M[i] = y;
    }
  }

  void interpolate_shared(double t, std::span<double> p) const {
    if (!extension_known_) {
      std::copy(p_.begin(), p_.end(), p.begin());
      return;
    }
    const auto weights = extension((t - start_time_) / h_kept_);
    if (fast_) {
      const auto polynomial = combine(weights, forcing_kept_);
      double sum = start_moments_.state[0];
      for (std::size_t r = 0; r < 5; ++r)
        sum += polynomial.q[r] * start_moments_.state[r + 1] + polynomial.u[r] * start_moments_.u[r] +
               polynomial.g[r] * start_moments_.g[r];
      p[0] = sum;
      return;
    }
    for (std::size_t l = 0; l < m_; ++l) {
      double sum = p_new_[l];
      for (std::size_t s = 0; s < 5; ++s) sum += weights[s] * dot(weight(l), &K_kept_[s * n_], n_);
      p[l] = sum;
    }
  }

  void error(std::span<double> out) const {
    if (fast_) {
      std::vector<double> x(E_.size());
      const auto polynomial = combine(error_, forcing_);
      kernels::sdirk_apply(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, q_.data(), x.data(),
                           polynomial);
      for (std::size_t i = 0; i < n_; ++i) out[i] = x[i] - q_[i];
      return;
    }
    for (std::size_t i = 0; i < n_; ++i) {
      double e = 0;
      for (std::size_t s = 0; s < 5; ++s) e += error_[s] * K_[s * n_ + i];
      out[i] = e;
    }
  }

  double suggest_step() {
    if (!fast_) system_->coefficients(time_, p_, rate_, source_);
    double largest = 0;
    for (std::size_t i = 0; i < n_; ++i) largest = std::max(largest, std::abs(fast_ ? A_[i] : rate_[i]));
    if (largest > 0) return 0.05 / largest;
    return 1e-3;
  }

  double time_ = 0;
  double latest_ = std::numeric_limits<double>::infinity();  // coefficients are not read beyond
  Statistics stats_;
  std::size_t n_ = 0, m_ = 0;
  std::vector<double> q_, q_new_, p_, p_new_, magnitude_, magnitude_new_;

 private:
  const double* weight(std::size_t l) const { return W_.data() + l * stride_; }

  void bind(const CoupledModes& system) {
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
    if (fast_) {
      for (auto* x : {&A_, &u_, &g_, &E_, &V_, &G_}) x->assign(stride_, 0.0);
      const std::vector<double> zero(n_, 0.0);
      const double p0 = 0;
      system.coefficients(0, {&p0, 1}, {A_.data(), n_}, {g_.data(), n_});
      system.sensitivity(0, {&p0, 1}, zero, {u_.data(), n_});
      has_g_ = std::any_of(g_.begin(), g_.end(), [](double x) { return x != 0; });
      // The usual source b (p + sigma^2) is one term.
      if (has_g_ && proportional(g_, u_, shift_))
        has_g_ = false;
      else
        shift_ = 0;
      smallest_rate_ = *std::min_element(A_.begin(), A_.begin() + static_cast<std::ptrdiff_t>(n_));
      if (!all_finite(A_) || !all_finite(u_) || !all_finite(g_))
        throw std::invalid_argument("sdirk4: the system's coefficients are not finite");
    } else {
      for (auto* x : {&rate_, &source_, &D_, &y0_}) x->assign(n_, 0.0);
      U_.assign(m_ * n_, 0.0);
      K_.assign(5 * n_, 0.0);
      K_kept_.assign(5 * n_, 0.0);
      matrix_.resize(static_cast<Eigen::Index>(m_), static_cast<Eigen::Index>(m_));
      residual_.resize(static_cast<Eigen::Index>(m_));
    }
  }

  void tabulate_for_output() const {
    kernels::StepMoments unused;
    kernels::sdirk_tabulate(E_.size(), gamma_ * h_kept_, A_.data(), u_.data(), has_g_ ? g_.data() : nullptr, W_.data(),
                            q_new_.data(), E_.data(), V_.data(), G_.data(), unused);
    table_h_ = 0;  // the moments of the current state are not those of this table
  }

  bool attempt_linear(const Tolerances& tolerances) {
    const double hg = gamma_ * h_;
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
    static constexpr std::array<double, 5> b = {a_[4][0], a_[4][1], a_[4][2], a_[4][3], a_[4][4]};
    double error = 0, size = 0;
    kernels::sdirk_update(E_.size(), E_.data(), V_.data(), has_g_ ? G_.data() : nullptr, W_.data(), q_.data(),
                          q_new_.data(), combine(b, forcing_), combine(error_, forcing_), state_moments_new_.data(),
                          error, size);
    if (!std::isfinite(size) || !std::isfinite(error)) return false;
    magnitude_new_[0] = size;
    p_new_[0] = state_moments_new_[0];
    const double scale = tolerances.atol + tolerances.rtol * size;
    ratio_ = error == 0 ? 0 : error / scale;
    return true;
  }

  bool attempt_general(const Tolerances& tolerances) {
    const double hg = gamma_ * h_;
    std::vector<double>& guess = guess_;
    guess.assign(p_.begin(), p_.end());
    for (std::size_t s = 0; s < 5; ++s) {
      for (std::size_t i = 0; i < n_; ++i) {
        double y = q_[i];
        for (std::size_t j = 0; j < s; ++j) y += a_[s][j] * K_[j * n_ + i];
        y0_[i] = y;
      }
      if (!solve_stage(std::min(time_ + c_[s] * h_, latest_), hg, guess, tolerances)) return false;
      double* __restrict k = &K_[s * n_];
      for (std::size_t i = 0; i < n_; ++i) k[i] = (q_new_[i] - y0_[i]) / gamma_;
    }
    ratio_ = 0;
    for (std::size_t l = 0; l < m_; ++l) {
      const double* w = weight(l);
      double error = 0;
      for (std::size_t i = 0; i < n_; ++i) {
        double e = 0;
        for (std::size_t s = 0; s < 5; ++s) e += error_[s] * K_[s * n_ + i];
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

  /// Solves Y = y0 + hg f(t, Y) into q_new_; `p` is the guess, then the solution's shared scalars.
  bool solve_stage(double t, double hg, std::vector<double>& p, const Tolerances& tolerances) {
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
        const auto row = static_cast<Eigen::Index>(l);
        residual_[row] = dot(weight(l), Y, n_) - p[l];
        for (std::size_t k = 0; k < m_; ++k)
          matrix_(row, static_cast<Eigen::Index>(k)) = (l == k ? 1.0 : 0.0) - dot(weight(l), &U_[k * n_], n_);
      }
      Eigen::VectorXd change;
      if (m_ == 1) {
        if (!(matrix_(0, 0) > 0)) return false;
        change = residual_ / matrix_(0, 0);
      } else {
        const Eigen::PartialPivLU<Eigen::MatrixXd> lu(matrix_);
        if (!(lu.determinant() > 0)) return false;
        change = lu.solve(residual_);
      }
      if (!change.allFinite()) return false;
      last = p;
      double relative = 0;
      for (std::size_t l = 0; l < m_; ++l) {
        const double d = change[static_cast<Eigen::Index>(l)];
        p[l] += d;
        const double scale = std::max({std::abs(p[l]), magnitude_[l] * 1e-3, tolerances.atol});
        if (d != 0) relative = std::max(relative, std::abs(d) / scale);
      }
      if (iteration > 0) ++stats_.newton_iterations;
      // The remaining error after this correction is quadratic in it.
      if (affine || relative * relative <= 0.01 * tolerances.rtol || relative < 1e-14) {
        for (std::size_t k = 0; k < m_; ++k) {
          const double d = change[static_cast<Eigen::Index>(k)];
          const double* u = &U_[k * n_];
          for (std::size_t i = 0; i < n_; ++i) Y[i] += u[i] * d;
        }
        return true;
      }
    }
    return false;
  }

  const CoupledModes* system_ = nullptr;
  bool fast_ = false, has_g_ = false, moments_known_ = false, extension_known_ = false;
  std::size_t stride_ = 0;
  double h_ = 0, h_kept_ = 0, start_time_ = 0, ratio_ = 0, smallest_rate_ = 0, shift_ = 0;
  mutable double table_h_ = 0;
  std::vector<double> W_;
  mutable std::vector<double> scratch_, E_, V_, G_;
  std::vector<double> A_, u_, g_;
  std::vector<double> rate_, source_, D_, y0_, U_, K_, K_kept_, guess_;
  Eigen::MatrixXd matrix_;
  Eigen::VectorXd residual_;
  kernels::StepMoments moments_, start_moments_;
  std::array<double, 6> state_moments_new_{};
  std::array<double, 5> forcing_{}, forcing_kept_{};
};

Sdirk4::Sdirk4() : engine_(std::make_unique<Engine>()) {}
Sdirk4::~Sdirk4() = default;
Sdirk4::Sdirk4(const Sdirk4& other) : engine_(std::make_unique<Engine>(*other.engine_)) {}
Sdirk4& Sdirk4::operator=(const Sdirk4& other) {
  if (this != &other) engine_ = std::make_unique<Engine>(*other.engine_);
  return *this;
}
Sdirk4::Sdirk4(Sdirk4&&) noexcept = default;
Sdirk4& Sdirk4::operator=(Sdirk4&&) noexcept = default;

void Sdirk4::reset() {
  engine_->reset();
}
void Sdirk4::begin(const CoupledModes& system, std::span<const double> M, double t) {
  engine_->begin(system, M, t);
}
bool Sdirk4::attempt(double h, const Tolerances& tolerances) {
  return engine_->attempt(h, tolerances);
}
void Sdirk4::read_before(double t) {
  engine_->latest_ = std::nextafter(t, -std::numeric_limits<double>::infinity());
}
double Sdirk4::error_ratio() const {
  return engine_->error_ratio();
}
void Sdirk4::accept() {
  engine_->accept();
}
double Sdirk4::time() const {
  return engine_->time_;
}
std::span<const double> Sdirk4::state() const {
  return {engine_->q_.data(), engine_->n_};
}
std::span<const double> Sdirk4::shared() const {
  return engine_->p_;
}
std::span<const double> Sdirk4::magnitude() const {
  return engine_->magnitude_;
}
void Sdirk4::interpolate(double t, std::span<double> M) const {
  engine_->interpolate(t, M);
}
void Sdirk4::interpolate_shared(double t, std::span<double> p) const {
  engine_->interpolate_shared(t, p);
}
void Sdirk4::error(std::span<double> out) const {
  engine_->error(out);
}
double Sdirk4::suggest_step() const {
  return engine_->suggest_step();
}
Statistics& Sdirk4::statistics() {
  return engine_->stats_;
}
const Statistics& Sdirk4::statistics() const {
  return engine_->stats_;
}

void Sdirk4::do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt,
                     state_type& error_estimate) {
  begin(system, M, t);
  // Newton's method stops where it can do no better: the caller gave no tolerance.
  if (!attempt(dt, {1e-26, 0}))
    throw std::runtime_error(fmt::format("sdirk4: no stable step of size {} at t = {}; take a smaller one", dt, t));
  error_estimate.resize(M.size());
  error(error_estimate);
  accept();
  const auto x = state();
  out.assign(x.begin(), x.end());
}
void Sdirk4::do_step(const CoupledModes& system, state_type& M, double t, double dt, state_type& error_estimate) {
  do_step(system, M, t, M, dt, error_estimate);
}
void Sdirk4::do_step(const CoupledModes& system, const state_type& M, double t, state_type& out, double dt) {
  state_type unused;
  do_step(system, M, t, out, dt, unused);
}
void Sdirk4::do_step(const CoupledModes& system, state_type& M, double t, double dt) {
  do_step(system, M, t, M, dt);
}

double StepSize::accepted(double h, double ratio) {
  ratio = std::max(ratio, 1e-10);
  double factor = 0.9 * std::pow(ratio, -1 / order_);
  if (previous_h_ > 0) {
    const double predicted = factor * (h / previous_h_) * std::pow(previous_ratio_ / ratio, 1 / order_);
    factor = std::min(factor, predicted);
  }
  if (after_rejection_) factor = std::min(factor, 1.0);
  after_rejection_ = false;
  previous_h_ = h;
  previous_ratio_ = std::max(ratio, 1e-2);
  factor = std::clamp(factor, 0.2, 5.0);
  // Shrinking a little is not worth new tables either, as long as the next error stays below the tolerance.
  if (factor < hysteresis_ && factor >= 0.93) factor = 1;
  return h * factor;
}

double StepSize::rejected(double h, double ratio) {
  after_rejection_ = true;
  previous_h_ = 0;
  return h * std::clamp(0.9 * std::pow(ratio, -1 / order_), 0.1, 0.9);
}

StepResult Sdirk4Controlled::try_step(const CoupledModes& system, state_type& M, double& t, double& dt) {
  stepper_.begin(system, M, t);
  if (!stepper_.attempt(dt, tolerances_)) {
    ++stepper_.statistics().rejected;
    dt *= 0.25;
    return {false};
  }
  if (stepper_.error_ratio() > 1) {
    ++stepper_.statistics().rejected;
    dt = control_.rejected(dt, stepper_.error_ratio());
    return {false};
  }
  stepper_.accept();
  const auto x = stepper_.state();
  M.assign(x.begin(), x.end());
  t += dt;
  dt = control_.accepted(dt, stepper_.error_ratio());
  return {true};
}

void Sdirk4Controlled::reset() {
  stepper_.reset();
  control_.reset();
}

void Sdirk4DenseOutput::initialize(const state_type& M, double t, double dt) {
  initial_ = M;
  time_ = previous_time_ = t;
  next_step_ = dt;
  started_ = false;
  control_.reset();
}

void Sdirk4DenseOutput::reset() {
  stepper_.reset();
  control_.reset();
}

std::pair<double, double> Sdirk4DenseOutput::do_step(const CoupledModes& system) {
  if (!started_) {
    stepper_.begin(system, initial_, time_);
    if (!(next_step_ > 0)) next_step_ = stepper_.suggest_step();
    started_ = true;
  }
  double h = next_step_;
  for (;;) {
    bool last = false;
    if (time_ + h * 1.0001 >= stop_) {
      h = stop_ - time_;
      last = true;
    }
    if (!(h > 4 * std::numeric_limits<double>::epsilon() * std::abs(time_)))
      throw std::runtime_error(
          fmt::format("sdirk4: the step size fell to {} at t = {}: the solution has a singularity there or the "
                      "tolerance is too small",
                      h, time_));
    if (!stepper_.attempt(h, tolerances_)) {
      ++stepper_.statistics().rejected;
      h *= 0.25;
      continue;
    }
    const double ratio = stepper_.error_ratio();
    if (ratio > 1) {
      ++stepper_.statistics().rejected;
      h = control_.rejected(h, ratio);
      continue;
    }
    stepper_.accept();
    previous_time_ = time_;
    time_ = last ? stop_ : time_ + h;
    const double proposed = control_.accepted(h, ratio);
    // A step cut short by stop_ says little about the next one.
    next_step_ = last ? std::max(proposed, next_step_) : proposed;
    return {previous_time_, time_};
  }
}

void Sdirk4DenseOutput::calc_state(double t, state_type& M) const {
  if (!started_) {
    M = initial_;
    return;
  }
  M.resize(initial_.size());
  stepper_.interpolate(t, M);
}

const Sdirk4DenseOutput::state_type& Sdirk4DenseOutput::current_state() const {
  if (!started_) return initial_;
  const auto x = stepper_.state();
  current_.assign(x.begin(), x.end());
  return current_;
}

const Sdirk4DenseOutput::state_type& Sdirk4DenseOutput::previous_state() const {
  calc_state(previous_time_, previous_);
  return previous_;
}

}  // namespace edgewise::solvers
