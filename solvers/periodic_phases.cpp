#include "solvers/periodic_phases.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

namespace {

using numerics::power_of_two;

constexpr double epsilon = std::numeric_limits<double>::epsilon();

using Square = std::array<double, max_block * max_block>;

// out = a b, of r x r matrices.
void multiply(const Square& a, const Square& b, std::size_t r, Square& out) {
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < r; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < r; ++k) sum += a[i * r + k] * b[k * r + j];
      out[i * r + j] = sum;
    }
}

// A set of entries that are joined pairwise.
class Classes {
 public:
  explicit Classes(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t of(std::size_t i) const {
    while (parent_[i] != i) i = parent_[i];
    return i;
  }
  void join(std::size_t i, std::size_t j) { parent_[std::max(of(i), of(j))] = std::min(of(i), of(j)); }

 private:
  std::vector<std::size_t> parent_;
};

// Which coordinates of a block the noise or the readout ever sees.
std::vector<std::size_t> observed(const PeriodicPhases& system, std::size_t b) {
  const std::size_t r = system.sizes[b];
  std::vector<bool> seen(r, false);
  for (std::size_t i = 0; i < r; ++i) {
    if (!system.readout.empty()) seen[i] = system.readout[b][i] != 0;
    for (const PhaseRun& run : system.period)
      if (run.phase.noise_scale != 0 && run.phase.blocks[b].e[i] != 0) seen[i] = true;
  }
  for (bool grows = true; grows;) {
    grows = false;
    for (const PhaseRun& run : system.period) {
      const PhaseBlock& block = run.phase.blocks[b];
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = 0; seen[i] && j < r; ++j)
          if (!seen[j] && (block.T0[i * r + j] != 0 || block.T1[i * r + j] != 0)) seen[j] = grows = true;
    }
  }
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < r; ++i)
    if (seen[i]) out.push_back(i);
  if (out.empty()) {
    out.resize(r);
    std::iota(out.begin(), out.end(), std::size_t{0});
  }
  return out;
}

PeriodicPhases observed_part(const PeriodicPhases& given) {
  PeriodicPhases out = given;
  out.constants.clear();
  for (std::size_t b = 0; b < given.sizes.size(); ++b) {
    const std::vector<std::size_t> kept = observed(given, b);
    const std::size_t r = given.sizes[b], k = kept.size();
    out.sizes[b] = k;
    for (PhaseRun& run : out.period) {
      const PhaseBlock from = run.phase.blocks[b];
      PhaseBlock& to = run.phase.blocks[b];
      to = {};
      to.r = k;
      to.omega = from.omega;
      for (std::size_t i = 0; i < k; ++i) {
        to.n[i] = from.n[kept[i]];
        to.e[i] = from.e[kept[i]];
        for (std::size_t j = 0; j < k; ++j) {
          to.T0[i * k + j] = from.T0[kept[i] * r + kept[j]];
          to.T1[i * k + j] = from.T1[kept[i] * r + kept[j]];
        }
      }
    }
    const auto cut = [&](std::vector<std::vector<double>>& vectors) {
      if (vectors.empty()) return;
      std::vector<double> few;
      for (const std::size_t i : kept) few.push_back(vectors[b][i]);
      vectors[b] = few;
    };
    cut(out.rest);
    cut(out.readout);
    for (const ConstantCoordinate& c : given.constants)
      if (c.block == b)
        if (const auto at = std::ranges::find(kept, c.coordinate); at != kept.end())
          out.constants.push_back({b, static_cast<std::size_t>(at - kept.begin()), c.value});
  }
  return out;
}

}  // namespace

bool PeriodicPhases::is_constant(std::size_t block, std::size_t coordinate) const {
  return std::ranges::any_of(
      constants, [&](const ConstantCoordinate& c) { return c.block == block && c.coordinate == coordinate; });
}

bool is_null(double x, double largest) {
  return x <= 4 * epsilon * largest;
}

void transfer(const PhaseBlock& block, double x, double* T) {
  for (std::size_t k = 0; k < block.r * block.r; ++k) T[k] = block.T0[k] + x * block.T1[k];
}

void displacement(const PhaseBlock& block, const double* f, double x, double* out) {
  const std::size_t r = block.r;
  for (std::size_t i = 0; i < r; ++i) {
    double moved = -f[i], size = std::abs(f[i]), by_x = 0;
    for (std::size_t j = 0; j < r; ++j) {
      moved += block.T0[i * r + j] * f[j];
      size += std::abs(block.T0[i * r + j] * f[j]);
      by_x += block.T1[i * r + j] * f[j];
    }
    if (std::abs(moved) <= 8 * epsilon * size) moved = 0;
    out[i] = moved + x * by_x;
  }
}

namespace {

// The map of a whole run, and its displacement of f (if not null), by repeated squaring.
void power(const PhaseRun& run, std::size_t b, double x, Square& map, const double* f, double* moved) {
  const PhaseBlock& block = run.phase.blocks[b];
  const std::size_t r = block.r;
  Square T{}, next{};
  transfer(block, x, T.data());
  map = T;
  std::array<double, max_block> one{};
  if (f) {
    displacement(block, f, x, one.data());
    std::copy_n(one.begin(), r, moved);
  }
  // d <- map d + extra
  const auto carry = [&](const Square& by, const double* d, const double* extra, double* out) {
    std::array<double, max_block> sum{};
    for (std::size_t i = 0; i < r; ++i) {
      for (std::size_t j = 0; j < r; ++j) sum[i] += by[i * r + j] * d[j];
      sum[i] += extra[i];
    }
    std::copy_n(sum.begin(), r, out);
  };
  int bit = 63;
  while (bit > 0 && !(run.repeat >> bit & 1)) --bit;
  while (bit-- > 0) {
    if (f) carry(map, moved, moved, moved);
    multiply(map, map, r, next);
    map = next;
    if (!(run.repeat >> bit & 1)) continue;
    if (f) carry(T, moved, one.data(), moved);
    multiply(T, map, r, next);
    map = next;
  }
}

}  // namespace

std::vector<double> mean_map(const PeriodicPhases& system, std::size_t block, double x) {
  const std::size_t r = system.sizes.at(block);
  Square map{}, run_map{}, next{};
  for (std::size_t i = 0; i < r; ++i) map[i * r + i] = 1;
  for (const PhaseRun& run : system.period) {
    power(run, block, x, run_map, nullptr, nullptr);
    multiply(run_map, map, r, next);
    map = next;
  }
  return {map.begin(), map.begin() + static_cast<std::ptrdiff_t>(r * r)};
}

std::vector<double> mean_radius(const PeriodicPhases& system, std::size_t block) {
  std::vector<double> out;
  for (const double x : system.modes.x)
    out.push_back(spectral_radius(mean_map(system, block, x), system.sizes.at(block)));
  return out;
}

double contraction(const PeriodicPhases& system, double x) {
  const std::size_t r = system.sizes[0];
  const std::vector<double>& f = system.rest.at(0);
  std::array<double, max_block> moved{}, step{}, sum{};
  Square map{};
  for (const PhaseRun& run : system.period) {
    power(run, 0, x, map, f.data(), step.data());
    for (std::size_t i = 0; i < r; ++i) {
      sum[i] = step[i];
      for (std::size_t j = 0; j < r; ++j) sum[i] += map[i * r + j] * moved[j];
    }
    moved = sum;
  }
  double whole = 0, taken = 0;
  for (std::size_t i = 0; i < r; ++i) {
    whole += system.readout.at(0)[i] * f[i];
    taken -= system.readout[0][i] * moved[i];
  }
  return taken / whole;
}

double oscillation_phase(const PeriodicPhases& system, double x) {
  constexpr double damped = 1e-4;
  double phase = 0;
  for (const PhaseRun& run : system.period) {
    if (run.phase.noise_scale == 0) continue;
    double fastest = 0;
    for (const PhaseBlock& block : run.phase.blocks) {
      std::vector<double> T(block.r * block.r);
      transfer(block, x, T.data());
      balance(T, block.r);
      if (!all_finite(T)) continue;
      for (const auto& value : linear_algebra::eigenvalues(linear_algebra::Matrix(block.r, block.r, T)))
        if (value.imag() > 0 && std::pow(std::abs(value), static_cast<double>(run.repeat)) > damped)
          fastest = std::max(fastest, std::arg(value));
    }
    phase += fastest * static_cast<double>(run.repeat);
  }
  return phase;
}

std::vector<std::size_t> representatives(const PeriodicPhases& system, std::size_t block) {
  const std::size_t r = system.sizes[block];
  std::vector<std::size_t> rep(r);
  std::iota(rep.begin(), rep.end(), std::size_t{0});
  const Phase& last = system.period.back().phase;
  if (last.noise_scale != 0) return rep;
  const PhaseBlock& b = last.blocks.at(block);
  const auto equal = [&](std::size_t i, std::size_t j) {
    for (std::size_t k = 0; k < r; ++k)
      if (b.T0[i * r + k] != b.T0[j * r + k] || b.T1[i * r + k] != b.T1[j * r + k]) return false;
    return true;
  };
  for (std::size_t i = 0; i < r; ++i) {
    bool zero = true;
    for (std::size_t k = 0; k < r; ++k) zero = zero && b.T0[i * r + k] == 0 && b.T1[i * r + k] == 0;
    if (zero) {
      rep[i] = vanishes;
      continue;
    }
    for (std::size_t j = 0; j < i; ++j)
      if (rep[j] == j && equal(i, j)) {
        rep[i] = j;
        break;
      }
  }
  return rep;
}

NoiseCoordinates noise_coordinates(const Phase& phase) {
  NoiseCoordinates out;
  const std::size_t blocks = phase.blocks.size();
  for (std::size_t b = 0; b < blocks; ++b) {
    const PhaseBlock& block = phase.blocks[b];
    const std::size_t r = block.r;
    Classes connected(r);
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j)
        if (block.T0[i * r + j] != 0 || block.T1[i * r + j] != 0) connected.join(i, j);
    out.block.emplace_back();
    for (std::size_t i = 0; i < r; ++i) {
      bool touched = false;
      for (std::size_t j = 0; j < r; ++j)
        touched = touched || (connected.of(i) == connected.of(j) && (block.n[j] != 0 || block.e[j] != 0));
      if (touched) out.block[b].push_back(i);
    }
    if (out.block[b].size() > out.block[out.lead].size()) out.lead = b;
  }
  const PhaseBlock& lead = phase.blocks[out.lead];
  const auto& whole = out.block[out.lead];
  out.joined = true;
  for (std::size_t b = 0; b < blocks && out.joined; ++b) {
    const PhaseBlock& block = phase.blocks[b];
    const auto& part = out.block[b];
    const auto alike = [&](std::size_t i, std::size_t j) {
      // Beyond the part, a coordinate that the block lacks is 0 there, and nothing may bring it to life.
      if (j >= part.size()) return true;
      const std::size_t at = whole[i] * lead.r + whole[j];
      if (i >= part.size()) return lead.T0[at] == 0 && lead.T1[at] == 0;
      const std::size_t here = part[i] * block.r + part[j];
      return block.T0[here] == lead.T0[at] && block.T1[here] == lead.T1[at];
    };
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const double n = i < part.size() ? block.n[part[i]] : 0, e = i < part.size() ? block.e[part[i]] : 0;
      if (n != lead.n[whole[i]] || e != lead.e[whole[i]]) out.joined = false;
      for (std::size_t j = 0; j < whole.size(); ++j) out.joined = out.joined && alike(i, j);
    }
  }
  return out;
}

void balance(std::vector<double>& matrix, std::size_t n) {
  for (int sweep = 0; sweep < 20; ++sweep) {
    bool changed = false;
    for (std::size_t i = 0; i < n; ++i) {
      double row = 0, column = 0;
      for (std::size_t j = 0; j < n; ++j) {
        if (j == i) continue;
        row = std::max(row, std::abs(matrix[i * n + j]));
        column = std::max(column, std::abs(matrix[j * n + i]));
      }
      if (row == 0 || column == 0 || !std::isfinite(row) || !std::isfinite(column)) continue;
      const double scale = power_of_two(std::sqrt(row) / std::sqrt(column));
      if (scale == 1) continue;
      changed = true;
      for (std::size_t j = 0; j < n; ++j) {
        matrix[i * n + j] /= scale;
        matrix[j * n + i] *= scale;
      }
    }
    if (!changed) return;
  }
}

double spectral_radius(std::vector<double> matrix, std::size_t n) {
  if (n == 1) return std::isnan(matrix[0]) ? infinity : std::abs(matrix[0]);
  if (!all_finite(matrix)) return infinity;
  balance(matrix, n);
  double radius = 0;
  // Row by row is the transpose, which has the same eigenvalues.
  for (const auto& value : linear_algebra::eigenvalues(linear_algebra::Matrix(n, n, matrix)))
    radius = std::max(radius, std::abs(value));
  return radius;
}

namespace {

/// The power of two next to the largest magnitude; 1 of zeros.
double unit_of(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most > 0 ? power_of_two(most) : 1;
}

/// Measures x and own of the modes in units of the largest x, weight in units of the largest weight; the second is returned.
double balance_modes(PeriodicPhases& s) {
  const double x_unit = unit_of(s.modes.x), weight_unit = unit_of(s.modes.weight);
  for (double& x : s.modes.x) x /= x_unit;
  for (double& w : s.modes.weight) w /= weight_unit;
  for (double& o : s.modes.own) o = o / x_unit / x_unit;
  // Divided before it is multiplied: both units may be 1e120 apart from 1.
  for (double& f : s.modes.feedback) f = f / x_unit * (weight_unit / x_unit);
  s.modes.source /= weight_unit;
  for (PhaseRun& run : s.period)
    for (PhaseBlock& block : run.phase.blocks) {
      for (double& t : block.T1) t *= x_unit;
      for (double& n : block.n) n *= x_unit;
    }
  return weight_unit;
}

/// Coordinates of all blocks in one row: `first` of each block, and their number.
struct Coordinates {
  std::vector<std::size_t> first;
  std::size_t total = 0;
};

Coordinates coordinates_of(const PeriodicPhases& s) {
  Coordinates out;
  for (const std::size_t r : s.sizes) {
    out.first.push_back(out.total);
    out.total += r;
  }
  return out;
}

/// Coordinates that repeat each other, or that the noise joins: they keep one unit.
Classes coordinates_of_one_unit(const PeriodicPhases& s, const Coordinates& c) {
  Classes same(c.total);
  for (std::size_t b = 0; b < s.sizes.size(); ++b) {
    const auto rep = representatives(s, b);
    for (std::size_t i = 0; i < rep.size(); ++i)
      if (rep[i] != vanishes) same.join(c.first[b] + i, c.first[b] + rep[i]);
  }
  for (const PhaseRun& run : s.period) {
    if (run.phase.noise_scale == 0) continue;
    const NoiseCoordinates noise = noise_coordinates(run.phase);
    for (std::size_t b = 0; noise.joined && b < s.sizes.size(); ++b)
      for (std::size_t i = 0; i < noise.block[b].size(); ++i)
        same.join(c.first[b] + noise.block[b][i], c.first[noise.lead] + noise.block[noise.lead][i]);
  }
  return same;
}

/// How strongly coordinates act on each other, the noise being one more, the last; row by row.
std::vector<double> actions(const PeriodicPhases& s, const Coordinates& c) {
  std::vector<double> act((c.total + 1) * (c.total + 1), 0.0);
  const auto raise = [&](std::size_t i, std::size_t j, double value) {
    double& entry = act[i * (c.total + 1) + j];
    entry = std::max(entry, std::abs(value));
  };
  for (const PhaseRun& run : s.period)
    for (std::size_t b = 0; b < s.sizes.size(); ++b) {
      const PhaseBlock& block = run.phase.blocks[b];
      for (std::size_t i = 0; i < block.r; ++i) {
        for (std::size_t j = 0; j < block.r; ++j) {
          raise(c.first[b] + i, c.first[b] + j, block.T0[i * block.r + j]);
          raise(c.first[b] + i, c.first[b] + j, block.T1[i * block.r + j]);
        }
        raise(c.first[b] + i, c.total, block.n[i]);
        raise(c.total, c.first[b] + i, block.e[i]);
      }
    }
  return act;
}

/// The unit of every coordinate, one for each class, at which the others act on it as strongly as it acts on them.
std::vector<double> balancing_units(const std::vector<double>& act, const Classes& same, std::size_t total) {
  std::vector<double> unit(total, 1.0);
  const auto at = [&](std::size_t i, std::size_t j) { return act[i * (total + 1) + j]; };
  for (int sweep = 0; sweep < 30; ++sweep) {
    bool changed = false;
    for (std::size_t c = 0; c < total; ++c) {
      if (same.of(c) != c) continue;
      double row = 0, column = 0;
      for (std::size_t i = 0; i < total; ++i)
        for (std::size_t j = 0; j <= total; ++j) {
          if (same.of(i) != c || (j < total && same.of(j) == c)) continue;
          row = std::max(row, at(i, j) * (j < total ? unit[j] : 1) / unit[i]);
          column = std::max(column, at(j, i) * unit[i] / (j < total ? unit[j] : 1));
        }
      double scale = 1;
      if (row > 0 && column > 0)
        scale = power_of_two(std::sqrt(row) / std::sqrt(column));
      else if (row > 0)
        scale = power_of_two(row);
      else if (column > 0)
        scale = power_of_two(1 / column);
      if (scale == 1 || !std::isfinite(scale)) continue;
      changed = true;
      for (std::size_t i = 0; i < total; ++i)
        if (same.of(i) == c) unit[i] *= scale;
    }
    if (!changed) break;
  }
  return unit;
}

/// Measures the coordinates of block b in units d.
void rescale(PeriodicPhases& s, std::size_t b, const std::vector<double>& d) {
  const std::size_t r = d.size();
  for (PhaseRun& run : s.period) {
    PhaseBlock& block = run.phase.blocks[b];
    for (std::size_t i = 0; i < r; ++i) {
      for (std::size_t j = 0; j < r; ++j) {
        block.T0[i * r + j] = block.T0[i * r + j] * d[j] / d[i];
        block.T1[i * r + j] = block.T1[i * r + j] * d[j] / d[i];
      }
      block.n[i] /= d[i];
      block.e[i] *= d[i];
    }
  }
  for (std::size_t i = 0; i < r; ++i) {
    if (!s.rest.empty()) s.rest[b][i] /= d[i];
    if (!s.readout.empty()) s.readout[b][i] *= d[i];
  }
  for (ConstantCoordinate& c : s.constants)
    if (c.block == b) c.value /= d[c.coordinate];
}

}  // namespace

BalancedPhases balanced(const PeriodicPhases& given) {
  BalancedPhases out;
  PeriodicPhases& s = out.system = observed_part(given);
  out.shared_unit = balance_modes(s);
  const Coordinates c = coordinates_of(s);
  const std::vector<double> unit = balancing_units(actions(s, c), coordinates_of_one_unit(s, c), c.total);
  for (std::size_t b = 0; b < s.sizes.size(); ++b) {
    const auto from = unit.begin() + static_cast<std::ptrdiff_t>(c.first[b]);
    out.unit.emplace_back(from, from + static_cast<std::ptrdiff_t>(s.sizes[b]));
    rescale(s, b, out.unit.back());
  }
  return out;
}

}  // namespace edgewise::solvers
