#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/batch_weights.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/least_squares/least_squares.hpp"
#include "models/least_squares/rate_moments.hpp"
#include "models/least_squares/rows.hpp"
#include "numerics/constants.hpp"
#include "random/random.hpp"

namespace edgewise::models::least_squares {
ingredients::LabelNoise label_noise(const LeastSquares& problem, std::uint64_t seed, std::uint64_t replica,
                                    bool unexplained) {
  const bool gaussian = !problem.noise || problem.noise->gaussian();
  return ingredients::LabelNoise(
      gaussian ? nullptr : problem.noise.get(),
      (gaussian ? problem.label_noise_variance : 0.0) + (unexplained ? problem.spectrum.unexplained_variance : 0.0),
      seed, replica);
}

ingredients::BatchWeights batch_weights(const LeastSquares& problem, bool collapsed, std::uint64_t seed,
                                        std::uint64_t replica) {
  return ingredients::BatchWeights(problem.batch, problem.noise_variance(), label_noise(problem, seed, replica),
                                   collapsed, seed, replica);
}

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

/// A replica whose state is u, and whose gradient is sqrt(lambda) (shrink u + noise z).
class SgdReplica : public ingredients::ScheduledReplica {
 public:
  SgdReplica(const LeastSquares& problem, const Coordinates& coordinates)
      : ingredients::ScheduledReplica(divergence_limit(coordinates.excess + problem.noise_variance()),
                                      problem.learning_rate, *problem.schedule, problem.rate_rule.get()),
        problem_(problem),
        excess_(coordinates.excess),
        coordinates_(coordinates),
        u_(coordinates.start) {}

 protected:
  struct Gradient {
    double shrink = 1, noise = 0;
    std::span<const double> z = {};  // may be empty where noise = 0
    double perpendicular = 0;        // |g|^2 of what no coordinate shows
    double loss = 0;                 // of the batch
    double along(std::span<const double> u, std::size_t i) const {
      return shrink * u[i] + (z.empty() ? 0 : noise * z[i]);
    }
  };
  /// Draws the mini-batch of a step, and with it the gradient.
  virtual void draw(std::uint64_t step) = 0;
  virtual Gradient gradient() const = 0;
  /// Moves along the gradient; returns the new |u|^2.
  virtual double descend(double rate) = 0;
  /// The excess risk of such a |u|^2, or an estimate of it, to detect divergence.
  virtual double excess_of(double square) const { return square; }
  /// Excess risk and |v|^2.
  virtual std::array<double, 2> errors() const { return {excess_, coordinates_.squared_error(u_)}; }

  const LeastSquares& problem_;
  double excess_;
  const Coordinates& coordinates_;
  std::vector<double> u_;

 private:
  ingredients::StepObservation look(std::uint64_t step) final {
    draw(step);
    const Gradient g = gradient();
    const ingredients::RateNeeds needs = problem_.rate_rule->needs();
    const double beta = problem_.rate_rule->averaging();
    const auto& lambda = coordinates_.eigenvalue;
    ingredients::StepObservation out;
    out.weight = beta > 0 && !direction_.empty() ? 1 - beta : 1;
    if (beta > 0) direction_.resize(u_.size());
    out.loss = g.loss;
    out.squared_gradient = g.perpendicular;
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

  double descend_once(std::uint64_t step, double rate) final {
    const bool whole = ruled() && ruled()->whole_vector();
    if (!ruled() || whole) draw(step);
    double square = 0;
    if (whole)
      square = move_whole(*ruled(), rate);
    else if (direction_.empty())
      square = descend(rate);
    else
      square = ingredients::descend(coordinates_.eigenvalue, 0, rate, direction_, u_);
    return excess_ = excess_of(square);
  }

  /// The step of a rule that moves the whole vector; returns the new |u|^2.
  double move_whole(ingredients::RateRun& run, double factor) {
    const Gradient g = gradient();
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

  void measure(std::span<double> out) const final {
    const auto [excess, squared_error] = errors();
    out[0] = 0.5 * (excess + problem_.noise_variance());
    out[1] = excess;
    out[2] = squared_error;
    if (ruled()) ruled()->observe(out.subspan(3));
  }

  std::vector<double> direction_;  // the rule's average of gradients, as `along`; empty without
};

/// B = infinity: v <- (1 - eta K) v.
class GradientDescent final : public SgdReplica {
  using SgdReplica::SgdReplica;

  void draw(std::uint64_t) override {}
  Gradient gradient() const override { return {.loss = 0.5 * (excess_ + problem_.noise_variance())}; }
  double descend(double rate) override {
    return ingredients::descend(coordinates_.eigenvalue, rate, 0, coordinates_.eigenvalue, u_);
  }
};

/// One N(0,1) per coordinate whatever the batch: (2.1), or the form with general weights.
class GaussianReplica final : public SgdReplica {
 public:
  GaussianReplica(const LeastSquares& problem, const Coordinates& coordinates, bool collapsed, std::uint64_t seed,
                  std::uint64_t index)
      : SgdReplica(problem, coordinates),
        weights_(batch_weights(problem, collapsed, seed, index)),
        stream_(seed, index),
        z_(u_.size()) {}

 private:
  void draw(std::uint64_t step) override {
    weights_.draw(step, excess_);
    stream_.seek(step);
    // Chunks of normals that are still in the nearest cache when they are multiplied.
    constexpr std::size_t chunk = 64 * random::Stream::normal_granularity;
    y_ = 0;
    for (std::size_t first = 0; first < u_.size(); first += chunk) {
      const std::size_t count = std::min(chunk, u_.size() - first);
      const auto z = std::span(z_).subspan(first, count);
      stream_.normals(z);
      y_ += ingredients::dot(std::span<const double>(u_).subspan(first, count), z);
    }
  }

  Gradient gradient() const override {
    const auto [shrink, noise] = weights_.scalars(1, y_);
    return {.shrink = shrink, .noise = noise, .z = z_, .loss = weights_.loss()};
  }

  double descend(double rate) override {
    const auto [shrink, noise] = weights_.scalars(rate, y_);
    return ingredients::descend(coordinates_.eigenvalue, shrink, noise, z_, u_);
  }

  ingredients::BatchWeights weights_;
  random::Stream stream_;
  std::vector<double> z_;
  double y_ = 0;  // <v, h> of the step
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

/// The block simulator: state u_a = sqrt(lambda_a rho_a), one per distinct eigenvalue.
class BlockReplica final : public SgdReplica {
 public:
  BlockReplica(const LeastSquares& problem, const Coordinates& coordinates, const Perpendicular& perpendicular,
               bool collapsed, std::uint64_t seed, std::uint64_t index)
      : SgdReplica(problem, coordinates),
        perpendicular_(perpendicular),
        weights_(batch_weights(problem, collapsed, seed, index)),
        stream_(seed, index),
        rest_(seed, index, 0, random::Purpose::data),
        z_(u_.size() + perpendicular.mode.size()),
        uniform_(perpendicular.mode.size()),
        squares_(perpendicular.mode.size()) {}

 private:
  void draw(std::uint64_t step) override {
    weights_.draw(step, excess_);
    stream_.seek(step);
    stream_.normals(z_);
    stream_.uniforms(uniform_);
    rest_.seek(step);
    y_ = ingredients::dot(std::span<const double>(u_), coordinates());
    for (std::size_t i = 0; i < uniform_.size(); ++i) squares_[i] = chi_square(i, z_[u_.size() + i], uniform_[i]);
  }

  Gradient gradient() const override {
    const auto [shrink, noise] = weights_.scalars(1, y_);
    Gradient out{.shrink = shrink, .noise = noise, .z = coordinates(), .loss = weights_.loss()};
    for (std::size_t i = 0; i < squares_.size(); ++i) {
      out.perpendicular += coordinates_.eigenvalue[perpendicular_.mode[i]] * noise * noise * squares_[i];
    }
    return out;
  }

  double descend(double rate) override {
    const auto [shrink, noise] = weights_.scalars(rate, y_);
    double excess = ingredients::descend(coordinates_.eigenvalue, shrink, noise, coordinates(), u_);
    for (std::size_t i = 0; i < uniform_.size(); ++i) {
      const std::size_t a = perpendicular_.mode[i];
      const double scale = coordinates_.eigenvalue[a] * noise;
      const double added = scale * scale * squares_[i];
      u_[a] = std::sqrt(u_[a] * u_[a] + added);
      excess += added;
    }
    return excess;
  }

  std::span<const double> coordinates() const { return std::span<const double>(z_).first(u_.size()); }

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

  const Perpendicular& perpendicular_;
  ingredients::BatchWeights weights_;
  random::Stream stream_, rest_;
  std::vector<double> z_, uniform_, squares_;
  double y_ = 0;
};

/// A batch of explicit samples.
class SampledReplica : public SgdReplica {
 public:
  SampledReplica(const LeastSquares& problem, const Coordinates& coordinates, ingredients::LabelNoise labels,
                 random::Stream stream)
      : SgdReplica(problem, coordinates),
        stream_(stream),
        labels_(std::move(labels)),
        eps_(static_cast<std::size_t>(problem.batch)),
        gradient_(u_.size()) {}

 protected:
  /// Adds the next sample of `stream_`, whose label noise is eps, to the gradient; returns its residual.
  virtual double add_sample(double eps) = 0;

  random::Stream stream_;
  ingredients::LabelNoise labels_;
  std::vector<double> eps_, gradient_;
  double squares_ = 0;

 private:
  void draw(std::uint64_t step) final {
    stream_.seek(step);
    labels_.seek(step);
    labels_.fill(eps_);
    std::ranges::fill(gradient_, 0.0);
    squares_ = 0;
    for (const double eps : eps_) {
      const double residual = add_sample(eps);
      squares_ += residual * residual;
    }
  }

  Gradient gradient() const final {
    return {.shrink = 0, .noise = 1 / problem_.batch, .z = gradient_, .loss = 0.5 * squares_ / problem_.batch};
  }

  double descend(double rate) final {
    return ingredients::descend(coordinates_.eigenvalue, 0, rate / problem_.batch, gradient_, u_);
  }
};

/// B x d numbers of the data's law.
class NaiveReplica final : public SampledReplica {
 public:
  NaiveReplica(const LeastSquares& problem, const Coordinates& coordinates, std::uint64_t seed, std::uint64_t index)
      : SampledReplica(problem, coordinates, label_noise(problem, seed, index),
                       random::Stream(seed, index, 0, random::Purpose::data)),
        draw_(problem.data.law, u_.size()),
        z_(u_.size()) {}

 private:
  double add_sample(double eps) override {
    draw_(stream_, z_);
    const double residual = ingredients::dot(std::span<const double>(z_), u_) - eps;
    ingredients::add_scaled(residual, std::span<const double>(z_), gradient_);
    return residual;
  }

  ingredients::DataDraw draw_;
  std::vector<double> z_;
};

/// Rows of the data set, drawn with replacement.
class RowsReplica final : public SampledReplica {
 public:
  RowsReplica(const LeastSquares& problem, const Coordinates& coordinates, const Rows& rows, std::uint64_t seed,
              std::uint64_t index)
      : SampledReplica(problem, coordinates, label_noise(problem, seed, index, false),
                       random::Stream(seed, index, 0, random::Purpose::batch)),
        rows_(rows) {}

 private:
  double add_sample(double eps) override {
    const auto& dataset = *rows_.dataset;
    const auto row = static_cast<std::size_t>(stream_.below(dataset.rows));
    const double residual = ingredients::dot(dataset.row(row), u_) - (dataset.targets[row] + eps);
    ingredients::add_scaled(residual, dataset.row(row), gradient_);
    return residual;
  }

  double excess_of(double) const override { return squares_ / problem_.batch; }

  std::array<double, 2> errors() const override {
    const auto both = rows_.errors(u_);
    const bool numbers = std::ranges::all_of(both, [](double x) { return std::isfinite(x); });
    return numbers ? both : std::array{infinity, infinity};
  }

  const Rows& rows_;
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

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const {
    const bool gaussian_noise = !problem_->noise || problem_->noise->gaussian();
    switch (sampler_) {
      case Sampler::descent:
        return std::make_unique<GradientDescent>(*problem_, *coordinates_);
      case Sampler::exact:
      case Sampler::batch:
        return std::make_unique<GaussianReplica>(*problem_, *coordinates_, sampler_ == Sampler::exact, seed, index);
      case Sampler::block:
        return std::make_unique<BlockReplica>(*problem_, *coordinates_, perpendicular_, gaussian_noise, seed, index);
      case Sampler::naive:
        return std::make_unique<NaiveReplica>(*problem_, *coordinates_, seed, index);
      case Sampler::rows:
        return std::make_unique<RowsReplica>(*problem_, *coordinates_, *rows_, seed, index);
      case Sampler::automatic:
        break;
    }
    return nullptr;
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
  return simulation_of({observables(*problem), settings::word_of(samplers(), choice),
                        [shared = std::make_shared<const SharedReplicas>(problem, choice)](auto seed, auto index) {
                          return shared->replica(seed, index);
                        }});
}

}  // namespace edgewise::models::least_squares
