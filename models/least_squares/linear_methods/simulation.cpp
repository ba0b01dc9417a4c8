#include "models/least_squares/linear_methods/simulation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/draw_limits.hpp"
#include "models/ingredients/gradient_kernels.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "models/least_squares/batch_gradient.hpp"
#include "numerics/whole.hpp"
#include "random/random.hpp"

namespace edgewise::models::least_squares {

namespace {

/// One coordinate per dimension, scaled: w_i = sqrt(lambda_i) v_i, so that P = |w|^2 over lambda > 0; w_i = v_i where
/// lambda = 0 (those come last). Padded to whole blocks of normals. Without noise an eigenspace moves as one coordinate,
/// whatever its multiplicity.
struct ScaledCoordinates {
  std::vector<double> eigenvalue, start, target, inverse_square_scale;
  std::size_t active = 0;  // coordinates with lambda > 0

  ScaledCoordinates(const LeastSquares& data, bool noisy) {
    const auto& s = data.spectrum;
    for (std::size_t a = 0; a < s.modes(); ++a) {
      const double lambda = s.eigenvalue[a], scale = lambda > 0 ? std::sqrt(lambda) : 1;
      const auto copies = noisy ? static_cast<std::size_t>(s.multiplicity[a]) : std::size_t{1};
      const double share = 1 / static_cast<double>(copies);
      const double v = data.alignment ? *data.alignment * std::sqrt(s.target_power[a] * share)
                                      : std::sqrt(data.initial_power[a] * share);
      eigenvalue.insert(eigenvalue.end(), copies, lambda);
      start.insert(start.end(), copies, scale * v);
      target.insert(target.end(), copies, scale * std::sqrt(s.target_power[a] * share));
      inverse_square_scale.insert(inverse_square_scale.end(), copies, 1 / (scale * scale));
      if (lambda > 0) active += copies;
    }
    const std::size_t padded = (eigenvalue.size() + random::Stream::normal_granularity - 1) /
                               random::Stream::normal_granularity * random::Stream::normal_granularity;
    for (auto* list : {&eigenvalue, &start, &target, &inverse_square_scale}) list->resize(padded);
  }
  double excess(std::span<const double> w) const { return ingredients::dot(w.first(active), w.first(active)); }
  double squared_error(std::span<const double> w) const {
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * w[i] * inverse_square_scale[i];
    return sum;
  }
};

/// What one replica needs of the simulation.
struct Setup {
  LinearProblem problem;
  ScaledCoordinates coordinates;
  Sampler sampler;
  std::uint64_t most_workers = 1;
  double limit = 0;

  std::unique_ptr<BatchGradient> gradients(std::uint64_t seed, std::uint64_t index) const {
    return batch_gradient(*problem.data, sampler, coordinates.start.size(), seed, index);
  }
  /// Draws a step; g becomes sqrt(lambda) times its gradient at w, 0 on null modes.
  void draw(BatchGradient& gradients, std::uint64_t step, double batch, std::span<const double> w,
            std::span<double> g) const {
    const std::size_t n = coordinates.active;
    gradients.draw(step, batch, w.first(n), coordinates.excess(w));
    const Gradient now = gradients.at(1);
    for (std::size_t i = 0; i < n; ++i) g[i] = coordinates.eigenvalue[i] * now.along(w, i);
    std::ranges::fill(g.subspan(n), 0.0);
  }
};

/// Counts periods.
class LinearReplica : public ingredients::SteppingReplica {
 public:
  explicit LinearReplica(const Setup& setup)
      : ingredients::SteppingReplica(setup.limit), setup_(setup), h_(setup.problem.hyperparameters) {}

 protected:
  /// Takes a step, the `last` of its period or not; `recorded` when the observables are read after it. Returns an
  /// excess risk.
  virtual double linear_step(std::uint64_t step, bool last, bool recorded) = 0;
  /// Everything but the risk.
  virtual void measure_errors(std::span<double> out) const = 0;

  const Setup& setup_;
  Hyperparameters h_;
  std::uint64_t position_ = 0;

 private:
  double take_step(std::uint64_t step, bool recorded) final {
    h_.seek(static_cast<double>(step), position_ == 0);
    if (position_ == 0) period_ = setup_.problem.method->period(h_);
    const bool last = position_ + 1 >= period_;
    const double excess = linear_step(step, last, recorded);
    position_ = last ? 0 : position_ + 1;
    return excess;
  }

  void measure(std::span<double> out) const final {
    measure_errors(out);
    out[0] = 0.5 * (out[1] + setup_.problem.data->noise_variance());
  }

  std::uint64_t period_ = 1;
};

/// The algorithm of a rule, with all its workers.
class WorkersReplica final : public LinearReplica {
 public:
  WorkersReplica(const Setup& setup, std::uint64_t seed, std::uint64_t index)
      : LinearReplica(setup),
        shape_(setup.problem.method->rule(h_, 0)),
        outer_(setup.coordinates.start),
        g_(outer_.size()) {
    const Rule& rule = shape_;
    m_.assign(outer_.size(), 0.0);
    if (rule.has_average) a_ = outer_;
    workers_.reserve(setup.most_workers);
    for (std::uint64_t w = 0; w < setup.most_workers; ++w) {
      workers_.push_back({outer_, {}, setup.gradients(seed, index * setup.most_workers + w)});
      if (rule.has_momentum) workers_.back().u.assign(outer_.size(), 0.0);
    }
    look_before_sync(setup.most_workers);
  }

 private:
  struct Worker {
    std::vector<double> theta, u;
    std::unique_ptr<BatchGradient> gradients;
  };

  double linear_step(std::uint64_t step, bool last, bool recorded) override {
    const Rule rule = setup_.problem.method->rule(h_, step);
    const auto& target = setup_.coordinates.target;
    const auto count = static_cast<std::size_t>(rule.workers);
    const double eta = rule.learning_rate;
    for (std::size_t w = 0; w < count; ++w) {
      auto& [theta, u, gradients] = workers_[w];
      setup_.draw(*gradients, step, rule.batch, theta, g_);
      const std::size_t n = theta.size();
      if (rule.has_decay && rule.coupled_decay > 0)
        for (std::size_t i = 0; i < n; ++i) g_[i] += rule.coupled_decay * (theta[i] + target[i]);
      const double shrink = eta * rule.decoupled_decay + rule.independent_decay;
      if (rule.has_decay && shrink > 0)
        for (std::size_t i = 0; i < n; ++i) theta[i] -= shrink * (theta[i] + target[i]);
      if (rule.has_momentum) {
        for (std::size_t i = 0; i < n; ++i) {
          u[i] = rule.bi * u[i] + g_[i];
          theta[i] -= eta * (rule.q0 * g_[i] + rule.q1 * u[i]);
        }
      } else {
        for (std::size_t i = 0; i < n; ++i) theta[i] -= eta * g_[i];
      }
    }
    if (!shape_.has_outer) {
      outer_ = workers_[0].theta;
      if (shape_.has_average)
        for (std::size_t i = 0; i < a_.size(); ++i) a_[i] = (1 - rule.average) * a_[i] + rule.average * outer_[i];
      return setup_.coordinates.excess(outer_);
    }
    if (recorded || last) look_before_sync(count);
    if (last) sync(rule);
    return last ? setup_.coordinates.excess(outer_) : setup_.coordinates.excess(workers_[0].theta);
  }

  void sync(const Rule& rule) {
    for (std::size_t i = 0; i < outer_.size(); ++i) {
      const double delta = mean_[i] - outer_[i];
      m_[i] = rule.bo * m_[i] + delta;
      outer_[i] += rule.xi * (rule.p0 * delta + rule.p1 * m_[i]);
    }
    for (Worker& worker : workers_) {
      worker.theta = outer_;
      if (!rule.persistent) std::ranges::fill(worker.u, 0.0);
    }
  }

  void look_before_sync(std::size_t count) {
    mean_.assign(outer_.size(), 0.0);
    worker_excess_ = 0;
    for (std::size_t w = 0; w < count; ++w) {
      ingredients::add_scaled(1 / static_cast<double>(count), std::span<const double>(workers_[w].theta), mean_);
      worker_excess_ += setup_.coordinates.excess(workers_[w].theta) / static_cast<double>(count);
    }
    average_excess_ = setup_.coordinates.excess(mean_);
  }

  void measure_errors(std::span<double> out) const override {
    out[1] = setup_.coordinates.excess(outer_);
    out[2] = setup_.coordinates.squared_error(outer_);
    std::size_t next = 3;
    if (shape_.has_outer) out[next++] = worker_excess_;
    if (shape_.has_outer && shape_.has_workers) out[next++] = average_excess_;
    if (shape_.has_average) out[next++] = setup_.coordinates.excess(a_);
  }

  Rule shape_;  // of which coordinates exist
  std::vector<double> outer_, m_, a_, g_, mean_;
  std::vector<Worker> workers_;
  double worker_excess_ = 0, average_excess_ = 0;
};

/// A method of one block, run by its matrices.
class MatrixReplica final : public LinearReplica {
 public:
  MatrixReplica(const Setup& setup, std::uint64_t seed, std::uint64_t index)
      : LinearReplica(setup),
        layout_(setup.problem.method->layout(h_)),
        gradients_(setup.gradients(seed, index)),
        at_(setup.coordinates.start.size()),
        g_(at_.size()) {
    for (const Coordinate& c : layout_.blocks[0]) {
      z_.emplace_back(at_.size());
      for (std::size_t i = 0; i < at_.size(); ++i)
        z_.back()[i] = c.from_error * setup.coordinates.start[i] + c.from_target * setup.coordinates.target[i];
    }
  }

 private:
  double linear_step(std::uint64_t step, bool, bool) override {
    const auto& method = *setup_.problem.method;
    method.phases(h_, step, position_, phases_);
    combine(phases_.noisy.blocks[0].e, at_);
    setup_.draw(*gradients_, step, h_("batch"), at_, g_);
    const auto& lambda = setup_.coordinates.eigenvalue;
    for (std::size_t i = 0; i < setup_.coordinates.active; ++i) g_[i] -= lambda[i] * at_[i];
    move(phases_.noisy);
    if (phases_.has_sync) {
      std::ranges::fill(g_, 0.0);
      move(phases_.sync);
    }
    std::array<double, 3> out{};
    measure_errors(out);
    return out[1];
  }

  template <class Weights>
  void combine(const Weights& weights, std::vector<double>& out) const {
    std::ranges::fill(out, 0.0);
    for (std::size_t c = 0; c < z_.size(); ++c)
      if (weights[c] != 0) ingredients::add_scaled(weights[c], std::span<const double>(z_[c]), out);
  }

  // z <- T z + n g
  void move(const solvers::Phase& phase) {
    const auto& block = phase.blocks[0];
    const auto& lambda = setup_.coordinates.eigenvalue;
    const std::size_t r = z_.size();
    std::vector<double> old(r);
    for (std::size_t i = 0; i < at_.size(); ++i) {
      for (std::size_t c = 0; c < r; ++c) old[c] = z_[c][i];
      for (std::size_t row = 0; row < r; ++row) {
        double value = block.n[row] * g_[i];
        for (std::size_t c = 0; c < r; ++c)
          value += (block.T0[row * r + c] + lambda[i] * block.T1[row * r + c]) * old[c];
        z_[row][i] = value;
      }
    }
  }

  void measure_errors(std::span<double> out) const override {
    std::vector<double> w(at_.size());
    combine(layout_.readouts.front().selector[0], w);
    out[1] = setup_.coordinates.excess(w);
    out[2] = setup_.coordinates.squared_error(w);
  }

  Layout layout_;
  std::unique_ptr<BatchGradient> gradients_;
  std::vector<double> at_, g_;
  std::vector<std::vector<double>> z_;
  StepPhases phases_;
};

/// A hyperparameter's largest value on the way, 1 where the method has none of it.
double largest(const LinearProblem& problem, const char* name) {
  Hyperparameters walk = problem.hyperparameters;
  if (!walk.scheduled(name)) return walk.value_or(name, 1);
  double most = 1;
  for (std::uint64_t k = 0; k <= problem.data->time.steps; ++k) {
    walk.seek(static_cast<double>(k));
    most = std::max(most, walk(name));
  }
  return most;
}

}  // namespace

std::unique_ptr<Simulation> simulate_linear(const LinearProblem& problem, Sampler asked, std::uint64_t replicas) {
  const LeastSquares& data = *problem.data;
  const Hyperparameters& h = problem.hyperparameters;
  const Sampler sampler = chosen_sampler(data, h.base("batch"), asked, true);
  if (h.base("weight_decay") > 0 && !data.alignment)
    throw std::invalid_argument("initial.error_power: weight decay needs initial.scale instead");
  if (h.has("workers") && !numerics::is_whole(h.base("workers")))
    throw std::invalid_argument("optimizer.workers: must be whole to be simulated (here " +
                                settings::text_of(h.base("workers")) + ")");
  const double workers = std::max(largest(problem, "workers"), h.base("workers"));
  const Layout layout = problem.method->layout(h);
  if (!problem.method->rule) {
    if (layout.blocks.size() != 1)
      throw std::invalid_argument("optimizer.blocks: a custom method of several blocks cannot be simulated");
    const auto system = periodic(problem);
    for (const auto& [phase, repeat] : system.period)
      if (phase.noise_scale != 0 && std::abs(phase.blocks[0].omega * h("batch") - 1) > 1e-12)
        throw std::invalid_argument("optimizer.phase.omega: only omega = 1 can be simulated");
  }
  const auto setup =
      std::make_shared<Setup>(Setup{problem, ScaledCoordinates(data, sampler != Sampler::descent), sampler, 1, 0});
  const std::size_t size = setup->coordinates.start.size();
  const double batch = sampler == Sampler::naive || sampler == Sampler::batch ? largest(problem, "batch") : 0;
  check_batch(data, sampler, size, batch);
  const double parameters = 8 * static_cast<double>(size), buffers = h.has("momentum") ? 2 : 1;
  ingredients::check_workers(workers, replicas, buffers * parameters + gradient_bytes(data, sampler, size, batch));
  setup->most_workers = static_cast<std::uint64_t>(workers);
  setup->limit = divergence_limit(setup->coordinates.excess(setup->coordinates.start) + data.noise_variance());
  return simulation_of({linear_observables(problem), settings::word_of(samplers(), sampler),
                        [setup](auto seed, auto index) -> std::unique_ptr<Replica> {
                          if (setup->problem.method->rule) return std::make_unique<WorkersReplica>(*setup, seed, index);
                          return std::make_unique<MatrixReplica>(*setup, seed, index);
                        }});
}

}  // namespace edgewise::models::least_squares
