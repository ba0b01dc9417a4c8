#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/least_squares/batch_gradient.hpp"
#include "models/least_squares/rate_moments.hpp"
#include "random/random.hpp"

namespace edgewise::models::least_squares {
namespace {

/// The problem in the coordinates u_i = sqrt(lambda_i) v_i, in which P = |u|^2: one coordinate per dimension (expanded)
/// or one per mode, u_a = sqrt(lambda_a rho_a), padded with zeros to whole blocks of normals; or, of rows, the inputs'
/// own, u = theta.
struct Coordinates {
  std::vector<double> eigenvalue, start;
  std::vector<double> inverse_eigenvalue;  // 0 where lambda = 0: those coordinates never move
  double still = 0;                        // |v|^2 of the coordinates that never move
  double excess = 0;                       // P at the start
  std::optional<BatchLaw> law;             // where a rate rule asks for expectations

  Coordinates(const LeastSquares& problem, bool expanded) {
    const auto& spectrum = problem.spectrum;
    for (std::size_t a = 0; a < spectrum.modes(); ++a) {
      const double lambda = spectrum.eigenvalue[a], power = problem.initial_power[a];
      const auto copies = expanded ? static_cast<std::size_t>(spectrum.multiplicity[a]) : std::size_t{1};
      if (lambda == 0) still += power;
      eigenvalue.insert(eigenvalue.end(), copies, lambda);
      // Spread evenly: the start within an eigenspace matters only for data that are not Gaussian.
      start.insert(start.end(), copies, std::sqrt(lambda * (power / static_cast<double>(copies))));
    }
    const std::size_t padded = (eigenvalue.size() + random::Stream::normal_granularity - 1) /
                               random::Stream::normal_granularity * random::Stream::normal_granularity;
    eigenvalue.resize(padded);
    start.resize(padded);
    for (const double lambda : eigenvalue) inverse_eigenvalue.push_back(lambda > 0 ? 1 / lambda : 0.0);
    excess = ingredients::dot(std::span<const double>(start), start);
    if (problem.rate_rule && (problem.rate_rule->needs().nearness || problem.rate_rule->needs().descent))
      law.emplace(problem);
  }
  explicit Coordinates(const Rows& rows)
      : eigenvalue(rows.start.size(), 1.0), start(rows.start), inverse_eigenvalue(eigenvalue), excess(rows.excess) {}

  double squared_error(std::span<const double> u) const {
    double sum = still;
    for (std::size_t i = 0; i < u.size(); ++i) sum += u[i] * u[i] * inverse_eigenvalue[i];
    return sum;
  }
};

/// A replica whose state is u.
class SgdReplica final : public ingredients::ScheduledReplica {
 public:
  /// \param rows  null but where u = theta
  SgdReplica(const LeastSquares& problem, const Coordinates& coordinates, const Rows* rows,
             std::unique_ptr<BatchGradient> gradient)
      : ingredients::ScheduledReplica(divergence_limit(coordinates.excess + problem.noise_variance()),
                                      problem.learning_rate, *problem.schedule, problem.rate_rule.get()),
        problem_(problem),
        excess_(coordinates.excess),
        coordinates_(coordinates),
        rows_(rows),
        gradient_(std::move(gradient)),
        u_(coordinates.start) {}

 private:
  void draw(std::uint64_t step) { gradient_->draw(step, problem_.batch, u_, excess_); }

  ingredients::StepObservation look(std::uint64_t step) override {
    draw(step);
    const Gradient g = gradient_->at(1);
    const ingredients::RateNeeds needs = problem_.rate_rule->needs();
    const double beta = problem_.rate_rule->averaging();
    const auto& lambda = coordinates_.eigenvalue;
    ingredients::StepObservation out;
    out.weight = beta > 0 && !direction_.empty() ? 1 - beta : 1;
    if (beta > 0) direction_.resize(u_.size());
    out.loss = g.loss;
    out.squared_gradient = gradient_->perpendicular();
    double slope = 0, curvature = 0;
    for (std::size_t i = 0; i < u_.size(); ++i) {
      const double along = g.along(u_, i);
      out.squared_gradient += lambda[i] * along * along;
      if (needs.distance) {
        const double back = coordinates_.start[i] - u_[i];
        out.squared_distance += back * back * coordinates_.inverse_eigenvalue[i];
        out.toward_start += along * back;
      }
      if (beta > 0) {
        double& d = direction_[i];
        d += out.weight * (along - d);
        out.squared_direction += lambda[i] * d * d;
      }
      if (coordinates_.law) {
        const double once = lambda[i] * u_[i] * u_[i];
        slope += once;
        curvature += lambda[i] * once;
      }
    }
    if (!(beta > 0)) out.squared_direction = out.squared_gradient;
    if (coordinates_.law) {
      out.excess_mse = excess_;
      out.mean_squared_gradient = coordinates_.law->mean_squared_gradient(excess_, slope);
      out.slope = slope;
      out.curvature = coordinates_.law->gradient_curvature(excess_, curvature);
    }
    return out;
  }

  double descend_once(std::uint64_t step, double rate) override {
    const bool whole = ruled() && ruled()->whole_vector();
    if (!ruled() || whole) draw(step);
    double square = 0;
    if (whole)
      square = move_whole(*ruled(), rate);
    else if (direction_.empty())
      square = descend(gradient_->at(rate));
    else
      square = descend({.noise = rate, .z = direction_});
    // Of rows the loss of the batch tells a divergence.
    return excess_ = rows_ ? 2 * gradient_->at(1).loss : square;
  }

  /// Returns the new |u|^2.
  double descend(const Gradient& step) {
    const double square = ingredients::descend(coordinates_.eigenvalue, step.shrink, step.noise, step.z, u_);
    return direction_.empty() ? gradient_->spread(step, square, u_) : square;
  }

  /// The step of a rule that moves the whole vector; returns the new |u|^2.
  double move_whole(ingredients::RateRun& run, double factor) {
    const Gradient g = gradient_->at(1);
    std::vector<double> gradient(u_.size()), from_start(u_.size());
    for (std::size_t i = 0; i < u_.size(); ++i) {
      const double root = std::sqrt(coordinates_.eigenvalue[i]), back = u_[i] - coordinates_.start[i];
      gradient[i] = root * g.along(u_, i);
      from_start[i] = root > 0 ? back / root : 0;
    }
    run.step(gradient, g.loss, factor, from_start);
    double square = 0;
    for (std::size_t i = 0; i < u_.size(); ++i) {
      u_[i] = coordinates_.start[i] + std::sqrt(coordinates_.eigenvalue[i]) * from_start[i];
      square += u_[i] * u_[i];
    }
    return square;
  }

  void measure(std::span<double> out) const override {
    const auto [excess, squared_error] =
        rows_ ? rows_->errors(u_) : std::array{excess_, coordinates_.squared_error(u_)};
    out[0] = 0.5 * (excess + problem_.noise_variance());
    out[1] = excess;
    out[2] = squared_error;
    if (ruled()) ruled()->observe(out.subspan(3));
  }

  const LeastSquares& problem_;
  double excess_;
  const Coordinates& coordinates_;
  const Rows* rows_;
  std::unique_ptr<BatchGradient> gradient_;
  std::vector<double> u_;
  std::vector<double> direction_;  // the rule's average of gradients, as `along`; empty without
};

/// The eigenspaces with more than one dimension: there X_a ~ chi^2 with n_a - 1 degrees of freedom.
struct Perpendicular {
  std::vector<std::size_t> mode;
  std::vector<bool> single;                        // one degree of freedom: the square of a normal
  std::vector<random::GammaRejection> half_gamma;  // X_a / 2 otherwise

  explicit Perpendicular(const spectra::Spectrum& spectrum) {
    for (std::size_t a = 0; a < spectrum.modes(); ++a)
      if (const double degrees = spectrum.multiplicity[a] - 1; degrees > 0) {
        mode.push_back(a);
        single.push_back(degrees == 1);
        half_gamma.emplace_back(std::max(0.5 * degrees, 1.0));
      }
  }
};

/// In the block simulator, one coordinate u_a = sqrt(lambda_a rho_a) per distinct eigenvalue.
class BlockGradient final : public BatchGradient {
 public:
  BlockGradient(const LeastSquares& problem, const Perpendicular& perpendicular, std::size_t size, std::uint64_t seed,
                std::uint64_t index)
      : lambda_(problem.spectrum.eigenvalue),
        perpendicular_(perpendicular),
        size_(size),
        weights_(batch_weights(problem, problem.batch, !problem.noise || problem.noise->gaussian(), seed, index)),
        stream_(seed, index),
        rest_(seed, index, 0, random::Purpose::data),
        z_(size + perpendicular.mode.size()),
        uniform_(perpendicular.mode.size()),
        squares_(perpendicular.mode.size()) {}

  void draw(std::uint64_t step, double, std::span<const double> u, double excess) override {
    weights_.draw(step, excess);
    stream_.seek(step);
    stream_.normals(z_);
    stream_.uniforms(uniform_);
    rest_.seek(step);
    y_ = ingredients::dot(u, std::span<const double>(z_).first(size_));
    for (std::size_t i = 0; i < uniform_.size(); ++i) squares_[i] = chi_square(i, z_[size_ + i], uniform_[i]);
  }

  Gradient at(double rate) const override {
    const auto [shrink, noise] = weights_.scalars(rate, y_);
    return {shrink, noise, std::span(z_).first(size_), weights_.loss()};
  }

  double perpendicular() const override {
    const double noise = weights_.scalars(1, y_).noise;
    double sum = 0;
    for (std::size_t i = 0; i < squares_.size(); ++i)
      sum += lambda_[perpendicular_.mode[i]] * noise * noise * squares_[i];
    return sum;
  }

  double spread(const Gradient& step, double square, std::span<double> u) const override {
    for (std::size_t i = 0; i < squares_.size(); ++i) {
      const std::size_t a = perpendicular_.mode[i];
      const double scale = lambda_[a] * step.noise, added = scale * scale * squares_[i];
      u[a] = std::sqrt(u[a] * u[a] + added);
      square += added;
    }
    return square;
  }

 private:
  /// X of perpendicular eigenspace i from a ready normal and uniform where they do, else from the stream `rest_`.
  double chi_square(std::size_t i, double normal, double uniform) {
    if (perpendicular_.single[i]) return normal * normal;
    const auto& half_gamma = perpendicular_.half_gamma[i];
    while (!half_gamma.accepts(normal, uniform)) {
      normal = rest_.normal();
      uniform = rest_.uniform();
    }
    return 2 * half_gamma.value(normal);
  }

  const std::vector<double>& lambda_;
  const Perpendicular& perpendicular_;
  std::size_t size_;
  ingredients::BatchWeights weights_;
  random::Stream stream_, rest_;
  std::vector<double> z_, uniform_, squares_;
  double y_ = 0;
};

/// What the replicas share.
class SharedReplicas {
 public:
  SharedReplicas(std::shared_ptr<const LeastSquares> of, Sampler how)
      : problem_(std::move(of)), sampler_(how), perpendicular_(problem_->spectrum) {
    if (how == Sampler::rows)
      coordinates_.emplace(rows_.emplace(*problem_));
    else
      // Without noise an eigenspace moves as one coordinate, but by rules that see each of them.
      coordinates_.emplace(*problem_, how != Sampler::block && (how != Sampler::descent || by_coordinates(*problem_)));
  }

  std::size_t size() const { return coordinates_->start.size(); }

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const {
    std::unique_ptr<BatchGradient> gradient;
    if (rows_)
      gradient = row_gradient(*problem_, *rows_, seed, index);
    else if (sampler_ == Sampler::block)
      gradient = std::make_unique<BlockGradient>(*problem_, perpendicular_, size(), seed, index);
    else
      gradient = batch_gradient(*problem_, sampler_, size(), seed, index);
    return std::make_unique<SgdReplica>(*problem_, *coordinates_, rows_ ? &*rows_ : nullptr, std::move(gradient));
  }

 private:
  std::shared_ptr<const LeastSquares> problem_;
  Sampler sampler_;
  std::optional<Coordinates> coordinates_;
  std::optional<Rows> rows_;
  Perpendicular perpendicular_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_sgd(std::shared_ptr<const LeastSquares> problem, Sampler sampler) {
  const Sampler choice = chosen_sampler(*problem, problem->batch, sampler, false);
  const auto shared = std::make_shared<const SharedReplicas>(problem, choice);
  check_batch(*problem, choice, shared->size(), problem->batch);
  return simulation_of({observables(*problem), settings::word_of(samplers(), choice),
                        [shared](auto seed, auto index) { return shared->replica(seed, index); }});
}

}  // namespace edgewise::models::least_squares
