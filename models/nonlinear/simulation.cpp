#include "models/nonlinear/simulation.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/batch_weights.hpp"
#include "models/gradient_kernels.hpp"
#include "models/nonlinear/laws.hpp"
#include "random/random.hpp"

namespace edgewise::models {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class Method { residual, clip, mean_clip, sign_late, sign_early, sign_majority, sign_ema, ema_sign, adam };
enum class Sampler { batch, naive, rows };

struct Word {
  const char* name;
  Method method;
};
constexpr std::array<Word, 13> words{{{"sgd", Method::residual},
                                      {"huber", Method::residual},
                                      {"lad", Method::residual},
                                      {"quantile", Method::residual},
                                      {"reject", Method::residual},
                                      {"clip", Method::clip},
                                      {"mean-clip", Method::mean_clip},
                                      {"sign-late", Method::sign_late},
                                      {"sign-early", Method::sign_early},
                                      {"sign-majority", Method::sign_majority},
                                      {"sign-ema", Method::sign_ema},
                                      {"ema-sign", Method::ema_sign},
                                      {"adam", Method::adam}}};

Method method_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Word& word : words) {
    if (name == word.name) return word.method;
    names.emplace_back(word.name);
  }
  throw std::invalid_argument("optimizer.method: unknown method '" + name + "'" + settings::suggestion(name, names) +
                              "; accepted: " + settings::join(names));
}

/// Methods whose step needs more of an example than its weight.
bool needs_examples(Method method) {
  return method == Method::clip || method == Method::sign_early || method == Method::sign_majority;
}

/// What an example's gradient is multiplied with: chi(r) = r unless the method bends the residual.
class Residuals {
 public:
  explicit Residuals(const NonlinearProblem& problem)
      : problem_(problem), root_trace_(std::sqrt(problem.covariance.trace())) {
    seek(0);
  }

  void seek(std::uint64_t step) {
    const bool scheduled = problem_.threshold_rule != "constant" && problem_.threshold_schedule;
    const double h = scheduled ? problem_.threshold_schedule->at(static_cast<double>(step)) : problem_.threshold;
    if (h == threshold_) return;
    threshold_ = h;
    norm_ = scheduled ? h * root_trace_ : h;
    if (problem_.method == "huber") chi_ = huber_nonlinearity(h);
    if (problem_.method == "lad") chi_ = sign_nonlinearity();
    if (problem_.method == "quantile") chi_ = quantile_nonlinearity(h);
    if (problem_.method == "reject") chi_ = rejection_nonlinearity(h);
  }

  double chi(double r) const { return chi_ ? (*chi_)(r) : r; }
  double norm() const { return norm_; }  ///< at which clip and mean-clip cut

 private:
  const NonlinearProblem& problem_;
  double root_trace_, threshold_ = std::numeric_limits<double>::quiet_NaN(), norm_ = 0;
  std::unique_ptr<ResidualNonlinearity> chi_;
};

/// min(1, c/norm), 1 for norm 0.
double clip_factor(double norm, double c) {
  return norm > c ? c / norm : 1.0;
}

/// Coordinates of the data, x = root .* z or x = factor z with z ~ N(0, I), and the start.
struct Coordinates {
  std::size_t d = 0;
  bool diagonal = true;
  std::vector<double> root, eigenvalue;  // diagonal; eigenvalue = root^2
  Eigen::MatrixXd factor;                // else
  std::vector<double> start;             // v_0
  double excess = 0;                     // P at the start

  explicit Coordinates(const NonlinearProblem& problem, bool rows) {
    const Covariance& k = problem.covariance;
    d = k.d;
    start.resize(d);
    for (std::size_t i = 0; i < d; ++i) start[i] = -k.target[i];
    if (k.diagonal) {
      eigenvalue = k.eigenvalue;
    } else if (!problem.coordinatewise() && !rows) {
      // Residual methods commute with rotations: the eigenbasis has the same law and costs O(d).
      const ModeSystem modes = class_one_modes(k);
      eigenvalue = modes.kappa;
      for (std::size_t i = 0; i < d; ++i) start[i] = -std::sqrt(modes.initial[i]);
    } else {
      diagonal = false;
      factor = root_of(k);
    }
    for (const double lambda : eigenvalue) root.push_back(std::sqrt(lambda));
    std::vector<double> u(d);
    excess = whiten(start, u);
  }

  /// u = K^(1/2)'v, so that <x, v> = <z, u>; returns P = |u|^2.
  double whiten(std::span<const double> v, std::span<double> u) const {
    if (diagonal)
      for (std::size_t i = 0; i < d; ++i) u[i] = root[i] * v[i];
    else
      vector(u).noalias() = factor.transpose() * vector(v);
    return dot(std::span<const double>(u), u);
  }

  /// x = K^(1/2) z.
  void color(std::span<const double> z, std::span<double> x) const {
    if (diagonal)
      for (std::size_t i = 0; i < d; ++i) x[i] = root[i] * z[i];
    else
      vector(x).noalias() = factor * vector(z);
  }

 private:
  static Eigen::Map<const Eigen::VectorXd> vector(std::span<const double> v) {
    return {v.data(), static_cast<Eigen::Index>(v.size())};
  }
  static Eigen::Map<Eigen::VectorXd> vector(std::span<double> v) {
    return {v.data(), static_cast<Eigen::Index>(v.size())};
  }

  /// Any matrix with K = factor factor'.
  static Eigen::MatrixXd root_of(const Covariance& k) {
    const auto n = static_cast<Eigen::Index>(k.d);
    if (!k.eigenvectors.empty())
      return Eigen::Map<const Eigen::MatrixXd>(k.eigenvectors.data(), n, n) *
             vector(std::span<const double>(k.eigenvalue)).cwiseMax(0.0).cwiseSqrt().asDiagonal();
    const linear_algebra::Matrix matrix(k.d, k.d, std::span<const double>(k.matrix));
    const linear_algebra::Matrix cholesky = linear_algebra::cholesky(matrix);
    if (cholesky.size() > 0) return Eigen::Map<const Eigen::MatrixXd>(cholesky.data(), n, n);
    const auto eigen = linear_algebra::symmetric_eigen(matrix);
    return Eigen::Map<const Eigen::MatrixXd>(eigen.vectors.data(), n, n) *
           vector(std::span<const double>(eigen.values)).cwiseMax(0.0).cwiseSqrt().asDiagonal();
  }
};

/// Rows of the data set with what the optimum leaves of their labels.
struct Rows {
  std::shared_ptr<const spectra::Dataset> dataset;
  std::vector<double> misfit;  // y - <x, theta*>

  explicit Rows(const NonlinearProblem& problem) : dataset(spectra::load(*problem.dataset)), misfit(dataset->targets) {
    for (std::size_t i = 0; i < dataset->rows; ++i) misfit[i] -= dot(dataset->row(i), problem.covariance.target);
  }
};

double label_variance(const NonlinearProblem& problem) {
  return (problem.noise ? problem.noise->variance() : 0.0) + problem.covariance.unexplained_variance;
}

/// What every sampler shares: counting steps, and the end of a diverged run.
class NonlinearReplica : public Replica {
 public:
  NonlinearReplica(const NonlinearProblem& problem, const Coordinates& coordinates)
      : problem_(problem),
        coordinates_(coordinates),
        residuals_(problem),
        limit_(1e100 * std::max(coordinates.excess, 1.0)) {
    if (problem.schedule->constant()) constant_rate_ = problem.rate_at(0);
  }

  void advance(std::uint64_t step) final {
    for (; step_ < step && !diverged_; ++step_) {
      residuals_.seek(step_);
      diverged_ = !(take_step(step_, constant_rate_ ? *constant_rate_ : problem_.rate_at(static_cast<double>(step_))) <=
                    limit_);
    }
    step_ = std::max(step_, step);
  }

  void observe(std::span<double> out) const final {
    out[0] = diverged_ ? infinity : excess();
    if (out.size() > 1) out[1] = 0.5 * (out[0] + label_variance(problem_));
  }

 protected:
  /// Takes step `step` and returns the excess risk, or something of its size.
  virtual double take_step(std::uint64_t step, double rate) = 0;
  virtual double excess() const = 0;

  const NonlinearProblem& problem_;
  const Coordinates& coordinates_;
  Residuals residuals_;

 private:
  double limit_;
  std::optional<double> constant_rate_;
  std::uint64_t step_ = 0;
  bool diverged_ = false;
};

/// The mini-batch gradient sum_b chi(r_b) x_b / B of Gaussian data in its B weights and one N(0, I_d) (theory note
/// least-squares-sgd, 2): K^(1/2) (shrink u + noise z), where u = K^(1/2)'v.
class BatchGradient {
 public:
  BatchGradient(const NonlinearProblem& problem, std::size_t d, std::uint64_t seed, std::uint64_t replica)
      : batch_(problem.batch),
        stream_(seed, replica),
        weights_(seed, replica, 0, random::Purpose::batch),
        labels_(problem.noise.get(), problem.covariance.unexplained_variance, seed, replica),
        z_(d) {}

  StepScalars draw(std::uint64_t step, const Residuals& residuals, std::span<const double> u, double excess) {
    const double deviation = std::sqrt(excess);
    weights_.seek(step);
    labels_.seek(step);
    // Chunks keep the memory small for a large batch; whole blocks of normals keep the sequence the same for any chunk.
    constexpr double chunk = 16 * random::Stream::normal_granularity;
    double products = 0, squares = 0;
    for (double left = batch_; left > 0; left -= chunk) {
      const auto count = static_cast<std::size_t>(std::min(left, chunk));
      normal_.resize(count);
      eps_.resize(count);
      weights_.normals(normal_);
      labels_.fill(eps_);
      for (std::size_t b = 0; b < count; ++b) {
        const double weight = residuals.chi(deviation * normal_[b] - eps_[b]);
        products += weight * normal_[b];
        squares += weight * weight;
      }
    }
    stream_.seek(step);
    stream_.normals(z_);
    const double y = dot(u, z_);
    return BatchAction::of(products, squares, deviation).scalars(1 / batch_, y);
  }

  std::span<const double> z() const { return z_; }

 private:
  double batch_;
  random::Stream stream_, weights_;
  LabelNoise labels_;
  std::vector<double> normal_, eps_, z_;
};

/// Residual methods and the sign of the mean gradient on a diagonal covariance, in one pass over u.
class DiagonalReplica final : public NonlinearReplica {
 public:
  DiagonalReplica(const NonlinearProblem& problem, const Coordinates& coordinates, std::uint64_t seed,
                  std::uint64_t index)
      : NonlinearReplica(problem, coordinates),
        gradient_(problem, coordinates.d, seed, index),
        u_(coordinates.d),
        steps_(problem.coordinatewise() ? coordinates.d : 0) {
    excess_ = coordinates.whiten(coordinates.start, u_);
  }

 private:
  double take_step(std::uint64_t step, double rate) override {
    const auto [shrink, noise] = gradient_.draw(step, residuals_, u_, excess_);
    if (problem_.coordinatewise()) {
      if (rate != rate_)
        for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i] = rate * coordinates_.root[i];
      rate_ = rate;
      excess_ = descend_by_sign(steps_, shrink, noise, gradient_.z(), u_);
    } else {
      excess_ = descend(coordinates_.eigenvalue, rate * shrink, rate * noise, gradient_.z(), u_);
    }
    return excess_;
  }

  double excess() const override { return excess_; }

  BatchGradient gradient_;
  std::vector<double> u_, steps_;
  double excess_ = 0, rate_ = std::numeric_limits<double>::quiet_NaN();
};

/// State v = theta - theta* in the coordinates of the data: forms a mean gradient, then steps along what the method
/// makes of it.
class GradientReplica : public NonlinearReplica {
 public:
  GradientReplica(const NonlinearProblem& problem, const Coordinates& coordinates, Method method)
      : NonlinearReplica(problem, coordinates),
        method_(method),
        v_(coordinates.start),
        gradient_(coordinates.d),
        whitened_(coordinates.d),
        average_(method == Method::sign_ema || method == Method::ema_sign || method == Method::adam ? coordinates.d
                                                                                                    : 0),
        second_(method == Method::adam ? coordinates.d : 0) {}

 protected:
  double excess() const override { return coordinates_.whiten(v_, whitened_); }

  /// v <- v - rate * (what the method makes of `gradient_`, the mean over the batch of gradients, or of their signs for
  /// early and majority).
  void descend_along_gradient(double rate) {
    const std::span<const double> gradient = gradient_;
    switch (method_) {
      case Method::residual:
      case Method::clip:
      case Method::sign_early:
        add_scaled(-rate, gradient, v_);
        return;
      case Method::mean_clip:
        add_scaled(-rate * clip_factor(std::sqrt(dot(gradient, gradient)), residuals_.norm()), gradient, v_);
        return;
      case Method::sign_late:
      case Method::sign_majority:
        add_signs(-rate, gradient, v_);
        return;
      case Method::sign_ema:
        decay_average();
        add_scaled(1 - problem_.ema, gradient, average_);
        add_signs(-rate, std::span<const double>(average_), v_);
        return;
      case Method::ema_sign:
        decay_average();
        add_signs(1 - problem_.ema, gradient, average_);
        add_scaled(-rate, std::span<const double>(average_), v_);
        return;
      case Method::adam:
        descend_by_adam(rate);
        return;
    }
  }

  Method method_;
  std::vector<double> v_, gradient_;

 private:
  void decay_average() {
    for (double& m : average_) m *= problem_.ema;
  }

  void descend_by_adam(double rate) {
    const double beta1 = problem_.ema, beta2 = problem_.ema_square;
    left1_ *= beta1;
    left2_ *= beta2;
    const double first = rate / (1 - left1_), second = 1 / (1 - left2_);
    for (std::size_t i = 0; i < v_.size(); ++i) {
      const double g = gradient_[i];
      average_[i] = beta1 * average_[i] + (1 - beta1) * g;
      second_[i] = beta2 * second_[i] + (1 - beta2) * g * g;
      if (average_[i] != 0) v_[i] -= first * average_[i] / (std::sqrt(second_[i] * second) + problem_.floor);
    }
  }

  mutable std::vector<double> whitened_;
  std::vector<double> average_, second_;
  double left1_ = 1, left2_ = 1;  ///< beta1 and beta2 to the power of the steps taken
};

/// The mean gradient in one N(0, I_d).
class ReducedReplica final : public GradientReplica {
 public:
  ReducedReplica(const NonlinearProblem& problem, const Coordinates& coordinates, Method method, std::uint64_t seed,
                 std::uint64_t index)
      : GradientReplica(problem, coordinates, method),
        batch_(problem, coordinates.d, seed, index),
        u_(coordinates.d),
        force_(coordinates.d) {
    excess_ = coordinates.whiten(v_, u_);
  }

 private:
  double take_step(std::uint64_t step, double rate) override {
    const auto [shrink, noise] = batch_.draw(step, residuals_, u_, excess_);
    const auto z = batch_.z();
    for (std::size_t i = 0; i < force_.size(); ++i) force_[i] = shrink * u_[i] + noise * z[i];
    coordinates_.color(force_, gradient_);
    descend_along_gradient(rate);
    excess_ = coordinates_.whiten(v_, u_);
    return excess_;
  }

  BatchGradient batch_;
  std::vector<double> u_, force_;
  double excess_ = 0;
};

/// B explicit examples a step: Gaussian data or rows.
class ExampleReplica final : public GradientReplica {
 public:
  /// \param rows null for Gaussian data.
  ExampleReplica(const NonlinearProblem& problem, const Coordinates& coordinates, Method method, const Rows* rows,
                 std::uint64_t seed, std::uint64_t index)
      : GradientReplica(problem, coordinates, method),
        rows_(rows),
        stream_(seed, index, 0, rows ? random::Purpose::batch : random::Purpose::data),
        labels_(problem.noise.get(), rows ? 0.0 : problem.covariance.unexplained_variance, seed, index),
        eps_(static_cast<std::size_t>(problem.batch)),
        // Whole blocks, so that one example after the other takes up where the last stopped.
        z_(rows ? 0 : (coordinates.d + block - 1) / block * block),
        x_(rows ? 0 : coordinates.d) {}

 private:
  static constexpr std::size_t block = random::Stream::normal_granularity;

  double take_step(std::uint64_t step, double rate) override {
    stream_.seek(step);
    labels_.seek(step);
    labels_.fill(eps_);
    std::ranges::fill(gradient_, 0.0);
    double squares = 0;
    for (const double eps : eps_) {
      if (rows_) {
        const auto row = static_cast<std::size_t>(stream_.below(rows_->dataset->rows));
        squares += add_example(rows_->dataset->row(row), rows_->misfit[row] + eps);
      } else {
        stream_.normals(z_);
        coordinates_.color(std::span<const double>(z_).first(x_.size()), x_);
        squares += add_example(std::span<const double>(x_), eps);
      }
    }
    for (double& g : gradient_) g /= problem_.batch;
    descend_along_gradient(rate);
    return squares / problem_.batch;
  }

  /// Adds the example's gradient, or its signs; returns <x, v>^2.
  template <class T>
  double add_example(std::span<const T> x, double eps) {
    const double product = dot(x, v_), r = product - eps;
    if (method_ == Method::sign_early || method_ == Method::sign_majority) {
      add_signs(static_cast<double>((r > 0) - (r < 0)), x, gradient_);
    } else if (method_ == Method::clip) {
      double square = 0;
      for (const T value : x) square += static_cast<double>(value) * static_cast<double>(value);
      add_scaled(r * clip_factor(std::abs(r) * std::sqrt(square), residuals_.norm()), x, gradient_);
    } else {
      add_scaled(residuals_.chi(r), x, gradient_);
    }
    return product * product;
  }

  const Rows* rows_;
  random::Stream stream_;
  LabelNoise labels_;
  std::vector<double> eps_, z_, x_;
};

Sampler chosen(const NonlinearProblem& problem, Method method, const std::string& name) {
  const std::vector<std::string> names{"auto", "batch", "naive", "rows"};
  if (std::ranges::find(names, name) == names.end())
    throw std::invalid_argument("monte_carlo.sampler: unknown sampler '" + name + "'" +
                                settings::suggestion(name, names) + "; accepted: " + settings::join(names));
  if (name == "rows" && !problem.dataset)
    throw std::invalid_argument("monte_carlo.sampler: 'rows' needs data.law = \"rows\"");
  if (problem.dataset) {
    if (name != "rows" && name != "auto")
      throw std::invalid_argument("monte_carlo.sampler: '" + name +
                                  "' cannot draw data.law = \"rows\"; use rows or auto, or data.law = \"gaussian\"");
    if (problem.covariance.diagonal)
      throw std::invalid_argument("data.basis: rows come in their own coordinates; use \"natural\"");
    return Sampler::rows;
  }
  if (name == "batch" && needs_examples(method))
    throw std::invalid_argument("monte_carlo.sampler: 'batch' cannot sample '" + problem.method +
                                "', which acts on every example; use naive or auto");
  return name == "naive" || needs_examples(method) ? Sampler::naive : Sampler::batch;
}

void check(const NonlinearProblem& problem, Method method) {
  const double batch = problem.batch;
  if (!(batch >= 1) || !std::isfinite(batch) || batch != std::floor(batch))
    throw std::invalid_argument(
        fmt::format("optimizer.batch: must be a whole number >= 1, got {}", settings::text_of(batch)));
  const Covariance& k = problem.covariance;
  if (k.d == 0 || k.target.size() != k.d || (k.diagonal ? k.eigenvalue.size() != k.d : k.matrix.size() != k.d * k.d))
    throw std::invalid_argument("covariance: its parts differ in size");
  if (!(problem.ema >= 0 && problem.ema < 1))
    throw std::invalid_argument(fmt::format("optimizer.ema: must be >= 0 and < 1, got {}", problem.ema));
  if (problem.threshold_rule != "constant" && !problem.threshold_schedule)
    throw std::invalid_argument("optimizer.threshold_rule: '" + problem.threshold_rule +
                                "' follows the theory, which has not been solved");
  const bool cuts =
      method == Method::clip || method == Method::mean_clip || problem.method == "huber" || problem.method == "reject";
  if (cuts && problem.threshold_rule == "constant" && !(problem.threshold > 0))
    throw std::invalid_argument(
        fmt::format("optimizer.threshold: must be > 0, got {}", settings::text_of(problem.threshold)));
  if (problem.method == "quantile" && !(problem.threshold > 0 && problem.threshold < 1))
    throw std::invalid_argument(fmt::format("optimizer.threshold: a quantile is between 0 and 1, got {}",
                                            settings::text_of(problem.threshold)));
}

class NonlinearSimulation final : public Simulation {
 public:
  NonlinearSimulation(std::shared_ptr<const NonlinearProblem> problem, Method method, Sampler sampler)
      : problem_(std::move(problem)),
        method_(method),
        sampler_(sampler),
        coordinates_(*problem_, sampler == Sampler::rows),
        observables_{{"excess_mse", "label^2", "P = v'Kv"}} {
    if (sampler == Sampler::rows) rows_.emplace(*problem_);
    if (std::isfinite(label_variance(*problem_)))
      observables_.push_back({"risk", "label^2", "population loss with noise, (P + sigma^2)/2"});
  }

  const std::vector<Observable>& observables() const override { return observables_; }

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    if (sampler_ != Sampler::batch)
      return std::make_unique<ExampleReplica>(*problem_, coordinates_, method_, rows_ ? &*rows_ : nullptr, seed, index);
    if (coordinates_.diagonal && (method_ == Method::residual || method_ == Method::sign_late))
      return std::make_unique<DiagonalReplica>(*problem_, coordinates_, seed, index);
    return std::make_unique<ReducedReplica>(*problem_, coordinates_, method_, seed, index);
  }

  std::string sampler() const override {
    return sampler_ == Sampler::batch ? "batch" : (sampler_ == Sampler::naive ? "naive" : "rows");
  }

  double cost() const override {
    const auto d = static_cast<double>(coordinates_.d);
    const double pass = coordinates_.diagonal || sampler_ == Sampler::rows ? d : d * d;
    return static_cast<double>(problem_->time.steps) * pass * (sampler_ == Sampler::batch ? 1 : problem_->batch);
  }

 private:
  std::shared_ptr<const NonlinearProblem> problem_;
  Method method_;
  Sampler sampler_;
  Coordinates coordinates_;
  std::optional<Rows> rows_;
  std::vector<Observable> observables_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_nonlinear(std::shared_ptr<const NonlinearProblem> problem,
                                               const std::string& sampler) {
  const Method method = method_of(problem->method);
  check(*problem, method);
  return std::make_unique<NonlinearSimulation>(problem, method, chosen(*problem, method, sampler));
}

}  // namespace edgewise::models
