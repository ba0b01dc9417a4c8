#include "models/equilibrium_network/state_function.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "models/ingredients/networks/activations.hpp"
#include "numerics/constants.hpp"
#include "numerics/piecewise.hpp"
#include "numerics/roots.hpp"
#include "settings/expression.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double gaussian_reach = 9;      ///< standard deviations; what is beyond is below 1e-18
constexpr double finest_feature = 1e-10;  ///< of a standard normal
constexpr double smooth_spread = 0.3;     ///< of a state about its mean, in which a smooth phi turns little
constexpr double short_spread = 0.03;     ///< in which it is a polynomial of degree 7
constexpr double smooth_states = 1.5;  ///< deviation of states that take fewer points all together than piece by piece
constexpr double smooth_step = 0.25;   ///< between points of states of deviation 1
constexpr double feature_width = 0.5;  ///< on which phi may turn, near 0 and near kinks

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

double normal_density(double y) {
  return std::exp(-y * y / 2) / std::sqrt(2 * pi);
}

/// Nodes for integrals over a standard normal.
std::vector<numerics::WeightedNode> normal_pieces(std::span<const double> around, double width, double widest) {
  return numerics::piecewise_gauss(numerics::piece_edges(-gaussian_reach, gaussian_reach, around, width, widest),
                                   numerics::GaussPoints::ten);
}

/// Where phi turns, in standard deviations s; below the finest, what is between the ends of phi has no weight.
double nearest_piece(double s) {
  return std::min(feature_width, std::max(feature_width / s, finest_feature));
}

std::vector<double> turning_points(const StateFunction& phi) {
  std::vector<double> cuts(phi.kinks);
  cuts.push_back(0);
  return cuts;
}

/// \throws std::invalid_argument where a jump is found: phi' is not square integrable there.
void refuse_jumps(const std::function<double(double)>& phi, const std::vector<double>& kinks) {
  constexpr double relative_rounding = 1e-13, least_jump = 1e-6;
  const auto look = [&](double low, double high) {
    double from = phi(low), to = phi(high);
    const double least = least_jump * std::max({1.0, std::abs(from), std::abs(to)});
    // The half of the larger change: a continuous one ends below any jump.
    while (std::abs(to - from) > least && high - low > relative_rounding * std::max(std::abs(low), std::abs(high))) {
      const double middle = low + (high - low) / 2, at = phi(middle);
      if (middle <= low || middle >= high) break;
      if (std::abs(at - from) > std::abs(to - at)) {
        high = middle;
        to = at;
      } else {
        low = middle;
        from = at;
      }
    }
    if (std::abs(to - from) > least)
      throw std::invalid_argument(
          fmt::format("jumps at u = {:.6g}: phi' is not square integrable, and at no scale is there a phase",
                      std::abs(high) < 1e-12 ? 0 : high));
  };
  std::vector<double> at{0};
  for (double u = 1e-3; u < 1e3; u *= 1.02) {
    at.push_back(u);
    at.push_back(-u);
  }
  for (const double kink : kinks)
    for (const double side : {-1e-3, 1e-3}) at.push_back(kink + side * std::max(1.0, std::abs(kink)));
  std::ranges::sort(at);
  for (std::size_t k = 0; k + 1 < at.size(); ++k) look(at[k], at[k + 1]);
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
            {-1, 1},
            true,
            {}};
  const auto& names = ingredients::networks::activation_names();
  const auto place = std::ranges::find(names, name == "linear" ? "identity" : name) - names.begin();
  const Activation phi{static_cast<ingredients::networks::ActivationKind>(place)};
  StateFunction out{
      name, [phi](double u) { return evaluate(phi, u).value; },  [phi](double u) { return evaluate(phi, u).first; },
      {},   name == "linear" || name == "tanh" || name == "erf", {}};
  if (name == "linear") out.linear_share = 1;
  if (name == "relu") {
    out.kinks = {0};
    out.linear_share = 0.5;
  }
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
  refuse_jumps(value, kinks);
  const auto slope = [value, kinks](double u) {
    double h = 1e-3 * std::max(1.0, std::abs(u));
    for (const double kink : kinks)
      if (std::abs(u - kink) < 2.5 * h) h = std::max(std::abs(u - kink) / 2.5, 1e-7);
    return (8 * (value(u + h) - value(u - h)) - (value(u + 2 * h) - value(u - 2 * h))) / (12 * h);
  };
  return {"formula", value, slope, std::move(kinks), false, {}};
}

namespace {

double drive_density(double xi, double s) {
  const double y = xi / s;
  return std::exp(-y * y / 2) / (std::sqrt(2 * pi) * s);
}

/// Nodes in u for averages over u = xi + c phi(u), xi ~ N(0, s^2).
std::vector<numerics::WeightedNode> state_nodes(const StateFunction& phi, double s, double c, bool finer) {
  if (!(s > 0) || !std::isfinite(s) || !std::isfinite(c)) return {};
  const double low = state_at(phi, c, -gaussian_reach * s), high = state_at(phi, c, gaussian_reach * s);
  if (!(low < high)) return {};
  const std::vector<double> edges = numerics::piece_edges(
      low, high, turning_points(phi), std::min(feature_width, s / 2), std::max(s, (high - low) / 500));
  return numerics::piecewise_gauss(edges, finer ? numerics::GaussPoints::thirty : numerics::GaussPoints::twenty);
}

}  // namespace

StateFunction in_units(const StateFunction& phi, double s) {
  StateFunction out = phi;
  out.value = [f = phi.value, s](double u) { return f(s * u) / s; };
  out.slope = [f = phi.slope, s](double u) { return f(s * u); };
  for (double& kink : out.kinks) kink /= s;
  return out;
}

std::vector<StateNode> state_law(const StateFunction& phi, double q, double c, bool finer) {
  if (phi.kinks.empty() && !(1 - c * phi.slope(0) > 0)) return {};
  const double s = std::sqrt(q);
  std::vector<StateNode> out;
  for (const auto& [u, weight] : state_nodes(phi, s, c, finer)) {
    const double z = phi.value(u), slope = phi.slope(u);
    if (!(1 - c * slope > 0)) return {};
    out.push_back({u, z, slope, weight * (1 - c * slope) * drive_density(u - c * z, s)});
  }
  return out;
}

double mean_square_state(const StateFunction& phi, double q) {
  const double s = std::sqrt(q);
  const auto nodes = state_nodes(phi, s, 0, false);
  double sum = nodes.empty() ? nan : 0;
  for (const auto& [u, weight] : nodes) {
    const double z = phi.value(u);
    sum += weight * drive_density(u, s) * (z * z);
  }
  return sum;
}

void DriveSeries::add(double y, double weight, double f) {
  // Polynomial j turns sqrt j per unit of y; the twenty points of a piece resolve a turn of 24.
  if (!y_.empty()) most_terms_ = std::min(most_terms_, std::pow(24 / (y - y_.back()), 2));
  y_.push_back(y);
  product_.push_back(weight * f);
  before_.push_back(0);
  now_.push_back(1);
  square_ += weight * f * f;
  rest_ = square_;
}

bool DriveSeries::extend() {
  const auto j = static_cast<double>(terms_.size());
  if (j >= most_terms_) return false;
  double term[4] = {};  // which the processor adds side by side
  const double down = std::sqrt(j), up = 1 / std::sqrt(j + 1);
  for (std::size_t k = 0; k < y_.size(); ++k) {
    const double h = now_[k];
    term[k % 4] += product_[k] * h;
    now_[k] = (y_[k] * h - down * before_[k]) * up;
    before_[k] = h;
  }
  terms_.push_back(term[0] + term[1] + term[2] + term[3]);
  rest_ -= terms_.back() * terms_.back();
  return true;
}

double DriveSeries::overlap(double rho) {
  constexpr double rounding = 1e-16;
  double sum = 0, power = 1;
  for (std::size_t j = 0; std::abs(power) * rest_ > rounding * square_ || j < terms_.size(); ++j, power *= rho) {
    if (j == terms_.size() && !extend()) return nan;
    sum += terms_[j] * terms_[j] * power;
    if (std::abs(power) < rounding) break;
  }
  return sum;
}

double DriveSeries::square_distance(DriveSeries& a, DriveSeries& b, double apart) {
  constexpr double accuracy = 1e-13;
  double sum = 0, power = 1, fallen = 0;  // rho^j and 1 - rho^j
  for (std::size_t j = 0;; ++j) {
    const double left = std::sqrt(std::max(0.0, a.rest_)) + std::sqrt(std::max(0.0, b.rest_));
    if (j >= std::max(a.terms_.size(), b.terms_.size()) && left * left <= accuracy * sum) return sum;
    if ((j == a.terms_.size() && !a.extend()) || (j == b.terms_.size() && !b.extend())) return nan;
    const double x = a.terms_[j], y = b.terms_[j];
    sum += (x - y) * (x - y) + 2 * x * y * fallen;
    fallen += power * apart;
    power *= 1 - apart;
  }
}

namespace {

/// E f(x) of a standard normal x by Gauss and Hermite's eight points, exact to degree 15.
template <class F>
double short_normal_mean(const F& f) {
  constexpr double x[] = {0.53907981135137511, 1.6365190424351082, 2.8024858612875417, 4.1445471861258945};
  constexpr double weight[] = {0.37301225767907736, 0.11723990766175897, 0.0096352201207882630, 0.00011261453837536777};
  double sum = 0;
  for (std::size_t k = 0; k < 4; ++k) sum += weight[k] * (f(x[k]) + f(-x[k]));
  return sum;
}

/// E f(x) of a standard normal x, by the trapezoidal rule: to rounding where f is analytic to a distance of 5 steps.
template <class F>
double smooth_normal_mean(double step, const F& f) {
  const int reach = static_cast<int>(gaussian_reach / step);
  double sum = 0;
  for (int k = -reach; k <= reach; ++k) sum += normal_density(step * k) * f(step * k);
  return step * sum;
}

}  // namespace

PairMoments pair_moments(const StateFunction& phi, double q, double c, double rho, bool fine) {
  PairMoments out;
  if (std::abs(rho) == 1) {  // one drive, up to the sign
    for (const StateNode& a : state_law(phi, q, c)) {
      const double other = rho > 0 ? a.u : state_at(phi, c, c * a.z - a.u), slope = phi.slope(other);
      out.states += a.weight * a.z * phi.value(other);
      out.slopes += a.weight * a.slope / (1 - c * a.slope) * (slope / (1 - c * slope));
    }
    return out;
  }
  const std::vector<StateNode> law = state_law(phi, q, c);
  DriveSeries states(law, q, c, [](const StateNode& a) { return a.z; });
  DriveSeries slopes(law, q, c, [c](const StateNode& a) { return a.slope / (1 - c * a.slope); });
  out = {states.overlap(rho), slopes.overlap(rho)};
  if (!std::isnan(out.states) && !std::isnan(out.slopes)) return out;
  out = {};
  const double s = std::sqrt(q), across = std::sqrt((1 - rho) * (1 + rho));
  const auto at = [&](double y) {
    const double u = state_at(phi, c, s * y), slope = phi.slope(u);
    return std::pair(phi.value(u), slope / (1 - c * slope));
  };
  const double near = fine ? std::min(feature_width, feature_width / s) : nearest_piece(s);
  std::vector<double> turns;
  for (const double u : turning_points(phi)) turns.push_back((u - c * phi.value(u)) / s);
  // The mean of the second given the first turns within `across` of where the second's own mean crosses a kink.
  std::vector<double> cuts(turns);
  for (const double y : turns)
    if (rho != 0) cuts.push_back(y / rho);
  const double finest = std::min(near, std::max(across, 1e-8));
  for (const auto& [y, weight] : normal_pieces(cuts, finest, 1.0)) {
    const auto first = at(y);
    double state = 0, slope = 0;
    std::vector<double> inner;
    for (const double turn : turns) inner.push_back((turn - rho * y) / across);
    for (const auto& [x, part] : normal_pieces(inner, std::min(1.0, near / across), 1.5)) {
      const auto second = at(rho * y + across * x);
      state += part * normal_density(x) * second.first;
      slope += part * normal_density(x) * second.second;
    }
    out.states += weight * normal_density(y) * first.first * state;
    out.slopes += weight * normal_density(y) * first.second * slope;
  }
  return out;
}

double mean_square_change(const StateFunction& phi, double q, double drift, double spread) {
  const double s = std::sqrt(q), near = nearest_piece(s);
  // Of one y: over a smooth stretch of phi on a grid, else piece by piece.
  std::vector<double> turns;
  for (const double u : turning_points(phi)) turns.push_back(u / s);
  const auto moved = [&](double y) {
    const double u = s * y, from = phi.value(u), mean = u + drift * u;
    const auto square = [&](double x) { return std::pow(phi.value(mean + spread * x) - from, 2); };
    if (spread == 0) return square(0);
    if (phi.analytic() && spread <= smooth_spread &&
        std::ranges::none_of(phi.kinks, [&](double at) { return std::abs(at - mean) < gaussian_reach * spread; }))
      return spread <= short_spread ? short_normal_mean(square) : smooth_normal_mean(2 * smooth_step, square);
    std::vector<double> inner;
    for (const double turn : turns) inner.push_back((s * turn - mean) / spread);
    double out = 0;
    for (const auto& [x, part] : normal_pieces(inner, std::min(1.0, near * s / spread), 1.5))
      out += part * normal_density(x) * square(x);
    return out;
  };
  const bool whole = phi.smooth() && spread <= smooth_spread;
  if (whole && s <= smooth_states) return smooth_normal_mean(smooth_step / std::max(1.0, s), moved);
  std::vector<double> cuts(turns);
  for (const double y : turns)
    if (drift != -1) cuts.push_back(y / (1 + drift));
  const double finest = spread > 0 && !whole ? std::min(near, std::max(spread / s, 1e-14)) : near;
  double out = 0;
  for (const auto& [y, weight] : normal_pieces(cuts, finest, 1.0)) out += weight * normal_density(y) * moved(y);
  return out;
}

}  // namespace edgewise::models::equilibrium_network
