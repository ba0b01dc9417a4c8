#include "models/ingredients/learning_curves/learning_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "solvers/self_consistency.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

/// Of samples, in logarithms: what is asked for where the excess falls in the end, and where it does not.
constexpr double most_log_samples = 600, usual_log_samples = 35;
/// Where a search for samples begins, the least kappa it follows, and its steps in either's logarithm.
constexpr double least_samples = 1e-3, least_log_kappa = -700, longest_step = 0.25;
/// Of a logarithm's argument.
constexpr double least_part = 1e-300;

}  // namespace

double Levels::total_power() const {
  return std::accumulate(power.begin(), power.end(), power_beyond);
}

double Levels::unlearnable_power() const {
  double sum = 0;
  for (std::size_t i = 0; i < power.size(); ++i)
    if (eigenvalue[i] == 0) sum += power[i];
  return sum;
}

double Levels::rank() const {
  if (tail > 0 || endless) return infinity;
  double sum = 0;
  for (std::size_t i = 0; i < eigenvalue.size(); ++i)
    if (eigenvalue[i] > 0) sum += multiplicity[i];
  return sum;
}

LearningCurve::LearningCurve(Levels levels, double ridge, double noise)
    : levels_(std::move(levels)), ridge_(ridge), noise_(noise), rank_(levels_.rank()) {
  const auto bad = [](double x) { return !(x >= 0) || !std::isfinite(x); };
  const std::size_t n = levels_.eigenvalue.size();
  if (n == 0 || levels_.multiplicity.size() != n || levels_.power.size() != n)
    throw std::invalid_argument("a learning curve needs an eigenvalue, a multiplicity and a power for every level");
  for (std::size_t i = 0; i < n; ++i)
    if (bad(levels_.eigenvalue[i]) || bad(levels_.multiplicity[i]) || bad(levels_.power[i]))
      throw std::invalid_argument("eigenvalues, multiplicities and powers of a learning curve must be finite and >= 0");
  if (bad(ridge) || bad(noise) || bad(levels_.tail) || bad(levels_.power_beyond))
    throw std::invalid_argument("ridge, noise and what is beyond the levels must be finite and >= 0");
  // Several families of levels may end at the last degree, of either parity.
  const double last = levels_.degree.empty() ? 0 : std::ranges::max(levels_.degree);
  double least = infinity;
  for (std::size_t i = 0; i < n; ++i) {
    if (levels_.eigenvalue[i] > 0) least = std::min(least, levels_.eigenvalue[i]);
    if (!levels_.degree.empty() && levels_.degree[i] >= last - 1)
      tail_largest_ = std::max(tail_largest_, levels_.eigenvalue[i]);
  }
  if (tail_largest_ == 0) tail_largest_ = least;
}

double LearningCurve::kappa(double n) const {
  const double fixed = ridge_ + levels_.tail;
  if (fixed == 0 && n >= rank_) return 0;
  double trace = fixed;
  for (std::size_t i = 0; i < levels_.eigenvalue.size(); ++i) trace += levels_.multiplicity[i] * levels_.eigenvalue[i];
  if (trace == 0) return 0;
  const auto gap = [&](double log_kappa) {
    // sum m L + fixed/kappa - n with m L = m - m (1 - L) above kappa, as one part that falls and one that grows: levels
    // far apart cancel n.
    const double kappa = std::exp(log_kappa);
    double above = -n, falling = fixed > 0 ? fixed / kappa : 0, growing = 0;
    for (std::size_t i = 0; i < levels_.eigenvalue.size(); ++i) {
      const double lambda = levels_.eigenvalue[i], m = levels_.multiplicity[i];
      if (lambda > kappa) {
        above += m;
        growing += m * (kappa / (lambda + kappa));
      } else if (lambda > 0) {
        falling += m * (lambda / (lambda + kappa));
      }
    }
    (above > 0 ? falling : growing) += std::abs(above);
    return std::log(std::max(falling, least_part)) - std::log(std::max(growing, least_part));
  };
  // sum m L + fixed/kappa lies below trace/kappa, and above it times kappa/(lambda_max + kappa).
  const double high = std::log(trace) - std::log(n) + 1e-12;
  double low = high - 1;
  for (double step = 1; gap(low) < 0; step *= 2) {
    low -= step;
    if (low < -740) return 0;  // below the least double
  }
  const solvers::FixedPoint found = solvers::bracketed(gap, low, high);
  if (!found.converged())
    throw std::runtime_error(fmt::format("no effective ridge at n = {:g}: {}", n, name(found.status)));
  return std::exp(found.x[0]);
}

CurvePoint LearningCurve::at(double n) const {
  if (!(n >= 0)) throw std::invalid_argument("a number of samples is >= 0");
  CurvePoint out;
  if (n == 0) {
    out.kappa = infinity;
    out.excess = levels_.total_power();
    return out;
  }
  return at(n, kappa(n));
}

CurvePoint LearningCurve::at(double n, double kappa) const {
  CurvePoint out;
  out.kappa = kappa;
  const double fixed = ridge_ + levels_.tail;
  // n - sum m L^2 = sum m L (1 - L) + fixed/kappa, without cancellation.
  double left = levels_.power_beyond, being_learned = 0, free = 0, squares = 0;
  for (std::size_t i = 0; i < levels_.eigenvalue.size(); ++i) {
    const double lambda = levels_.eigenvalue[i], share = lambda > 0 ? kappa / (lambda + kappa) : 1;
    left += share * share * levels_.power[i];
    const double learned = lambda > 0 ? lambda / (lambda + kappa) : 0;
    being_learned += learned * share * share * levels_.power[i];
    free += levels_.multiplicity[i] * share * learned;
    squares += levels_.multiplicity[i] * learned * learned;
  }
  free = kappa > 0 ? free + fixed / kappa : n - rank_;  // an endless kernel's is not known
  out.overfitting = free > 0 ? n / free : infinity;
  if (noise_ > 0) out.excess += (out.overfitting - 1) * noise_;
  if (left > 0) out.excess += out.overfitting * left;
  if (being_learned > 0) out.learned = out.overfitting * being_learned / out.excess;
  if (levels_.tail > 0 && kappa > 0 && out.excess > 0) {
    // Of the tail: sum m L^2, and sum m (lambda/kappa - L), by which kappa falls; at most.
    const double mu = tail_largest_, both = mu + kappa;
    const double tail_squares = levels_.tail * (mu < kappa ? mu / both / both : 0.25 / kappa);
    const double fall = levels_.tail / kappa * (mu / both) / free;
    const double more = tail_squares + 2 * std::min(squares, free) * fall;
    out.truncation = out.overfitting * (2 * left * fall + (left + noise_) * out.overfitting * more / n) / out.excess;
  }
  if (kappa > 0) out.train = std::pow(ridge_ / (n * kappa), 2) * (out.excess + noise_);
  if (kappa == 0 && std::isfinite(rank_)) out.train = (left + noise_) / out.overfitting;
  return out;
}

std::vector<double> LearningCurve::remaining(double kappa) const {
  std::vector<double> out(levels_.power);
  for (std::size_t i = 0; i < out.size(); ++i)
    if (levels_.eigenvalue[i] > 0 && std::isfinite(kappa))
      out[i] *= std::pow(kappa / (levels_.eigenvalue[i] + kappa), 2);
  return out;
}

double LearningCurve::samples_at(double kappa) const {
  double n = (ridge_ + levels_.tail) / kappa;
  for (std::size_t i = 0; i < levels_.eigenvalue.size(); ++i)
    n += levels_.multiplicity[i] * (levels_.eigenvalue[i] / (levels_.eigenvalue[i] + kappa));
  return n;
}

double LearningCurve::left_at(double kappa) const {
  double left = levels_.power_beyond;
  for (std::size_t i = 0; i < levels_.eigenvalue.size(); ++i)
    if (levels_.power[i] > 0) {
      const double share = levels_.eigenvalue[i] > 0 ? kappa / (levels_.eigenvalue[i] + kappa) : 1;
      left += share * share * levels_.power[i];
    }
  return left;
}

double LearningCurve::samples_for(double excess) const {
  // Close to what is never learned a number of samples is rounding.
  if (!(levels_.unlearnable_power() + levels_.power_beyond < excess * (1 - 1e-12))) return infinity;
  const CurvePoint start = at(least_samples);
  if (start.excess <= excess) return 0;
  // Signs as those of log(value / excess), which is of size 1 whatever the units of power: differences may overflow.
  const auto over_excess = [&](double value) { return std::clamp(std::log(value / excess), -700.0, 700.0); };
  const auto off = [&](double log_n) { return over_excess(at(std::exp(log_n)).excess); };
  const double most = off(most_log_samples) <= 0 ? most_log_samples : usual_log_samples;
  const auto found = [&](const CurvePoint& point, double n) { return point.truncation > most_truncation ? nan : n; };
  // Along kappa, whose n is a sum, in steps of which none is longer in log n: d log n/d log kappa = -1/E0. The excess is at
  // least what is left, which falls with kappa.
  double log_kappa = start.kappa > 0 ? std::log(start.kappa) : least_log_kappa, log_n = std::log(least_samples);
  const auto more_left = [&](double x) { return over_excess(left_at(std::exp(x))); };
  if (log_kappa > least_log_kappa && more_left(log_kappa) > 0) {
    log_kappa =
        more_left(least_log_kappa) < 0 ? numerics::root(more_left, least_log_kappa, log_kappa) : least_log_kappa;
    log_n = std::log(samples_at(std::exp(log_kappa)));
  }
  while (log_kappa > least_log_kappa && log_n < most) {
    const double next = std::max(least_log_kappa, log_kappa - longest_step);
    const auto over = [&](double x) {
      const double kappa = std::exp(x);
      return over_excess(at(samples_at(kappa), kappa).excess);
    };
    if (over(next) <= 0) {
      const double kappa = std::exp(over(log_kappa) <= 0 ? log_kappa : numerics::root(over, next, log_kappa));
      const double n = samples_at(kappa);
      return found(at(n, kappa), n);
    }
    log_kappa = next;
    log_n = std::log(samples_at(std::exp(log_kappa)));
  }
  // Where kappa is no double, or 0.
  for (double next = log_n; log_n < most; log_n = next) {
    next += longest_step;
    if (levels_.endless && std::isinf(at(std::exp(next)).excess)) return nan;
    if (off(next) <= 0) {
      const double n = std::exp(numerics::root(off, log_n, next));
      return found(at(n), n);
    }
  }
  return infinity;
}

}  // namespace edgewise::models::ingredients::learning_curves
