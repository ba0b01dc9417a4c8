#pragma once
/// \file
/// The nonlinearity phi of an equilibrium z = phi(u), u = W z + h, and averages over the law of its state
/// (docs/theory/networks-and-kernels.md, section 1.5).
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

/// A node of the law of u = xi + c phi(u), xi ~ N(0, q): E f = sum weight f.
struct StateNode {
  double u = 0, z = 0, slope = 0;  ///< u, phi(u), phi'(u)
  double weight = 0;
};
/// Gauss-Legendre (20 points, or 30) on pieces cut at the kinks, no wider than sqrt q, in the variable u, for which xi is
/// explicit. Empty where 1 - c phi' is not positive at every node (u is not a function of xi), or q is not positive.
std::vector<StateNode> state_law(const StateFunction& phi, double q, double c, bool finer = false);
double average(std::span<const StateNode> law, const std::function<double(const StateNode&)>& f);

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
