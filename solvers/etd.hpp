#pragma once
/// \file
/// Exponential time differencing by collocation (docs/theory/least-squares-sgd.md, section 8 (i)) for coupled modes
/// whose rates are constant.
///
/// Over a step the source is the polynomial through the start and s Radau points; every mode is propagated exactly,
///   M_i(t + c h) = e^{-A_i c h} M_i(t) + h int_0^c e^{-A_i h (c - x)} source_i(x) dx,
/// and what is left to solve are the s values of each shared scalar: a linear system if the source is affine in p,
/// Newton's method if not. Steps are therefore limited by how fast p(t) bends, never by the rates.
///
/// Rates that depend on t or p (schedules of the step size, adaptive methods) are refused: use sdirk4. Sources may
/// depend on t.
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "linear_algebra/lu.hpp"
#include "solvers/coupled_modes.hpp"
#include "solvers/odeint_concepts.hpp"
#include "solvers/step_control.hpp"

namespace edgewise::solvers {

/// Odeint's dense output stepper. Dense output evaluates the collocation formula, which is as accurate inside a step as
/// at its stages; a state costs O(n).
class EtdDenseOutput {
 public:
  using state_type = std::vector<double>;
  using deriv_type = std::vector<double>;
  using value_type = double;
  using time_type = double;
  using stepper_category = boost::numeric::odeint::dense_output_stepper_tag;

  /// `stages` s = 2, 3 or 4; anything else throws std::invalid_argument.
  explicit EtdDenseOutput(Tolerances tolerances = {}, std::size_t stages = 4);

  void initialize(const state_type& M, double t, double dt);
  /// Takes one step. Throws std::invalid_argument if a rate is found to vary, std::runtime_error if the step size
  /// falls below the spacing of doubles at t.
  std::pair<double, double> do_step(const CoupledModes& system);
  void stop_at(double t) { control_.stop_at(t); }

  void calc_state(double t, state_type& M) const;
  /// After the first step only.
  void calc_shared(double t, std::span<double> p) const;
  const state_type& current_state() const;
  std::span<const double> current_shared() const { return p_; }
  double current_time() const { return control_.time(); }
  const state_type& previous_state() const;
  double previous_time() const { return control_.previous_time(); }
  double current_time_step() const { return control_.next_step(); }
  /// Forgets the system's coefficients; call it after changing the system in place.
  void reset();
  const Statistics& statistics() const { return stats_; }

 private:
  void bind(const CoupledModes& system);
  void tabulate(double h);
  bool attempt(double h);
  bool attempt_linear();
  bool attempt_newton();
  /// Sources at all stages of the present guess; false where one is not finite.
  bool evaluate_stages();
  /// Newton's matrix and residual at the present guess.
  void assemble_newton();
  /// State, dense output and error of the converged step; false where they are not finite.
  bool end_of_step();
  void evaluate_sources(std::size_t node, double t, std::span<const double> p, std::span<const double> M);
  void propagate(std::size_t stage, double* out) const;
  void dense(double t, std::vector<double>& M) const;

  Tolerances tolerances_;
  std::size_t s_;
  std::array<double, 5> node_{};                   // 0, c_1..c_s
  std::array<std::array<double, 5>, 5> lagrange_;  // ell_l(x) = sum_m lagrange_[l][m] x^m
  std::array<double, 5> dropped_{};                // x prod_{i >= 2} (x - c_i): what leaving out c_1 changes
  double caution_;                                 // how much larger than the tolerance the error estimate may be
  Statistics stats_;
  StepControl control_;

  const CoupledModes* system_ = nullptr;
  bool linear_ = false, started_ = false, stepped_ = false;
  std::size_t n_ = 0, m_ = 0, stride_ = 0;
  double h_ = 0, table_h_ = 0, ratio_ = 0, shift_ = 0, smallest_rate_ = 0, largest_rate_ = 0;
  bool has_g_ = false, sums_known_ = false;
  std::vector<double> A_, u_, g_, W_;             // W_: row-major m x stride
  std::vector<double> decay_, moments_;           // s x stride; s x (s+1) x stride (linear: last stage only)
  std::array<std::array<double, 5>, 4> kappa_{};  // linear: c_k^{m+1} h sum w u J_m(c_k z)
  std::array<double, 4> kappa_g_{};               // linear: c_k h sum w g J_0(c_k z)
  std::array<double, 4> sums_{}, sums_new_{};
  std::array<double, 5> polynomial_{}, polynomial_kept_{};  // linear: p + shift over the step, in powers of x
  std::vector<double> sources_, slopes_, coefficients_;     // Newton: (s+1) x stride; s x m x stride; (s+1) x stride
  std::vector<double> coefficients_kept_, phi_;             // Newton: weights Phi_kl, s x (s+1) x stride
  std::vector<double> q_, q_new_, p_, p_new_, stage_p_;
  mutable std::vector<double> scratch_, dense_decay_, dense_moments_;
  std::vector<double> rate_;
  std::vector<double> matrix_, unknown_;  // the system of the stages, column by column, and its right-hand side
  linear_algebra::Lu<double> lu_;
  state_type initial_;
  mutable state_type current_, previous_;
};

}  // namespace edgewise::solvers
