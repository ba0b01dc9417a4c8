#include "solvers/rank_one_modes.hpp"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "numerics/constants.hpp"

namespace edgewise::solvers {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
// A coupling below this cannot be told from none.
constexpr double least_strength = std::numeric_limits<double>::min() / epsilon;

/// Root of an increasing function of log v between v = low and v = high.
template <class F>
double root_in_log(const F& f, double low, double high) {
  const auto of_log = [&](double u) { return f(std::exp(u)); };
  const double a = std::log(low), b = std::log(high);
  if (!(a < b)) return high;
  const double at_a = of_log(a), at_b = of_log(b);
  if (at_a >= 0) return low;
  if (at_b <= 0) return high;
  std::uintmax_t iterations = 200;
  const auto root = boost::math::tools::toms748_solve(of_log, a, b, at_a, at_b,
                                                      boost::math::tools::eps_tolerance<double>(52), iterations);
  return std::exp((root.first + root.second) / 2);
}

}  // namespace

double power_of(RankOneSystem::Kind kind, double decay, double t) {
  if (kind == RankOneSystem::Kind::flow) return std::exp(-decay * t);
  return decay < 0.5 ? std::exp(t * std::log1p(-decay)) : std::pow(1 - decay, t);
}

RankOneModes::RankOneModes(const RankOneSystem& system)
    : kind_(system.kind), decay_(system.decay), input_(system.input), own_(system.decay.size(), 0.0) {
  const std::size_t n = decay_.size();
  std::vector<std::size_t> coupled;
  for (std::size_t i = 0; i < n; ++i) {
    strength_.push_back(system.input[i] * system.weight[i]);
    if (strength_[i] > least_strength) {
      coupled.push_back(i);
    } else {
      strength_[i] = 0;
      if (system.weight[i] > 0) input_[i] = 0;
    }
  }
  std::ranges::sort(coupled, {}, [&](std::size_t i) { return decay_[i]; });
  if (!coupled.empty()) add_eigenvalues(system, coupled);

  // f and g at a mode's own decay: p there where g has no pole.
  const auto p_at = [&](std::size_t at) {
    double f = 0, g = 0, f_pole = 0, g_pole = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double d = decay_[i] - decay_[at], start = system.weight[i] * system.initial[i];
      if (d == 0) {
        f_pole += start;
        g_pole += strength_[i];
      } else {
        f += start / d;
        g += strength_[i] / d;
      }
    }
    if (g_pole > 0) return -f_pole / g_pole;
    return f_pole == 0 ? f / (1 - g) : infinity;
  };
  for (std::size_t i = 0; i < n; ++i) {
    const bool alone = strength_[i] > 0 && std::ranges::count(decay_, decay_[i]) == 1;
    if (alone) continue;  // its own pole cancels
    if (input_[i] == 0) {
      // Never driven: it passes its start on to p.
      own_[i] = system.initial[i];
      const double start = system.weight[i] * system.initial[i];
      double g = 0;
      for (std::size_t k = 0; k < n; ++k)
        if (strength_[k] > 0) g += strength_[k] / (decay_[k] - decay_[i]);
      if (start != 0 && std::isfinite(g))
        poles_.push_back({i, 0, start / (1 - g), epsilon * std::abs(start / (1 - g))});
    } else {
      own_[i] = system.initial[i] + input_[i] * p_at(i);
    }
  }
}

void RankOneModes::add_eigenvalues(const RankOneSystem& system, std::span<const std::size_t> coupled) {
  // Modes of one decay act as one.
  std::vector<std::size_t> at;
  std::vector<double> strength;
  for (const std::size_t i : coupled) {
    if (!at.empty() && decay_[at.back()] == decay_[i]) {
      strength.back() += strength_[i];
    } else {
      at.push_back(i);
      strength.push_back(strength_[i]);
    }
  }
  const std::size_t m = at.size();
  std::vector<double> d(m);
  for (std::size_t k = 0; k < m; ++k) d[k] = decay_[at[k]];
  finish(system, {at[0], -leading_shift(d, strength, std::vector<double>(m, 1.0)), 0, 0});
  std::vector<double> from(m);  // decays seen from the origin
  for (std::size_t k = 1; k < m; ++k) {
    const double gap = d[k] - d[k - 1], half = gap / 2;
    // All but the terms of one end, at the middle.
    const auto rest = [&](std::size_t without) {
      double sum = 0;
      for (std::size_t i = 0; i < m; ++i)
        if (i != without) sum += strength[i] / ((d[i] - d[k - 1]) - half);
      return sum;
    };
    const double without_left = rest(k - 1), at_middle = without_left - strength[k - 1] / half;
    const bool left = at_middle > 1;
    const std::size_t origin = left ? k - 1 : k;
    for (std::size_t i = 0; i < m; ++i) from[i] = d[i] - d[origin];
    const double sign = left ? 1 : -1;
    const double reserve = left ? without_left - 1 : 1 - rest(k);
    const auto excess = [&](double v) {
      double sum = 0;
      for (std::size_t i = 0; i < m; ++i) sum += strength[i] / (from[i] - sign * v);
      return sign * (sum - 1);
    };
    const double v = root_in_log(excess, std::min(half, strength[origin] / reserve), half);
    finish(system, {at[origin], sign * v, 0, 0});
  }
}

void RankOneModes::finish(const RankOneSystem& system, Pole pole) {
  double f = 0, magnitude = 0, slope = 0;
  for (std::size_t i = 0; i < decay_.size(); ++i) {
    const double inverse = 1 / distance(i, pole), start = system.weight[i] * system.initial[i] * inverse;
    f += start;
    magnitude += std::abs(start);
    slope += strength_[i] * inverse * inverse;
  }
  pole.residue = f / slope;
  pole.error = epsilon * magnitude / slope;
  poles_.push_back(pole);
}

const std::vector<double>& RankOneModes::responses(const std::vector<double>& row) const {
  constexpr std::size_t most_kept = 16;
  for (const auto& [known, response] : responses_)
    if (known == row) return response;
  if (responses_.size() == most_kept) responses_.erase(responses_.begin());
  auto& [known, response] = responses_.emplace_back(row, std::vector<double>(poles_.size(), 0.0));
  for (std::size_t j = 0; j < poles_.size(); ++j)
    for (std::size_t i = 0; i < row.size(); ++i)
      if (input_[i] > 0) response[j] += row[i] * input_[i] / distance(i, poles_[j]);
  return response;
}

double RankOneModes::functionals(double t, std::span<const std::vector<double>> rows, std::span<double> out) const {
  double error = 0;
  std::fill(out.begin(), out.end(), 0.0);
  std::vector<double> value(poles_.size());
  for (std::size_t j = 0; j < poles_.size(); ++j) {
    const Pole& pole = poles_[j];
    const double power = power_of(kind_, decay_of(pole), t);
    value[j] = pole.residue * power;
    out[0] += value[j];
    error += pole.error * std::abs(power);
    if (value[j] != 0)
      error += epsilon * std::max(std::abs(decay_[pole.origin]), std::abs(pole.offset)) * t * std::abs(value[j]);
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::vector<double>& response = responses(rows[r]);
    for (std::size_t j = 0; j < poles_.size(); ++j)
      if (value[j] != 0) out[r + 1] += value[j] * response[j];
    for (std::size_t i = 0; i < own_.size(); ++i)
      if (own_[i] != 0) out[r + 1] += rows[r][i] * own_[i] * power_of(kind_, decay_[i], t);
  }
  const double p = out[0];
  const bool finite = std::ranges::all_of(out, [](double x) { return std::isfinite(x); });
  return !finite ? infinity : p == 0 ? (error == 0 ? 0 : infinity) : error / std::abs(p);
}

void RankOneModes::state(double t, std::span<double> s) const {
  for (std::size_t i = 0; i < s.size(); ++i) s[i] = own_[i] == 0 ? 0 : own_[i] * power_of(kind_, decay_[i], t);
  for (const Pole& pole : poles_) {
    const double p = pole.residue * power_of(kind_, decay_of(pole), t);
    if (p == 0) continue;
    for (std::size_t i = 0; i < s.size(); ++i)
      if (input_[i] > 0) s[i] += p * input_[i] / distance(i, pole);
  }
}

}  // namespace edgewise::solvers
