#include "solvers/linear_stability.hpp"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "linear_algebra/lu.hpp"
#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

namespace {

using linear_algebra::Matrix;
constexpr std::size_t none = static_cast<std::size_t>(-1);
constexpr double infinity = std::numeric_limits<double>::infinity();

// After a noiseless phase some coordinates vanish or repeat others, for every mode alike; the second moments at the
// start of a period then have fewer independent entries.
std::vector<std::size_t> representatives(const Phase& last, std::size_t block, std::size_t r) {
  std::vector<std::size_t> rep(r);
  for (std::size_t i = 0; i < r; ++i) rep[i] = i;
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
      rep[i] = none;
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

double radius_of(const Matrix& m) {
  if (m.rows() == 1) return std::abs(m(0, 0));
  double radius = 0;
  for (const auto& value : linear_algebra::eigenvalues(m)) radius = std::max(radius, std::abs(value));
  return radius;
}

}  // namespace

struct Renewal::Impl {
  PeriodicPhases system;
  mutable LinearPhases phases;
  struct Moment {
    std::size_t block, row, col;
  };
  std::vector<std::vector<std::size_t>> rep;
  std::vector<Moment> unknown, forced;
  std::size_t noisy = 0;
  std::vector<Matrix> A, F;  // per mode: map of the unknown moments, and what the constant ones add
  std::vector<double> radius;
  std::vector<bool> kept;
  double largest = 0;
  std::size_t dropped = 0, frozen = 0;
  mutable double z_of_lu = std::numeric_limits<double>::quiet_NaN();
  mutable std::vector<linear_algebra::Lu<double>> lu;

  explicit Impl(PeriodicPhases given) : system(std::move(given)), phases(system.modes, system.sizes) {
    for (const Phase& phase : system.period) noisy += phase.noise_scale != 0;
    if (noisy == 0) throw std::invalid_argument("renewal: the period has no noisy phase");
    const auto constant = [&](std::size_t block, std::size_t c) {
      return std::any_of(system.constants.begin(), system.constants.end(),
                         [&](const CoordinateIndex& i) { return i.block == block && i.coordinate == c; });
    };
    for (std::size_t b = 0; b < system.sizes.size(); ++b) {
      const std::size_t r = system.sizes[b];
      rep.push_back(representatives(system.period.back(), b, r));
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = i; j < r; ++j)
          if (rep[b][i] == i && rep[b][j] == j)
            (constant(b, i) && constant(b, j) ? forced : unknown).push_back({b, i, j});
    }
    const std::size_t n = phases.modes(), D = unknown.size();
    A.assign(n, Matrix(D, D));
    F.assign(n, Matrix(D, forced.size()));
    std::vector<double> ones(n, 1.0);
    const auto fill = [&](const Moment& moment, std::vector<Matrix>& out, std::size_t column) {
      clear();
      set(moment, ones);
      run({}, nullptr);
      for (std::size_t m = 0; m < D; ++m) {
        const auto values = read(unknown[m]);
        for (std::size_t i = 0; i < n; ++i) out[i](m, column) = values[i];
      }
    };
    for (std::size_t m = 0; m < D; ++m) fill(unknown[m], A, m);
    for (std::size_t m = 0; m < forced.size(); ++m) fill(forced[m], F, m);
    kept.assign(n, true);
    for (std::size_t i = 0; i < n; ++i) {
      radius.push_back(all_finite(A[i].entries()) ? radius_of(A[i]) : infinity);
      const bool coupled = system.modes.weight[i] != 0;
      // Just above 1 by rounding: the map keeps the mode where it is.
      if (!coupled || (radius[i] >= 1 && radius[i] < 1 + 1e-12)) {
        kept[i] = false;
        ++dropped;
        frozen += coupled;
        continue;
      }
      largest = std::max(largest, radius[i]);
    }
  }

  void clear() const {
    for (std::size_t b = 0; b < system.sizes.size(); ++b)
      for (std::size_t i = 0; i < system.sizes[b]; ++i)
        for (std::size_t j = i; j < system.sizes[b]; ++j) std::ranges::fill(phases.moment(b, i, j), 0.0);
  }
  // Every moment that is a copy of `moment` at the start of a period.
  void set(const Moment& moment, std::span<const double> values) const {
    const auto& r = rep[moment.block];
    for (std::size_t i = 0; i < r.size(); ++i)
      for (std::size_t j = i; j < r.size(); ++j)
        if ((r[i] == moment.row && r[j] == moment.col) || (r[i] == moment.col && r[j] == moment.row))
          std::ranges::copy(values, phases.moment(moment.block, i, j).begin());
  }
  std::span<const double> read(const Moment& moment) const {
    return static_cast<const LinearPhases&>(phases).moment(moment.block, moment.row, moment.col);
  }
  // One period from the present state under the drive w (none: 0); p before each noisy phase goes to `p`.
  void run(std::span<const double> w, std::vector<double>* p) const {
    std::size_t j = 0;
    for (const Phase& phase : system.period) {
      const bool is_noisy = phase.noise_scale != 0;
      const double seen = phases.apply_driven(phase, is_noisy && !w.empty() ? w[j] : 0.0);
      if (!is_noisy) continue;
      if (p) p->push_back(seen);
      ++j;
    }
  }
  void factor(double z) const {
    if (z == z_of_lu) return;
    lu.resize(A.size());
    for (std::size_t i = 0; i < A.size(); ++i) {
      if (!kept[i]) continue;
      Matrix m = A[i];
      for (double& x : m.entries()) x = -x;
      for (std::size_t k = 0; k < m.rows(); ++k) m(k, k) += z;
      lu[i].factor(m.rows(), m.entries());
    }
    z_of_lu = z;
  }
  // Puts the modes into the state that the drive w (and the constants' moments `power`) sustains at growth z.
  void sustain(std::span<const double> w, double z, std::span<const double> power) const {
    factor(z);
    const std::size_t n = phases.modes(), D = unknown.size();
    clear();
    run(w, nullptr);
    Matrix y(D, n);
    for (std::size_t m = 0; m < D; ++m) {
      const auto values = read(unknown[m]);
      for (std::size_t i = 0; i < n; ++i) y(m, i) = values[i];
    }
    for (std::size_t i = 0; i < n; ++i) {
      const std::span<double> column = y.column(i);
      if (!kept[i]) {
        std::ranges::fill(column, 0.0);
        continue;
      }
      if (!power.empty())
        for (std::size_t f = 0; f < forced.size(); ++f)
          for (std::size_t m = 0; m < D; ++m) column[m] += F[i](m, f) * power[i];
      lu[i].solve(column);
    }
    clear();
    std::vector<double> values(n);
    for (std::size_t m = 0; m < D; ++m) {
      for (std::size_t i = 0; i < n; ++i) values[i] = y(m, i);
      set(unknown[m], values);
    }
    if (!power.empty())
      for (const Moment& moment : forced) {
        for (std::size_t i = 0; i < n; ++i) values[i] = kept[i] ? power[i] : 0;
        set(moment, values);
      }
  }
  std::vector<double> apply(std::span<const double> w, double z, std::span<const double> power) const {
    sustain(w, z, power);
    std::vector<double> p;
    p.reserve(noisy);
    run(w, &p);
    return p;
  }

  // Stops when the Collatz-Wielandt bounds agree, or when both lie on one side of `decide`.
  double perron(double z, double decide) const {
    std::vector<double> w(noisy, 1.0);
    double low = 0, high = infinity;
    for (int iteration = 0; iteration < 2000; ++iteration) {
      std::vector<double> next = apply(w, z, {});
      double ratio_low = infinity, ratio_high = 0, norm = 0;
      for (std::size_t j = 0; j < noisy; ++j) {
        if (!std::isfinite(next[j])) return infinity;
        ratio_low = std::min(ratio_low, next[j] / w[j]);
        ratio_high = std::max(ratio_high, next[j] / w[j]);
        norm = std::max(norm, std::abs(next[j]));
      }
      if (norm == 0) return 0;
      low = ratio_low;
      high = ratio_high;
      if (high - low <= 1e-13 * std::abs(high) || low > decide || high < decide) break;
      for (std::size_t j = 0; j < noisy; ++j) w[j] = next[j] / norm;
    }
    return (low + high) / 2;
  }

  // to = x - G(1) x
  void residual_map(std::span<const double> x, std::span<double> to) const {
    const auto g = apply(x, 1, {});
    for (std::size_t j = 0; j < noisy; ++j) to[j] = x[j] - g[j];
  }
  // (1 - G(1)) w = f by GMRES: G is close to low rank, so a few applications do.
  std::vector<double> solve(const std::vector<double>& f) const {
    const std::size_t Q = noisy;
    const auto norm = [](std::span<const double> v) { return std::sqrt(dot(v.data(), v.data(), v.size())); };
    std::vector<double> x(Q, 0.0), r(Q);
    for (int restart = 0; restart < 8; ++restart) {
      residual_map(x, r);
      for (std::size_t j = 0; j < Q; ++j) r[j] = f[j] - r[j];
      const double beta = norm(r);
      if (!(beta > 1e-15 * norm(f))) break;
      const std::size_t most = std::min<std::size_t>(Q, 40);
      Matrix V(Q, most + 1), H(most + 1, most);
      for (std::size_t j = 0; j < Q; ++j) V(j, 0) = r[j] / beta;
      std::size_t used = 0;
      for (std::size_t k = 0; k < most; ++k) {
        const std::span<double> u = V.column(k + 1);
        residual_map(V.column(k), u);
        for (int pass = 0; pass < 2; ++pass)
          for (std::size_t j = 0; j <= k; ++j) {
            const std::span<const double> v = V.column(j);
            const double c = dot(v.data(), u.data(), Q);
            H(j, k) += c;
            for (std::size_t i = 0; i < Q; ++i) u[i] -= c * v[i];
          }
        H(k + 1, k) = norm(u);
        used = k + 1;
        if (H(k + 1, k) < 1e-15) break;
        for (double& value : u) value /= H(k + 1, k);
      }
      Matrix hessenberg(used + 1, used);
      for (std::size_t k = 0; k < used; ++k)
        for (std::size_t j = 0; j <= used; ++j) hessenberg(j, k) = H(j, k);
      std::vector<double> start(used + 1, 0.0);
      start[0] = beta;
      const std::vector<double> y = linear_algebra::least_squares(hessenberg, start);
      for (std::size_t k = 0; k < used; ++k)
        for (std::size_t j = 0; j < Q; ++j) x[j] += V(j, k) * y[k];
    }
    return x;
  }
};

Renewal::Renewal(PeriodicPhases system) : impl_(std::make_unique<Impl>(std::move(system))) {}
Renewal::~Renewal() = default;
Renewal::Renewal(Renewal&&) noexcept = default;
Renewal& Renewal::operator=(Renewal&&) noexcept = default;

std::size_t Renewal::noisy_phases() const {
  return impl_->noisy;
}
const std::vector<double>& Renewal::radius() const {
  return impl_->radius;
}
double Renewal::largest_radius() const {
  return impl_->largest;
}
const LinearPhases& Renewal::state() const {
  return impl_->phases;
}
std::size_t Renewal::dropped() const {
  return impl_->dropped;
}

std::vector<double> Renewal::apply(std::span<const double> w, double z) const {
  if (w.size() != impl_->noisy) throw std::invalid_argument("renewal: one drive per noisy phase is needed");
  return impl_->apply(w, z, {});
}

std::vector<double> Renewal::matrix(double z) const {
  const std::size_t Q = impl_->noisy;
  std::vector<double> G(Q * Q), w(Q, 0.0);
  for (std::size_t j = 0; j < Q; ++j) {
    w[j] = 1;
    const auto column = impl_->apply(w, z, {});
    w[j] = 0;
    for (std::size_t h = 0; h < Q; ++h) G[h * Q + j] = column[h];
  }
  return G;
}

double Renewal::perron(double z) const {
  return impl_->perron(z, std::numeric_limits<double>::quiet_NaN());
}

bool Renewal::stable() const {
  return impl_->largest < 1 && impl_->perron(1, 1) < 1;
}

Growth Renewal::growth() const {
  Growth out;
  out.mode_radius = impl_->largest;
  out.perron = out.mode_radius < 1 ? perron(1) : infinity;
  out.stable = out.mode_radius < 1 && out.perron < 1;
  if (out.mode_radius >= 1)
    out.failed = "the period map of some mode has a spectral radius >= 1";
  else if (!out.stable)
    out.failed = "the Perron root of the renewal matrix is >= 1";
  out.frozen = impl_->frozen;
  out.growth_factor = out.frozen > 0 ? std::max(out.mode_radius, 1.0) : out.mode_radius;
  if (!std::isfinite(out.mode_radius)) return out;
  // rho(G(z)) falls in z; the root is sought in log(z - radius).
  const double base = out.mode_radius;
  const auto excess = [&](double log_gap) { return std::min(perron(base + std::exp(log_gap)), 1e12) - 1; };
  double low = std::log(std::max(base, 1e-3) * 1e-11), high = std::log(std::max(1 - base, 1e-3));
  if (excess(low) <= 0) return out;
  while (excess(high) > 0 && high < 40) high += 2;
  std::uintmax_t iterations = 100;
  const auto root =
      boost::math::tools::toms748_solve(excess, low, high, boost::math::tools::eps_tolerance<double>(44), iterations);
  out.growth_factor = std::max(out.growth_factor, base + std::exp((root.first + root.second) / 2));
  return out;
}

Steady Renewal::steady(double source, std::span<const double> power) {
  if (!stable()) throw std::domain_error("the steady state of an unstable method is undefined");
  std::vector<double> rest(impl_->noisy, 0.0), f(impl_->noisy, source);
  if (!power.empty()) {
    const auto p = impl_->apply(rest, 1, power);
    for (std::size_t j = 0; j < f.size(); ++j) f[j] += p[j];
  }
  Steady out;
  out.drive = impl_->solve(f);
  out.amplification = impl_->solve(std::vector<double>(impl_->noisy, 1.0))[0];
  impl_->sustain(out.drive, 1, power);
  return out;
}

std::vector<double> mean_map(const PeriodicPhases& system, std::size_t block, double x) {
  const std::size_t r = system.sizes.at(block);
  Matrix M = Matrix::identity(r, r), T(r, r);
  for (const Phase& phase : system.period) {
    const PhaseBlock& b = phase.blocks.at(block);
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) T(i, j) = b.T0[i * r + j] + x * b.T1[i * r + j];
    M = linear_algebra::product(T, M);
  }
  std::vector<double> out(r * r);
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < r; ++j) out[i * r + j] = M(i, j);
  return out;
}

std::vector<double> mean_radius(const PeriodicPhases& system, std::size_t block) {
  const std::size_t r = system.sizes.at(block);
  std::vector<double> out;
  // Row by row is the transpose, which has the same eigenvalues.
  for (const double x : system.modes.x) out.push_back(radius_of(Matrix(r, r, mean_map(system, block, x))));
  return out;
}

}  // namespace edgewise::solvers
