#include "models/equilibrium_network/nonlinear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "models/equilibrium_network/linear_theory.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "solvers/self_consistency.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double farthest_scale = 1e6;
constexpr double rounding = 1e-15;
constexpr double end_rounding = 1e-8;
constexpr std::uint64_t longest_iteration = 2000;

/// g = s/(1 - s): the branch is followed in s, whose steps are fine where g is small and coarse where it is large.
double scale_at(double s) {
  return s / (1 - s);
}
double place_of(double g) {
  return g / (1 + g);
}

double stability_of(std::span<const StateNode> law, double g, double c) {
  return g * g * average(law, [c](const StateNode& a) { return std::pow(a.slope / (1 - c * a.slope), 2); });
}

/// lambda^2 = g^2 E (D/(1 - wD))^2, D = phi', with w E (D/(1-wD))^2 = |tau| E D/(1-wD).
double iteration_rate(std::span<const StateNode> law, double g, double tau) {
  double steepest = 0, least = infinity;
  for (const StateNode& a : law) {
    steepest = std::max(steepest, a.slope);
    least = std::min(least, a.slope);
  }
  if (tau == 0 || steepest == 0) return std::sqrt(stability_of(law, g, 0));
  if (least < 0) return nan;
  const auto mean = [&](double w, int power) {
    return average(law, [=](const StateNode& a) { return std::pow(a.slope / (1 - w * a.slope), power); });
  };
  const solvers::FixedPoint w = solvers::bracketed(
      [&](double x) { return x * mean(x, 2) - std::abs(tau) * mean(x, 1); }, 0, (1 - 1e-12) / steepest);
  if (!w.converged()) return nan;
  return g * std::sqrt(mean(w.x[0], 2));
}

double share_edge(const Family& family, double share) {
  return linear_edge(family) / std::sqrt(share);
}

std::domain_error beyond_edge(const StateFunction& phi, double edge_at, double g) {
  return std::domain_error(
      fmt::format("outside the stable phase: followed from small scales, the equilibrium of {} ends at the edge g = "
                  "{:.10g}, before g = {:.10g}",
                  phi.name, edge_at, g));
}

Equilibrium share_equilibrium(const Family& family, const StateFunction& phi, double share, double q_h, double g) {
  const double as_linear = g * std::sqrt(share), radius = as_linear * (1 + std::abs(family.tau));
  if (!(as_linear < linear_edge(family))) throw beyond_edge(phi, share_edge(family, share), g);
  const LinearMoments m = linear_moments(family, as_linear);
  Equilibrium out;
  out.g = g;
  out.chi = share * m.gamma;
  out.c = family.tau * as_linear * m.gamma * as_linear;
  out.length = share * q_h * m.m1;
  out.q = q_h * m.m1 / m.gamma / m.gamma;
  out.d1 = out.d2 = share;
  out.stability = std::pow(as_linear * m.gamma, 2);
  out.rate = radius;
  return out;
}

struct StateBranch {
  const Family& family;
  const StateFunction& phi;
  double q_h;

  solvers::Branch follow(double from, double to, std::span<const double> start) const {
    solvers::ContinuationOptions options;
    options.steps = 64;
    options.solver.max_iterations = 50;
    options.solver.rtol = 1e-12;
    options.solver.inside = [this](std::span<const double> x) { return x[0] >= q_h * (1 - 1e-9); };
    options.holds = [this](double s, std::span<const double> x) {
      const double g = scale_at(s), c = family.tau * g * g * x[1];
      const std::vector<StateNode> law = state_law(phi, x[0], c);
      return !law.empty() && stability_of(law, g, c) < 1;
    };
    const auto map = [this](double s, std::span<const double> x, std::span<double> next) {
      next[0] = next[1] = nan;
      const double g = scale_at(s), c = family.tau * g * g * x[1];
      const std::vector<StateNode> law = state_law(phi, x[0], c);
      if (law.empty()) return;
      next[0] = q_h + g * g * average(law, [](const StateNode& a) { return a.z * a.z; });
      next[1] = average(law, [c](const StateNode& a) { return a.slope / (1 - c * a.slope); });
    };
    return solvers::follow_branch(map, from, to, start, options);
  }

  std::array<double, 2> origin() const {
    const std::vector<StateNode> law = state_law(phi, q_h, 0);
    if (law.empty()) throw std::domain_error("no number: the input or the nonlinearity is out of range");
    return {q_h, average(law, [](const StateNode& a) { return a.slope; })};
  }
};

}  // namespace

Equilibrium equilibrium(const Family& family, const StateFunction& phi, double q_h, double g) {
  if (const auto share = phi.linear_share) return share_equilibrium(family, phi, *share, q_h, g);
  const StateBranch branch{family, phi, q_h};
  const solvers::Branch reached = branch.follow(0, place_of(g), branch.origin());
  if (reached.status != solvers::FixedPointStatus::converged) throw beyond_edge(phi, scale_at(reached.parameter), g);
  Equilibrium out;
  out.g = g;
  out.q = reached.point.x[0];
  out.chi = reached.point.x[1];
  out.c = family.tau * g * g * out.chi;
  const std::vector<StateNode> law = state_law(phi, out.q, out.c);
  out.length = average(law, [](const StateNode& a) { return a.z * a.z; });
  out.d1 = average(law, [](const StateNode& a) { return a.slope * a.slope; });
  out.d2 = average(law, [](const StateNode& a) { return std::pow(a.slope, 4); });
  out.stability = stability_of(law, g, out.c);
  out.rate = iteration_rate(law, g, family.tau);
  return out;
}

double edge(const Family& family, const StateFunction& phi, double q_h, const Equilibrium& from) {
  if (const auto share = phi.linear_share) return share_edge(family, *share);
  const StateBranch branch{family, phi, q_h};
  const solvers::Branch end = branch.follow(place_of(from.g), place_of(farthest_scale), std::array{from.q, from.chi});
  return end.status == solvers::FixedPointStatus::converged ? infinity : scale_at(end.parameter);
}

double edge(const Family& family, const StateFunction& phi, double q_h) {
  if (const auto share = phi.linear_share) return share_edge(family, *share);
  const std::array<double, 2> origin = StateBranch{family, phi, q_h}.origin();
  Equilibrium start;
  start.q = origin[0];
  start.chi = origin[1];
  return edge(family, phi, q_h, start);
}

JacobianMoments jacobian_moments(const Family& family, const Equilibrium& at) {
  const double inside = 1 - at.g * at.g * at.d1, g4 = std::pow(at.g, 4);
  return {1 / inside, (1 + g4 * (family.kurtosis * at.d1 * at.d1 + at.d2 - 3 * at.d1 * at.d1)) / std::pow(inside, 4)};
}

PairEquilibrium pair_equilibrium(const StateFunction& phi, double q_h, double rho_h, const Equilibrium& at) {
  const auto correlation = [&](double rho) {
    return (q_h * rho_h + at.g * at.g * pair_moments(phi, at.q, at.c, rho).states) / at.q;
  };
  PairEquilibrium out;
  // The two states are one, up to the sign.
  if (rho_h == 1 || (rho_h == -1 && phi.odd)) {
    out.correlation = rho_h;
    out.overlap = rho_h * at.length;
    out.slopes = pair_moments(phi, at.q, at.c, rho_h).slopes;
    return out;
  }
  const solvers::FixedPoint found = solvers::bracketed([&](double rho) { return correlation(rho) - rho; }, -1, 1);
  // There always is a root; at an end of the bracket rounding may take the sign change away.
  if (!found.converged() && !(found.status == solvers::FixedPointStatus::no_bracket && found.residual < end_rounding))
    throw std::domain_error(fmt::format("the kernel of two inputs was not found: {}", name(found.status)));
  out.correlation = found.x[0];
  const PairMoments moments = pair_moments(phi, at.q, at.c, out.correlation);
  out.overlap = moments.states;
  out.slopes = moments.slopes;
  return out;
}

TangentKernels tangent_kernels(const PairEquilibrium& pair, double g) {
  const double sigma = g * g * pair.overlap, back = 1 - g * g * pair.slopes;
  return {sigma / back, sigma * pair.slopes / back};
}

std::vector<double> nonlinear_lengths(const StateFunction& phi, double q_h, double g,
                                      const std::vector<std::uint64_t>& depths) {
  std::vector<double> out;
  double length = 0, change = 0, ratio = 0;
  std::uint64_t k = 0;
  for (const std::uint64_t depth : depths) {
    for (; k < std::min(depth, longest_iteration) && !(k > 0 && std::abs(change) <= rounding * length); ++k) {
      const double next =
          average(state_law(phi, q_h + g * g * length, 0), [](const StateNode& a) { return a.z * a.z; });
      ratio = change != 0 ? (next - length) / change : 0;
      change = next - length;
      length = next;
    }
    // From there on what is left falls by one factor an iteration: change (ratio + ratio^2 + ...).
    const double further = k == longest_iteration ? static_cast<double>(depth - k) : 0;
    out.push_back(length + change * ratio * (ratio == 1 ? further : (1 - std::pow(ratio, further)) / (1 - ratio)));
  }
  return out;
}

double quadrature_error(const StateFunction& phi, const Equilibrium& at) {
  if (phi.linear_share) return 0;
  const std::vector<StateNode> fine = state_law(phi, at.q, at.c, true);
  const auto off = [&](double value, const std::function<double(const StateNode&)>& f) {
    const double finer = average(fine, f);
    return finer == value ? 0 : std::abs(value / finer - 1);
  };
  return std::max(off(at.length, [](const StateNode& a) { return a.z * a.z; }),
                  off(at.d1, [](const StateNode& a) { return a.slope * a.slope; }));
}

}  // namespace edgewise::models::equilibrium_network
