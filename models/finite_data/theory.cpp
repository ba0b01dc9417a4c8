#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"
#include "models/finite_data/loss_variance.hpp"
#include "models/finite_data/population.hpp"
#include "models/framework/recorder.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::finite_data {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Eigenvalues, relative to the largest, down to which a jump resolves the variance of a mode.
constexpr double least_jumped = 1e-12;
/// Operations that the fourth moments may cost.
constexpr double most_operations = 2e12;

/// What is known at a recorded step beside the loss.
struct Recorded {
  double excess = 0;  ///< where a population is known
  std::optional<double> std;
};

/// Records at the asked steps until the loss diverges.
class LossRecorder {
 public:
  LossRecorder(const FiniteData& data, const std::string& method, bool exact)
      : data_(data), out_(loss_of(numerics::squared_norm_in_order(data.residual))) {
    out_.trajectory().method = !data.shuffled()    ? method
                               : method == "exact" ? "fresh batches"
                                                   : method + ", fresh batches";
    out_.trajectory().exact = exact && !data.shuffled();
    for (const Observable& observable : finite_data_observables(data)) columns_.push_back(out_.add(observable));
  }
  /// `power` is E |z|^2; `rest` is asked at recorded steps only. False when there is nothing more to do.
  bool operator()(std::uint64_t step, double power, const std::function<Recorded()>& rest) {
    const double loss = loss_of(power), at = static_cast<double>(step);
    if (!out_.alive(at, loss)) return false;
    if (next_ < data_.time.at.size() && data_.time.at[next_] == step) {
      const Recorded more = rest();
      out_.row(at);
      out_.set(columns_[0], loss);
      if (more.std) out_.set_std(columns_[0], *more.std);
      if (data_.has_risk()) out_.set(columns_[1], 0.5 * (more.excess + data_.population->noise_variance));
      if (data_.population) out_.set(columns_.back(), more.excess);
      ++next_;
    }
    return next_ < data_.time.at.size();
  }
  Trajectory take() {
    Trajectory out = out_.take();
    // Of squares of differences, of targets of size 1 and what is learned of them.
    constexpr double rounding = 1e-13;
    const double start = numerics::squared_norm_in_order(data_.residual) / static_cast<double>(data_.samples());
    for (Column& column : out.columns) column.rounding = rounding * rounding * start;
    return out;
  }

 private:
  double loss_of(double power) const { return power / (2 * static_cast<double>(data_.samples())); }
  const FiniteData& data_;
  Recorder out_;
  std::vector<Recorder::Handle> columns_;
  std::size_t next_ = 0;
};

std::optional<PopulationRisk> population_of(const FiniteData& data, const Kernel& kernel) {
  if (!data.population) return std::nullopt;
  return PopulationRisk(data, kernel);
}

/// The standard deviation of the loss beside the exact solution.
class Bands {
 public:
  Bands(const FiniteData& data, const Kernel& kernel, bool asked) : samples_(data.samples()), asked_(asked) {
    const bool noiseless = batch_moments(data).c1 == 0;
    if (!asked || noiseless) return;
    if (FourthMoments::cost(samples_, static_cast<double>(data.time.at.back())) > most_operations)
      throw std::invalid_argument(fmt::format(
          "theory.bands: the fourth moments of {} samples over {} steps cost too much; ask for fewer of either",
          samples_, data.time.at.back()));
    moments_.emplace(data, kernel);
  }
  void step(double rate) {
    if (moments_) moments_->step(rate);
  }
  std::optional<double> at(double power) const {
    if (!asked_) return std::nullopt;
    if (!moments_) return 0.0;
    const double variance = moments_->power_squared() - power * power;
    // A smaller one is lost in the difference.
    constexpr double least_variance = 1e-11;
    if (variance < least_variance * power * power) return 0.0;
    return std::sqrt(variance) / (2 * static_cast<double>(samples_));
  }

 private:
  std::size_t samples_;
  bool asked_;
  std::optional<FourthMoments> moments_;
};

/// (9.1) in Theta's eigenbasis, where Theta's part is a product entry by entry and diag(S) the only matrix product. Moved are the
/// mean residual r = E V'z and the covariance C of y, theta = Phi y, of which all else follows: S = r r' + diag(mu) C diag(mu).
/// From second moments it would be a difference, lost in rounding once the loss has fallen by sixteen decades.
class ExactMoments {
 public:
  ExactMoments(const FiniteData& data, const Kernel& kernel)
      : kernel_(kernel),
        moments_(batch_moments(data)),
        residual_(kernel.along(data.residual)),
        mean_(data.samples(), 0.0),
        C_(data.samples(), data.samples()),
        S_(data.samples(), data.samples()),
        Q_(data.samples(), data.samples()) {}

  /// E |z|^2.
  double power() const {
    double sum = 0;
    for (std::size_t a = 0; a < residual_.size(); ++a) {
      const double mu = kernel_.eigenvalue[a];
      sum += residual_[a] * residual_[a] + mu * mu * C_(a, a);
    }
    return sum;
  }
  const std::vector<double>& mean() const { return mean_; }  ///< E y
  const Matrix& covariance() const { return C_; }            ///< of y

  void step(double eta) {
    const std::size_t N = residual_.size();
    const std::vector<double>& mu = kernel_.eigenvalue;
    batch_noise();
    // Rounding's antisymmetric part would grow: the upper triangle is copied from the lower.
    for (std::size_t b = 0; b < N; ++b)
      for (std::size_t a = b; a < N; ++a)
        C_(b, a) = C_(a, b) = (1 - eta * (mu[a] + mu[b])) * C_(a, b) + eta * eta * Q_(a, b);
    for (std::size_t a = 0; a < N; ++a) {
      mean_[a] -= eta * residual_[a];
      residual_[a] *= 1 - eta * mu[a];
    }
  }

 private:
  /// Q = c2 diag(mu) C diag(mu) + (c2 - 1) r r' + c1 V' diag(V S V') V: what a step adds, r r' of the mean taken out.
  void batch_noise() {
    const std::size_t N = residual_.size();
    const Matrix& V = kernel_.vectors;
    const std::vector<double>& mu = kernel_.eigenvalue;
    if (moments_.c1 > 0) {
      for (std::size_t b = 0; b < N; ++b)
        for (std::size_t a = 0; a < N; ++a) S_(a, b) = residual_[a] * residual_[b] + mu[a] * C_(a, b) * mu[b];
      linear_algebra::multiply(1, V, Transposed::no, S_, Transposed::no, 0, turned_);
      diagonal_.assign(N, 0.0);
      for (std::size_t a = 0; a < N; ++a)
        for (std::size_t i = 0; i < N; ++i) diagonal_[i] += turned_(i, a) * V(i, a);
      scaled_ = V;
      for (std::size_t a = 0; a < N; ++a)
        for (std::size_t i = 0; i < N; ++i) scaled_(i, a) *= moments_.c1 * diagonal_[i];
      linear_algebra::multiply(1, V, Transposed::yes, scaled_, Transposed::no, 0, Q_);
    }
    for (std::size_t b = 0; b < N; ++b)
      for (std::size_t a = 0; a < N; ++a)
        Q_(a, b) = moments_.c2 * mu[a] * C_(a, b) * mu[b] + (moments_.c2 - 1) * residual_[a] * residual_[b] +
                   (moments_.c1 > 0 ? Q_(a, b) : 0.0);
  }

  const Kernel& kernel_;
  BatchMoments moments_;
  std::vector<double> residual_, mean_, diagonal_;
  Matrix C_, S_, Q_, turned_, scaled_;
};

Trajectory solve_exact(const FiniteData& data, const Kernel& kernel, bool bands) {
  ExactMoments moments(data, kernel);
  Bands variance(data, kernel, bands);
  const std::optional<PopulationRisk> population = population_of(data, kernel);
  LossRecorder record(data, "exact", true);
  for (std::uint64_t k = 0;; ++k) {
    const double power = moments.power();
    if (!record(k, power, [&] {
          return Recorded{population ? population->excess(moments.mean(), moments.covariance()) : 0,
                          variance.at(power)};
        }))
      return record.take();
    moments.step(data.rate(k));
    variance.step(data.rate(k));
  }
}

/// p' = (A + Bm) p with its coefficients apart from eta: A_a = 1 - 2 eta mu_a + eta^2 c2 mu_a^2,
/// Bm_ab = eta^2 c1 mu_a^2 C_ab.
struct Closure {
  Closure(const FiniteData& data, const Kernel& the_kernel, bool mean_field)
      : kernel(the_kernel),
        moments(batch_moments(data)),
        C(mean_field ? Matrix(data.samples(), data.samples(), 1 / static_cast<double>(data.samples()))
                     : overlaps(the_kernel)),
        start(the_kernel.along(data.residual)),
        power(start) {
    for (double& x : power) x *= x;
  }
  double null_power() const {
    return std::accumulate(power.begin() + static_cast<std::ptrdiff_t>(kernel.rank), power.end(), 0.0);
  }
  const Kernel& kernel;
  BatchMoments moments;
  Matrix C;
  std::vector<double> start, power;  // V'z and its squares at the start
};

/// Whether a jump would leave few digits of the excess risk where steps cost little: the variances of small modes are
/// differences that their eigenvalues divide.
bool better_step_by_step(const FiniteData& data, const Kernel& kernel) {
  if (!data.population || kernel.rank == 0) return false;
  const double ratio = kernel.eigenvalue[kernel.rank - 1] / kernel.eigenvalue.front();
  const auto N = static_cast<double>(data.samples());
  return ratio < 1e-6 && static_cast<double>(data.time.at.back()) * N * N < 2e10;
}

// Its part on the modes that are not null is similar to a symmetric matrix: powers of its eigenvalues reach any step at
// once. Null modes stay and drive the others.
void jump_closure(const FiniteData& data, const Closure& closure, LossRecorder& record) {
  const Kernel& kernel = closure.kernel;
  const std::size_t N = data.samples(), rank = kernel.rank;
  const BatchMoments c = closure.moments;
  const double eta = data.rate(0), null_power = closure.null_power();
  const std::vector<double>& p = closure.power;
  std::vector<double> weight(rank), drive(rank, 0.0);
  Matrix symmetric(rank, rank);
  for (std::size_t a = 0; a < rank; ++a) weight[a] = eta * std::sqrt(c.c1) * kernel.eigenvalue[a];
  for (std::size_t a = 0; a < rank; ++a) {
    for (std::size_t b = 0; b < rank; ++b) symmetric(a, b) = weight[a] * closure.C(a, b) * weight[b];
    const double x = eta * kernel.eigenvalue[a];
    symmetric(a, a) += 1 - 2 * x + c.c2 * x * x;
    for (std::size_t b = rank; b < N; ++b) drive[a] += weight[a] * closure.C(a, b) * p[b];
  }
  // In q_a = p_a/weight_a; with c1 = 0 the modes are apart and the scale does not matter.
  std::vector<double> scale = weight, from_start(rank), from_drive(rank), to_power(rank);
  if (c.c1 == 0) std::fill(scale.begin(), scale.end(), 1.0);
  const linear_algebra::SymmetricEigen eigen =
      rank > 0 ? linear_algebra::symmetric_eigen(symmetric) : linear_algebra::SymmetricEigen{};
  for (std::size_t k = 0; k < rank; ++k)
    for (std::size_t a = 0; a < rank; ++a) {
      const double v = eigen.vectors(a, k);
      from_start[k] += v * p[a] / scale[a];
      from_drive[k] += v * drive[a];
      to_power[k] += v * scale[a];
    }
  const std::optional<PopulationRisk> population = population_of(data, kernel);
  std::vector<double> grown(rank);
  for (const std::uint64_t step : data.time.at) {
    const auto t = static_cast<double>(step);
    double power = null_power;
    for (std::size_t k = 0; k < rank; ++k) {
      const double value = eigen.values[k], powered = std::pow(value, t);
      const double summed = value == 1 ? t : (1 - powered) / (1 - value);
      grown[k] = powered * from_start[k] + summed * from_drive[k];
      power += to_power[k] * grown[k];
    }
    const auto rest = [&]() -> Recorded {
      if (!population) return {};
      // Var y_a = Var (V'z)_a/mu_a^2 and E y_a = (E (V'z)_a - start)/mu_a.
      std::vector<double> mean(N, 0.0), variance(N, 0.0);
      for (std::size_t a = 0; a < rank; ++a) {
        const double mu = kernel.eigenvalue[a], x = eta * mu;
        const double left = x < 1 ? std::expm1(t * std::log1p(-x)) : std::pow(1 - x, t) - 1;
        mean[a] = closure.start[a] * left / mu;
        double second = 0;
        for (std::size_t k = 0; k < rank; ++k) second += eigen.vectors(a, k) * grown[k];
        const double residual = closure.start[a] * (1 + left);
        // Below, the difference is rounding, and the mode stands still.
        if (mu > least_jumped * kernel.eigenvalue.front())
          variance[a] = std::max(0.0, scale[a] * second - residual * residual) / (mu * mu);
      }
      return {population->excess(mean, variance), {}};
    };
    if (!record(step, power, rest)) break;
  }
}

// Step by step, under a schedule. The variance of z_a is mu_a^2 that of y_a.
void iterate_closure(const FiniteData& data, const Closure& closure, LossRecorder& record) {
  const std::size_t N = data.samples(), rank = closure.kernel.rank;
  const std::vector<double>& mu = closure.kernel.eigenvalue;
  const BatchMoments c = closure.moments;
  const std::optional<PopulationRisk> population = population_of(data, closure.kernel);
  std::vector<double> residual = closure.start, mean(N, 0.0), variance(N, 0.0), power = closure.power, mixed(N);
  for (std::uint64_t k = 0;; ++k) {
    const double sum = std::accumulate(power.begin(), power.end(), 0.0);
    if (!record(k, sum, [&] { return Recorded{population ? population->excess(mean, variance) : 0, {}}; })) return;
    const double eta = data.rate(k);
    std::fill(mixed.begin(), mixed.end(), 0.0);
    for (std::size_t b = 0; b < N; ++b)
      for (std::size_t a = 0; a < rank; ++a) mixed[a] += closure.C(a, b) * power[b];
    for (std::size_t a = 0; a < rank; ++a) {
      const double x = eta * mu[a];
      variance[a] = (1 - 2 * x + c.c2 * x * x) * variance[a] +
                    eta * eta * ((c.c2 - 1) * residual[a] * residual[a] + c.c1 * mixed[a]);
      mean[a] -= eta * residual[a];
      residual[a] *= 1 - x;
      power[a] = residual[a] * residual[a] + mu[a] * mu[a] * variance[a];
    }
  }
}

}  // namespace

Trajectory solve_finite_data(const FiniteData& data, const Kernel& kernel, const FiniteDataMethod& method) {
  if (method.level == Level::exact) return solve_exact(data, kernel, method.bands);
  const bool mean_field = method.level == Level::mean_field;
  const Closure closure(data, kernel, mean_field);
  LossRecorder record(data, mean_field ? "mean-field" : "closure", false);
  if (data.schedule->constant() && !better_step_by_step(data, kernel))
    jump_closure(data, closure, record);
  else
    iterate_closure(data, closure, record);
  return record.take();
}

}  // namespace edgewise::models::finite_data
