#include "models/nonlinear/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/batch_weights.hpp"
#include "models/ingredients/draw_limits.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/data_coordinates.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/step_rule.hpp"
#include "models/nonlinear/theory.hpp"
#include "random/random.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Variance of what no linear function of the data explains of a label, noise included; may be infinite.
double label_variance(const NonlinearProblem& problem) {
  return (problem.noise ? problem.noise->variance() : 0.0) + problem.covariance.unexplained_variance;
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
    if (problem_.method >= Method::huber && problem_.method <= Method::reject)
      chi_ = method_nonlinearity(problem_.method, h);
    if (problem_.method == Method::custom) chi_ = problem_.nonlinearity;
  }

  double chi(double r) const { return chi_ ? (*chi_)(r) : r; }
  double norm() const { return norm_; }  ///< at which clip and mean-clip cut

 private:
  const NonlinearProblem& problem_;
  double root_trace_, threshold_ = std::numeric_limits<double>::quiet_NaN(), norm_ = 0;
  std::shared_ptr<const ResidualNonlinearity> chi_;
};

class NonlinearReplica : public ingredients::ScheduledReplica {
 public:
  NonlinearReplica(const NonlinearProblem& problem, const DataCoordinates& coordinates)
      : ingredients::ScheduledReplica(
            divergence_limit(divergence_scale(*effective_noise(problem), coordinates.excess())), problem.learning_rate,
            *problem.schedule, problem.greedy ? &ingredients::line_search_rule() : nullptr),
        problem_(problem),
        coordinates_(coordinates),
        residuals_(problem) {
    if (problem.greedy) oracle_.emplace(problem);
  }

 protected:
  virtual double excess() const = 0;
  /// K^(1/2)'v, as of the last excess().
  virtual std::span<const double> whitened() const = 0;

  const NonlinearProblem& problem_;
  const DataCoordinates& coordinates_;
  Residuals residuals_;

 private:
  // What a greedy rate knows: the laws, at the run's own P.
  struct Oracle {
    ScalarLaws laws;
    RunningLaw law;
    explicit Oracle(const NonlinearProblem& problem) : laws(scalar_laws(problem)), law(laws, problem) {}
  };

  ingredients::StepObservation look(std::uint64_t) final {
    const double P = excess();
    const LawValues law = oracle_->law.at(P);
    oracle_->law.step(P);
    ingredients::StepObservation now =
        line_search_view(law, coordinates_.drift_powers(whitened()), coordinates_.noise_trace());
    now.excess_mse = P;
    return now;
  }

  void measure(std::span<double> out) const final {
    out[0] = excess();
    const std::size_t rates = ruled() ? 1 : 0;
    if (out.size() > 1 + rates) out[1] = 0.5 * (out[0] + label_variance(problem_));
    if (ruled()) ruled()->observe(out.last(rates));
  }

  std::optional<Oracle> oracle_;
};

/// The mini-batch gradient sum_b chi(r_b) x_b / B of Gaussian data in its B weights and one N(0, I_d)
/// (docs/theory/least-squares-sgd.md, section 2): K^(1/2) (shrink u + noise z), where u = K^(1/2)'v.
class BatchGradient {
 public:
  BatchGradient(const NonlinearProblem& problem, std::size_t d, std::uint64_t seed, std::uint64_t replica)
      : stream_(seed, replica),
        weights_(problem.batch, 0, {problem.noise.get(), problem.covariance.unexplained_variance, seed, replica}, false,
                 seed, replica),
        z_(d) {}

  ingredients::StepScalars draw(std::uint64_t step, const Residuals& residuals, std::span<const double> u,
                                double excess) {
    weights_.draw_through([&](double r) { return residuals.chi(r); }, step, excess);
    stream_.seek(step);
    stream_.normals(z_);
    return weights_.scalars(1, ingredients::dot(u, z_));
  }

  std::span<const double> z() const { return z_; }

 private:
  random::Stream stream_;
  ingredients::BatchWeights weights_;
  std::vector<double> z_;
};

/// Residual methods and the sign of the mean gradient on a diagonal covariance, in one pass over u.
class DiagonalReplica final : public NonlinearReplica {
 public:
  DiagonalReplica(const NonlinearProblem& problem, const DataCoordinates& coordinates, std::uint64_t seed,
                  std::uint64_t index)
      : NonlinearReplica(problem, coordinates),
        gradient_(problem, coordinates.size(), seed, index),
        u_(coordinates.size()),
        steps_(problem.coordinatewise() ? coordinates.size() : 0) {
    excess_ = coordinates.whiten(coordinates.start(), u_);
  }

 private:
  double descend_once(std::uint64_t step, double rate) override {
    residuals_.seek(step);
    const auto [shrink, noise] = gradient_.draw(step, residuals_, u_, excess_);
    if (problem_.coordinatewise()) {
      if (rate != rate_)
        for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i] = rate * coordinates_.root()[i];
      rate_ = rate;
      excess_ = ingredients::descend_by_sign(steps_, shrink, noise, gradient_.z(), u_);
    } else {
      excess_ = ingredients::descend(coordinates_.eigenvalue(), rate * shrink, rate * noise, gradient_.z(), u_);
    }
    return excess_;
  }

  double excess() const override { return excess_; }
  std::span<const double> whitened() const override { return u_; }

  BatchGradient gradient_;
  std::vector<double> u_, steps_;
  double excess_ = 0, rate_ = std::numeric_limits<double>::quiet_NaN();
};

/// State v = theta - theta* in the coordinates of the data.
class GradientReplica : public NonlinearReplica {
 public:
  GradientReplica(const NonlinearProblem& problem, const DataCoordinates& coordinates)
      : NonlinearReplica(problem, coordinates),
        rule_(problem),
        v_(coordinates.start()),
        gradient_(coordinates.size()),
        whitened_(coordinates.size()) {}

 protected:
  double excess() const override { return coordinates_.whiten(v_, whitened_); }
  std::span<const double> whitened() const override { return whitened_; }

  StepRule rule_;
  std::vector<double> v_, gradient_;

 private:
  mutable std::vector<double> whitened_;
};

/// The mean gradient in one N(0, I_d).
class ReducedReplica final : public GradientReplica {
 public:
  ReducedReplica(const NonlinearProblem& problem, const DataCoordinates& coordinates, std::uint64_t seed,
                 std::uint64_t index)
      : GradientReplica(problem, coordinates),
        batch_(problem, coordinates.size(), seed, index),
        u_(coordinates.size()),
        force_(coordinates.size()) {
    excess_ = coordinates.whiten(v_, u_);
  }

 private:
  double descend_once(std::uint64_t step, double rate) override {
    residuals_.seek(step);
    const auto [shrink, noise] = batch_.draw(step, residuals_, u_, excess_);
    const auto z = batch_.z();
    for (std::size_t i = 0; i < force_.size(); ++i) force_[i] = shrink * u_[i] + noise * z[i];
    coordinates_.color(force_, gradient_);
    rule_.descend(rate, residuals_.norm(), {gradient_, {}}, v_);
    excess_ = coordinates_.whiten(v_, u_);
    return excess_;
  }

  BatchGradient batch_;
  std::vector<double> u_, force_;
  double excess_ = 0;
};

/// Normals drawn for an example of d coordinates: whole blocks, so that one example after the other takes up where the last
/// stopped.
std::size_t whole_blocks(std::size_t d) {
  constexpr std::size_t block = random::Stream::normal_granularity;
  return (d + block - 1) / block * block;
}

/// B explicit examples a step: Gaussian data, or rows where `rows` is not null.
class ExampleReplica final : public GradientReplica {
 public:
  ExampleReplica(const NonlinearProblem& problem, const DataCoordinates& coordinates, const DataRows* rows,
                 std::uint64_t seed, std::uint64_t index)
      : GradientReplica(problem, coordinates),
        rows_(rows),
        stream_(seed, index, 0, rows ? random::Purpose::batch : random::Purpose::data),
        labels_(problem.noise.get(), rows ? 0.0 : problem.covariance.unexplained_variance, seed, index),
        z_(rows ? 0 : whole_blocks(coordinates.size())),
        x_(rows ? 0 : coordinates.size()),
        square_(problem.method == Method::per_example_adam ? coordinates.size() : 0) {}

 private:
  double descend_once(std::uint64_t step, double rate) override {
    residuals_.seek(step);
    stream_.seek(step);
    labels_.seek(step);
    std::ranges::fill(gradient_, 0.0);
    std::ranges::fill(square_, 0.0);
    double squares = 0;
    labels_.each(problem_.batch, [&](double eps) {
      if (rows_) {
        const auto row = static_cast<std::size_t>(stream_.below(rows_->dataset->rows));
        squares += add_example(rows_->dataset->row(row), rows_->misfit[row] + eps);
      } else {
        stream_.normals(z_);
        coordinates_.color(std::span<const double>(z_).first(x_.size()), x_);
        squares += add_example(std::span<const double>(x_), eps);
      }
    });
    for (double& g : gradient_) g /= problem_.batch;
    for (double& g : square_) g /= problem_.batch;
    rule_.descend(rate, residuals_.norm(), {gradient_, square_}, v_);
    return squares / problem_.batch;
  }

  /// Adds the example's gradient, or its signs; returns <x, v>^2.
  template <class T>
  double add_example(std::span<const T> x, double eps) {
    const double product = ingredients::dot(x, v_), r = product - eps;
    switch (problem_.method) {
      case Method::sign_early:
      case Method::sign_majority:
        ingredients::add_signs(static_cast<double>((r > 0) - (r < 0)), x, gradient_);
        break;
      case Method::clip: {
        double square = 0;
        for (const T value : x) square += static_cast<double>(value) * static_cast<double>(value);
        ingredients::add_scaled(r * clip_factor(std::abs(r) * std::sqrt(square), residuals_.norm()), x, gradient_);
        break;
      }
      case Method::per_example_adam:
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double g = r * static_cast<double>(x[i]);
          gradient_[i] += g;
          square_[i] += g * g;
        }
        break;
      default:
        ingredients::add_scaled(residuals_.chi(r), x, gradient_);
    }
    return product * product;
  }

  const DataRows* rows_;
  random::Stream stream_;
  ingredients::LabelNoise labels_;
  std::vector<double> z_, x_, square_;
};

std::string chosen(const NonlinearProblem& problem, const std::string& name) {
  if (name == "rows" && !problem.dataset)
    throw std::invalid_argument("monte_carlo.sampler: 'rows' needs data.law = \"rows\"");
  if (problem.dataset) {
    if (name != "rows" && name != "auto")
      throw std::invalid_argument("monte_carlo.sampler: '" + name +
                                  "' cannot draw data.law = \"rows\"; use rows or auto, or data.law = \"gaussian\"");
    if (problem.covariance.diagonal)
      throw std::invalid_argument("data.basis: rows come in their own coordinates; use \"natural\"");
    return "rows";
  }
  if (name == "batch" && problem.method.needs_examples())
    throw std::invalid_argument("monte_carlo.sampler: 'batch' cannot sample '" + problem.method.word() +
                                "', which acts on every example; use naive or auto");
  return name == "naive" || problem.method.needs_examples() ? "naive" : "batch";
}

/// \param choice  the sampler
void check(const NonlinearProblem& problem, const std::string& choice) {
  if (!problem.covariance.count.empty()) throw std::invalid_argument(problem.covariance.obstacle);
  const double numbers = static_cast<double>(whole_blocks(problem.covariance.d));
  ingredients::check_examples(problem.batch, choice == "naive" ? numbers : 1);
}

/// What the replicas share.
struct Setup {
  std::shared_ptr<const NonlinearProblem> problem;
  DataCoordinates coordinates;
  std::optional<DataRows> rows;
};

std::vector<Observable> observables_of(const NonlinearProblem& problem) {
  std::vector<Observable> out{excess_observable};
  if (std::isfinite(label_variance(problem))) out.push_back(risk_observable);
  if (problem.greedy)
    for (Observable& o : ingredients::rate_observables(ingredients::line_search_rule())) out.push_back(std::move(o));
  return out;
}

}  // namespace

std::unique_ptr<Simulation> simulate_nonlinear(std::shared_ptr<const NonlinearProblem> problem,
                                               const std::string& sampler) {
  const std::string choice = chosen(*problem, sampler);
  check(*problem, choice);
  const auto setup = std::make_shared<Setup>(Setup{problem, {*problem, choice == "rows"}, {}});
  if (choice == "rows") setup->rows.emplace(*problem);
  const auto replica = [setup, batch = choice == "batch"](auto seed, auto index) -> std::unique_ptr<Replica> {
    const NonlinearProblem& of = *setup->problem;
    const DataCoordinates& in = setup->coordinates;
    if (!batch) return std::make_unique<ExampleReplica>(of, in, setup->rows ? &*setup->rows : nullptr, seed, index);
    if (in.diagonal() && (of.method == Method::sign_late || !(of.coordinatewise() || of.method == Method::mean_clip)))
      return std::make_unique<DiagonalReplica>(of, in, seed, index);
    return std::make_unique<ReducedReplica>(of, in, seed, index);
  };
  return simulation_of({observables_of(*problem), choice, replica});
}

}  // namespace edgewise::models::nonlinear
