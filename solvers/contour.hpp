#pragma once
/// \file
/// Any time at once: time-invariant rank-one coupled systems by inversion of their Laplace (or z-) transform.
///
///     flow   ds_i/dt = -decay_i s_i + input_i (p + source)             p = sum_i weight_i s_i
///     map    s_i'    = (1 - decay_i) s_i + input_i (p + source)
///
/// The resolvent is known in closed form (diagonal plus rank one), so p(t) is a contour integral of an explicit
/// function. On the hyperbola of Weideman & Trefethen (2007, Math. Comp. 76, "Parabolic and hyperbolic contours") the
/// trapezoidal rule converges as 10.13^(-N) with N function values of cost O(n), at any t and any stiffness. All
/// singularities lie on the real axis: the system is similar to a symmetric one.
///
/// What comes of the initial state and what the source excites are inverted each on its own contour, the first shifted
/// to the leading eigenvalue, so that exponentially small (or large) solutions keep their relative accuracy. Where that
/// is not enough (p falls by many decades otherwise) the sum over the eigenvalues takes over (rank_one_modes.hpp), and
/// where nothing couples p is a plain sum of exponentials.
#include <complex>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace edgewise::solvers {

/// A map's decay may exceed 1 only a little: factors 1 - decay near -1 alternate for ever, and no contour that avoids
/// the negative axis sees them.
inline constexpr double largest_map_decay = 1.25;

/// A rank-one coupled system; vectors have one entry per mode; input >= 0, weight >= 0.
struct RankOneSystem {
  enum class Kind { flow, map };
  Kind kind = Kind::flow;
  std::vector<double> decay, input, weight, initial;
  double source = 0;
};

/// One of the N nodes, in the upper half plane, of the hyperbola for time t.
struct ContourNode {
  std::complex<double> z;       ///< argument of the transform: s for a flow, e^s - 1 for a map
  std::complex<double> factor;  ///< weight times e^((s - shift) t), and e^s for a map
};
/// Node j = 0..N-1. With f(t) = e^(shift t) sum_j Im(factor_j F(z_j)) the rule inverts the transform F of a real f: the
/// Laplace transform, or for a map sum_k f(k) e^(-s (k+1)). `shift` is the real part about which the contour is laid.
ContourNode contour_node(RankOneSystem::Kind kind, std::size_t j, std::size_t nodes, double t, double shift);
/// How many nodes give this many digits.
std::size_t contour_nodes(double digits);

/// Whether the system can be evaluated at any time: flows always; maps without coupling; else maps whose decays are at
/// most largest_map_decay and whose leading factor outweighs those below 0.
bool invertible(const RankOneSystem& system);

class RankOneModes;

/// Evaluates a RankOneSystem at arbitrary times.
class Contour {
 public:
  /// `rtol` is the relative accuracy asked of p; with three digits to spare it chooses the number of nodes, at most 15,
  /// where rounding takes over. \throws std::invalid_argument on bad input or where the system is not invertible.
  explicit Contour(RankOneSystem system, double rtol = 1e-11);
  ~Contour();
  Contour(Contour&&) noexcept;
  Contour& operator=(Contour&&) noexcept;

  /// Earliest time at which a map may be evaluated (steps); earlier ones must be iterated. 0 for a flow.
  double earliest() const;
  /// log of the asymptotic growth factor per unit time: the leading eigenvalue of the source-free system.
  double growth_rate() const { return growth_; }
  /// p at time t (a whole number for a map), t > 0.
  double shared(double t) const;
  /// sum_i w_i s_i(t) for each row w of `functionals`; out[0] is always p. Returns the estimated relative error of p.
  double functionals(double t, std::span<const std::vector<double>> rows, std::span<double> out) const;
  /// All s_i(t).
  void state(double t, std::span<double> s) const;
  std::size_t nodes() const { return nodes_; }
  std::size_t evaluations() const { return evaluations_; }
  /// Estimated relative error of the worst p so far: what the terms of the rule lose by cancelling. It exceeds rtol
  /// only where p falls much faster than 1/t over very long times and there are too many modes for their eigenvalues.
  double error_estimate() const { return error_estimate_; }

 private:
  /// What of the system is inverted together, about which point.
  struct Part {
    double shift = 0, source = 0;
    bool initial = true;
  };
  std::vector<Part> parts() const;
  /// Adds a part's p and functionals to `out`; returns the absolute error of its p.
  double add(const Part& part, double t, std::span<const std::vector<double>> rows, std::span<double> out) const;
  void add_state(const Part& part, double t, std::span<double> s) const;
  const RankOneModes* modes() const;

  RankOneSystem system_;
  std::size_t nodes_ = 0;
  std::size_t size_ = 0;
  double rtol_ = 0;
  double growth_ = 0;
  bool coupled_ = false;
  mutable std::size_t evaluations_ = 0;
  mutable double error_estimate_ = 0;
  mutable std::unique_ptr<RankOneModes> modes_;  // made when first needed
  std::vector<double> padded_decay_;
  std::vector<double> initial_products_, input_products_;  // weight * initial, weight * input (padded)
};

/// Leading eigenvalue of diag(-decay) + input weight' as a shift x > 0 above -min(decay) of the coupled modes:
/// the root of 1 = sum_i input_i weight_i / (x + decay_i - decay_min). Accurate relative to x. 0 when nothing couples.
double leading_shift(std::span<const double> decay, std::span<const double> input, std::span<const double> weight);

}  // namespace edgewise::solvers
