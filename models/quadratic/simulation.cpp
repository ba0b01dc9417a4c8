#include "models/quadratic/simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "models/quadratic/mean_square.hpp"

namespace edgewise::models {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// lambda_1 of J J' along a run, from the eigenvector that it had last.
class LargestNtkEigenvalue {
 public:
  double operator()(const Matrix& j) {
    inner_.resize(j.columns());
    const auto apply = [&](std::span<const double> x, std::span<double> y) {
      linear_algebra::multiply(j.columns(), 1, j.rows(), 1, j.data(), j.rows(), Transposed::yes, x.data(), x.size(),
                               Transposed::no, 0, inner_.data(), inner_.size());
      linear_algebra::multiply(j.rows(), 1, j.columns(), 1, j.data(), j.rows(), Transposed::no, inner_.data(),
                               inner_.size(), Transposed::no, 0, y.data(), y.size());
    };
    linear_algebra::LargestEigen top = linear_algebra::largest_eigenvalues(j.rows(), 1, apply, vector_, options());
    vector_.assign(top.vectors.column(0).begin(), top.vectors.column(0).end());
    return top.values[0];
  }

 private:
  static linear_algebra::LargestOptions options() {
    linear_algebra::LargestOptions out;
    out.tolerance = 1e-7;  // of the residual; the eigenvalue is good to its square where it is isolated
    return out;
  }
  std::vector<double> vector_, inner_;
};

/// A norm beyond its pole, eta beta lambda_1 >= 2, is infinite, but the run is finite: it must not count as diverged.
constexpr double largest_norm = 1000;

double norm_square(std::span<const double> v) {
  return std::inner_product(v.begin(), v.end(), v.begin(), 0.0);
}

class QuadraticReplica final : public Replica {
 public:
  QuadraticReplica(std::shared_ptr<const QuadraticProblem> problem, std::shared_ptr<const QuadraticInstance> instance,
                   std::uint64_t seed, std::uint64_t index)
      : problem_(std::move(problem)),
        instance_(std::move(instance)),
        state_(*instance_),
        masks_(problem_->law.outputs, problem_->batch, seed, index),
        largest_loss_(quadratic_divergence * state_.loss()) {}

  void advance(std::uint64_t target) override {
    QuadraticRule rule = problem_->rule;
    for (; step_ < target && !diverged_; ++step_) {
      rule.learning_rate = problem_->learning_rate(static_cast<double>(step_));
      state_.step(rule, masks_.rows(step_));
      diverged_ = !(state_.loss() <= largest_loss_);  // not a number, too
    }
    step_ = std::max(step_, target);
  }

  void observe(std::span<double> out) const override {
    if (diverged_) {
      std::ranges::fill(out, std::numeric_limits<double>::infinity());
      return;
    }
    const Matrix& j = state_.jacobian();
    const auto d = static_cast<double>(j.rows());
    const double eta = problem_->learning_rate(static_cast<double>(step_));
    std::size_t o = 0;
    out[o++] = state_.loss() / d;
    out[o++] = norm_square(state_.theta()) / static_cast<double>(j.columns());
    out[o++] = norm_square({j.data(), j.size()}) / d;
    const bool norms = problem_->kernel_norms != KernelNorms::none;
    const bool decompose = norms && problem_->batch < problem_->law.outputs;
    linear_algebra::SymmetricEigen kernel;
    double lambda;
    if (decompose) {
      kernel = linear_algebra::symmetric_eigen(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
      lambda = kernel.values.back();
    } else {
      lambda = largest_(j);
    }
    out[o++] = lambda;
    out[o++] = eta * lambda;
    if (problem_->rule.rho > 0 && !problem_->rule.normalised)
      out[o++] = eta * lambda * (1 + problem_->rule.rho * lambda);
    if (!norms) return;
    out[o++] = decompose ? std::min(largest_norm, annealed_kernel_norm(kernel.values, eta, problem_->batch)) : 0.0;
    if (problem_->kernel_norms == KernelNorms::exact)
      out[o++] = decompose ? std::min(largest_norm, exact_kernel_norm(kernel, eta, problem_->batch)) : 0.0;
  }

 private:
  std::shared_ptr<const QuadraticProblem> problem_;
  std::shared_ptr<const QuadraticInstance> instance_;
  QuadraticState state_;
  RowMasks masks_;
  double largest_loss_;
  std::uint64_t step_ = 0;
  bool diverged_ = false;
  mutable LargestNtkEigenvalue largest_;
};

class QuadraticSimulation final : public Simulation {
 public:
  explicit QuadraticSimulation(std::shared_ptr<const QuadraticProblem> problem)
      : problem_(std::move(problem)), plan_(plan_tensors(*problem_)), observables_(quadratic_observables(*problem_)) {}

  const std::vector<Observable>& observables() const override { return observables_; }

  std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const override {
    return std::make_unique<QuadraticReplica>(problem_, instance(seed, index), seed, index);
  }

  std::string sampler() const override { return "residual space, " + plan_.text(); }
  std::string announcement() const override { return plan_.text(); }

  std::vector<std::string> warnings() const override {
    std::vector<std::string> out;
    if ((problem_->shared_instance || problem_->given) && problem_->batch == problem_->law.outputs &&
        problem_->replicas > 1)
      out.push_back("every replica is the same run: one instance, and nothing random in the steps");
    if (plan_.storage == CurvatureTensor::Storage::streamed && problem_->tensor == "auto")
      out.push_back(fmt::format("the curvature tensors do not fit in memory and are drawn anew at every step ({})",
                                plan_.text()));
    return out;
  }

  double cost() const override {
    const auto d = static_cast<double>(problem_->law.outputs), p = static_cast<double>(problem_->law.parameters);
    return d * p * p * static_cast<double>(problem_->time.steps);
  }

 private:
  std::shared_ptr<const QuadraticInstance> instance(std::uint64_t seed, std::uint64_t index) const {
    if (problem_->given) return problem_->given;
    const auto draw = [&](std::uint64_t replica) {
      return std::make_shared<const QuadraticInstance>(draw_instance(problem_->law, seed, replica, plan_.storage));
    };
    if (!problem_->shared_instance) return draw(index);
    const std::scoped_lock lock(mutex_);
    if (!shared_ || shared_seed_ != seed) {
      shared_ = draw(0);
      shared_seed_ = seed;
    }
    return shared_;
  }

  std::shared_ptr<const QuadraticProblem> problem_;
  TensorPlan plan_;
  std::vector<Observable> observables_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const QuadraticInstance> shared_;
  mutable std::uint64_t shared_seed_ = 0;
};

}  // namespace

RowMasks::RowMasks(std::size_t outputs, std::size_t batch, std::uint64_t seed, std::uint64_t replica)
    : batch_(batch), order_(outputs), stream_(seed, replica, 0, random::Purpose::batch) {}

std::span<const std::size_t> RowMasks::rows(std::uint64_t step) {
  if (batch_ == order_.size()) return {};
  stream_.seek(step);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  for (std::size_t k = 0; k < batch_; ++k) std::swap(order_[k], order_[k + stream_.below(order_.size() - k)]);
  return {order_.data(), batch_};
}

std::vector<Observable> quadratic_observables(const QuadraticProblem& problem) {
  std::vector<Observable> out = {{"loss", "label^2", "|z|^2/(2D), per output"},
                                 {"parameter_power", "1", "|theta|^2/P"},
                                 {"ntk_mean", "1", "tr K/D, K = J J'"},
                                 {"ntk_max", "1", "largest eigenvalue of K"},
                                 {"eta_lambda_max", "1", "eta times the largest eigenvalue of K"}};
  if (problem.rule.rho > 0 && !problem.rule.normalised)
    out.push_back({"sam_edge", "1", "eta lambda (1 + rho lambda) of the largest eigenvalue; SAM's edge is at 2"});
  if (problem.kernel_norms != KernelNorms::none)
    out.push_back(
        {"kernel_norm", "1", "annealed kernel norm Kn of the frozen kernel; 0 at full batch, 1000 from its pole on"});
  if (problem.kernel_norms == KernelNorms::exact)
    out.push_back({"kernel_norm_exact", "1",
                   "kernel norm Kx of the frozen kernel; 1 is the mean-square edge, 1000 stands for infinite"});
  return out;
}

std::unique_ptr<Simulation> simulate_quadratic(std::shared_ptr<const QuadraticProblem> problem) {
  return std::make_unique<QuadraticSimulation>(std::move(problem));
}

}  // namespace edgewise::models
