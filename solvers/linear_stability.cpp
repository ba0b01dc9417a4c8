#include "solvers/linear_stability.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "numerics/roots.hpp"
#include "solvers/mode_sums.hpp"
#include "solvers/period_map.hpp"

namespace edgewise::solvers {

namespace {

using linear_algebra::Matrix;
constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

double norm(std::span<const double> v) {
  return std::sqrt(dot(v.data(), v.data(), v.size()));
}

/// LU factors of excess - (A_i - 1), all modes, rows and columns scaled by powers of two first: a slow mode's column is
/// as small as the mode is slow, and exact. It is eliminated last, after the mode's memory: what is left of it then is
/// how fast the mode decays, which as an earlier pivot drowns in the rounding of the others.
class Resolvents {
 public:
  void factor(const PeriodMap& map, const std::vector<bool>& kept, double excess) {
    n_ = map.modes();
    D_ = map.moments();
    lu_.assign(n_ * D_ * D_, 0.0);
    row_.assign(n_ * D_, 1.0);
    column_.assign(n_ * D_, 1.0);
    pivot_.assign(n_ * D_, 0);
    determinant.assign(n_, 1.0);
    slow_.assign(n_, D_ - 1);
    for (std::size_t i = 0; i < n_; ++i)
      if (kept[i]) factor_mode(map.own_map(i), excess, i, map.rest_moment());
  }
  /// y <- (excess - (A_i - 1))^(-1) y; modes that are not kept get 0.
  void solve(std::span<double> y, const std::vector<bool>& kept) const {
    for (std::size_t i = 0; i < n_; ++i) {
      const std::span<double> x = y.subspan(i * D_, D_);
      if (!kept[i]) {
        std::ranges::fill(x, 0.0);
        continue;
      }
      const double* a = lu_.data() + i * D_ * D_;
      for (std::size_t m = 0; m < D_; ++m) x[m] *= row_[i * D_ + m];
      std::swap(x[slow_[i]], x[D_ - 1]);
      for (std::size_t m = 0; m < D_; ++m) {
        std::swap(x[m], x[pivot_[i * D_ + m]]);
        for (std::size_t k = 0; k < m; ++k) x[m] -= a[m * D_ + k] * x[k];
      }
      for (std::size_t m = D_; m-- > 0;) {
        for (std::size_t k = m + 1; k < D_; ++k) x[m] -= a[m * D_ + k] * x[k];
        x[m] /= a[m * D_ + m];
      }
      std::swap(x[slow_[i]], x[D_ - 1]);
      for (std::size_t m = 0; m < D_; ++m) x[m] *= column_[i * D_ + m];
    }
  }
  std::vector<double> determinant;

 private:
  static double scale_of(double largest) {
    return largest > 0 && std::isfinite(largest) ? std::exp2(-std::round(std::log2(largest))) : 1;
  }
  void factor_mode(std::span<const double> own, double excess, std::size_t mode, std::size_t rest) {
    double* a = lu_.data() + mode * D_ * D_;
    double& det = determinant[mode];
    for (std::size_t m = 0; m < D_; ++m)
      for (std::size_t k = 0; k < D_; ++k) a[m * D_ + k] = (m == k ? excess : 0) - own[m * D_ + k];
    std::size_t pivots = D_;  // rows that may be one before the last step
    if (rest < D_) {
      double largest = 0;
      for (std::size_t m = 0; m < D_; ++m) largest = std::max(largest, std::abs(a[m * D_ + rest]));
      if (largest < slow_mode) {
        slow_[mode] = rest;
        pivots = D_ - 1;
      }
    }
    for (std::size_t k = 0; k < D_; ++k) {
      double largest = 0;
      for (std::size_t m = 0; m < D_; ++m) largest = std::max(largest, std::abs(a[m * D_ + k]));
      const double s = column_[mode * D_ + k] = scale_of(largest);
      for (std::size_t m = 0; m < D_; ++m) a[m * D_ + k] *= s;
      det /= s;
    }
    for (std::size_t m = 0; m < D_; ++m) {
      double largest = 0;
      for (std::size_t k = 0; k < D_; ++k) largest = std::max(largest, std::abs(a[m * D_ + k]));
      const double s = row_[mode * D_ + m] = scale_of(largest);
      for (std::size_t k = 0; k < D_; ++k) a[m * D_ + k] *= s;
      det /= s;
    }
    const std::size_t slow = slow_[mode];
    for (std::size_t k = 0; k < D_; ++k) std::swap(a[k * D_ + slow], a[k * D_ + D_ - 1]);
    if (slow != D_ - 1) std::swap_ranges(a + slow * D_, a + (slow + 1) * D_, a + (D_ - 1) * D_);
    for (std::size_t m = 0; m < D_; ++m) {
      std::size_t best = m;
      for (std::size_t k = m + 1; k < pivots; ++k)
        if (std::abs(a[k * D_ + m]) > std::abs(a[best * D_ + m])) best = k;
      pivot_[mode * D_ + m] = best;
      if (best != m) {
        std::swap_ranges(a + m * D_, a + (m + 1) * D_, a + best * D_);
        det = -det;
      }
      det *= a[m * D_ + m];
      for (std::size_t k = m + 1; k < D_; ++k) {
        const double factor = a[k * D_ + m] /= a[m * D_ + m];
        if (factor == 0) continue;
        for (std::size_t j = m + 1; j < D_; ++j) a[k * D_ + j] -= factor * a[m * D_ + j];
      }
    }
  }
  std::size_t n_ = 0, D_ = 0;
  std::vector<double> lu_, row_, column_;
  std::vector<std::size_t> pivot_, slow_;  // of each mode; the moment that is eliminated last
  /// What a period changes of a mode's rest by less is slow.
  static constexpr double slow_mode = 1e-3;
};

}  // namespace

struct Renewal::Impl {
  PeriodicPhases system;
  std::shared_ptr<Jumps> jumps;
  mutable PeriodMap map;  // but for the factor on its coupling
  std::vector<bool> kept;
  std::vector<double> unit;  // of every moment in the norm of GMRES: the weight of its mode
  std::size_t n, D, dropped = 0, frozen = 0;
  double furthest;  // largest position
  bool overflow = false;
  mutable std::vector<double> radius;
  mutable std::vector<bool> active;  // at the present excess
  mutable Resolvents resolvents;
  // The same with all that a mode feeds to itself in its own map: what is left of the coupling has few dimensions.
  mutable std::unique_ptr<PeriodMap> whole;
  mutable Resolvents whole_resolvents;
  mutable double present_excess = 0;
  enum class Split { cone, whole };

  Impl(const PeriodicPhases& given, std::shared_ptr<Jumps> shared)
      : system(given), jumps(std::move(shared)), map(given, true, false, jumps), n(map.modes()), D(map.moments()) {
    furthest = n == 0 ? 0 : *std::ranges::max_element(map.position());
    kept.assign(n, true);
    for (std::size_t i = 0; i < n; ++i) {
      const bool seen = system.modes.weight[i] != 0;
      bool still = map.frozen(i);
      if (seen && !still && system.rest.empty()) {
        // Without knowing where a mode rests: just above 1 by rounding.
        const double r = radii()[i];
        still = r >= 1 && r < 1 + 1e-12;
      }
      if (!seen || still) {
        kept[i] = false;
        ++dropped;
        frozen += seen;
      } else if (!map.finite(i)) {
        overflow = true;
      }
      unit.insert(unit.end(), D, kept[i] ? map.weight()[i] : 1);
    }
  }

  const std::vector<double>& radii() const {
    if (radius.empty())
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<double> A(map.own_map(i).begin(), map.own_map(i).end());
        // Balanced before 1 is added: the column of a slow mode is exact.
        for (std::size_t m = 0; m < D; ++m) A[m * D + m] += 1;
        radius.push_back(map.finite(i) ? spectral_radius(std::move(A), D) : infinity);
      }
    return radius;
  }
  bool counts(std::size_t i) const { return kept[i] && !is_null(map.position()[i], furthest); }

  // Null modes stand still at any z below 1, and are left out there.
  void factor(double excess) const {
    active = kept;
    if (excess < 0)
      for (std::size_t i = 0; i < n; ++i) active[i] = counts(i);
    resolvents.factor(map, active, excess);
    present_excess = excess;
  }

  // to = (1 - feedback) x in the units of the norm; false when it leaves the range of doubles.
  bool residual_map(Split split, std::span<const double> x, std::span<double> to) const {
    if (!feedback(x, to, split)) return false;
    for (std::size_t k = 0; k < x.size(); ++k) to[k] = x[k] - to[k];
    return true;
  }
  // to = (z - A)^{-1} (M - A) x.
  bool feedback(std::span<const double> x, std::span<double> to, Split split = Split::cone) const {
    std::vector<double> y(x.begin(), x.end());
    for (std::size_t k = 0; k < y.size(); ++k) y[k] /= unit[k];
    if (!(split == Split::cone ? map : *whole).respond(y, 0, {}, to)) return false;
    (split == Split::cone ? resolvents : whole_resolvents).solve(to, active);
    for (std::size_t k = 0; k < y.size(); ++k) to[k] *= unit[k];
    return all_finite(to);
  }

  // Solves (z - M) x = u, with the alone = (z - A)^{-1} u of source(); false when it does not get there. `answer` becomes
  // the feedback of x.
  bool solve(const std::vector<double>& u, std::span<const double> alone, std::vector<double>& x,
             std::vector<double>& answer) const {
    answer.assign(alone.size(), 0.0);
    if (map.splits()) {
      if (!whole) whole = std::make_unique<PeriodMap>(system, true, true, jumps);
      whole_resolvents.factor(*whole, active, present_excess);
      const std::vector<double> start = source(u, Split::whole);
      if (all_finite(start) && gmres(Split::whole, start, x, answer) && feedback(x, answer) &&
          is_solution(alone, x, answer))
        return true;
    }
    return gmres(Split::cone, alone, x, answer);
  }
  static bool is_solution(std::span<const double> f, std::span<const double> x, std::span<const double> answer) {
    // Close to the edge of stability x is large and its rounding shows in the residual.
    constexpr double enough = 1e-8, rounding = 1e-13;
    std::vector<double> r(f.begin(), f.end());
    for (std::size_t j = 0; j < r.size(); ++j) r[j] -= x[j] - answer[j];
    return norm(r) <= enough * norm(f) || norm(r) <= rounding * norm(x);
  }

  // Solves (1 - feedback) x = f.
  bool gmres(Split split, std::span<const double> f, std::vector<double>& x, std::vector<double>& answer) const {
    constexpr std::size_t most_vectors = 60;
    constexpr double exact = 1e-15;
    const std::size_t N = f.size(), most = std::min(N, most_vectors);
    x.assign(N, 0.0);
    answer.assign(N, 0.0);
    std::vector<double> r(f.begin(), f.end());
    double previous = infinity;
    for (int restart = 0; restart < 6; ++restart) {
      const double beta = norm(r);
      if (beta <= exact * norm(f) || beta > 0.5 * previous) break;
      previous = beta;
      Basis V(1, std::vector<double>(N));
      Matrix H(most + 1, most);
      for (std::size_t j = 0; j < N; ++j) V[0][j] = r[j] / beta;
      std::vector<double> y;
      std::size_t used = 0;
      for (std::size_t k = 0; k < most; ++k) {
        std::vector<double>& u = V.emplace_back(N);
        if (!residual_map(split, V[k], u)) return false;
        const double before = norm(u);
        orthogonalise(V, H, u, k);
        H(k + 1, k) = norm(u);
        used = k + 1;
        const bool exhausted = H(k + 1, k) <= 1e-15 * before;
        if (!exhausted)
          for (double& value : u) value /= H(k + 1, k);
        double left = 0;
        y = least(H, used, beta, left);
        if (exhausted || left <= exact * norm(f)) break;
      }
      for (std::size_t k = 0; k < used; ++k)
        for (std::size_t j = 0; j < N; ++j) x[j] += V[k][j] * y[k];
      if (!feedback(x, answer, split)) return false;
      for (std::size_t j = 0; j < N; ++j) r[j] = f[j] - (x[j] - answer[j]);
    }
    return is_solution(f, x, answer);
  }
  // Orthonormal vectors, made as they are needed.
  using Basis = std::vector<std::vector<double>>;
  static void orthogonalise(const Basis& V, Matrix& H, std::span<double> u, std::size_t k) {
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t j = 0; j <= k; ++j) {
        const std::vector<double>& v = V[j];
        const double c = dot(v.data(), u.data(), u.size());
        H(j, k) += c;
        for (std::size_t i = 0; i < u.size(); ++i) u[i] -= c * v[i];
      }
  }
  static std::vector<double> least(const Matrix& H, std::size_t used, double beta, double& left) {
    Matrix hessenberg(used + 1, used);
    for (std::size_t k = 0; k < used; ++k)
      for (std::size_t j = 0; j <= used; ++j) hessenberg(j, k) = H(j, k);
    std::vector<double> start(used + 1, 0.0);
    start[0] = beta;
    const std::vector<double> y = linear_algebra::least_squares(hessenberg, start);
    for (std::size_t k = 0; k < used; ++k)
      for (std::size_t j = 0; j <= used; ++j) start[j] -= H(j, k) * y[k];
    left = norm(start);
    return y;
  }

  // Largest eigenvalue of the feedback at z = 1, by Arnoldi: it is real and well apart from the others.
  double feedback_radius() const {
    const std::size_t N = n * D, most = std::min<std::size_t>(N, 60);
    Basis V(1, std::vector<double>(N));
    Matrix H(most + 1, most);
    const std::vector<double> start = source(map.interior(0));
    const double beta = norm(start);
    if (!(beta > 0) || !std::isfinite(beta)) return infinity;
    for (std::size_t j = 0; j < N; ++j) V[0][j] = start[j] / beta;
    double root = 0, before = undefined;
    for (std::size_t k = 0; k < most; ++k) {
      std::vector<double>& u = V.emplace_back(N);
      if (!feedback(V[k], u)) return infinity;
      const double length = norm(u);
      orthogonalise(V, H, u, k);
      H(k + 1, k) = norm(u);
      Matrix small(k + 1, k + 1);
      for (std::size_t c = 0; c <= k; ++c)
        for (std::size_t r = 0; r <= k; ++r) small(r, c) = H(r, c);
      root = 0;
      for (const auto& value : linear_algebra::eigenvalues(small)) root = std::max(root, value.real());
      if (H(k + 1, k) <= 1e-15 * length || (k > 2 && std::abs(root - before) <= 1e-15 * root)) break;
      before = root;
      for (double& value : u) value /= H(k + 1, k);
    }
    return root;
  }
  // rho(G) is linear in the coupling of the modes: its inverse is the factor on the coupling at which a period only just
  // keeps the moments up.
  double perron() const {
    if (!map.coupled()) return 0;
    factor(0);
    const auto excess = [&](double log_factor) {
      map.set_coupling(std::exp(log_factor));
      const double r = feedback_radius();
      return r > 0 ? std::clamp(std::log(r), -700.0, 700.0) : -700.0;
    };
    // The radius grows at least as fast as the factor.
    double low = 0, high = 0, at_low = excess(0), at_high = at_low;
    constexpr double farthest = 1400;  // beyond the range of doubles
    while (at_low > 0 && low > -farthest) {
      high = low;
      at_high = at_low;
      low -= std::min(at_low, 20.0) * 1.0001 + 1e-12;
      at_low = excess(low);
    }
    while (at_high < 0 && high < farthest) {
      low = high;
      at_low = at_high;
      high += std::min(-at_high, 20.0) * 1.0001 + 1e-12;
      at_high = excess(high);
    }
    double root = high;
    // Shifted, for the tolerance is relative.
    if (low > -farthest && high < farthest)
      root = low - 1 +
             numerics::root([&](double y) { return excess(y + low - 1); }, 1, high - low + 1, at_low, at_high, 50);
    map.set_coupling(1);
    return std::exp(-root);
  }

  // (z - A)^{-1} y in the units of the norm.
  std::vector<double> source(std::vector<double> y, Split split = Split::cone) const {
    (split == Split::cone ? resolvents : whole_resolvents).solve(y, active);
    for (std::size_t k = 0; k < y.size(); ++k) y[k] *= unit[k];
    return y;
  }
  bool positive(std::span<const double> x) const {
    std::vector<double> y(x.begin(), x.end());
    for (std::size_t k = 0; k < y.size(); ++k) y[k] /= unit[k];
    for (std::size_t i = 0; i < n; ++i)
      if (active[i] && !map.positive(y, i)) return false;
    return true;
  }
  // Whether every mode that counts decays by its own map: its resolvent at 1 then keeps the cone. A radius of 1 - 1e-17
  // is a double of 1.
  bool modes_decay() const {
    if (overflow) return false;
    factor(0);
    for (std::size_t i = 0; i < n; ++i) active[i] = counts(i);
    const std::vector<double> alone = source(map.interior(0));
    return all_finite(alone) && positive(alone);
  }
  double shared(std::span<const double> x) const {
    std::vector<double> y(x.begin(), x.end());
    for (std::size_t k = 0; k < y.size(); ++k) y[k] /= unit[k];
    return map.shared(y);
  }

  Probe probe(double excess) const {
    if (overflow) return {false, -1};
    if (dropped == n) return {frozen == 0, frozen == 0 ? 1.0 : -1.0};
    factor(excess);
    const std::vector<double> inside_cone = map.interior(excess), alone = source(inside_cone);
    if (!all_finite(alone) || !positive(alone)) return {false, -1};
    if (!map.coupled()) return {true, 1};
    std::vector<double> answer(n * D);
    if (!feedback(alone, answer)) return {false, -1};
    // Twice what it was, in every mode and direction: the radius is at least 2.
    std::vector<double> beyond = answer;
    for (std::size_t k = 0; k < beyond.size(); ++k) beyond[k] -= 2 * alone[k];
    if (positive(beyond)) return {false, -1};
    std::vector<double> s;
    if (!solve(inside_cone, alone, s, answer)) return iterate(alone);
    const double margin = shared(alone) / shared(s);
    // Once through the map: each mode then has its own digits, not those of the largest.
    for (std::size_t k = 0; k < s.size(); ++k) s[k] = alone[k] + answer[k];
    const bool inside = positive(s);
    return {inside, inside ? std::abs(margin) : -std::abs(margin)};
  }
  // Where GMRES fails: powers of the feedback, until all moments have grown or all have shrunk.
  Probe iterate(std::vector<double> x) const {
    std::vector<double> next(x.size()), gap(x.size());
    for (int k = 0; k < 400; ++k) {
      if (!feedback(x, next)) return {false, -1};
      for (const double sign : {1.0, -1.0}) {
        for (std::size_t j = 0; j < x.size(); ++j) gap[j] = sign * (next[j] - x[j]);
        if (positive(gap)) return {sign < 0, -sign};
      }
      const double length = norm(next);
      for (std::size_t j = 0; j < x.size(); ++j) x[j] = next[j] / length;
    }
    return {norm(next) < 1, norm(next) < 1 ? 1.0 : -1.0};
  }
};

Renewal::Renewal(const PeriodicPhases& system, std::shared_ptr<Jumps> jumps)
    : impl_(std::make_unique<Impl>(system, std::move(jumps))) {}
Renewal::~Renewal() = default;
Renewal::Renewal(Renewal&&) noexcept = default;
Renewal& Renewal::operator=(Renewal&&) noexcept = default;

const std::vector<double>& Renewal::radius() const {
  return impl_->radii();
}
double Renewal::largest_radius() const {
  double largest = 0;
  for (std::size_t i = 0; i < impl_->n; ++i)
    if (impl_->counts(i)) largest = std::max(largest, impl_->radii()[i]);
  return largest;
}
std::size_t Renewal::dropped() const {
  return impl_->dropped;
}
std::size_t Renewal::frozen() const {
  return impl_->frozen;
}
double Renewal::perron() const {
  return impl_->overflow ? infinity : impl_->perron();
}
Renewal::Probe Renewal::probe(double excess) const {
  return impl_->probe(excess);
}
std::uint64_t Renewal::passes() const {
  return impl_->map.passes() + (impl_->whole ? impl_->whole->passes() : 0);
}
std::vector<double> Renewal::determinants() const {
  impl_->factor(0);
  return impl_->resolvents.determinant;
}

Growth Renewal::growth() const {
  Growth out;
  out.frozen = impl_->frozen;
  out.mode_radius = largest_radius();
  const Probe now = probe();
  out.stable = now.stable && out.frozen == 0;
  const bool modes_decay = impl_->modes_decay();
  if (modes_decay) out.mode_radius = std::min(out.mode_radius, 1.0);  // above it by rounding
  out.perron = modes_decay ? perron() : infinity;
  if (out.frozen > 0)
    out.failed = "frozen: no mode moves";
  else if (!modes_decay && !now.stable)
    out.failed = "the period map of some mode has a spectral radius >= 1";
  else if (!now.stable)
    out.failed = "the Perron root of the renewal matrix is >= 1";
  double& growth = out.growth_factor;
  growth = out.frozen > 0 ? std::max(out.mode_radius, 1.0) : out.mode_radius;
  if (impl_->dropped == impl_->n) {
    out.log_growth_factor = std::log(growth);
    return out;
  }
  const double base = out.mode_radius - 1;
  // Grows until inside; false when even that leaves the range of doubles.
  const auto outer = [&](double gap) {
    while (gap < 1e280) {
      if (probe(base + gap).stable) return gap;
      gap *= 64;
    }
    return infinity;
  };
  double high = std::isfinite(base) ? outer(std::max(-base, 1e-3)) : infinity;
  if (!std::isfinite(high)) {
    out.log_growth_factor = impl_->map.log_growth_by_iteration();
    growth = std::exp(out.log_growth_factor);
    return out;
  }
  // The root of the margin in log(z - radius).
  const auto margin = [&](double log_gap) { return probe(base + std::exp(log_gap)).margin; };
  const double low = std::log(std::max(out.mode_radius, 1e-3) * 1e-11);
  high = std::log(high);
  if (low < high && margin(low) < 0) {
    growth = std::max(growth, 1 + (base + std::exp(numerics::root(margin, low, high, 44))));
  }
  out.log_growth_factor = std::log(growth);
  return out;
}

Steady Renewal::steady(double source, std::span<const double> power) const {
  const Impl& s = *impl_;
  if (!stable()) throw std::domain_error("the steady state of an unstable method is undefined");
  s.factor(0);
  // y = M y + forcing.
  const auto state = [&](double label, std::span<const double> constants) {
    const std::vector<double> none(s.n * s.D, 0.0);
    std::vector<double> forcing(none), whole(none), x, unused;
    s.map.respond(none, label, constants, forcing);
    if (!constants.empty())
      for (std::size_t i = 0; i < s.n; ++i)
        for (std::size_t m = 0; m < s.D; ++m) forcing[i * s.D + m] += s.map.forced(i)[m] * constants[i];
    std::vector<double> alone = s.source(forcing);
    // The solver squares what it is given: label noise of 1e200 must not overflow there, nor errors of 1e-200 vanish.
    double largest = 0;
    for (const double value : alone) largest = std::max(largest, std::abs(value));
    const double scale = numerics::power_of_two(largest);
    for (double& value : alone) value /= scale;
    for (double& value : forcing) value /= scale;
    if (!s.solve(forcing, alone, x, unused)) throw std::domain_error("the steady state was not found");
    // Once through the map: each mode then has its own digits, not those of the largest.
    for (std::size_t k = 0; k < x.size(); ++k) x[k] *= scale / s.unit[k];
    s.map.respond(x, label, constants, whole);
    if (!constants.empty())
      for (std::size_t i = 0; i < s.n; ++i)
        for (std::size_t m = 0; m < s.D; ++m) whole[i * s.D + m] += s.map.forced(i)[m] * constants[i];
    s.resolvents.solve(whole, s.active);
    return whole;
  };
  Steady out;
  out.amplification = 1 + s.map.shared(state(1, {})) * s.map.shared_unit();
  const std::vector<double> y = state(source, power);
  double first = 0;
  std::vector<double> unused(y.size());
  s.map.respond(y, source, power, unused, &first);
  out.drive = first * s.map.shared_unit() + source;
  out.observed = s.map.observed(y, power, source);
  if (s.system.before_last) return out;
  // What the mean map alone takes off the state is what the noise has put in.
  const PeriodMap signal(s.system, false);
  std::vector<double> taken(y.size(), 0.0);
  for (std::size_t i = 0; i < s.n; ++i)
    for (std::size_t m = 0; m < s.D; ++m) {
      double& sum = taken[i * s.D + m];
      for (std::size_t k = 0; k < s.D; ++k) sum -= signal.own_map(i)[m * s.D + k] * y[i * s.D + k];
      if (!power.empty()) sum -= signal.forced(i)[m] * power[i];
    }
  out.generated = s.map.observed(taken);
  for (double& g : out.generated) g = std::max(0.0, g);
  return out;
}

}  // namespace edgewise::solvers
