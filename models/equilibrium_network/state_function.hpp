#pragma once
/// \file
/// The nonlinearity phi of an equilibrium z = phi(u), u = W z + h, and averages over the law of its state
/// (docs/theory/networks-and-kernels.md, section 1.5).
#include <cmath>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace edgewise::models::equilibrium_network {

struct StateFunction {
  std::string name;
  std::function<double(double)> value, slope;  ///< phi and phi'
  std::vector<double> kinks;                   ///< where phi' jumps, increasing
  bool odd = false;                            ///< whether phi(-u) = -phi(u) is known
  /// Given where phi(u) = u phi'(u) with phi' 1 with this probability and else 0: the equilibrium is that of a linear
  /// network of scale g sqrt share, in closed form. Without it the same phi goes through the solver.
  std::optional<double> linear_share;
  bool linear() const { return linear_share == 1.0; }
  /// Between its kinks, and to a distance of 1.5 from the real line there.
  bool analytic() const { return name != "formula"; }
  bool smooth() const { return kinks.empty() && analytic(); }
};

/// linear, tanh, erf (erf(u/sqrt 2)), relu, hard-tanh, gelu.
const std::vector<std::string>& state_function_names();
/// One of those.
StateFunction state_function(const std::string& name);
/// phi from a formula in u, with kinks where the user says; phi' by differences of fourth order, on one side of a kink.
/// \throws std::invalid_argument for a formula that cannot be read, is not finite where it is looked at, or jumps.
StateFunction custom_state_function(const std::string& formula, std::vector<double> kinks);

/// phi(s u)/s, which is phi of states counted in units of s > 0.
StateFunction in_units(const StateFunction& phi, double s);

/// A node of the law of u = xi + c phi(u), xi ~ N(0, q): E f = sum weight f.
struct StateNode {
  double u = 0, z = 0, slope = 0;  ///< u, phi(u), phi'(u)
  double weight = 0;
};
/// Gauss-Legendre (20 points, or 30) on pieces cut at the kinks, no wider than sqrt q, in the variable u, for which xi is
/// explicit. Empty where 1 - c phi' is not positive at every node (u is not a function of xi), or q is not positive.
std::vector<StateNode> state_law(const StateFunction& phi, double q, double c, bool finer = false);
template <class F>
double average(std::span<const StateNode> law, const F& f) {
  double sum = 0;
  for (const StateNode& node : law) sum += node.weight * f(node);
  return sum;
}

/// E phi(u)^2 of u ~ N(0, q); NaN as `state_law` is empty.
double mean_square_state(const StateFunction& phi, double q);

/// f(u) of a law in the normalised Hermite polynomials of its drive xi/sqrt q ~ N(0, 1), as far as asked: of two drives of
/// correlation rho, E f f' = sum a_j^2 rho^j (Mehler), and what is left out is at most (E f^2 - sum a_j^2) |rho|^j.
class DriveSeries {
 public:
  DriveSeries() = default;
  /// \param law  of `state_law` at q and c
  template <class F>
  DriveSeries(std::span<const StateNode> law, double q, double c, const F& f) {
    for (const StateNode& a : law) add((a.u - c * a.z) / std::sqrt(q), a.weight, f(a));
  }
  /// E f f'; NaN where that takes more than 600 terms, or more than the rule of the law resolves.
  double overlap(double rho);
  /// E (f - f')^2 of two laws of one f whose drives have correlation 1 - apart, without cancellation; NaN likewise.
  static double square_distance(DriveSeries& a, DriveSeries& b, double apart);

 private:
  void add(double y, double weight, double f);
  bool extend();  ///< by one term; false at the end

  std::vector<double> y_, product_, before_, now_;  ///< nodes; weight f; two polynomials
  std::vector<double> terms_;                       ///< a_j
  double square_ = 0, rest_ = 0;                    ///< E f^2, and of it what the terms leave
  double most_terms_ = 600;
};

/// E z z' and E s s', s = phi'/(1 - c phi'), of two states of one variance q whose drives xi, xi' have correlation rho
/// in [-1, 1].
struct PairMoments {
  double states = 0, slopes = 0;
};
/// \param fine  slopes too where sqrt q is over 1e10, to which a share below 1e-10 of the inputs contributes
PairMoments pair_moments(const StateFunction& phi, double q, double c, double rho, bool fine = false);

/// E (phi(u + drift u + spread x) - phi(u))^2 of u ~ N(0, q) and x ~ N(0, 1), relative to some 1e-16/drift.
double mean_square_change(const StateFunction& phi, double q, double drift, double spread);

}  // namespace edgewise::models::equilibrium_network
