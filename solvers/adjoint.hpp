#pragma once
/// \file
/// The gradient of a functional of a recursion's whole trajectory, by every step's controls, by parameters, by the weights
/// and by the start, for the price of two to four solves.
///
///     J = sum_k phi_k(p(k)),   M(k+1) = F_k(M(k), c_k, q),   p = W M
///     a_i(k) = (1 - rate_i) a_i(k+1) + sum_l W_li [sum_j a_j(k+1) u_lj + dphi_k/dp_l],      u_lj = d(rhs_j)/dp_l
///     dJ/dc_k = sum_j a_j(k+1) d(rhs_j)/dc_k
///
/// with rhs_i = M_i(k+1) - M_i(k). The way back needs all states: short runs hold them, of long ones the states at checkpoints
/// are held, between which every step is taken twice (Checkpoints).
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace edgewise::solvers {

/// Modes that feel each other through a few shared scalars p = W M, step by step, and the way back over a step.
class ControlledModes {
 public:
  virtual ~ControlledModes() = default;
  virtual std::size_t size() const = 0;
  /// Number m of shared scalars.
  virtual std::size_t shared() const { return 1; }
  /// Row l of W.
  virtual std::span<const double> weights(std::size_t l) const = 0;
  /// Numbers that are set anew at every step, e.g. 1 for a learning rate.
  virtual std::size_t controls() const { return 1; }
  /// Numbers q that act at every step alike, e.g. a batch size.
  virtual std::size_t parameters() const { return 0; }
  /// M(k+1), written to `to`, which may be M(k) itself, and p(k+1), written to `next`.
  virtual void step(std::uint64_t k, std::span<const double> p, std::span<const double> M, std::span<double> to,
                    std::span<double> next) const = 0;
  /// Back over step k: to the adjoint state `a` adds sum_l W_li lift_l, which is then a(k+1); of it sum_j a_j u_lj is added
  /// to slope_l, sum_j a_j d(rhs_j)/dc to `by_control`, sum_j a_j d(rhs_j)/dq to `by_parameter`; what is left is
  /// (1 - rate_i) a_i.
  virtual void step_back(std::uint64_t k, std::span<const double> p, std::span<const double> M,
                         std::span<const double> lift, std::span<double> a, std::span<double> slope,
                         std::span<double> by_control, std::span<double> by_parameter) const = 0;
};

/// phi_k(p), whose derivatives by p are written to `slope` (zero on entry).
using Functional = std::function<double(std::uint64_t step, std::span<const double> p, std::span<double> slope)>;

/// The states of a run that its way back starts from: every one while they take 16 MiB or less, else as many as do, but
/// no fewer than sqrt(steps) and no more than leave stretches of 512 kB between them. A thread's next run uses the memory of
/// its last short one again.
class Checkpoints {
 public:
  /// \param size  numbers of one state
  Checkpoints(std::uint64_t steps, std::size_t size);
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;
  std::uint64_t stride() const { return stride_; }
  /// Whether all are held.
  bool all() const { return stride_ == 1; }
  /// The last step at or before k whose state is held.
  std::uint64_t held_before(std::uint64_t k) const { return k / stride_ * stride_; }
  /// Where the state before step k is held, k = 0, stride, 2 stride, ...; of what is held one state follows another.
  double* at(std::uint64_t held) const { return memory_.get() + held / stride_ * size_; }
  /// The way back, one stretch of steps after another from the last on: back(first, end, states) is given the states before
  /// the steps first .. end - 1, one after another. Where not all are held again(first, end, states) computes those
  /// after the first of them.
  template <class Again, class Back>
  void backwards(Again again, Back back) const {
    if (all()) {
      if (steps_ > 0) back(std::uint64_t{0}, steps_, at(0));
      return;
    }
    double* const stretch = memory_.get() + (steps_ / stride_ + 1) * size_;
    for (std::uint64_t end = steps_; end > 0;) {
      const std::uint64_t first = held_before(end - 1);
      std::copy_n(at(first), size_, stretch);
      again(first, end, stretch);
      back(first, end, stretch);
      end = first;
    }
  }

 private:
  std::uint64_t steps_, stride_;
  std::size_t size_, capacity_;
  std::unique_ptr<double[]> memory_;
};

struct Gradient {
  double value = 0;                ///< J; inf where the run was refused, and then nothing else is set
  std::vector<double> by_control;  ///< dJ/dc_k, [step * controls + c], steps 0..T-1
  std::vector<double> by_parameter;
  std::vector<double> by_start;  ///< dJ/dM_i(0)
  /// dJ/dW_li at fixed coefficients, [l * n + i], for the chain rule to the spectrum; empty unless asked for.
  std::vector<double> by_weight;
};

/// phi_T(p) alone: the shared scalar `l` at the last step.
Functional final_scalar(std::uint64_t last, std::size_t l = 0);

/// Asked at every step from the first on; where it says no, the run is of no use and ends.
using Accept = std::function<bool(std::uint64_t step, std::span<const double> p)>;

/// \param steps T; phi is asked at T..0. \param accept  may be empty \param by_weight  whether that is asked for
/// \throws std::invalid_argument for sizes that do not fit, std::runtime_error where the trajectory diverges.
Gradient gradient(const ControlledModes& system, std::span<const double> M0, std::uint64_t steps,
                  const Functional& functional, const Accept& accept = {}, bool by_weight = false);

}  // namespace edgewise::solvers
