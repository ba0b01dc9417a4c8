#pragma once
/// \file
/// The gradient of a functional of a recursion's whole trajectory, by every step's controls, by parameters, by the weights
/// and by the start, for the price of about three solves.
///
///     J = sum_k phi_k(p(k)),   M(k+1) = F_k(M(k), c_k, q),   p = W M
///     a_i(k) = (1 - rate_i) a_i(k+1) + sum_l W_li [sum_j a_j(k+1) u_lj + dphi_k/dp_l],      u_lj = d(rhs_j)/dp_l
///     dJ/dc_k = sum_j a_j(k+1) d(rhs_j)/dc_k
///
/// with `rhs` of recursion.hpp. The states that the way back needs are computed again from checkpoints every sqrt(T) steps:
/// 2 sqrt(T) states are held, and every step is taken twice.
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "solvers/recursion.hpp"

namespace edgewise::solvers {

/// A coupled-mode system that says how its right-hand side depends on what can be set.
class ControlledModes : public CoupledModes {
 public:
  /// Numbers that are set anew at every step, e.g. 1 for a learning rate.
  virtual std::size_t controls() const { return 1; }
  /// Numbers q that act at every step alike, e.g. a batch size.
  virtual std::size_t parameters() const { return 0; }
  /// Adds sum_j a_j d(rhs_j)/dc to `by_control` and sum_j a_j d(rhs_j)/dq to `by_parameter`, at fixed M and p.
  virtual void pull_back(double t, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                         std::span<double> by_control, std::span<double> by_parameter) const = 0;
};

/// phi_k(p), whose derivatives by p are written to `slope` (zero on entry).
using Functional = std::function<double(std::uint64_t step, std::span<const double> p, std::span<double> slope)>;

struct Gradient {
  double value = 0;                ///< J
  std::vector<double> by_control;  ///< dJ/dc_k, [step * controls + c], steps 0..T-1
  std::vector<double> by_parameter;
  std::vector<double> by_start;   ///< dJ/dM_i(0)
  std::vector<double> by_weight;  ///< dJ/dW_li at fixed coefficients, [l * n + i]; the chain rule to the spectrum
};

/// phi_T(p) alone: the shared scalar `l` at the last step.
Functional final_scalar(std::uint64_t last, std::size_t l = 0);

/// \param steps T; phi is asked at 0..T.
/// \throws std::invalid_argument for sizes that do not fit, std::runtime_error where the trajectory diverges.
Gradient gradient(const ControlledModes& system, std::span<const double> M0, std::uint64_t steps,
                  const Functional& functional);

}  // namespace edgewise::solvers
