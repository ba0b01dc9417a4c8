#include "models/equilibrium_network/nonlinear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/equilibrium_network/linear_theory.hpp"
#include "numerics/constants.hpp"
#include "solvers/self_consistency.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double farthest_scale = 1e6;  ///< in units of g where the branch begins to bend
constexpr double rounding = 1e-15;      ///< of c
constexpr double end_rounding = 1e-8;

double stability_of(std::span<const StateNode> law, double g, double c) {
  return g * g * average(law, [c](const StateNode& a) { return std::pow(a.slope / (1 - c * a.slope), 2); });
}

/// lambda^2 = g^2 E (D/(1 - wD))^2, D = phi', with w E (D/(1-wD))^2 = |tau| E D/(1-wD).
double iteration_rate(std::span<const StateNode> law, double g, double tau) {
  double steepest = 0, least = 0;
  for (const StateNode& a : law) {
    steepest = std::max(steepest, a.slope);
    least = std::min(least, a.slope);
  }
  if (tau == 0 || steepest == least) return std::sqrt(stability_of(law, g, 0));
  if (least < 0 && steepest > 0) return nan;
  // -W has the law of W: a phi that falls is as one that rises.
  const double sign = least < 0 ? -1 : 1;
  steepest -= least;
  const auto mean = [&](double w, int power) {
    return average(law, [=](const StateNode& a) { return std::pow(sign * a.slope / (1 - w * sign * a.slope), power); });
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
  const int digits = std::abs(g - edge_at) < 1e-9 * g ? 17 : 10;  // so that they differ
  return std::domain_error(
      fmt::format("outside the stable phase: followed from small scales, the equilibrium of {} ends at the edge g = "
                  "{:.{}g}, before g = {:.{}g}",
                  phi.name, edge_at, digits, g, digits));
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

/// A point of the branch, told by how far the drive's variance q = (1 + gain) q_h exceeds the input's: then
/// g^2 = gain q_h/E phi^2 is explicit, and c = tau g^2 chi one equation.
struct BranchPoint {
  double gain = nan, q = nan, c = nan, g = nan, chi = nan, stability = nan;
  double memory = nan;  ///< tau g^2 chi
  std::vector<StateNode> law;
};

/// From g = 0 on, at any size of the input: neither a small nor a large one, nor the end of the phase, is a special case.
class StateBranch {
 public:
  StateBranch(const Family& family, const StateFunction& phi, double q_h) : tau_(family.tau), phi_(phi), q_h_(q_h) {}

  struct Reached {
    bool at_target = false;
    BranchPoint point;    ///< there, or where the branch ends before
    double farthest = 0;  ///< g beyond which rounding would end the branch
  };

  /// Follows the branch until g (infinite: as far as can be told), or its end: S = 1, or g grows no more with q, or
  /// u = xi + c phi(u) is no function of xi.
  Reached follow(double g) {
    BranchPoint low = start(infinity);
    const double farthest = farthest_scale * low.g;
    if (g < low.g) low = start(g);
    if (low.g == 0) return {true, std::move(low), farthest};
    solvers::ContinuationOptions options;
    options.solver.method = solvers::FixedPointMethod::anderson;
    options.solver.max_iterations = 60;
    options.solver.rtol = rounding;
    options.solver.memory = 1;
    options.margin = [this](double log_gain, auto c) { return 1 - at(std::exp(log_gain), c[0]).stability; };
    options.level = [this](double log_gain, auto c) { return std::log(at(std::exp(log_gain), c[0]).g); };
    options.goal = std::log(std::isinf(g) ? farthest : g);
    const double from = std::log(low.gain), to = std::log(largest);
    options.steps = static_cast<std::size_t>((to - from) / longest_step) + 1;
    const solvers::Branch end = solvers::follow_branch(
        [this](double log_gain, auto c, auto next) { next[0] = at(std::exp(log_gain), c[0]).memory; }, from, to,
        std::array{low.c}, options);
    return {end.status == solvers::FixedPointStatus::converged, at(std::exp(end.parameter), end.point.x[0]), farthest};
  }

 private:
  static constexpr double small_stability = 0.05, smallest = 1e-150, largest = 1e280, longest_step = 0.7;

  /// On the first, contracting part of the branch, below g; g = 0 where phi vanishes or g does.
  BranchPoint start(double g) {
    const BranchPoint first = consistent(smallest), origin = at(0, 0);
    if (!std::isnan(first.g) && !std::isnan(origin.g)) {
      if (first.g == 0 || g == 0) return origin;
      // S and g^2 grow as the gain does.
      double factor =
          std::min(first.stability > 0 ? small_stability / first.stability : infinity, std::pow(g / first.g, 2)) / 2;
      if (std::isinf(factor)) return first;  // a constant phi, which has no edge
      for (int tries = 0; tries < 300; ++tries, factor /= 16)
        if (BranchPoint p = consistent(smallest * factor); p.stability <= small_stability && p.g <= g) return p;
    }
    throw std::domain_error("no number: the input or the nonlinearity is out of range");
  }

  /// c from 0.
  BranchPoint consistent(double gain) {
    solvers::FixedPointOptions options;
    options.method = solvers::FixedPointMethod::anderson;
    options.rtol = rounding;
    const solvers::FixedPoint c =
        solvers::fixed_point([&](auto x, auto next) { next[0] = at(gain, x[0]).memory; }, std::array{0.0}, options);
    return c.converged() ? at(gain, c.x[0]) : BranchPoint{};
  }

  /// Of any c, consistent or not: NaN where there is no state.
  const BranchPoint& at(double gain, double c) {
    if (last_.gain == gain && last_.c == c) return last_;
    last_ = {};
    last_.gain = gain;
    last_.c = c;
    last_.q = q_h_ * (1 + gain);
    last_.law = state_law(phi_, last_.q, c);
    if (last_.law.empty()) return last_;
    const double square = average(last_.law, [](const StateNode& a) { return a.z * a.z; });
    const double chi = average(last_.law, [c](const StateNode& a) { return a.slope / (1 - c * a.slope); });
    if (!std::isfinite(square) || !std::isfinite(chi)) return last_;
    last_.chi = chi;
    // Without a state any g is there.
    last_.g = gain == 0 || square == 0 ? 0 : std::sqrt(q_h_) * std::sqrt(gain) / std::sqrt(square);
    last_.memory = tau_ == 0 || last_.g == 0 ? 0 : tau_ * (q_h_ * gain / square) * chi;
    last_.stability = stability_of(last_.law, last_.g, c);
    return last_;
  }

  double tau_;
  const StateFunction& phi_;
  double q_h_;
  BranchPoint last_;
};

}  // namespace

Equilibrium equilibrium(const Family& family, const StateFunction& phi, double q_h, double g) {
  if (const auto share = phi.linear_share) return share_equilibrium(family, phi, *share, q_h, g);
  const StateBranch::Reached reached = StateBranch(family, phi, q_h).follow(g);
  if (!reached.at_target && reached.point.g > reached.farthest)
    throw std::domain_error(fmt::format("so large a scale, g = {:g}, is beyond what a double can tell", g));
  if (!reached.at_target || reached.point.stability >= 1) throw beyond_edge(phi, reached.point.g, g);
  const BranchPoint& at = reached.point;
  const std::span<const StateNode> law = at.law;
  Equilibrium out;
  out.g = g;
  out.q = at.q;
  out.chi = at.chi;
  out.c = at.c;
  out.length = average(law, [](const StateNode& a) { return a.z * a.z; });
  out.d1 = average(law, [](const StateNode& a) { return a.slope * a.slope; });
  out.d2 = average(law, [](const StateNode& a) { return std::pow(a.slope, 4); });
  out.stability = stability_of(law, g, out.c);
  out.rate = iteration_rate(law, g, family.tau);
  return out;
}

double edge(const Family& family, const StateFunction& phi, double q_h) {
  if (const auto share = phi.linear_share) return share_edge(family, *share);
  const StateBranch::Reached end = StateBranch(family, phi, q_h).follow(infinity);
  return end.at_target ? infinity : end.point.g;
}

JacobianMoments jacobian_moments(const Family& family, const Equilibrium& at) {
  const double inside = 1 - at.g * at.g * at.d1, g4 = std::pow(at.g, 4);
  return {1 / inside, (1 + g4 * (family.kurtosis * at.d1 * at.d1 + at.d2 - 3 * at.d1 * at.d1)) / std::pow(inside, 4)};
}

WidthMoments width_moments(const Family& family, const StateFunction& phi, double q_h, bool gaussian_input,
                           const Equilibrium& at) {
  const std::vector<StateNode> law = state_law(phi, at.q, 0);
  // E z^power He_order(u/sqrt q), which are derivatives of E z^power by q.
  const auto mean = [&](double power, int order) {
    return average(law, [&, root = std::sqrt(at.q)](const StateNode& a) {
      const double y2 = std::pow(a.u / root, 2);
      return std::pow(a.z * a.z, power / 2) * (order == 0 ? 1 : order == 2 ? y2 - 1 : y2 * (y2 - 6) + 3);
    });
  };
  const double G = at.g * at.g, Q = at.length, slope = mean(2, 2) / (2 * at.q), bend = mean(2, 4) / (4 * at.q * at.q);
  const double square = mean(4, 0) - Q * Q, square_slope = mean(4, 2) / (2 * at.q) - 2 * Q * slope;
  // Q = E phi^2 at q = q_h + G Q; derivatives of its solution.
  const double rest = 1 - G * slope, by_input = slope / rest, by_weights = slope * Q / rest;
  const double input_bend = bend / std::pow(rest, 3);
  const double weights_bend = (bend * std::pow(Q / rest, 2) + 2 * slope * by_weights) / rest;
  WidthMoments out{(G * G * bend * square / (rest * rest) + G * square_slope / rest) / (2 * rest) +
                       (family.kurtosis - 2) * G * G * weights_bend,
                   square / (rest * rest) + 2 * (family.kurtosis - 2) * std::pow(G * by_weights, 2),
                   average(law, [Q](const StateNode& a) { return std::pow(a.z * a.z - Q, 4); }) / (square * square)};
  if (gaussian_input) return out;
  out.bias -= q_h * q_h * input_bend;
  out.variance -= 2 * std::pow(q_h * by_input, 2);
  return out;
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
  const PairMoments moments = pair_moments(phi, at.q, at.c, out.correlation, true);
  out.overlap = moments.states;
  out.slopes = moments.slopes;
  return out;
}

TangentKernels tangent_kernels(const PairEquilibrium& pair, double g) {
  const double sigma = g * g * pair.overlap, back = 1 - g * g * pair.slopes;
  return {sigma / back, sigma * pair.slopes / back};
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
