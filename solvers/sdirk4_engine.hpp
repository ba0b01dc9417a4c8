#pragma once
/// \file
/// One step of Sdirk4, of which sdirk4.hpp shows the face: sdirk4_engine.cpp keeps the state from step to step,
/// sdirk4_linear.cpp is the step of an affine autonomous system with one shared scalar, sdirk4_newton.cpp that of any
/// other.
#include <array>
#include <limits>
#include <span>
#include <vector>

#include "linear_algebra/lu.hpp"
#include "solvers/mode_kernels.hpp"
#include "solvers/mode_sums.hpp"
#include "solvers/sdirk4.hpp"

namespace edgewise::solvers {

/// The method's coefficients.
namespace sdirk4_table {
inline constexpr double gamma = 0.25;
inline constexpr std::array<double, 5> c = {1.0 / 4, 3.0 / 4, 11.0 / 20, 1.0 / 2, 1.0};
inline constexpr double a[5][5] = {{gamma, 0, 0, 0, 0},
                                   {1.0 / 2, gamma, 0, 0, 0},
                                   {17.0 / 50, -1.0 / 25, gamma, 0, 0},
                                   {371.0 / 1360, -137.0 / 2720, 15.0 / 544, gamma, 0},
                                   {25.0 / 24, -49.0 / 48, 125.0 / 16, -85.0 / 12, gamma}};
inline constexpr std::array<double, 5> error = {25.0 / 24 - 59.0 / 48, -49.0 / 48 + 17.0 / 96, 125.0 / 16 - 225.0 / 32,
                                                0.0, 1.0 / 4};
}  // namespace sdirk4_table

class Sdirk4::Engine {
 public:
  void reset() { system_ = nullptr; }
  void begin(const CoupledModes& system, std::span<const double> M, double t);
  bool attempt(double h, const Tolerances& tolerances);
  void accept();
  void interpolate(double t, std::span<double> M) const;
  void interpolate_shared(double t, std::span<double> p) const;
  void error(std::span<double> out) const;
  double suggest_step();

  double time_ = 0;
  double latest_ = std::numeric_limits<double>::infinity();  // coefficients are not read beyond
  double ratio_ = 0;
  Statistics stats_;
  std::size_t n_ = 0, m_ = 0;
  std::vector<double> q_, q_new_, p_, p_new_, magnitude_, magnitude_new_;

 private:
  const double* weight(std::size_t l) const { return W_.data() + l * stride_; }
  void bind(const CoupledModes& system);

  // Affine, autonomous, one shared scalar.
  void bind_linear();
  bool attempt_linear(const Tolerances& tolerances);
  void accept_linear();
  void interpolate_linear(const std::array<double, 5>& weights, std::span<double> M) const;
  double interpolate_shared_linear(const std::array<double, 5>& weights) const;
  void error_linear(std::span<double> out) const;

  // Any other.
  void bind_general();
  bool attempt_general(const Tolerances& tolerances);
  bool solve_stage(double t, double hg, std::vector<double>& p, const Tolerances& tolerances);
  bool newton_change();

  const CoupledModes* system_ = nullptr;
  bool fast_ = false, extension_known_ = false;
  std::size_t stride_ = 0;
  double h_ = 0, h_kept_ = 0, start_time_ = 0;
  std::vector<double> W_;

  bool has_g_ = false, moments_known_ = false;
  double smallest_rate_ = 0, shift_ = 0;
  std::vector<double> A_, u_, g_;
  double table_h_ = 0;
  std::vector<double> E_, V_, G_;
  mutable std::vector<double> scratch_;
  kernels::StepMoments moments_, start_moments_;
  std::array<double, 6> state_moments_new_{};
  std::array<double, 5> forcing_{}, forcing_kept_{};

  std::vector<double> rate_, source_, D_, y0_, U_, K_, K_kept_, guess_;
  std::vector<double> matrix_, change_;  // of Newton's method: 1 - W D U, column by column, and the residual
  linear_algebra::Lu<double> lu_;
};

}  // namespace edgewise::solvers
