#include "models/equilibrium_network/state_function.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "models/ingredients/networks/activations.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "settings/expression.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double gaussian_reach = 9;   ///< standard deviations; what is beyond is below 1e-18
constexpr double feature_width = 0.5;  ///< on which phi may turn, near 0 and near kinks

/// Edges of pieces of [low, high]: every cut inside, and from each outwards first `width`, then twice as wide, never
/// wider than `widest`.
std::vector<double> piece_edges(double low, double high, std::span<const double> cuts, double width, double widest) {
  std::vector<double> starts;
  for (const double cut : cuts)
    if (cut > low && cut < high) starts.push_back(cut);
  std::ranges::sort(starts);
  starts.erase(std::ranges::unique(starts).begin(), starts.end());
  std::vector<double> edges{low};
  // Between neighbouring starts from both sides inwards; the ends of the range are no starts.
  const auto fill = [&](double a, double b, bool from_a, bool from_b) {
    std::vector<double> up, down;
    double left = a, right = b, step_a = from_a ? width : widest, step_b = from_b ? width : widest;
    while (right - left > 0) {
      const bool from_left = from_a && (!from_b || step_a <= step_b);
      const double step = from_a || from_b ? (from_left ? step_a : step_b) : widest;
      if (!(right - left > 1.5 * step)) break;
      if (from_left || !from_b) {
        up.push_back(left += step);
        step_a = std::min(2 * step_a, widest);
      } else {
        down.push_back(right -= step);
        step_b = std::min(2 * step_b, widest);
      }
    }
    edges.insert(edges.end(), up.begin(), up.end());
    edges.insert(edges.end(), down.rbegin(), down.rend());
    edges.push_back(b);
  };
  double last = low;
  for (std::size_t i = 0; i <= starts.size(); ++i) {
    const double next = i < starts.size() ? starts[i] : high;
    fill(last, next, i > 0, i < starts.size());
    last = next;
  }
  return edges;
}

template <unsigned points, class Add>
void on_pieces(std::span<const double> edges, const Add& add) {
  using Rule = boost::math::quadrature::gauss<double, points>;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const double middle = (edges[i] + edges[i + 1]) / 2, half = (edges[i + 1] - edges[i]) / 2;
    for (std::size_t k = 0; k < Rule::abscissa().size(); ++k) {
      const double x = Rule::abscissa()[k], weight = half * Rule::weights()[k];
      add(middle - half * x, weight);
      if (x != 0) add(middle + half * x, weight);
    }
  }
}

/// xi(u) = u - c phi(u) rises; where it is `target`.
double state_at(const StateFunction& phi, double c, double target) {
  if (c == 0) return target;
  const auto excess = [&](double u) { return u - c * phi.value(u) - target; };
  double reach = 1e-3 * std::abs(target) + std::abs(c * phi.value(target));
  if (reach == 0) return target;
  for (int doubling = 0; doubling < 200; ++doubling, reach *= 2) {
    const double low = excess(target - reach), high = excess(target + reach);
    if (!std::isfinite(low) || !std::isfinite(high)) break;
    if (low <= 0 && high >= 0) return numerics::root(excess, target - reach, target + reach, low, high);
  }
  return nan;
}

std::vector<double> turning_points(const StateFunction& phi) {
  std::vector<double> cuts(phi.kinks);
  cuts.push_back(0);
  return cuts;
}

}  // namespace

const std::vector<std::string>& state_function_names() {
  static const std::vector<std::string> names{"linear", "tanh", "erf", "relu", "hard-tanh", "gelu"};
  return names;
}

StateFunction state_function(const std::string& name) {
  using ingredients::networks::Activation;
  if (name == "hard-tanh")
    return {name,
            [](double u) { return std::clamp(u, -1.0, 1.0); },
            [](double u) { return std::abs(u) < 1 ? 1.0 : 0.0; },
            {-1, 1}};
  const auto& names = ingredients::networks::activation_names();
  const auto place = std::ranges::find(names, name == "linear" ? "identity" : name) - names.begin();
  const Activation phi{static_cast<ingredients::networks::ActivationKind>(place)};
  StateFunction out{
      name, [phi](double u) { return evaluate(phi, u).value; }, [phi](double u) { return evaluate(phi, u).first; }, {}};
  if (name == "relu") out.kinks = {0};
  return out;
}

StateFunction custom_state_function(const std::string& formula, std::vector<double> kinks) {
  const auto expression = std::make_shared<const settings::Expression>(formula, std::vector<std::string>{"u"});
  const auto value = [expression](double u) { return (*expression)(std::span<const double>(&u, 1)); };
  std::ranges::sort(kinks);
  for (double u = 1e-3; u <= 1e3; u *= 10)
    for (const double at : {-u, 0.0, u})
      if (!std::isfinite(value(at)))
        throw std::invalid_argument(fmt::format("is {} at u = {}; it must be finite everywhere", value(at), at));
  const auto slope = [value, kinks](double u) {
    double h = 1e-3 * std::max(1.0, std::abs(u));
    for (const double kink : kinks)
      if (std::abs(u - kink) < 2.5 * h) h = std::max(std::abs(u - kink) / 2.5, 1e-7);
    return (8 * (value(u + h) - value(u - h)) - (value(u + 2 * h) - value(u - 2 * h))) / (12 * h);
  };
  return {"formula", value, slope, std::move(kinks)};
}

std::vector<StateNode> state_law(const StateFunction& phi, double q, double c, bool finer) {
  const double s = std::sqrt(q);
  if (!(s > 0) || !std::isfinite(s) || !std::isfinite(c)) return {};
  const double low = state_at(phi, c, -gaussian_reach * s), high = state_at(phi, c, gaussian_reach * s);
  if (!(low < high)) return {};
  const std::vector<double> edges =
      piece_edges(low, high, turning_points(phi), std::min(feature_width, s / 2), std::max(s, (high - low) / 500));
  std::vector<StateNode> out;
  bool single = true;
  const auto add = [&](double u, double weight) {
    const double z = phi.value(u), slope = phi.slope(u), y = (u - c * z) / s;
    single = single && 1 - c * slope > 0;
    out.push_back({u, z, slope, weight * (1 - c * slope) * std::exp(-y * y / 2) / (std::sqrt(2 * pi) * s)});
  };
  if (finer)
    on_pieces<30>(edges, add);
  else
    on_pieces<20>(edges, add);
  if (!single) out.clear();
  return out;
}

double average(std::span<const StateNode> law, const std::function<double(const StateNode&)>& f) {
  double sum = 0;
  for (const StateNode& node : law) sum += node.weight * f(node);
  return sum;
}

PairMoments pair_moments(const StateFunction& phi, double q, double c, double rho) {
  const double s = std::sqrt(q), across = std::sqrt((1 - rho) * (1 + rho));
  const auto at = [&](double y) {
    const double u = state_at(phi, c, s * y), slope = phi.slope(u);
    return std::pair(phi.value(u), slope / (1 - c * slope));
  };
  const auto normal = [](double y) { return std::exp(-y * y / 2) / std::sqrt(2 * pi); };
  const double near = std::min({feature_width, feature_width / s});
  std::vector<double> turns;
  for (const double u : turning_points(phi)) turns.push_back((u - c * phi.value(u)) / s);
  PairMoments out;
  // The mean of the second given the first turns within `across` of where the second's own mean crosses a kink.
  std::vector<double> cuts(turns);
  for (const double y : turns)
    if (rho != 0) cuts.push_back(y / rho);
  const double finest = across > 0 ? std::min(near, std::max(across, 1e-8)) : near;
  on_pieces<10>(piece_edges(-gaussian_reach, gaussian_reach, cuts, finest, 1.0), [&](double y, double weight) {
    const auto first = at(y);
    double state = 0, slope = 0;
    if (across == 0) {
      const auto second = at(rho * y);
      state = second.first;
      slope = second.second;
    } else {
      std::vector<double> inner;
      for (const double turn : turns) inner.push_back((turn - rho * y) / across);
      on_pieces<10>(piece_edges(-gaussian_reach, gaussian_reach, inner, std::min(1.0, near / across), 1.5),
                    [&](double x, double part) {
                      const auto second = at(rho * y + across * x);
                      state += part * normal(x) * second.first;
                      slope += part * normal(x) * second.second;
                    });
    }
    out.states += weight * normal(y) * first.first * state;
    out.slopes += weight * normal(y) * first.second * slope;
  });
  return out;
}

}  // namespace edgewise::models::equilibrium_network
