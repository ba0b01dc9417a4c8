#include "solvers/adjoint.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {

namespace {

/// The way back: the adjoint state and what it gathers.
class WayBack {
 public:
  WayBack(const ControlledModes& system, std::uint64_t steps, const Functional& functional)
      : system_(system),
        functional_(functional),
        n_(system.size()),
        m_(system.shared()),
        adjoint_(n_, 0.0),
        p_(m_),
        slope_(m_),
        rate_(n_),
        source_(n_),
        response_(n_ * m_) {
    out_.by_control.assign(steps * system.controls(), 0.0);
    out_.by_parameter.assign(system.parameters(), 0.0);
    out_.by_weight.assign(n_ * m_, 0.0);
  }

  /// Adds phi_k and its part of the adjoint state at M(k), k = T first.
  void last(std::uint64_t k, std::span<const double> M) {
    shared_scalars(system_, M, p_);
    add_functional(k);
    spread(M);
  }

  /// From a(k+1) to a(k), M = M(k).
  void step(std::uint64_t k, std::span<const double> M) {
    const auto t = static_cast<double>(k);
    shared_scalars(system_, M, p_);
    system_.coefficients(t, p_, rate_, source_);
    system_.sensitivity(t, p_, M, response_);
    const std::size_t c = system_.controls();
    system_.pull_back(t, p_, M, adjoint_, std::span(out_.by_control).subspan(k * c, c), out_.by_parameter);
    add_functional(k);
    for (std::size_t l = 0; l < m_; ++l) {
      double sum = 0;
      for (std::size_t j = 0; j < n_; ++j) sum += adjoint_[j] * response_[l * n_ + j];
      slope_[l] += sum;
    }
    for (std::size_t i = 0; i < n_; ++i) adjoint_[i] *= 1 - rate_[i];
    spread(M);
  }

  Gradient take() {
    out_.by_start = std::move(adjoint_);
    return std::move(out_);
  }

 private:
  void add_functional(std::uint64_t k) {
    std::ranges::fill(slope_, 0.0);
    out_.value += functional_(k, p_, slope_);
  }
  /// What changes p changes M and W alike: p_l = sum W_li M_i.
  void spread(std::span<const double> M) {
    for (std::size_t l = 0; l < m_; ++l) {
      if (slope_[l] == 0) continue;
      const std::span<const double> w = system_.weights(l);
      for (std::size_t i = 0; i < n_; ++i) {
        adjoint_[i] += w[i] * slope_[l];
        out_.by_weight[l * n_ + i] += M[i] * slope_[l];
      }
    }
  }

  const ControlledModes& system_;
  const Functional& functional_;
  std::size_t n_, m_;
  std::vector<double> adjoint_, p_, slope_, rate_, source_, response_;
  Gradient out_;
};

}  // namespace

Functional final_scalar(std::uint64_t last, std::size_t l) {
  return [last, l](std::uint64_t step, std::span<const double> p, std::span<double> slope) {
    if (step != last) return 0.0;
    slope[l] = 1;
    return p[l];
  };
}

Gradient gradient(const ControlledModes& system, std::span<const double> M0, std::uint64_t steps,
                  const Functional& functional) {
  const std::size_t n = system.size();
  if (M0.size() != n) throw std::invalid_argument("the gradient needs one initial value per mode");
  const auto stride = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::sqrt(static_cast<double>(steps))));
  std::vector<double> p(system.shared()), rate(n), source(n), M(M0.begin(), M0.end());
  const auto forward = [&](std::uint64_t k) {
    shared_scalars(system, M, p);
    advance(system, k, p, M, rate, source);
  };
  std::vector<std::vector<double>> checkpoints;  // M(0), M(stride), ...
  for (std::uint64_t k = 0; k < steps; ++k) {
    if (k % stride == 0) checkpoints.push_back(M);
    forward(k);
  }
  if (std::ranges::any_of(M, [](double x) { return !std::isfinite(x); }))
    throw std::runtime_error("the trajectory diverges: it has no gradient");
  WayBack back(system, steps, functional);
  back.last(steps, M);
  std::vector<std::vector<double>> segment;  // the states of one stretch between checkpoints
  for (std::size_t c = checkpoints.size(); c-- > 0;) {
    const std::uint64_t first = c * stride, end = std::min(first + stride, steps);
    M = checkpoints[c];
    segment.assign(1, M);
    for (std::uint64_t k = first; k + 1 < end; ++k) {
      forward(k);
      segment.push_back(M);
    }
    for (std::uint64_t k = end; k-- > first;) back.step(k, segment[k - first]);
  }
  return back.take();
}

}  // namespace edgewise::solvers
