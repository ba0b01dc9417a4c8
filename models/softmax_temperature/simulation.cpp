#include "models/softmax_temperature/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "models/framework/simulation_of.hpp"
#include "models/softmax_temperature/margin.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::softmax_temperature {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Every point on its own: the logits themselves, not the margin.
class PopulationReplica final : public Replica {
 public:
  PopulationReplica(std::shared_ptr<const TemperatureProblem> problem, std::uint64_t seed, std::uint64_t index)
      : problem_(std::move(problem)), right_(problem_->draws), wrong_(problem_->draws) {
    random::Stream(seed, index, 0, random::Purpose::initial).normals(right_);
    for (double& z : right_) z *= problem_->start_deviation;
  }
  void advance(std::uint64_t step) override {
    const TemperatureProblem& p = *problem_;
    const double move = p.learning_rate * p.inverse_temperature * p.eigenvalue, C = p.classes;
    for (; step_ < step; ++step_)
      for (std::size_t i = 0; i < right_.size(); ++i) {
        const double u = p.inverse_temperature * (right_[i] - wrong_[i]);
        const double odds = std::exp(-std::abs(u));  // of the less likely to the more likely
        if (C == 1) {
          right_[i] += move * (u > 0 ? odds : 1.0) / (1 + odds);
        } else {
          const double of_wrong = u > 0 ? odds / (1 + (C - 1) * odds) : 1 / (C - 1 + odds);
          right_[i] += move * (C - 1) * of_wrong;
          wrong_[i] -= move * of_wrong;
        }
      }
  }
  void observe(std::span<double> out) const override {
    out[0] = out[1] = 0;
    for (std::size_t i = 0; i < right_.size(); ++i) {
      const double u = problem_->inverse_temperature * (right_[i] - wrong_[i]);
      out[0] += loss_of_margin(u, problem_->classes);
      out[1] += u > 0 ? 1 : 0;
    }
    for (double& x : out.first(2)) x /= static_cast<double>(right_.size());
  }

 private:
  std::shared_ptr<const TemperatureProblem> problem_;
  std::vector<double> right_, wrong_;  ///< logits of the label and of each other class
  std::uint64_t step_ = 0;
};

/// z = z_0 + a F, F'F = K: a network of which the last layer alone is trained.
class FeatureReplica final : public Replica {
 public:
  explicit FeatureReplica(std::shared_ptr<const TemperatureProblem> problem) : problem_(std::move(problem)) {
    const LogitProblem& p = problem_->logits;
    const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(p.kernel);
    features_ = Matrix(p.points(), p.points());
    for (std::size_t i = 0; i < p.points(); ++i)
      for (std::size_t a = 0; a < p.points(); ++a)
        features_(a, i) = std::sqrt(std::max(0.0, eigen.values[a])) * eigen.vectors(i, a);
    weights_ = Matrix(p.start.rows(), p.points());
    logits_ = p.start;
  }
  void advance(std::uint64_t step) override {
    const LogitProblem& p = problem_->logits;
    for (; step_ < step; ++step_) {
      linear_algebra::multiply(p.learning_rate, p.force(logits_), Transposed::no, features_, Transposed::yes, 1,
                               weights_);
      logits_ = p.start;
      linear_algebra::multiply(1, weights_, Transposed::no, features_, Transposed::no, 1, logits_);
    }
  }
  void observe(std::span<double> out) const override {
    std::ranges::copy(observe_logits(problem_->logits, logits_), out.begin());
  }

 private:
  std::shared_ptr<const TemperatureProblem> problem_;
  Matrix features_, weights_, logits_;
  std::uint64_t step_ = 0;
};

/// f = a.phi(W x)/sqrt m less its start, beside the same linearised at the start.
class NetworkReplica final : public Replica {
 public:
  NetworkReplica(std::shared_ptr<const TemperatureProblem> problem, std::uint64_t seed, std::uint64_t index)
      : problem_(std::move(problem)), linear_(problem_->logits) {
    random::Stream stream(seed, index, 0, random::Purpose::initial);
    const auto& network = *problem_->network;
    theta_ = network.draw(stream);
    network.forward(theta_, problem_->inputs, pass_);
    first_ = pass_.outputs();
    linear_.kernel = network.tangent_kernel(theta_, pass_);
    linear_logits_ = linear_.start;
  }
  void advance(std::uint64_t step) override {
    const LogitProblem& p = problem_->logits;
    std::vector<double> along(theta_.size());
    for (; step_ < step; ++step_) {
      problem_->network->pull_back(theta_, pass_, p.force(logits()), along);
      for (std::size_t k = 0; k < theta_.size(); ++k) theta_[k] += p.learning_rate * along[k];
      problem_->network->forward(theta_, problem_->inputs, pass_);
      linear_algebra::multiply(p.learning_rate, p.force(linear_logits_), Transposed::no, linear_.kernel, Transposed::no,
                               1, linear_logits_);
    }
  }
  void observe(std::span<double> out) const override {
    const Matrix z = logits();
    std::vector<double> values = observe_logits(problem_->logits, z);
    Matrix change = problem_->network->tangent_kernel(theta_, pass_), error = z;
    for (std::size_t k = 0; k < change.size(); ++k) change.data()[k] -= linear_.kernel.data()[k];
    for (std::size_t k = 0; k < error.size(); ++k) error.data()[k] -= linear_logits_.data()[k];
    const auto ratio = [](const Matrix& a, const Matrix& b) {
      const double size = numerics::squared_norm_in_order(b.entries());
      return size > 0 ? std::sqrt(numerics::squared_norm_in_order(a.entries()) / size) : 0;
    };
    values.push_back(ratio(change, linear_.kernel));
    values.push_back(ratio(error, linear_logits_));
    std::ranges::copy(values, out.begin());
  }

 private:
  Matrix logits() const {
    Matrix z = pass_.outputs();
    for (std::size_t k = 0; k < z.size(); ++k) z.data()[k] -= first_.data()[k];
    return z;
  }

  std::shared_ptr<const TemperatureProblem> problem_;
  LogitProblem linear_;
  std::vector<double> theta_;
  ingredients::networks::Pass pass_;
  Matrix first_, linear_logits_;
  std::uint64_t step_ = 0;
};

}  // namespace

std::vector<Observable> temperature_observables(const TemperatureProblem& problem) {
  std::vector<Observable> out{{"loss", "nat", "-log softmax(beta z)[y], mean over points"},
                              {"accuracy", "1", "share of points with a positive margin"}};
  if (problem.kind == TaskKind::population) return out;
  out.push_back({"min_margin", "1", "beta (z_y - largest other), the least over points"});
  const std::size_t logits = problem.logits.start.size();
  if (logits <= most_logits_shown)
    for (std::size_t k = 1; k <= logits; ++k)
      out.push_back({fmt::format("z_{}", k), "logit", "point after point, class after class"});
  if (problem.kind == TaskKind::network) {
    out.push_back({"kernel_change", "1", "|K - K_0|/|K_0| of the tangent kernel, Frobenius"});
    out.push_back({"linearisation_error", "1", "|z - z_lin|/|z_lin|, the network linearised at its own start"});
  }
  return out;
}

std::vector<double> observe_logits(const LogitProblem& problem, const Matrix& logits) {
  const std::vector<double> u = margins(problem, logits);
  std::vector<double> out{
      problem.loss().value(logits, problem.targets),
      static_cast<double>(std::ranges::count_if(u, [](double x) { return x > 0; })) / static_cast<double>(u.size()),
      *std::ranges::min_element(u)};
  if (logits.size() <= most_logits_shown) out.insert(out.end(), logits.entries().begin(), logits.entries().end());
  return out;
}

std::unique_ptr<Simulation> simulate_temperature(std::shared_ptr<const TemperatureProblem> problem) {
  const std::vector<Observable> observables = temperature_observables(*problem);
  switch (problem->kind) {
    case TaskKind::population:
      return simulation_of(
          {observables, "points of their own, gradient descent on each",
           [problem](auto seed, auto index) { return std::make_unique<PopulationReplica>(problem, seed, index); }});
    case TaskKind::kernel:
      return simulation_of({observables, "features of the kernel, their weights trained: every replica is one run",
                            [problem](auto, auto) { return std::make_unique<FeatureReplica>(problem); }});
    case TaskKind::network:
      break;
  }
  return simulation_of({observables, "networks drawn anew, on the same inputs", [problem](auto seed, auto index) {
                          return std::make_unique<NetworkReplica>(problem, seed, index);
                        }});
}

}  // namespace edgewise::models::softmax_temperature
